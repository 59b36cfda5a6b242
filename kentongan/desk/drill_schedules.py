"""Schedules of drills at the desk: two officers' word on a scenario, given, looked up and taken back."""

from __future__ import annotations

from datetime import datetime

from kentongan import drill_schedules
from kentongan.desk import drills, scenarios
from kentongan.desk.desk import Desk, new_id
from kentongan.drill_schedules import Schedule, Standing, read_recurrence, schedule_statement
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, Write
from kentongan.ledger import drills as register
from kentongan.ledger import officers as officer_register
from kentongan.ledger.drills import StoredSchedule
from kentongan.login import Login
from kentongan.officers import Refusal, sign


def schedule(desk: Desk, name: str, every: str, login: Login | None) -> StoredSchedule:
    """Puts a schedule on record with this officer's word; it counts when a second officer has approved it.

    Raises Refused where the scenario has a schedule that still counts, or that another officer has yet to approve.
    """
    acting = desk.acting(login)
    plan = drills.scenario(desk, name)
    made = Schedule(
        id=new_id(),
        scenario=name,
        digest=scenarios.rehearsal(desk, name).digest,
        every=read_recurrence(every).text,
        zone=desk.settings.agency.timezone,
        correct=plan.correct_after is not None,
    )
    signed = sign(schedule_statement(made, desk.now), acting.key)

    def put(write: Write) -> StoredSchedule:
        for other in register.schedules(write):
            if other.schedule.scenario != name:
                continue
            found = standing(write, other, desk.now)
            if isinstance(found, Refusal) and found.rule == "schedule-lapsed":
                register.end_schedule(write, other.schedule.id, by=acting.officer, why="lapsed")
                continue
            raise Refused(
                f"drill {name} is scheduled already, {other.schedule.every}; take that back first with "
                f"`kentongan drill unschedule {name}`",
                rule="schedule",
            )
        register.add_schedule(write, made, signed)
        return by_id(write, made.id)

    return desk.ledger.write(put)


def approve(desk: Desk, name: str, login: Login | None) -> tuple[StoredSchedule, Standing | Refusal]:
    """Adds this officer's word to a scenario's schedule, over what it renders to now; returns what then holds.

    Raises Refused where that is no longer what the first officer signed.
    """
    acting = desk.acting(login)
    before = scheduled(desk, name)
    if scenarios.rehearsal(desk, name).digest != before.schedule.digest:
        raise Refused(
            f"drill {name} is not what was scheduled: its scenario, words or channels changed; take it back with "
            f"`kentongan drill unschedule {name}` and schedule it again",
            rule="approval-changed",
        )
    signed = sign(schedule_statement(before.schedule, desk.now), acting.key)

    def put(write: Write) -> tuple[StoredSchedule, Standing | Refusal]:
        current = by_id(write, before.schedule.id)
        if current.ended_at is not None:
            raise Refused(f"the schedule of drill {name} was taken back just now; schedule it again", rule="schedule")
        register.sign_schedule(write, current, signed)
        current = by_id(write, before.schedule.id)
        return current, standing(write, current, desk.now)

    return desk.ledger.write(put)


def unschedule(desk: Desk, name: str, login: Login | None) -> StoredSchedule:
    """Takes a scenario's schedule back, on any one officer's word; a run that is under way goes on."""
    acting = desk.acting(login)
    before = scheduled(desk, name)
    desk.ledger.write(
        lambda write: register.end_schedule(write, before.schedule.id, by=acting.officer, why="taken back")
    )
    return desk.ledger.read(lambda read: by_id(read, before.schedule.id))


def scheduled(desk: Desk, name: str) -> StoredSchedule:
    """The schedule of a scenario that was not taken back; raises BadInput."""
    for each in desk.ledger.read(register.schedules):
        if each.schedule.scenario == name:
            return each
    raise BadInput(f"drill {name} has no schedule; give it one with `kentongan drill schedule {name} --every ...`")


def standing(read: Read, stored: StoredSchedule, now: datetime) -> Standing | Refusal:
    """Whether a schedule's officers' word holds now."""
    return drill_schedules.standing(stored.schedule, stored.signed, officers=officer_register.officers(read), now=now)


def by_id(read: Read, schedule_id: str) -> StoredSchedule:
    """A schedule that is on record."""
    found = register.schedule(read, schedule_id)
    assert found is not None
    return found
