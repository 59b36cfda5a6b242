"""Looks at the channels on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kentongan.concerns import concerns
from kentongan.ledger import Ledger, probes, senders, views
from kentongan.paging import Cause, Paging
from kentongan.readiness import LOST
from kentongan.seam import Mode, Readiness
from tests.kentongan.ledger.scenes import open_at

WELL = Readiness(True, "well", expires_at=datetime(2027, 1, 1, tzinfo=UTC), quota_left=250)
BAD = Readiness(False, "status 401.")
EVERY = 180_000


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000_000

    def wall(self) -> int:
        return self.at

    def boot(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    open_at(tmp_path / "ledger.db").close()
    with Ledger.open(tmp_path / "ledger.db", clock=clock) as ledger:
        yield ledger


def look(ledger: Ledger, seen: Readiness | None, *, every: int = EVERY, name: str = "sms") -> str | None:
    id = ledger.write(lambda write: probes.begin(write, name, every=every))
    if id is not None and seen is not None:
        ledger.write(lambda write: probes.settle(write, id, seen, took=12))
    return id


def flips(ledger: Ledger) -> list[str]:
    return [each.type for each in ledger.read(lambda read: views.events(read)) if each.type.startswith("instance.")]


def test_what_was_seen_is_kept_whole(ledger: Ledger, clock: Clock) -> None:
    look(ledger, WELL)
    (standing,) = ledger.read(probes.standings).values()
    assert standing.last.seen == WELL
    assert (standing.last.at, standing.last.took, standing.failing) == (clock.at, 12, 0)


def test_a_look_is_made_once_in_its_time_by_whomever(ledger: Ledger, clock: Clock) -> None:
    assert look(ledger, WELL) is not None
    clock.at += EVERY - 1
    assert look(ledger, WELL) is None
    assert look(ledger, WELL, every=0) is not None
    clock.at += EVERY
    assert look(ledger, WELL) is not None


def test_a_look_under_way_keeps_others_off_until_it_is_lost(ledger: Ledger, clock: Clock) -> None:
    assert look(ledger, None) is not None
    clock.at += LOST - 1
    assert look(ledger, None, every=1000) is None
    clock.at += 1
    assert look(ledger, None, every=1000) is not None


def test_a_look_that_was_never_answered_counts_as_none(ledger: Ledger) -> None:
    look(ledger, None)
    assert ledger.read(probes.standings) == {}


def test_a_clock_that_is_set_back_hides_nothing(ledger: Ledger, clock: Clock) -> None:
    look(ledger, BAD)
    clock.at -= 86_400_000
    assert look(ledger, WELL) is not None
    assert ledger.read(probes.standings)["sms"].last.seen.ready


def test_a_row_of_failures_keeps_its_beginning_however_long_it_is(ledger: Ledger, clock: Clock) -> None:
    look(ledger, WELL)
    clock.at += EVERY
    began = clock.at
    for _ in range(probes.KEPT + 20):
        look(ledger, BAD)
        clock.at += EVERY
    standing = ledger.read(probes.standings)["sms"]
    assert (standing.failing, standing.since) == (probes.KEPT + 20, began)
    kept = ledger.read(lambda read: read.sql("SELECT count(*) FROM probe").scalar_one())
    assert kept == probes.KEPT


def test_only_a_change_enters_the_record(ledger: Ledger, clock: Clock) -> None:
    for seen in (WELL, WELL, BAD, BAD, WELL):
        look(ledger, seen)
        clock.at += EVERY
    assert flips(ledger) == ["instance.unready", "instance.ready"]


def test_the_first_look_enters_the_record_where_it_fails(ledger: Ledger) -> None:
    look(ledger, BAD)
    assert flips(ledger) == ["instance.unready"]


def paged(ledger: Ledger, modes: dict[str, Mode], **paging: int) -> list[tuple[str, str]]:
    found = ledger.read(lambda read: concerns(read, paging=Paging(**paging), modes=modes))
    return [(each.about, each.status.value) for each in found if each.cause is Cause.UNREADY]


def test_officers_are_paged_once_for_a_channel_that_goes_on_failing(ledger: Ledger, clock: Clock) -> None:
    began = clock.at
    look(ledger, BAD)
    assert paged(ledger, {"sms": Mode.LIVE}) == []
    assert paged(ledger, {"sms": Mode.LIVE}, unready_after=1) == [(f"unready:sms:{began}", "Actual")]
    for _ in range(3):
        clock.at += EVERY
        look(ledger, BAD)
        assert paged(ledger, {"sms": Mode.LIVE}) == [(f"unready:sms:{began}", "Actual")]
    assert paged(ledger, {"sms": Mode.DRILL}) == [(f"unready:sms:{began}", "Exercise")]
    clock.at += EVERY
    look(ledger, WELL)
    assert paged(ledger, {"sms": Mode.LIVE}) == []


def test_nobody_is_paged_for_a_channel_that_is_gone_or_held_or_no_longer_looked_at(
    ledger: Ledger, clock: Clock
) -> None:
    for _ in range(2):
        look(ledger, BAD)
        clock.at += EVERY
    assert paged(ledger, {"other": Mode.LIVE}) == []
    ledger.write(lambda write: senders.hold(write, instance="sms", reason="401"))
    assert paged(ledger, {"sms": Mode.LIVE}) == []
    ledger.write(lambda write: senders.release_hold(write, instance="sms", by="siti"))
    assert len(paged(ledger, {"sms": Mode.LIVE})) == 1
    clock.at += 86_400_000
    assert paged(ledger, {"sms": Mode.LIVE}) == []
