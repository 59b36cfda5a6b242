"""A ledger that another version of Kentongan comes to: never under an alert, and never written by the older one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kentongan.clock import Process
from kentongan.database import Database, Place
from kentongan.errors import LedgerUnavailable, OtherVersion, Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, dispatches, opening, senders, views
from kentongan.ledger.opening import version_of
from kentongan.ledger.upgrading import Upgrade
from tests.kentongan.ledger.later_version import BREAKS, VERSION, Install, install
from tests.kentongan.ledger.scenes import put_texts, register_sender

__all__ = ["install"]

HOUR = 3_600_000


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a ledger of the version there is now lies, in which an alert is on its way to two people."""
    at: Place = tmp_path / "state" / "ledger.db"
    if request.param == "postgres":
        at = Database(request.getfixturevalue("address"))
    keys = StateKeys.open(tmp_path)
    with Ledger.open(at) as ledger:
        put_texts(ledger, keys, 2)
    return at


def stop(ledger: Ledger) -> None:
    ledger.write(lambda write: dispatches.stop(write, "alert1", by="siti", signed=False))


def test_no_ledger_is_upgraded_while_an_alert_is_on_its_way_and_it_can_be_stopped_meanwhile(
    place: Place, install: Install
) -> None:
    before = opening.HEAD
    install()
    with pytest.raises(Refused, match=f"is of version {before}, .* alert K7Q4 is on its way: .*upgrade --now"):
        Ledger.open(place)
    assert version_of(place) == before
    with Ledger.open(place, upgrade=Upgrade.NEVER) as ledger:
        stop(ledger)
        assert ledger.read(lambda read: dispatches.planned_and_unsent(read, "alert1")) == (2, 2)
    with Ledger.open(place) as ledger:
        assert version_of(place) == VERSION
        assert len(ledger.read(lambda read: views.deliveries(read, "alert1"))) == 2
        assert ledger.read(lambda read: read.sql("SELECT count(*) FROM to_come").scalar_one()) == 0
        ledger.write(lambda write: write.event("note"))


def test_what_nobody_sends_any_more_the_newer_one_takes_over_when_it_is_told_to(place: Place, install: Install) -> None:
    with Ledger.open(place) as ledger:
        sender = register_sender(ledger, "s1", Process.current())
        install()
        with pytest.raises(Refused, match=r"sent by the Kentongan of before \(send\); end it on every host"):
            Ledger.open(place, upgrade=Upgrade.UNUSED)
        ledger.write(lambda write: senders.end(write, sender=sender))
    with Ledger.open(place, upgrade=Upgrade.UNUSED) as ledger:
        assert [d.word for d in ledger.read(lambda read: views.deliveries(read, "alert1"))] == ["planned", "planned"]
    assert version_of(place) == VERSION


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ("UPDATE delivery SET stage = 'claimed'", True),
        ("UPDATE delivery SET stage = 'done', result = 'in_doubt'", False),
        ("UPDATE delivery SET deliver_by = 1", False),
        ("UPDATE delivery SET deliver_by = 1, stage = 'sending'", True),
        ("UPDATE alert SET state = 'stopped'", False),
        ("UPDATE dispatch SET expanded = 0", True),
    ],
)
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_an_alert_is_on_its_way_as_long_as_anything_of_it_can_be_sent(
    place: Place, install: Install, change: str, runs: bool
) -> None:
    with Ledger.open(place) as ledger:
        if "expanded" in change:
            ledger.write(lambda write: write.sql("UPDATE delivery SET stage = 'done', closed = 'expired'"))
        ledger.write(lambda write: write.sql(change))
    install()
    if runs:
        with pytest.raises(Refused):
            Ledger.open(place)
    else:
        Ledger.open(place).close()
    assert (version_of(place) == VERSION) is not runs


def test_an_older_process_writes_nothing_to_a_newer_ledger_not_even_an_outcome(place: Place, install: Install) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(write: Write) -> None:
        write.event("note", note="before")
        held.set()
        assert go_on.wait(30)

    with Ledger.open(place) as older:
        stop(older)
        last = older._submit(hold, must=False, beside=True)
        assert held.wait(30)
        install()
        upgrading = threading.Thread(target=lambda: Ledger.open(place).close())
        upgrading.start()
        # What it is just writing it may still commit.
        go_on.set()
        last.result(30)
        upgrading.join()
        for must in (False, True):
            late = older._submit(lambda write: write.event("note", note="late"), must=must, beside=True)
            assert isinstance(late.exception(30), OtherVersion)
        with pytest.raises(OtherVersion, match=f"is of version {VERSION} now, .* start it anew"):
            older.write(lambda write: write.event("note", note="late"))
        assert [e.data["note"] for e in older.read(lambda read: views.events(read, types=["note"]))] == ["before"]


def test_a_migration_that_breaks_off_leaves_the_ledger_as_it_was(place: Place, install: Install) -> None:
    before = opening.HEAD
    with Ledger.open(place) as ledger:
        stop(ledger)
    install(BREAKS)
    with pytest.raises(ArithmeticError):
        Ledger.open(place)
    assert version_of(place) == before
    with Ledger.open(place, upgrade=Upgrade.NEVER) as ledger:
        ledger.write(lambda write: write.event("note"))
        assert len(ledger.read(lambda read: views.events(read, types=["note"]))) == 1


def test_an_older_kentongan_leaves_a_newer_ledger_alone(place: Place, install: Install, monkeypatch) -> None:
    with Ledger.open(place) as ledger:
        stop(ledger)
    before = opening.HEAD
    install()
    Ledger.open(place).close()
    monkeypatch.setattr(opening, "HEAD", before)
    for upgrade in Upgrade:
        with pytest.raises(LedgerUnavailable, match="written by a newer Kentongan"):
            Ledger.open(place, upgrade=upgrade)
