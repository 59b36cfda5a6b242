"""When the spare is sent from, and when not."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from console import spares
from console.invocation import Invocation
from kentongan.errors import DamagedRecord, LedgerUnavailable, OtherVersion, Refused


def never(_: Path) -> int:
    raise AssertionError("nothing is sent from the spare")


def send(error: Exception | None, *, dispatched: bool = False) -> int:
    def ledger() -> int:
        if error is not None:
            raise error
        return 7

    with click.Context(click.Command("send"), obj=Invocation()):
        return spares.send("K7Q4", ledger=ledger, spool=never, resume=never, is_dispatched=lambda: dispatched)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENTONGAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KENTONGAN_SPARE_DIR", str(tmp_path / "spare"))


def test_a_ledger_that_takes_it_needs_none() -> None:
    assert send(None) == 7


@pytest.mark.parametrize(
    ("error", "dispatched"),
    [
        (LedgerUnavailable("it was lost on the way"), True),
        (OtherVersion("it was upgraded"), False),
        (DamagedRecord("one row is damaged"), False),
        (Refused("it is not approved", rule="state"), False),
    ],
)
def test_what_was_sent_off_or_is_refused_is_not_sent_from_it(error: Exception, dispatched: bool) -> None:
    with pytest.raises(type(error), match=str(error)):
        send(error, dispatched=dispatched)


def test_without_one_it_is_said_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KENTONGAN_SPARE_DIR")
    with pytest.raises(LedgerUnavailable, match="Nothing was sent; with KENTONGAN_SPARE_DIR, a folder"):
        send(LedgerUnavailable("it is locked"))
