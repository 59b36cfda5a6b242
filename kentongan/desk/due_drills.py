"""Scheduled runs that are due: begun without an officer, or dropped and put on record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError, OperationalError

from kentongan import gates
from kentongan.alert import Kind
from kentongan.clock import to_datetime
from kentongan.desk import (
    composing,
    drill_schedules,
    drills,
    exercises,
    plans,
    scenarios,
    scheduling,
    subjects,
    submitting,
    verdicts,
)
from kentongan.desk.composing import Composed
from kentongan.desk.desk import Desk, new_id
from kentongan.desk.plans import Released
from kentongan.drill_schedules import Standing, come, read_recurrence, witnessed
from kentongan.drills import Scenario
from kentongan.errors import BadInput, LedgerUnavailable, Refused
from kentongan.ledger import Read, Write, alerts, dispatches, senders
from kentongan.ledger import drills as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.drills import Part, State, StoredDrill, StoredSchedule
from kentongan.officers import Refusal
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """What came of one hour of a schedule: `released` where the run began, else the drill says why not."""

    drill: StoredDrill
    released: Released | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """One part that is due: the exercise of an hour, or the announcement of that."""

    stored: StoredSchedule
    plan: Scenario
    part: Part
    slot: datetime


def start_due(desk: Desk) -> list[Begun]:
    """Begins every scheduled run that is due, and puts on record those that are late or may not begin.

    Any number of processes may ask: each hour of a schedule is taken once.
    """
    found: list[Begun] = []
    if senders.LEDGER in desk.ledger.read(senders.holds):
        # Restored from a backup: which hours were begun since, nobody knows until an officer looks.
        return found
    for stored in desk.ledger.read(register.schedules):
        plan = desk.settings.drills.scenarios.get(stored.schedule.scenario)
        held = desk.ledger.read(lambda read, stored=stored: drill_schedules.standing(read, stored, desk.now))  # type: ignore[misc]
        if isinstance(held, Refusal):
            if held.rule == "schedule-lapsed":
                _lapse(desk, stored)
            continue
        due, late = _come(desk, stored, held, plan)
        seconds = desk.settings.drills.late_after
        late_after = f"{seconds:g} s" if seconds % 60 else f"{seconds / 60:g} min"
        for slot in late:
            found += _drop(desk, stored, Part.EXERCISE, slot, plan, f"late: not begun within {late_after}")
        for each in due:
            found += _start(desk, each)
    return found


def _lapse(desk: Desk, stored: StoredSchedule) -> None:
    def put(write: Write) -> None:
        if drill_schedules.by_id(write, stored.schedule.id).ended_at is None:
            register.end_schedule(write, stored.schedule.id, by="", why=LAPSED)

    desk.ledger.write(put)


LAPSED = "lapsed"
"""Why a schedule ended whose officers' word is too old."""


def _come(
    desk: Desk, stored: StoredSchedule, held: Standing, plan: Scenario | None
) -> tuple[list[_Due], tuple[datetime, ...]]:
    recurrence, zone = read_recurrence(stored.schedule.every), ZoneInfo(stored.schedule.zone)
    last = desk.ledger.read(lambda read: register.last_slot(read, stored.schedule.id))
    since = max(held.since, to_datetime(last)) if last is not None else held.since
    rules = desk.settings.drills
    missed = come(recurrence, zone, since=since, now=desk.now, late_after=rules.late_after)
    if plan is None:
        return [], (*missed.late, *([missed.due] if missed.due is not None else []))
    due = [_Due(stored, plan, Part.EXERCISE, missed.due)] if missed.due is not None else []
    coming = next(recurrence.after(desk.now, zone), None)
    if plan.public and coming is not None and coming < held.until:
        opens = coming - timedelta(seconds=plan.announce_before)
        closes = coming - timedelta(seconds=rules.announce_at_least)
        told = desk.ledger.read(lambda read: register.at_slot(read, stored.schedule.id, Part.NOTICE, coming))
        in_the_way = desk.ledger.read(lambda read: exercises.yields(desk, read))
        # An announcement that has to yield waits; the exercise is dropped where it comes too late.
        if opens <= desk.now <= closes and told is None and in_the_way is None:
            due.append(_Due(stored, plan, Part.NOTICE, coming))
    return due, missed.late


def _start(desk: Desk, due: _Due) -> list[Begun]:
    try:
        return _render_and_begin(desk, due)
    except (Refused, BadInput) as error:
        return _drop(desk, due.stored, due.part, due.slot, due.plan, str(error))
    except (LedgerUnavailable, OperationalError):
        raise
    except Exception as error:
        # A mistake of ours in one scenario must not keep others from their hour.
        _log.exception("drill not made", extra={"scenario": due.stored.schedule.scenario})
        why = f"it could not be made ({type(error).__name__})"
        return _drop(desk, due.stored, due.part, due.slot, due.plan, why)


def _render_and_begin(desk: Desk, due: _Due) -> list[Begun]:
    of = due.stored.schedule
    # Looked at before anything is rendered: while people are warned, this process has other work.
    desk.ledger.read(lambda read: _refuse(desk, read, due))
    if scenarios.rehearsal(desk, of.scenario).digest != of.digest:
        raise Refused("its scenario, words or channels are not what was approved; schedule it again", rule="schedule")
    id, now = new_id(), desk.now
    code, correction_code = desk.ledger.write(lambda write: (desk.free_code(write), desk.free_code(write)))
    if code == correction_code:
        return []  # Once in a million: the next look does it.
    identifier = f"kentongan-{id}"
    if due.part is Part.NOTICE:
        draft = drills.notice(desk, due.plan, identifier=identifier, start=due.slot, now=now)
    else:
        draft = drills.exercise(desk, due.plan, identifier=identifier, start=now)
    composed = composing.compose(desk, scenarios.unstored(desk, id, code, draft), correction_code=correction_code)
    gates.refuse(composed.findings)
    composing.refuse_unrendered(composed)

    def commit(write: Write) -> list[Begun]:
        if register.at_slot(write, of.id, due.part, due.slot) is not None:
            return []
        if not (alerts.code_is_free(write, code) and alerts.code_is_free(write, correction_code)):
            return []
        _refuse(desk, write, due)
        by = f"schedule:{of.scenario}"
        alerts.insert_alert(write, id=id, code=code, kind=Kind.ALERT, mode=draft.mode, draft=draft, by=by)
        made = submitting.put_up(
            write,
            desk,
            id,
            composed,
            correction_code=correction_code,
            by=by,
            word=lambda fixed: scheduling.named(
                of.id, due.slot, desk.witness(witnessed(of, alert_id=id, digest=fixed, slot=due.slot))
            ),
        )
        exercises.refuse(desk, write, made.alert)
        released = _dispatch(desk, write, made.alert, composed, by)
        exercise = due.part is Part.EXERCISE
        drill = new_id()
        register.put(
            write,
            drill,
            scenario=of.scenario,
            part=due.part,
            state=State.RUNNING if exercise else State.DONE,
            content=due.plan.content,
            alert_id=id,
            schedule_id=of.id,
            slot=due.slot,
        )
        return [Begun(register.drill(write, drill), released)]

    return desk.ledger.write(commit)


def _dispatch(desk: Desk, write: Write, stored: StoredAlert, composed: Composed, by: str) -> Released:
    found = verdicts.of_alert(
        write,
        stored,
        policy=desk.settings.policy,
        now=desk.now,
        people=composed.people.total,
        head_key=desk.head_key,
    )
    if isinstance(found, Refusal):
        raise found.error()
    plan = plans.of(desk, write, stored, subjects.current(write, stored.id))
    people: Mapping[str, int] = composed.people.by_instance
    proof = {"by": list(found.by), "schedule": found.schedule, "people": dict(people)}
    dispatches.begin(write, stored.id, plan=plan, by=by, allowed=("submitted",), proof=proof)
    return Released(alerts.get(write, stored.id), plan, found)


def _refuse(desk: Desk, read: Read, due: _Due) -> None:
    """Raises Refused where this run may not begin now, whatever its words are."""
    current = drill_schedules.by_id(read, due.stored.schedule.id)
    held = drill_schedules.standing(read, current, desk.now)
    if current.ended_at is not None:
        raise Refused("its schedule was taken back", rule="schedule-ended")
    if isinstance(held, Refusal):
        raise held.error()
    why = exercises.yields(desk, read)
    if why is not None:
        raise Refused(why, rule="yield")
    if due.part is Part.EXERCISE and any(
        each.scenario == due.stored.schedule.scenario for each in register.running(read)
    ):
        raise Refused("the run before it is still under way", rule="schedule")


def _drop(
    desk: Desk, stored: StoredSchedule, part: Part, slot: datetime, plan: Scenario | None, why: str
) -> list[Begun]:
    id = new_id()

    def put(write: Write) -> list[Begun]:
        if register.at_slot(write, stored.schedule.id, part, slot) is not None:
            return []
        register.put(
            write,
            id,
            scenario=stored.schedule.scenario,
            part=part,
            state=State.DROPPED,
            content=plan.content if plan is not None else {},
            schedule_id=stored.schedule.id,
            slot=slot,
            why=why if plan is not None else "drills.yaml no longer has this scenario",
        )
        return [Begun(register.drill(write, id))]

    try:
        dropped = desk.ledger.write(put)
    except IntegrityError:
        return []
    for each in dropped:
        _log.info("drill dropped", extra={"scenario": each.drill.scenario, "why": each.drill.why})
    return dropped
