"""What the service writes of itself, and what it never writes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import logging.config
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy

from console.office import kept_log
from console.service import child
from console.service.log import FORMS, WITHHELD, Form, log_to, take_over
from kentongan.ledger import Ledger
from kentongan.state import State
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


def test_the_same_line_goes_to_standard_error_for_whoever_wants_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_to(tmp_path / "service.log", on_stderr="json", level="debug"):
        logging.getLogger("kentongan.dispatcher").debug("run waits", extra={"instance": "sms"})
    told = capsys.readouterr().err
    assert told == (tmp_path / "service.log").read_text("utf-8")
    line = json.loads(told)
    assert list(line) == ["time", "level", "logger", "message", "instance"]
    assert line["time"].endswith("Z")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


def test_in_text_every_message_stays_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with log_to(tmp_path / "service.log", on_stderr="text"):
        logging.getLogger("channels").warning("channel held", extra={"why": "one\nERROR kentongan: two"})
        logging.getLogger("channels").debug("nobody asked")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r'WARNING channels: channel held why="one\nERROR kentongan: two"')


@pytest.fixture
def _as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web server's loggers as they are before Prefect is imported, which another test may have done."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        for attribute, value in (("propagate", True), ("handlers", []), ("level", logging.NOTSET), ("disabled", False)):
            monkeypatch.setattr(logger, attribute, value)


@pytest.mark.usefixtures("_as_installed")
@pytest.mark.parametrize("form", FORMS)
async def test_the_words_of_libraries_are_withheld_and_their_place_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Form
) -> None:
    with log_to(tmp_path / "service.log", on_stderr=form):
        # So asyncio tells of an error that nobody awaited, with the error's text in its message.
        error = ValueError(f"no row for {ADDRESS}")
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": error, "task": error})
        logging.getLogger("httpx").info("HTTP Request: POST https://provider.example/%s", ADDRESS)
        # Not Prefect's: it speaks on its own once it is imported, until `take_over`.
        logging.getLogger("sqlalchemy.pool.impl.QueuePool").error("Exception during reset of %s", ADDRESS)
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    for told in (capsys.readouterr().err, (tmp_path / "service.log").read_text("utf-8")):
        assert ADDRESS not in told
        assert "HTTP Request" not in told
        assert told.count(WITHHELD) == 2
        assert "base_events:" in told
        assert told.count("ValueError") == 1
        assert told.count("Invalid HTTP request received.") == 1


def test_a_library_that_sets_up_logging_on_its_own_neither_closes_ours_nor_writes_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web = logging.getLogger("uvicorn.error")
    with log_to(tmp_path / "service.log", on_stderr="json"):
        console = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        # As Prefect does, which thereby closes every handler there is.
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"console": console},
                "loggers": {"uvicorn": {"handlers": ["console"], "propagate": False}},
            }
        )
        take_over()
        web.warning("Exceeded concurrency limit.")
    for told in (capsys.readouterr().err, (tmp_path / "service.log").read_text("utf-8")):
        assert [json.loads(line)["message"] for line in told.splitlines()] == ["Exceeded concurrency limit."]


class Stuck(io.StringIO):
    """What is written to it waits until somebody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read_again = threading.Event()

    def write(self, text: str) -> int:
        self.read_again.wait()
        return super().write(text)


def test_whoever_stops_reading_standard_error_holds_up_nobody_and_hears_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.service.log._MOST_WAITING", 10)
    stuck = Stuck()
    with contextlib.redirect_stderr(stuck), log_to(tmp_path / "service.log", on_stderr="json"):
        for number in range(50):
            logging.getLogger("kentongan").warning("sweep waits", extra={"number": number})
        stuck.read_again.set()
    assert len((tmp_path / "service.log").read_text("utf-8").splitlines()) == 50
    lines = [json.loads(line) for line in stuck.getvalue().splitlines()]
    lost = [line["count"] for line in lines if line["message"] == "lines dropped"]
    assert sum(lost) == 50 - (len(lines) - len(lost))
    assert lost


WHO_LOGS = """
import logging, sys
from pathlib import Path
from console.service import log
log._LAST_WORDS = 0.1
with log.log_to(Path(sys.argv[1]), on_stderr="json"):
    for number in range(5_000):
        logging.getLogger("kentongan").warning("sweep waits", extra={"number": number, "fill": "x" * 100})
sys.stderr.flush()
"""


def test_a_process_whose_standard_error_nobody_reads_ends_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WHO_LOGS, str(tmp_path / "service.log")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["number"] == 0


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


def test_a_command_that_sends_tells_a_full_disk_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = State.find(tmp_path / "state")
    (state.log / "send.log").symlink_to("/dev/full")
    with kept_log(state, "send"):
        for _ in range(2):
            logging.getLogger("kentongan.ledger").warning("outcomes wait for the ledger")
    told = capsys.readouterr().err
    assert told.count("cannot be written (No space left on device)") == 1
    assert told.count("\n") == 1


async def test_a_child_is_heard_although_what_it_says_can_be_kept_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # More than a pipe holds: unread, it would stand still for ever.
    says = "import os; [os.write(1, b'x' * 65_536) for _ in range(8)]"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", says, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(20):
        await child.keep_output(process, tmp_path / "absent" / "child.log")
        assert await process.wait() == 0
    assert capfd.readouterr().err.count("cannot be written (No such file or directory)") == 1
