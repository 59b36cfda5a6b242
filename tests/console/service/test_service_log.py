"""What the service writes of itself, and what it never writes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import sqlalchemy

from console.service.log import log_to
from kentongan.ledger import Ledger
from tests.kentongan.sending import Place

ADDRESS = "+6281234567890"


def test_an_error_is_logged_with_its_place_and_causes_and_without_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    log = logging.getLogger("console.service.pager")
    with log_to(path):
        try:
            try:
                raise ValueError(ADDRESS)
            except ValueError as error:
                raise RuntimeError(f"no page to {ADDRESS}") from error
        except RuntimeError:
            log.exception("page not sent", extra={"instance": "sms"})
    line = json.loads(path.read_text("utf-8"))
    assert (line["message"], line["instance"], line["level"]) == ("page not sent", "sms", "error")
    assert "RuntimeError" in line["exception"]
    assert "ValueError" in line["exception"]
    assert Path(__file__).name in line["exception"]
    assert ADDRESS not in path.read_text("utf-8")


def test_a_row_that_cannot_be_written_does_not_stand_in_the_error(tmp_path: Path) -> None:
    place = Place(tmp_path)
    try:
        told = _refused(place.ledger)
    finally:
        place.close()
    assert "constraint" in told
    assert ADDRESS not in told


def _refused(ledger: Ledger) -> str:
    try:
        ledger.write(lambda write: write.sql("INSERT INTO receipt (id) VALUES (:id)", {"id": ADDRESS}))
    except sqlalchemy.exc.IntegrityError as error:
        return str(error)
    raise AssertionError("the row was taken")


def test_a_full_disk_is_told_once_and_spills_no_exception(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("kentongan.ledger")
    # A device on which there is never any room; whoever starts the service may not read what it writes here.
    with log_to(Path("/dev/full")):
        for _ in range(50):
            try:
                raise OSError(f"{ADDRESS} could not be written")
            except OSError:
                logger.exception("outcome not recorded")
    told = capsys.readouterr().err
    assert told == "kentongan: /dev/full cannot be written (No space left on device); messages are lost until it can\n"
