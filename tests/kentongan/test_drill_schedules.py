"""Schedules as pure decisions: when a run is due, late or lapsed, and whose word it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kentongan.alert import Kind
from kentongan.cap.model import Severity
from kentongan.drill_schedules import (
    LASTS,
    Schedule,
    ScheduledRun,
    Standing,
    come,
    may_run,
    read_recurrence,
    schedule_statement,
    standing,
    witnessed,
)
from kentongan.errors import BadInput
from kentongan.keys import StateKeys
from kentongan.officers import Officer, Refusal, Signed, SigningKey, new_officer, sign
from kentongan.seam import Mode
from kentongan.settings import Policy
from kentongan.verdict import Approved, check

JAKARTA = ZoneInfo("Asia/Jakarta")
NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
zones = st.sampled_from(["Asia/Jakarta", "Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"]).map(
    ZoneInfo
)
recurrences = st.builds(
    lambda minute, hour, day, weekday: f"{minute} {hour} {day} * {weekday}",
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["*", "26", "1-7", "*/10", "29"]),
    st.sampled_from(["*", "1", "0,6", "7"]),
)


def hours(text: str, count: int, *, after: datetime = NOW, zone: ZoneInfo = JAKARTA) -> list[str]:
    found = islice(read_recurrence(text).after(after, zone), count)
    return [moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") for moment in found]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("monthly-26th 10:00", "2026-11-26 10:00", "2026-12-26 10:00"),
        ("0 10 26 * *", "2026-11-26 10:00", "2026-12-26 10:00"),
        ("Monthly-31st 10.00", "2026-12-31 10:00", "2027-01-31 10:00"),
        ("weekly-monday 09:00", "2026-11-23 09:00", "2026-11-30 09:00"),
        ("0 9 * * 1", "2026-11-23 09:00", "2026-11-30 09:00"),
        ("daily 06:00", "2026-11-22 06:00", "2026-11-23 06:00"),
        ("30 9 1 * 1", "2026-11-23 09:30", "2026-11-30 09:30"),
        ("0 10 29 2 *", "2028-02-29 10:00", "2032-02-29 10:00"),
    ],
)
def test_a_schedule_comes_when_it_says(text: str, first: str, second: str) -> None:
    assert hours(text, 2) == [first, second]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hourly",
        "monthly-26th",
        "monthly-32nd 10:00",
        "weekly-someday 10:00",
        "daily 24:00",
        "0 10 31 2 *",
        "* * * * *",
        "0,30 10 * * *",
        "0 10 * *",
        "0 10 * * * *",
        "0 10 * * 8",
        "0 10 */0 * *",
        "0 10 9-2 * *",
        "٠ 10 * * *",
    ],
)
def test_what_is_no_schedule_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput):
        read_recurrence(text)


@given(recurrences, moments, zones)
def test_hours_come_in_order_after_the_moment_and_at_the_local_time(
    text: str, moment: datetime, zone: ZoneInfo
) -> None:
    recurrence = read_recurrence(text)
    found = list(islice(recurrence.after(moment, zone), 5))
    assert found == sorted(set(found))
    assert all(each > moment for each in found)
    for each in found:
        local = each.astimezone(zone)
        skipped = local.replace(fold=0).astimezone(UTC) != each
        # Where clocks skip the hour, the run comes as much later as they skip.
        if (local.hour, local.minute) != (min(recurrence.hours), recurrence.minute):
            before = (each - timedelta(hours=2)).astimezone(zone).utcoffset()
            assert before != local.utcoffset() or skipped


@given(recurrences, moments, zones, st.timedeltas(timedelta(0), timedelta(days=95)))
def test_only_the_newest_run_is_due_and_only_while_it_is_not_late(
    text: str, since: datetime, zone: ZoneInfo, passed: timedelta
) -> None:
    now = since + passed
    found = come(read_recurrence(text), zone, since=since, now=now, late_after=900)
    slots = [*found.late, *([found.due] if found.due is not None else [])]
    assert slots == sorted(slots)
    assert all(since < slot <= now for slot in slots)
    if found.due is not None:
        assert now - found.due <= timedelta(minutes=15)
        assert all(slot < found.due for slot in found.late)
    elif found.late:
        assert now - found.late[-1] > timedelta(minutes=15)
    # Looking again from the newest finds nothing: what was handled once is never handled twice.
    if slots:
        again = come(read_recurrence(text), zone, since=slots[-1], now=now, late_after=900)
        assert (again.due, again.late) == (None, ())


# --- Whose word ---


@cache
def officer(name: str) -> tuple[Officer, SigningKey]:
    return new_officer(name, SecretStr("kucing lima ekor"), now=NOW - timedelta(days=400), cost=2**14)


def officers(*names: str) -> dict[str, Officer]:
    return {name: officer(name)[0] for name in names or ("siti", "budi", "made")}


SCHEDULE = Schedule("s1", "tsunami", "d" * 64, "monthly-26th 10:00", "Asia/Jakarta", correct=True)


def signed(name: str, at: datetime = NOW, schedule: Schedule = SCHEDULE) -> Signed:
    return sign(schedule_statement(schedule, at), officer(name)[1])


def rule(*words: Signed, now: datetime = NOW, schedule: Schedule = SCHEDULE) -> str:
    found = standing(schedule, words, officers=officers(), now=now)
    return found.rule if isinstance(found, Refusal) else "stands"


def test_a_schedule_takes_the_word_of_two_officers() -> None:
    assert rule() == "schedule-approval"
    assert rule(signed("siti")) == "schedule-approval"
    assert rule(signed("siti"), signed("siti", NOW - timedelta(hours=1))) == "schedule-approval"
    assert rule(signed("siti"), signed("budi")) == "stands"


def test_a_word_on_another_schedule_or_by_a_stranger_does_not_count() -> None:
    for change in (
        {"digest": "e" * 64},
        {"every": "daily 06:00"},
        {"scenario": "flood"},
        {"id": "s2"},
        {"correct": False},
    ):
        other = replace(SCHEDULE, **change)  # type: ignore[arg-type]
        assert rule(signed("siti"), signed("budi", schedule=other)) == "schedule-approval"
    forged = replace(signed("budi"), officer="made")
    assert rule(signed("siti"), forged) == "schedule-approval"
    stranger = signed("eka")
    assert rule(signed("siti"), stranger) == "schedule-approval"


def test_a_schedule_lapses_ninety_days_after_the_older_word() -> None:
    words = (signed("siti", NOW - timedelta(days=30)), signed("budi"))
    ends = NOW - timedelta(days=30) + LASTS
    found = standing(SCHEDULE, words, officers=officers(), now=NOW)
    assert isinstance(found, Standing)
    assert (found.until, found.since) == (ends, NOW)
    assert rule(*words, now=ends - timedelta(seconds=1)) == "stands"
    assert rule(*words, now=ends) == "schedule-lapsed"


def test_a_word_that_is_dated_ahead_does_not_count_yet() -> None:
    assert rule(signed("siti"), signed("budi", NOW + timedelta(days=60))) == "schedule-approval"


def test_a_revoked_officers_word_no_longer_counts() -> None:
    gone = {**officers(), "budi": replace(officers()["budi"], revoked_at=NOW - timedelta(minutes=1))}
    found = standing(SCHEDULE, (signed("siti"), signed("budi")), officers=gone, now=NOW)
    assert isinstance(found, Refusal)


SLOT = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> StateKeys:
    return StateKeys.open(tmp_path_factory.mktemp("state"))


def a_run(keys: StateKeys, *, digest: str = "a" * 64, alert: str = "alert1", **changes: object) -> ScheduledRun:
    witness = keys.witness(witnessed(SCHEDULE, alert_id=alert, digest=digest, slot=SLOT))
    words = (signed("siti"), signed("budi"))
    made = ScheduledRun(SCHEDULE, words, SLOT, ended=False, witness=witness, head_key=keys.head_public_key)
    return replace(made, **changes)  # type: ignore[arg-type]


def verdict(run: ScheduledRun, *, mode: Mode = Mode.DRILL) -> Approved | Refusal:
    return check(
        [],
        code="K7Q4",
        submitter="schedule:tsunami",
        digest="a" * 64,
        people=0,
        officers=officers(),
        now=NOW,
        kind=Kind.ALERT,
        severity=Severity.SEVERE,
        policy=Policy(),
        mode=mode,
        alert_id="alert1",
        scheduled=run,
    )


def test_a_scheduled_run_goes_by_the_word_on_its_schedule(keys: StateKeys) -> None:
    assert verdict(a_run(keys)) == Approved(("budi", "siti"), schedule="s1")


def test_a_run_that_this_installation_has_not_rendered_goes_nowhere(keys: StateKeys, tmp_path: Path) -> None:
    strange = StateKeys.open(tmp_path)
    wrong = {
        "another alert": a_run(keys, alert="alert2"),
        "other words": a_run(keys, digest="b" * 64),
        "another hour": a_run(keys, slot=SLOT + timedelta(days=30)),
        "another schedule": a_run(keys, schedule=replace(SCHEDULE, id="s2")),
        "another key": a_run(strange, head_key=keys.head_public_key),
        "no key": a_run(keys, head_key=b""),
        "no witness": a_run(keys, witness=b""),
    }
    found = {name: verdict(run) for name, run in wrong.items()}
    assert {
        name: each.rule if isinstance(each, Refusal) else "passes" for name, each in found.items()
    } == dict.fromkeys(wrong, "schedule-witness")


def test_no_schedule_ever_sends_a_live_alert(keys: StateKeys) -> None:
    found = verdict(a_run(keys), mode=Mode.LIVE)
    assert isinstance(found, Refusal)
    assert found.rule == "schedule-live"


def test_a_schedule_that_was_taken_back_lets_nothing_go(keys: StateKeys) -> None:
    run = a_run(keys, ended=True)
    found = may_run(run, code="K7Q4", alert_id="alert1", digest="a" * 64, officers=officers(), now=NOW)
    assert isinstance(found, Refusal)
    assert found.rule == "schedule-ended"
