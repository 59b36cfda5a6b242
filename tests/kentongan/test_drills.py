"""Drills as pure decisions: relative times, targets, score, and what is done next of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kentongan.drills import Course, Measured, Scenario, Targets, facts_at, next_step, parts, score, spark

START = datetime(2026, 11, 26, 3, 0, 41, tzinfo=UTC)
TARGETS = Targets(first=10, last=60, delivered=0.9, correction=120)


@st.composite
def measurements(draw: st.DrawFn) -> Measured:
    deliveries = draw(st.integers(0, 5000))
    accepted = draw(st.integers(0, deliveries))
    receipted = draw(st.integers(0, deliveries))
    first = draw(st.integers(0, 3_600_000)) if accepted else None
    last = first + draw(st.integers(0, 3_600_000)) if first is not None else None
    to_correct = draw(st.none() | st.integers(0, deliveries))
    corrected = draw(st.integers(0, to_correct or 0))
    return Measured(
        deliveries=deliveries,
        accepted=accepted,
        first=first,
        last=last,
        receipted=receipted,
        delivered=draw(st.integers(0, receipted)),
        to_correct=to_correct,
        corrected=corrected,
        corrected_after=draw(st.integers(0, 3_600_000)) if corrected else None,
    )


targets = st.builds(
    Targets,
    first=st.floats(1, 3600),
    last=st.floats(1, 3600),
    delivered=st.floats(0.01, 1),
    correction=st.floats(1, 3600),
)


@given(measurements(), targets)
def test_a_score_is_between_0_and_100_and_whole_only_where_every_target_was_met(run: Measured, wanted: Targets) -> None:
    found = score(run, wanted)
    assert 0 <= found <= 100
    if all(part.met for part in parts(run, wanted)):
        assert found == 100


@given(measurements(), targets, st.integers(1, 600_000))
def test_being_later_never_scores_more(run: Measured, wanted: Targets, later: int) -> None:
    slower = Measured(
        **{
            **{name: getattr(run, name) for name in Measured.__dataclass_fields__},
            "last": run.last + later if run.last is not None else None,
            "corrected_after": run.corrected_after + later if run.corrected_after is not None else None,
        }
    )
    assert score(slower, wanted) <= score(run, wanted)


@given(measurements(), targets)
def test_reaching_one_more_never_scores_less(run: Measured, wanted: Targets) -> None:
    if run.first is None or run.accepted == run.deliveries:
        return
    fields = {name: getattr(run, name) for name in Measured.__dataclass_fields__}
    assert score(Measured(**{**fields, "accepted": run.accepted + 1}), wanted) >= score(run, wanted)


def test_a_run_that_reached_nobody_scores_nothing() -> None:
    assert score(Measured(deliveries=41, accepted=0, first=None, last=None, to_correct=0), TARGETS) == 0


@pytest.mark.parametrize(
    ("last", "worth"),
    [(60_000, 1.0), (90_000, 0.75), (120_000, 0.5), (180_000, 0.0), (900_000, 0.0)],
)
def test_a_time_is_worth_less_the_later_it_is_and_nothing_at_three_times_its_target(last: int, worth: float) -> None:
    run = Measured(deliveries=4, accepted=4, first=1_000, last=last)
    assert parts(run, TARGETS)[1].worth == pytest.approx(worth)


def test_what_nothing_is_known_of_does_not_count() -> None:
    bare = Measured(deliveries=4, accepted=4, first=1_000, last=2_000)
    assert [part.name for part in parts(bare, TARGETS)] == ["first", "last"]
    whole = Measured(
        deliveries=4, accepted=4, first=1_000, last=2_000, receipted=2, delivered=1, to_correct=4, corrected=0
    )
    assert {part.name: part.met for part in parts(whole, TARGETS)} == {
        "first": True,
        "last": True,
        "delivered": False,
        "correction": False,
    }


def test_a_line_of_bars_has_one_for_each_run() -> None:
    assert spark([0, 50, 100, None, 99]) == "▁▅█·█"


@given(st.lists(st.none() | st.integers(0, 100)))
def test_every_score_has_a_bar(scores: list[int | None]) -> None:
    assert len(spark(scores)) == len(scores)


def test_times_are_told_from_the_start_of_a_run() -> None:
    types = {"origin_time": "time", "arrivals": "times", "expires": "end", "place": "text"}
    facts = {
        "origin_time": "now-3min",
        "arrivals": "Pacitan=now+20min; Cilacap=now + 1h",
        "expires": "6h",
        "place": "now",
        "magnitude": 7.9,
    }
    assert facts_at(facts, types, START) == {
        "origin_time": "2026-11-26T02:57:00+00:00",
        "arrivals": "Pacitan=2026-11-26T03:20:00+00:00; Cilacap=2026-11-26T04:00:00+00:00",
        "expires": "6h",
        "place": "now",
        "magnitude": 7.9,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"public": True},
        {"public": True, "status": "Test", "notice": {"what": "x"}},
        {"notice": {"what": "x"}},
        {"correct_after": "26m"},
        {"status": "Actual"},
    ],
)
def test_a_scenario_that_could_not_run_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate({"hazard": "tsunami", "facts": {}, **wrong})


def at(seconds: float, **changes: object) -> Course:
    began = 1_000_000
    fields: dict[str, object] = {
        "now": began + round(seconds * 1000),
        "began": began,
        "sending": False,
        "confirmed": False,
        "last_activity": began + 1000,
        "correct_after": None,
        "corrected_at": None,
        "settle": 60.0,
    }
    return Course(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("course", "step"),
    [
        (at(5, sending=True), "wait"),
        (at(5), "wait"),
        (at(5, confirmed=True), "finish"),
        (at(61), "finish"),
        (at(3599, sending=True), "wait"),
        (at(3600, sending=True), "finish"),
        (at(299, confirmed=True, correct_after=300.0), "wait"),
        (at(300, sending=True, correct_after=300.0), "correct"),
        (at(301, sending=True, confirmed=True, correct_after=300.0, corrected_at=1_300_000), "wait"),
        (at(302, confirmed=True, correct_after=300.0, corrected_at=1_300_000), "finish"),
        (at(359, correct_after=300.0, corrected_at=1_300_000), "wait"),
        (at(360, correct_after=300.0, corrected_at=1_300_000), "finish"),
    ],
)
def test_a_run_waits_corrects_and_ends(course: Course, step: str) -> None:
    assert next_step(course) == step


@given(st.integers(0, 10**7), st.booleans(), st.booleans(), st.none() | st.floats(1, 1500), st.integers(0, 10**6))
def test_every_run_ends(now: int, sending: bool, confirmed: bool, correct_after: float | None, activity: int) -> None:
    """Whatever hangs, an hour after its last message a run is over."""
    course = Course(
        now=now,
        began=0,
        sending=sending,
        confirmed=confirmed,
        last_activity=min(activity, now),
        correct_after=correct_after,
        corrected_at=round(correct_after * 1000) if correct_after is not None else None,
        settle=60.0,
    )
    if now >= timedelta(hours=1).total_seconds() * 1000 + (correct_after or 0) * 1000 + 1:
        assert next_step(course) == "finish"
