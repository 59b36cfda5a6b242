"""The ledger's contract on SQLite, and what only a file can suffer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from kentongan.delivery import Evidence, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, claims, outcomes, views
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, Reason
from tests.kentongan.ledger.contract_of_commits import CommitsContract
from tests.kentongan.ledger.contract_of_senders import SendersContract
from tests.kentongan.ledger.scenes import later, open_at, public, put_dispatch, register_sender


def open_sqlite(place: str, chain: str) -> Ledger:
    return Ledger.open(Path(place), chain=chain)


class TestSqlite(SendersContract, CommitsContract):
    open_ledger = staticmethod(open_sqlite)
    sinking = "SELECT * FROM no_such_table"

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return str(tmp_path / "ledger.db")

    def another_place(self, tmp_path: Path) -> str:
        return str(tmp_path / "another.db")


def test_only_its_owner_can_read_the_file_and_its_journals(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with open_at(tmp_path / "state" / "ledger.db") as ledger:
            ledger.write(lambda write: write.event("note"))
            found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "state").glob("ledger.db*")}
    finally:
        os.umask(before)
    assert set(found.values()) == {0o600}
    assert {"ledger.db", "ledger.db-wal"} <= found.keys()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a full disk can only be made where this user may mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    keys = StateKeys.open(tmp_path)
    with open_at(small_disk / "ledger.db") as ledger:
        ledger.write(lambda write: put_dispatch(write, [public("toots", later(), ("id",))]))
        sender = register_sender(ledger, "s1")
        (claimed,) = ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance="toots", most=1)
        )
        ledger.write(
            lambda write: claims.intend(write, sender=sender, deliveries=[claimed.id], phase=Phase.IRREVERSIBLE)
        )
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"")
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        before = ledger.read(lambda read: views.events(read))
        with pytest.raises(LedgerUnavailable, match="disk is full; make room and try again") as raised:
            ledger.write(lambda write: write.event("note", text="x" * 100_000))
        assert "\n" not in str(raised.value)
        assert ledger.read(lambda read: views.events(read)) == before
        settled = Settled(claimed.id, 1, Decision(Evidence.ACCEPTED, Reason.ACCEPTED, "x" * 100_000))
        outcome = asyncio.create_task(
            ledger.write_soon(lambda write: outcomes.settle(write, sender=sender, outcomes=[settled]), must=True)
        )
        for _ in range(3):
            with pytest.raises(LedgerUnavailable, match="disk is full"):
                await ledger.write_soon(lambda write: write.event("note", text="x" * 100_000))
        assert not outcome.done()
        ballast.unlink()
        await asyncio.wait_for(outcome, 30)
        assert [d.word for d in ledger.read(lambda read: views.deliveries(read, "alert1"))] == ["accepted"]
    # And it is all there for whoever opens it next.
    with open_at(small_disk / "ledger.db") as ledger:
        assert ledger.read(lambda read: views.events(read))[: len(before)] == before
    del keys


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_at(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(LedgerUnavailable, match="written by a newer Kentongan"):
        open_at(path)


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(LedgerUnavailable, match="is damaged or no ledger; restore it from a backup"):
        open_at(path)


def test_a_damaged_page_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_at(path) as ledger:
        for number in range(200):
            ledger.write(lambda write, n=number: write.event("note", text=f"{n}" * 200))  # type: ignore[misc]
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(path.stat().st_size - 4096 * 3))
    with pytest.raises(LedgerUnavailable, match="is damaged or no ledger") as raised, open_at(path) as ledger:
        ledger.read(lambda read: views.events(read))
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(LedgerUnavailable) as raised:
        open_at(tmp_path / "state" / "ledger.db")
    assert "\n" not in str(raised.value)


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    """`status` and `log` open the ledger and answer while another program holds it."""
    path = tmp_path / "ledger.db"
    open_at(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_at(path) as ledger:
            assert ledger.read(lambda read: views.events(read)) == []


def test_a_mistake_of_ours_is_no_unavailable_ledger(tmp_path: Path) -> None:
    with open_at(tmp_path / "ledger.db") as ledger, pytest.raises(DBAPIError):
        ledger.write(lambda write: write.sql("INSERT INTO hold (instance) VALUES ('x')"))
