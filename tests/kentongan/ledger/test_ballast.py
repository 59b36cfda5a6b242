"""Ballast: a full disk lets the ledger go on, tells officers, and is made good when there is room."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan import concerns
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, ballast, views
from kentongan.ledger.opening import is_full
from kentongan.paging import Cause, Paging
from tests.kentongan.ledger.scenes import open_at
from tests.kentongan.safekeeping.installations import differences, disk

SIZE = 3_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk on which a ledger and twice its ballast have room."""
    with disk(tmp_path / "small", "10m") as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Leaves not a byte."""
    filling = folder / "filling"
    with filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filling


def note(write: Write) -> None:
    write.event("note", text="x" * 50_000)


def write_for_ever(ledger: Ledger) -> None:
    while True:
        ledger.write(note)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def causes(ledger: Ledger) -> list[Cause]:
    return [each.cause for each in ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={}))]


async def test_the_writer_goes_on_by_itself_and_officers_are_told(small: Path, tmp_path: Path) -> None:
    keys = StateKeys.open(tmp_path)
    with open_at(small / "ledger.db") as ledger, open_at(small / "ledger.db", chain="other") as other:
        assert ledger.ballast.make(SIZE)
        lies = (small / "ledger.db.ballast").stat()
        assert stat.S_IMODE(lies.st_mode) == 0o600
        assert lies.st_blocks * 512 >= SIZE
        filling = fill(small)
        # Two at once: one of them finds the ballast gone, and the room that it left.
        await asyncio.gather(*(each.write_soon(note) for each in (ledger, other, ledger, other)))
        assert not ledger.ballast.there
        assert len(ledger.read(lambda read: views.events(read, types=("note",)))) == 4
        (used,) = ledger.read(lambda read: views.events(read, types=("ballast.used",)))
        assert ledger.read(ballast.used_at) == used.at
        assert causes(ledger) == [Cause.DISK]
        fill(small)
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            write_for_ever(ledger)
        assert not ledger.ballast.make(SIZE)
        kept = "ledger.db.ballast-for-stop"
        left = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "filling", kept}
        assert names(small) == left, "and nothing half made"
        filling.unlink()
        assert ledger.ballast.make(SIZE)
        ledger.write(lambda write: ballast.note_made(write, size=SIZE))
        assert causes(ledger) == []
        assert not ledger.ballast.make(SIZE), "it is there already"
        assert differences(ledger, keys) == []


def test_a_stop_is_recorded_when_everything_else_is_refused(small: Path) -> None:
    """Also beside a sender that takes whatever room there is, and from a process that has yet to open the ledger."""
    over = threading.Event()

    def sender(hungry: Ledger) -> None:
        while not over.is_set():
            with contextlib.suppress(LedgerUnavailable):
                hungry.write(note)

    with open_at(small / "ledger.db", chain="sender") as hungry:
        hungry.ballast.make(SIZE)
        fill(small)
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            write_for_ever(hungry)
        eater = threading.Thread(target=sender, args=(hungry,))
        eater.start()
        try:
            with Ledger.open(small / "ledger.db", urgent=True) as ledger:
                ledger.write(lambda write: write.event("stopped"), urgent=True)
        finally:
            over.set()
            eater.join()
        assert len(hungry.read(lambda read: views.events(read, types=("stopped",)))) == 1


def test_a_ledger_that_could_not_even_be_opened_is(small: Path) -> None:
    with open_at(small / "ledger.db") as ledger:
        assert ledger.ballast.make(SIZE)
        ledger.write(note)
    fill(small)
    with open_at(small / "ledger.db") as ledger:
        ledger.write(note)
        assert ledger.read(ballast.used_at) is not None
        assert not ledger.ballast.there


def test_none_is_made_that_would_itself_fill_the_disk(small: Path) -> None:
    with open_at(small / "ledger.db") as ledger:
        assert not ledger.ballast.make(shutil.disk_usage(small).free)
        assert not ledger.ballast.there


def test_without_ballast_a_full_disk_is_said_as_ever(small: Path) -> None:
    with open_at(small / "ledger.db") as ledger:
        fill(small)
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            write_for_ever(ledger)
        assert ledger.read(ballast.used_at) is None


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_a_quota_that_is_used_up_is_a_full_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, full: bool
) -> None:
    """SQLite says no more of it than "disk I/O error"."""

    def refuse(**_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert is_full(tmp_path / "ledger.db", sqlite3.OperationalError("disk I/O error")) is full
    assert not is_full(tmp_path / "ledger.db", sqlite3.OperationalError("database is locked"))


def test_room_that_another_process_is_just_giving_back_is_waited_for(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is gone before the blocks are."""
    asked = 0

    def has_room(_: ballast.Ballast) -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            filling.unlink()
        return asked > 2

    with open_at(small / "ledger.db") as ledger:
        filling = fill(small)
        monkeypatch.setattr(ballast.Ballast, "has_room", has_room)
        ledger.write(note)
        assert asked == 3
