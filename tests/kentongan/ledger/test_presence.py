"""A ledger that is deleted under those who have it open is put back whole; one that was moved waits to come back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, presence, views
from tests.kentongan.ledger.scenes import open_at
from tests.kentongan.safekeeping.installations import differences


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_PATIENCE", 0.0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def two(place: Path) -> Iterator[tuple[Ledger, Ledger]]:
    with open_at(place, chain="first") as first, open_at(place, chain="second") as second:
        for ledger in (first, second):
            # What a process has not begun to write to, it does not hold.
            ledger.write(lambda write: write.event("begun"))
        yield first, second


def note(number: int, ledger: Ledger) -> None:
    def act(write: Write) -> None:
        write.event("note", number=number)

    ledger.write(act)


def noted(ledger: Ledger) -> list[int]:
    return [event.data["number"] for event in ledger.read(lambda read: views.events(read, types=("note",)))]


@pytest.mark.parametrize("gone", [("",), ("", "-wal", "-shm")])
def test_what_was_deleted_is_put_back_by_whoever_writes_first(
    two: tuple[Ledger, Ledger], place: Path, tmp_path: Path, gone: tuple[str, ...]
) -> None:
    first, second = two
    note(1, first)
    note(2, second)
    for turn in range(2):
        for suffix in gone:
            place.with_name(place.name + suffix).unlink()
        with pytest.raises(LedgerUnavailable, match="is gone: its file was moved or deleted; move it back, or restore"):
            Ledger.open(place)
        assert not place.exists(), "and no empty one begins in its place"
        note(10 * turn + 3, first)
        assert noted(second)[-1] == 10 * turn + 3, "also to whoever only reads"
        note(10 * turn + 4, second)
        note(10 * turn + 5, first)
    with open_at(place) as third:
        assert noted(third) == noted(first) == noted(second) == [1, 2, 3, 4, 5, 13, 14, 15]
        assert differences(third, StateKeys.open(tmp_path / "keys")) == []
    assert {each.name for each in place.parent.iterdir()} == {
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
        "ledger.db.lock",
    }
    assert place.stat().st_mode & 0o777 == 0o600


def test_what_was_moved_waits_and_goes_on_when_it_is_moved_back(two: tuple[Ledger, Ledger], place: Path) -> None:
    first, second = two
    note(1, first)
    place.rename(place.with_name("elsewhere"))
    for ledger in two:
        with pytest.raises(LedgerUnavailable, match="was moved while it was in use; move it back"):
            note(2, ledger)
    assert not place.exists()
    place.with_name("elsewhere").rename(place)
    note(3, second)
    note(4, first)
    assert noted(first) == [1, 3, 4]


def test_another_ledger_in_its_place_is_never_written_to(two: tuple[Ledger, Ledger], place: Path) -> None:
    first, _ = two
    note(1, first)
    for suffix in ("", "-wal", "-shm"):
        place.with_name(place.name + suffix).unlink()
    with contextlib.closing(sqlite3.connect(place)) as other:
        other.execute("CREATE TABLE meta (name TEXT)")
    before = place.read_bytes()
    with pytest.raises(LedgerUnavailable, match="another lies in its place; end this process"):
        note(2, first)
    assert place.read_bytes() == before


def test_where_its_folder_is_gone_it_says_what_to_do(two: tuple[Ledger, Ledger], place: Path) -> None:
    first, _ = two
    note(1, first)
    for each in place.parent.iterdir():
        each.unlink()
    place.parent.rmdir()
    with pytest.raises(LedgerUnavailable, match="do not end this process, which still holds it"):
        note(2, first)
    place.parent.mkdir(mode=0o700)
    note(3, first)
    assert noted(first) == [1, 3]


async def test_an_outcome_is_kept_until_it_is_there_again(two: tuple[Ledger, Ledger], place: Path) -> None:
    first, second = two
    elsewhere = place.with_name("elsewhere")
    os.rename(place, elsewhere)
    waits = asyncio.create_task(first.write_soon(lambda write: write.event("note", number=1), must=True))
    with pytest.raises(LedgerUnavailable):
        await second.write_soon(lambda write: write.event("note", number=2))
    assert not waits.done()
    os.rename(elsewhere, place)
    await waits
    assert noted(second) == [1]
