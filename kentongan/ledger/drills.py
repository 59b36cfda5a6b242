"""Drills in the ledger: their schedules with the officers' word, every run and what came of it.

Every column of both tables stands in events, so that verification replays each row.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update

from kentongan.clock import Milliseconds, to_milliseconds
from kentongan.drill_schedules import Schedule
from kentongan.drills import Measured, Scenario
from kentongan.ledger import schema
from kentongan.ledger.chaining import canonical
from kentongan.ledger.transaction import Read, Write
from kentongan.officers import Signed
from kentongan.quick_dataclass import dataclass
from kentongan.stored import from_json, to_json


class Part(enum.StrEnum):
    """What is sent: the exercise itself, or the announcement of a public one."""

    EXERCISE = "exercise"
    NOTICE = "notice"


class State(enum.StrEnum):
    """Where a run stands; the last three are its end."""

    PREPARED = "prepared"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as the ledger holds it; until `ended_at` it counts, if its officers' word does."""

    schedule: Schedule
    signed: tuple[Signed, ...]
    created_at: Milliseconds
    ended_at: Milliseconds | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class StoredDrill:
    """One run. `scenario` is "" where the alert was drafted by hand, and `content` then holds the defaults alone.

    `release` is the signed word by which its correction goes. `result` and `score` are there when it is done.
    """

    id: str
    scenario: str
    part: Part
    schedule_id: str | None
    slot: Milliseconds | None
    alert_id: str | None
    state: State
    why: str
    content: Mapping[str, Any]
    release: Mapping[str, Any] | None
    began_at: Milliseconds | None
    ended_at: Milliseconds | None
    result: Measured | None
    score: int | None

    @property
    def plan(self) -> Scenario:
        """The scenario as it was when this run was put on record."""
        return Scenario.model_validate(self.content)


# --- Schedules ---


def add_schedule(write: Write, schedule: Schedule, signed: Signed) -> None:
    """Puts a schedule on record with its first officer's word."""
    row = {
        "id": schedule.id,
        "scenario": schedule.scenario,
        "scenario_digest": schedule.digest,
        "every": schedule.every,
        "zone": schedule.zone,
        "correct": int(schedule.correct),
        "signed": canonical([to_json(signed)]),
        "created_at": write.now,
        "ended_at": None,
        "ended_by": None,
    }
    write.execute(insert(schema.drill_schedule).values(**row))
    write.event("schedule.added", schedule=schedule.id, by=signed.officer, set=row)


def sign_schedule(write: Write, stored: StoredSchedule, signed: Signed) -> None:
    """Adds an officer's word to a schedule; an earlier one of the same officer is replaced."""
    others = [each for each in stored.signed if each.officer != signed.officer]
    changes = {"signed": canonical([to_json(each) for each in (*others, signed)])}
    _change_schedule(write, "schedule.signed", stored.schedule.id, changes, by=signed.officer)


def end_schedule(write: Write, schedule_id: str, *, by: str, why: str) -> None:
    """Takes a schedule back: no run begins from here.

    It ends after the runs that began by it, also where the clock was set back since: they keep their right.
    """
    last = write.sql(
        "SELECT max(s.at) FROM drill d JOIN dispatch s ON s.alert_id = d.alert_id WHERE d.schedule_id = :id",
        {"id": schedule_id},
    ).scalar()
    at = write.now if last is None else max(write.now, last + 1)
    _change_schedule(write, "schedule.ended", schedule_id, {"ended_at": at, "ended_by": by}, by=by, why=why)


def _change_schedule(write: Write, event: str, schedule_id: str, changes: Mapping[str, Any], **data: Any) -> None:
    table = schema.drill_schedule
    write.execute(update(table).where(table.c.id == schedule_id).values(**changes))
    write.event(event, schedule=schedule_id, set=dict(changes), **data)


def schedules(read: Read, *, ended: bool = False) -> list[StoredSchedule]:
    """The schedules that were not taken back, the oldest first; all with `ended`."""
    table = schema.drill_schedule
    statement = select(table).order_by(table.c.created_at, table.c.id)
    rows = read.execute(statement if ended else statement.where(table.c.ended_at.is_(None))).mappings()
    return [_schedule(row) for row in rows]


def schedule(read: Read, schedule_id: str) -> StoredSchedule | None:
    """The schedule of this id, if there is one."""
    table = schema.drill_schedule
    row = read.execute(select(table).where(table.c.id == schedule_id)).mappings().first()
    return _schedule(row) if row is not None else None


def _schedule(row: RowMapping) -> StoredSchedule:
    return StoredSchedule(
        schedule=Schedule(
            id=row["id"],
            scenario=row["scenario"],
            digest=row["scenario_digest"],
            every=row["every"],
            zone=row["zone"],
            correct=bool(row["correct"]),
        ),
        signed=tuple(from_json(Signed, each) for each in json.loads(row["signed"])),
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
    )


# --- Runs ---


def put(
    write: Write,
    id: str,
    *,
    scenario: str,
    part: Part,
    state: State,
    content: Mapping[str, Any],
    alert_id: str | None = None,
    schedule_id: str | None = None,
    slot: datetime | None = None,
    why: str = "",
    release: Mapping[str, Any] | None = None,
) -> None:
    """Puts a run on record; raises IntegrityError where that hour of the schedule was taken before."""
    row = {
        "id": id,
        "scenario": scenario,
        "part": part.value,
        "schedule_id": schedule_id,
        "slot": to_milliseconds(slot) if slot is not None else None,
        "alert_id": alert_id,
        "state": state.value,
        "why": why,
        "scenario_content": canonical(content),
        "release": canonical(release) if release is not None else None,
        "began_at": write.now if state is State.RUNNING else None,
        "ended_at": write.now if state in (State.DONE, State.STOPPED, State.DROPPED) else None,
        "result": None,
        "score": None,
    }
    write.execute(insert(schema.drill).values(**row))
    write.event("drill.recorded", drill=id, alert=alert_id, set=row)


def begin(write: Write, id: str, *, release: Mapping[str, Any] | None) -> None:
    """Says that a prepared run has begun, in the transaction that dispatches its alert."""
    changes = {
        "state": State.RUNNING.value,
        "began_at": write.now,
        "release": canonical(release) if release is not None else None,
    }
    _change(write, "drill.began", id, changes)


def finish(write: Write, id: str, *, measured: Measured | None, score: int | None, why: str = "") -> None:
    """Ends a run with its result."""
    result = canonical(dataclasses.asdict(measured)) if measured is not None else None
    changes = {"state": State.DONE.value, "ended_at": write.now, "result": result, "score": score, "why": why}
    _change(write, "drill.finished", id, changes)


def drop(write: Write, id: str, *, why: str) -> None:
    """Ends a prepared run that never began."""
    _change(write, "drill.dropped", id, {"state": State.DROPPED.value, "ended_at": write.now, "why": why})


def stop(write: Write, id: str, *, why: str) -> None:
    """Ends a run that is under way, without a result."""
    changes = {"state": State.STOPPED.value, "ended_at": write.now, "why": why}
    _change(write, "drill.stopped", id, changes)


def stop_running(write: Write, *, why: str) -> None:
    """Ends every run that is under way."""
    for each in running(write):
        stop(write, each.id, why=why)


def _change(write: Write, event: str, id: str, changes: Mapping[str, Any]) -> None:
    write.execute(update(schema.drill).where(schema.drill.c.id == id).values(**changes))
    write.event(event, drill=id, alert=_alert_of(write, id), set=dict(changes))


def _alert_of(read: Read, id: str) -> str | None:
    return read.execute(select(schema.drill.c.alert_id).where(schema.drill.c.id == id)).scalar()


def drill(read: Read, id: str) -> StoredDrill:
    """The run of this id; raises KeyError."""
    row = read.execute(select(schema.drill).where(schema.drill.c.id == id)).mappings().first()
    if row is None:
        raise KeyError(id)
    return _drill(row)


def of_alert(read: Read, alert_id: str) -> StoredDrill | None:
    """The run that an alert belongs to, if it does."""
    row = read.execute(select(schema.drill).where(schema.drill.c.alert_id == alert_id)).mappings().first()
    return _drill(row) if row is not None else None


def running(read: Read) -> list[StoredDrill]:
    """The runs that are under way."""
    rows = read.sql("SELECT * FROM drill WHERE state = 'running' ORDER BY began_at, id").mappings()
    return [_drill(row) for row in rows]


def history(read: Read, scenario: str | None = None, *, most: int = 200) -> list[StoredDrill]:
    """The exercises so far, oldest first, of one scenario where given; no announcements."""
    table = schema.drill
    statement = select(table).where(table.c.part == Part.EXERCISE.value)
    if scenario is not None:
        statement = statement.where(table.c.scenario == scenario)
    moment = func.coalesce(table.c.began_at, table.c.slot, table.c.ended_at)
    rows = read.execute(statement.order_by(moment.desc().nulls_last(), table.c.id.desc()).limit(most)).mappings()
    return [_drill(row) for row in rows][::-1]


def at_slot(read: Read, schedule_id: str, part: Part, slot: datetime) -> StoredDrill | None:
    """What came of one hour of a schedule, if anything did."""
    table = schema.drill
    wanted = (table.c.schedule_id == schedule_id, table.c.part == part.value, table.c.slot == to_milliseconds(slot))
    row = read.execute(select(table).where(*wanted)).mappings().first()
    return _drill(row) if row is not None else None


def last_slot(read: Read, schedule_id: str) -> Milliseconds | None:
    """The newest hour of a schedule that has come and of which something came: it ran or was dropped.

    An hour ahead was dropped by a clock that was wrong; those before it are still to come.
    """
    found: Milliseconds | None = read.sql(
        "SELECT max(slot) FROM drill WHERE schedule_id = :id AND part = 'exercise' AND slot <= :now",
        {"id": schedule_id, "now": read.now},
    ).scalar()
    return found


def announcements(read: Read, hazard: str) -> list[tuple[Milliseconds, Mapping[str, Any]]]:
    """When each announcement of a public exercise was sent that stands, and the facts in it; `hazard` is theirs."""
    rows = read.sql(
        f"SELECT s.at, {read.in_json('a.content', 'facts')} AS facts FROM alert a JOIN dispatch s ON s.alert_id = a.id"
        " WHERE a.mode = 'exercise' AND a.kind IN ('alert', 'update') AND a.state IN ('dispatched', 'ended')"
        f" AND {read.in_json('a.content', 'hazard')} = :hazard",
        {"hazard": hazard},
    )
    return [(row.at, json.loads(row.facts)) for row in rows]


def _drill(row: RowMapping) -> StoredDrill:
    return StoredDrill(
        id=row["id"],
        scenario=row["scenario"],
        part=Part(row["part"]),
        schedule_id=row["schedule_id"],
        slot=row["slot"],
        alert_id=row["alert_id"],
        state=State(row["state"]),
        why=row["why"],
        content=json.loads(row["scenario_content"]),
        release=json.loads(row["release"]) if row["release"] is not None else None,
        began_at=row["began_at"],
        ended_at=row["ended_at"],
        result=Measured(**json.loads(row["result"])) if row["result"] is not None else None,
        score=row["score"],
    )
