"""Drills at the desk: making a scenario's alert, beginning it, rehearsing its correction, and taking the result."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import JsonValue
from sqlalchemy.exc import OperationalError

from kentongan import gates, telling
from kentongan.alert import Draft, Kind
from kentongan.approval import Approval
from kentongan.cap.model import Status
from kentongan.desk import drafts, exercises, releases, subjects, submitting, targeting, withdrawing
from kentongan.desk.desk import Desk, new_id
from kentongan.desk.plans import Released
from kentongan.desk.submitting import Submitted
from kentongan.drills import NOTICE, Scenario, Step, facts_at, next_step, score
from kentongan.errors import BadInput, LedgerUnavailable, Refused
from kentongan.ledger import Write, alerts, drills, submissions
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.drill_courses import course, measure
from kentongan.ledger.drills import Part, State, StoredDrill
from kentongan.login import Login
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode
from kentongan.stored import from_json, to_json
from kentongan.words import drafting

_log = logging.getLogger(__name__)

_REHEARSED = "was_a_test"
"""The reason in a correction that is sent to rehearse it."""


def scenario(desk: Desk, name: str) -> Scenario:
    """The scenario of that name; raises BadInput."""
    found = desk.settings.drills.scenarios.get(name)
    if found is None:
        known = ", ".join(desk.settings.drills.scenarios) or "none: add one"
        raise BadInput(f"{name!r} is no drill of drills.yaml; known are {known}")
    return found


# --- Making ---


def exercise(desk: Desk, plan: Scenario, *, identifier: str, start: datetime) -> Draft:
    """The alert of a scenario for a run that begins at `start`; raises BadInput for facts at fault."""
    return _draft(desk, plan, plan.hazard, plan.facts, identifier=identifier, start=start)


def notice(desk: Desk, plan: Scenario, *, identifier: str, start: datetime, now: datetime) -> Draft:
    """What announces at `now` that a public exercise begins at `start`; it ends when that begins."""
    facts = {"starts": start.isoformat(), "expires": start.isoformat(), **plan.notice}
    return _draft(desk, plan, NOTICE, facts, identifier=identifier, start=now)


def _draft(
    desk: Desk, plan: Scenario, hazard: str, facts: Mapping[str, JsonValue], *, identifier: str, start: datetime
) -> Draft:
    known = desk.library.get(hazard)
    zone = ZoneInfo(desk.settings.agency.timezone)
    types = {name: field.type for name, field in known.fields.items()}
    read = known.read(facts_at(facts, types, start.astimezone(zone)), zone=zone)
    made = drafting.from_facts(
        known,
        read,
        agency=desk.settings.agency,
        status=Status(plan.status),
        identifier=identifier,
        now=start,
    )
    return made.model_copy(update={"public_exercise": plan.public})


def faults(desk: Desk, name: str) -> list[str]:
    """What is wrong with a scenario beside the hazards that it names, a sentence each."""
    plan = scenario(desk, name)
    found = []
    try:
        made = [exercise(desk, plan, identifier="kentongan-check", start=desk.now)]
        if plan.public:
            made.append(notice(desk, plan, identifier="kentongan-check", start=desk.now, now=desk.now))
        told = dict.fromkeys(sentence for draft in made for sentence in _refused(desk, draft))
        found += [f"scenarios.{name}: {sentence}" for sentence in told]
    except BadInput as error:
        found += [f"scenarios.{name}: {sentence}" for sentence in str(error).splitlines()]
    modes = {Mode.EXERCISE if plan.public else Mode.DRILL}
    if not any(instance.mode in modes for instance in desk.settings.channels.values()):
        wanted = next(iter(modes)).value
        found.append(f"scenarios.{name}: no channel of channels.yaml has mode {wanted}; add one")
    return found


def _refused(desk: Desk, draft: Draft) -> Iterator[str]:
    """Why a draft would be refused for what it says and where: better known now than at the hour of the drill."""
    targeted = targeting.target(desk, draft)
    findings = [
        *gates.completeness(draft, action_rendered=True),
        *(targeting.findings(desk, targeted, {}) if targeted is not None else gates.area(draft.cap)),
    ]
    yield from (finding.sentence for finding in findings if finding.severity is gates.Weight.BLOCK)


# --- By hand ---


def prepare(desk: Desk, name: str, login: Login | None) -> Submitted:
    """Drafts and submits a scenario's alert, to be approved by another officer and then begun; raises Refused."""
    acting = desk.acting(login)
    plan = scenario(desk, name)
    _refuse_yielding(desk, name)
    drafted = drafts.store(
        desk,
        lambda identifier: exercise(desk, plan, identifier=identifier, start=desk.now),
        by=acting.officer,
    )
    return _submit(desk, name, plan, Part.EXERCISE, drafted.alert, login)


def announce(desk: Desk, name: str, start: datetime, login: Login | None) -> Submitted:
    """Drafts and submits the announcement of a public exercise that begins at `start`; raises Refused, BadInput."""
    acting = desk.acting(login)
    plan = scenario(desk, name)
    if not plan.public:
        raise BadInput(f"drill {name} is no public exercise, so nobody has to be told; leave it unannounced")
    if start <= desk.now:
        told = telling.minute(start, ZoneInfo(desk.settings.agency.timezone))
        raise BadInput(f"{told} has passed; announce an exercise before it begins")
    drafted = drafts.store(
        desk,
        lambda identifier: notice(desk, plan, identifier=identifier, start=start, now=desk.now),
        by=acting.officer,
    )
    return _submit(desk, name, plan, Part.NOTICE, drafted.alert, login)


def _submit(desk: Desk, name: str, plan: Scenario, part: Part, drafted: StoredAlert, login: Login | None) -> Submitted:
    def also(write: Write, made: Submitted) -> None:
        state, content = State.PREPARED, plan.content
        drills.put(write, new_id(), scenario=name, part=part, state=state, content=content, alert_id=made.alert.id)

    return submitting.submit(desk, drafted.id, login, also=also)


def _refuse_yielding(desk: Desk, name: str) -> None:
    why = desk.ledger.read(lambda read: exercises.yields(desk, read))
    if why is not None:
        raise Refused(f"drill {name} does not begin: {why}; run it later", rule="yield")


def begin(desk: Desk, handle: str, login: Login | None, *, break_glass: str | None = None) -> Released:
    """Sends an approved drill, and puts its run on record in the same transaction; raises Refused.

    A draft is submitted first. The officer's word on the correction is given now, so that it needs nobody later.
    """
    acting = desk.acting(login)
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    if stored.mode is Mode.LIVE:
        raise Refused(f"alert {stored.code} is live and no drill; send it with `kentongan send`", rule="mode")
    if stored.kind is not Kind.ALERT:
        raise Refused(f"{stored.code} follows another message; send it with `kentongan send`", rule="state")

    def also(write: Write, released: Released) -> None:
        known = drills.of_alert(write, stored.id)
        plan = known.plan if known is not None else by_hand(stored)
        if known is None:
            id = new_id()
            drills.put(
                write,
                id,
                scenario="",
                part=Part.EXERCISE,
                state=State.PREPARED,
                content=plan.content,
                alert_id=stored.id,
            )
        else:
            id = known.id
        if known is not None and known.part is Part.NOTICE:
            drills.begin(write, id, release=None)
            drills.finish(write, id, measured=None, score=None)
            return
        signed: Mapping[str, Any] | None = None
        if plan.correct_after is not None:
            subject = subjects.current(write, stored.id)
            submission = submissions.latest(write, stored.id)
            assert submission is not None
            shown = from_json(Approval, submission.subject["signed"]).people
            signed = to_json(withdrawing.release(desk, acting, subject, shown))
        drills.begin(write, id, release=signed)

    return releases.dispatch(desk, stored.id, login, break_glass=break_glass, also=also)


def by_hand(stored: StoredAlert) -> Scenario:
    """What holds for a drill that no scenario made: the default targets, and no correction."""
    status = "Test" if stored.draft.cap.status is Status.TEST else "Exercise"
    return Scenario(hazard=stored.draft.hazard, facts={}, status=status)


# --- On its way ---


@dataclass(frozen=True, slots=True)
class Moved:
    """What was done of a running drill: its correction `released`, or its end."""

    drill: StoredDrill
    step: Step
    released: Released | None = None


def advance(desk: Desk) -> list[Moved]:
    """Takes the next step of every running drill that is due for one; any process may, and each is taken once."""
    moved = []
    for each in desk.ledger.read(drills.running):
        try:
            done = _advance(desk, each)
        except Refused as refused:
            # What stands in the way of its correction stays; the run ends with what it has.
            _log.warning("drill not corrected", extra={"drill": each.id, "rule": refused.rule})
            done = _give_up(desk, each, str(refused))
        except (LedgerUnavailable, OperationalError):
            raise
        except Exception as error:
            # A mistake of ours in one run must not keep the others from being ended.
            _log.exception("drill does not go on", extra={"drill": each.id})
            done = _give_up(desk, each, f"it could not go on ({type(error).__name__})")
        if done is not None:
            moved.append(done)
    return moved


def _give_up(desk: Desk, running: StoredDrill, why: str) -> Moved | None:
    return desk.ledger.write(lambda write: _finish(write, running.id, why=why))


def _advance(desk: Desk, running: StoredDrill) -> Moved | None:
    step = desk.ledger.read(lambda read: next_step(course(read, running)))
    if step == "wait":
        return None

    def act(write: Write) -> Moved | None:
        current = drills.drill(write, running.id)
        if current.state is not State.RUNNING or next_step(course(write, current)) != step:
            return None
        if step == "finish":
            return _finish(write, current.id)
        assert current.alert_id is not None
        signed = from_json(Approval, current.release) if current.release is not None else None
        released = withdrawing.withdraw(
            desk,
            write,
            current.alert_id,
            (lambda subject, people: signed) if signed is not None else None,
            signed.officer if signed is not None else f"schedule:{current.schedule_id}",
            _REHEARSED,
        )
        return Moved(current, "correct", released)

    return desk.ledger.write(act)


def _finish(write: Write, id: str, *, why: str = "") -> Moved | None:
    current = drills.drill(write, id)
    if current.state is not State.RUNNING:
        return None
    assert current.alert_id is not None
    if alerts.get(write, current.alert_id).state == "stopped":
        drills.stop(write, id, why="its alert was stopped")
        return Moved(drills.drill(write, id), "finish")
    measured = measure(write, current)
    drills.finish(write, id, measured=measured, score=score(measured, current.plan.targets), why=why)
    return Moved(drills.drill(write, id), "finish")
