"""Scheduled drills at the desk: what two officers sign, what is due, late or lapsed, and that each hour runs once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kentongan.cap.model import Status
from kentongan.clock import to_datetime, to_milliseconds
from kentongan.desk import drill_schedules, drills, due_drills, releases, scenarios, verdicts, withdrawing
from kentongan.drill_schedules import LASTS, Standing
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, submissions, views
from kentongan.ledger import drills as register
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.drills import State
from kentongan.ledger.verification import verify
from kentongan.officers import Refusal
from kentongan.seam import Mode
from kentongan.words import dressing
from tests.kentongan.desk.rehearsals import (
    ALL_CHANNELS,
    SCENARIOS,
    events,
    history,
    move_to,
    rehearsing,
    run_of,
    scheduled,
    sent,
    start_due,
    state,
)
from tests.kentongan.desk.scenes import Scene, login, vouched
from tests.kentongan.ledger.scenes import NOW, open_at

SLOT = NOW.replace(day=26, hour=3, minute=0)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with rehearsing(tmp_path / "desk") as made:
        yield made


def changed(name: str, **changes: Any) -> Mapping[str, Any]:
    return {"scenarios": {**SCENARIOS, name: {**SCENARIOS[name], **changes}}}


def no_alert(desk: Scene) -> bool:
    return desk.ledger.read(alerts.listing) == []


# --- Due ---


def test_a_run_begins_at_its_hour_and_leaves_as_any_alert_does(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT - MINUTE)
    assert start_due(desk) == []
    move_to(desk, SLOT + 2 * MINUTE)
    (run,) = start_due(desk)
    assert run.released is not None
    assert run.drill.state is State.RUNNING
    assert run.drill.slot == int(SLOT.timestamp() * 1000)
    alert = run.released.alert
    assert (alert.mode, alert.draft.facts["origin_time"]) == (Mode.DRILL, "2026-11-26T09:59:00+07:00")
    assert run.released.approved.by == ("budi", "siti")
    assert vouched(desk, alert.id) is None
    assert {d.instance for d in sent(desk, alert.id)} == {"toots-drill", "bot-drill", "sms-drill", "feed-drill"}
    assert start_due(desk) == []


def test_its_correction_goes_by_the_same_right(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.released is not None
    reached = sent(desk, run.released.alert.id)
    desk.clock.pass_by(299_999)
    assert drills.advance(desk.desk) == []
    desk.clock.pass_by(1)
    (moved,) = drills.advance(desk.desk)
    assert moved.released is not None
    correction = moved.released.alert
    assert vouched(desk, correction.id) is None
    assert len(sent(desk, correction.id)) == len(reached)
    desk.clock.pass_by(61_000)
    (ended,) = drills.advance(desk.desk)
    assert (ended.step, ended.drill.state) == ("finish", State.DONE)
    assert ended.drill.score == 100
    assert drills.advance(desk.desk) == []


def test_each_hour_runs_once_however_many_processes_look(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    ledgers = [open_at(desk.folder / "ledger.db", clock=desk.clock) for _ in range(4)]
    try:
        desks = [replace(desk.desk, ledger=ledger) for ledger in ledgers]
        with ThreadPoolExecutor(4) as pool:
            found = [run for runs in pool.map(due_drills.start_due, desks) for run in runs]
    finally:
        for ledger in ledgers:
            ledger.close()
    assert len(found) == 1
    assert len([each for each in desk.ledger.read(alerts.listing) if each.state == "dispatched"]) == 1


def test_a_run_that_is_still_under_way_is_not_joined_by_the_next(desk: Scene) -> None:
    scheduled(desk, every="0 * * * *")
    move_to(desk, SLOT)
    *_, first = start_due(desk)
    assert first.released is not None
    move_to(desk, SLOT + timedelta(hours=1))
    (second,) = start_due(desk)
    assert (second.drill.state, second.drill.why) == (State.DROPPED, "the run before it is still under way")
    assert state(desk, first.released.alert.id) == "dispatched"


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_look_begins_it(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(desk)
    move_to(desk, SLOT)

    def crash(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(register, "put", crash)
        with pytest.raises(KeyboardInterrupt):
            start_due(desk)
    assert no_alert(desk)
    (run,) = start_due(desk)
    assert run.released is not None


def test_a_scenario_that_cannot_be_made_is_dropped_and_holds_up_no_other(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(desk, "quake")
    scheduled(desk, "short")
    move_to(desk, SLOT)
    make = drills.exercise

    def fail(desk: Any, plan: Any, **more: Any) -> Any:
        if plan.correct_after is not None:
            raise ZeroDivisionError
        return make(desk, plan, **more)

    monkeypatch.setattr(drills, "exercise", fail)
    broken, sound = sorted(start_due(desk), key=lambda begun: begun.drill.scenario)
    assert (broken.drill.state, broken.drill.why) == (State.DROPPED, "it could not be made (ZeroDivisionError)")
    assert sound.released is not None
    assert start_due(desk) == []


# --- Late ---


def test_a_late_run_is_dropped_and_on_record(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT + 15 * MINUTE + timedelta(seconds=1))
    (dropped,) = start_due(desk)
    assert (dropped.drill.state, dropped.drill.why) == (State.DROPPED, "late: not begun within 15 min")
    assert no_alert(desk)
    assert start_due(desk) == []
    (event,) = events(desk, "drill.recorded")
    assert event.data["set"]["why"] == dropped.drill.why


def test_a_run_is_not_late_to_the_last_second(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT + 15 * MINUTE)
    (run,) = start_due(desk)
    assert run.released is not None


def test_runs_missed_while_nobody_looked_do_not_all_come_at_once(desk: Scene) -> None:
    scheduled(desk, every="daily 10:00")
    move_to(desk, SLOT)
    found = start_due(desk)
    assert [run.drill.state for run in found] == [State.DROPPED] * 4 + [State.RUNNING]


# --- Lapsed ---


def test_a_clock_that_was_wrong_for_a_while_silences_no_later_hour(desk: Scene) -> None:
    scheduled(desk, every="daily 10:00")
    before = desk.desk.now
    move_to(desk, before + timedelta(days=60))
    ahead = {run.drill.slot for run in start_due(desk)}
    move_to(desk, before)
    first = SLOT.replace(day=before.day, hour=3) + timedelta(days=1)
    assert to_milliseconds(first) not in ahead
    move_to(desk, first)
    (run,) = start_due(desk)
    assert run.released is not None
    # What was dropped on record while the clock was wrong stays so.
    move_to(desk, to_datetime(min(each for each in ahead if each is not None)))
    assert [each.released for each in start_due(desk) if each.drill.slot in ahead] == []


def test_a_schedule_lapses_after_ninety_days_and_is_shown_as_lapsed(desk: Scene) -> None:
    scheduled(desk)
    stored = drill_schedules.scheduled(desk.desk, "quake")
    move_to(desk, NOW + LASTS - timedelta(seconds=1))
    held = desk.ledger.read(lambda read: drill_schedules.standing(read, stored, desk.desk.now))
    assert isinstance(held, Standing)
    move_to(desk, NOW + LASTS)
    assert start_due(desk) == []
    assert no_alert(desk)
    (event,) = events(desk, "schedule.ended")
    assert event.data["why"] == "lapsed"
    (ended,) = desk.ledger.read(lambda read: register.schedules(read, ended=True))
    assert (ended.ended_by, ended.ended_at is not None) == ("", True)
    start_due(desk)
    assert len(events(desk, "schedule.ended")) == 1
    scheduled(desk)


def test_no_run_begins_by_a_word_that_has_lapsed(desk: Scene) -> None:
    """The last hour before the end runs; the first one behind it does not."""
    scheduled(desk, every="daily 14:15")
    move_to(desk, NOW + timedelta(days=89, minutes=-5))
    assert any(run.released is not None for run in start_due(desk))
    move_to(desk, NOW + timedelta(days=90, minutes=-5))
    found = start_due(desk)
    assert found[-1].drill.state is State.DROPPED
    assert found[-1].drill.why == "the run before it is still under way"
    move_to(desk, NOW + timedelta(days=91, minutes=-5))
    assert start_due(desk) == []


# --- Whose word ---


def test_one_officers_word_starts_nothing(desk: Scene) -> None:
    drill_schedules.schedule(desk.desk, "quake", "monthly-26th 10:00", login("siti"))
    move_to(desk, SLOT)
    assert start_due(desk) == []
    _, held = drill_schedules.approve(desk.desk, "quake", login("siti"))
    assert isinstance(held, Refusal)
    assert start_due(desk) == []
    assert no_alert(desk)


def test_hours_before_the_second_word_are_no_runs(desk: Scene) -> None:
    drill_schedules.schedule(desk.desk, "quake", "monthly-26th 10:00", login("siti"))
    move_to(desk, SLOT + MINUTE)
    drill_schedules.approve(desk.desk, "quake", login("budi"))
    assert start_due(desk) == []
    assert history(desk) == []


def test_a_schedule_that_was_taken_back_starts_nothing(desk: Scene) -> None:
    scheduled(desk)
    drill_schedules.unschedule(desk.desk, "quake", login("made"))
    move_to(desk, SLOT)
    assert start_due(desk) == []
    with pytest.raises(BadInput):
        drill_schedules.unschedule(desk.desk, "quake", login("made"))


def test_a_schedule_taken_back_while_a_run_is_rendered_starts_nothing(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    rehearsal = scenarios.rehearsal

    def slow(*arguments: Any) -> Any:
        drill_schedules.unschedule(desk.desk, "quake", login("made"))
        return rehearsal(*arguments)

    monkeypatch.setattr(scenarios, "rehearsal", slow)
    (dropped,) = start_due(desk)
    assert (dropped.drill.state, dropped.drill.why) == (State.DROPPED, "its schedule was taken back")
    assert no_alert(desk)


def test_a_schedule_taken_back_by_a_clock_that_was_set_back_undoes_no_run(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.drill.alert_id is not None
    move_to(desk, SLOT - 120 * MINUTE)
    drill_schedules.unschedule(desk.desk, "quake", login("made"))
    assert vouched(desk, run.drill.alert_id) is None
    # Whoever it reached must be able to hear that it is over.
    released = withdrawing.release_correction(desk.desk, run.drill.alert_id, login("made"), reason="was_a_test")
    assert vouched(desk, released.alert.id) is None


def test_a_revoked_officers_schedule_starts_nothing(desk: Scene) -> None:
    scheduled(desk)
    desk.revoke("budi")
    move_to(desk, SLOT)
    assert start_due(desk) == []
    assert no_alert(desk)


@pytest.mark.parametrize(
    "config",
    [
        {"drills": changed("quake", facts={**SCENARIOS["quake"]["facts"], "place": "Pacitan"})},
        {"drills": changed("quake", correct_after="6m")},
        {"agency": {"contact": "119"}},
        {"audiences": {"subscribers": {"groups": ["staff"]}}},
        {"drills": {"scenarios": {}}},
    ],
)
def test_what_officers_did_not_approve_does_not_run(desk: Scene, config: Mapping[str, Any]) -> None:
    scheduled(desk)
    desk.reconfigure(**{"instances": ALL_CHANNELS, "drills": {"scenarios": dict(SCENARIOS)}, **config})
    move_to(desk, SLOT)
    (dropped,) = start_due(desk)
    assert dropped.drill.state is State.DROPPED
    assert no_alert(desk)


def test_the_second_officer_signs_what_the_first_one_saw_or_nothing(desk: Scene) -> None:
    drill_schedules.schedule(desk.desk, "quake", "monthly-26th 10:00", login("siti"))
    desk.reconfigure(drills=changed("quake", correct_after="6m"))
    with pytest.raises(Refused, match="is not what was scheduled"):
        drill_schedules.approve(desk.desk, "quake", login("budi"))


def test_a_scenario_has_one_schedule(desk: Scene) -> None:
    scheduled(desk)
    with pytest.raises(Refused, match="is scheduled already"):
        drill_schedules.schedule(desk.desk, "quake", "daily 10:00", login("made"))


def test_the_same_scenario_renders_to_the_same_digest_at_any_time(desk: Scene) -> None:
    first = scenarios.rehearsal(desk.desk, "quake").digest
    desk.clock.pass_by(40 * 86_400_000 + 12_345)
    assert scenarios.rehearsal(desk.desk, "quake").digest == first
    assert scenarios.rehearsal(desk.desk, "short").digest != first


def test_what_is_said_of_shortening_is_none_of_the_words_that_were_approved(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    shortened = dressing._shortened

    def noted(*given: Any) -> Any:
        told.append(shortened(*given))
        return None

    first = scenarios.rehearsal(desk.desk, "quake").digest
    monkeypatch.setattr(dressing, "_shortened", noted)
    assert scenarios.rehearsal(desk.desk, "quake").digest == first
    assert any(told), "nothing of it is shortened"


# --- Forged ---


def test_a_sender_refuses_a_scheduled_run_whose_record_was_changed(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.released is not None
    alert = run.released.alert.id
    assert vouched(desk, alert) is None
    assert desk.ledger.read(lambda read: verdicts.vouch(read, alert, policy=desk.desk.settings.policy)) is not None

    def attempt(statement: str, **parameters: Any) -> str | None:
        before = desk.ledger.read(
            lambda read: [
                read.sql(f"SELECT * FROM {table}").mappings().all() for table in ("rendering", "drill_schedule")
            ]
        )
        desk.change(statement, parameters)
        found = vouched(desk, alert)
        for row in before[0]:
            desk.change(
                "UPDATE rendering SET content = :content WHERE alert_id = :alert_id AND instance = :instance"
                " AND language = :language",
                dict(row),
            )
        for row in before[1]:
            desk.change(
                "UPDATE drill_schedule SET signed = :signed, scenario_digest = :scenario_digest WHERE id = :id",
                dict(row),
            )
        assert vouched(desk, alert) is None
        return found

    assert "not what its schedule rendered" in str(
        attempt("UPDATE rendering SET content = replace(content, 'Manna', 'Bandung') WHERE alert_id = :id", id=alert)
    )
    assert "needs the word of two officers" in str(attempt("UPDATE drill_schedule SET signed = '[]'"))
    assert attempt("UPDATE drill_schedule SET scenario_digest = 'x'") is not None


def test_a_live_alert_cannot_pass_as_a_scheduled_run(desk: Scene) -> None:
    """Somebody who can write the ledger moves a schedule's right over to a live alert."""
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.released is not None
    source = desk.ledger.read(lambda read: submissions.latest(read, run.released.alert.id))  # type: ignore[union-attr]
    assert source is not None
    observed = (desk.desk.now - timedelta(minutes=2)).isoformat()
    stored = desk.submitted({"origin_time": observed}, status=Status.ACTUAL)
    own = desk.ledger.read(lambda read: submissions.latest(read, stored.id))
    assert own is not None
    forged = {**own.subject, "scheduled": source.subject["scheduled"]}
    desk.change(
        "UPDATE submission SET subject = :subject WHERE id = :id", {"subject": json.dumps(forged), "id": own.id}
    )
    with pytest.raises(Refused) as refused:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert refused.value.rule == "schedule-live"


def test_the_record_of_a_scheduled_run_verifies_and_every_changed_column_is_found(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.released is not None
    key = desk.keys.head_public_key

    def differences() -> list[str]:
        found = desk.ledger.read(lambda read: verify(read, head=None, public_key=key))
        return [f"{each.place} {each.sentence}" for each in found.differences]

    assert differences() == []
    for table in ("drill_schedule", "drill"):
        row = dict(desk.ledger.read(lambda read, t=table: read.sql(f"SELECT * FROM {t}").mappings().one()))  # type: ignore[misc]
        for column, value in row.items():
            desk.change(f"UPDATE {table} SET {column} = 7777")
            assert differences() != [], (table, column)
            desk.change(f"UPDATE {table} SET {column} = :value", {"value": value})
            assert differences() == []


def test_an_officer_may_withdraw_a_scheduled_run_before_its_time(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT)
    (run,) = start_due(desk)
    assert run.released is not None
    sent(desk, run.released.alert.id)
    by_hand = withdrawing.release_correction(desk.desk, run.released.alert.code, login("made"), reason="wrong_area")
    assert vouched(desk, by_hand.alert.id) is None
    sent(desk, by_hand.alert.id)
    desk.clock.pass_by(600_000)
    (ended,) = drills.advance(desk.desk)
    assert ended.drill.state is State.DONE
    assert desk.ledger.read(lambda read: ledger_threads.messages(read, by_hand.alert.id))[1:] == [by_hand.alert.id]
    assert run_of(desk, run.released.alert.id).state is State.DONE
    assert desk.ledger.read(lambda read: views.is_open(read, by_hand.alert.id)) is False
