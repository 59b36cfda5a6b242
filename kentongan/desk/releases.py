"""Releasing: sending an approved alert, and stopping it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kentongan import gates
from kentongan.alert import acts_as, worst_severity
from kentongan.approval import Act, sign
from kentongan.area.codes import Within
from kentongan.delivery import Stage
from kentongan.desk import (
    approvals,
    exercises,
    extent,
    plans,
    subjects,
    targeting,
    unreached,
    verdicts,
    withdrawing,
)
from kentongan.desk.desk import Desk
from kentongan.desk.plans import Released
from kentongan.errors import Refused
from kentongan.ledger import Read, Write, alerts, dispatches, outcomes, reviews, submissions, views, yielding
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode
from kentongan.subject import subject_digest
from kentongan.verdict import Approved, break_glass_forbidden


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a send would do, for the officer to read before they confirm it."""

    alert: StoredAlert
    approved: Approved | Refusal
    people: extent.People
    instances: tuple[str, ...]
    sandbox: bool
    places: tuple[str, ...]
    within: Within | None = None


def prospect(desk: Desk, handle: str) -> Prospect:
    """What sending this alert would do now; raises BadInput, and Refused where it is not up for sending."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    submission = desk.ledger.read(lambda read: submissions.latest(read, stored.id))
    if submission is None:
        raise Refused(f"alert {stored.code} is not submitted; run `kentongan submit {stored.code}`", rule="state")
    subject = desk.ledger.read(lambda read: subjects.current(read, stored.id))
    configured = {i.name: desk.settings.channels[i.name] for i in subject.instances if i.name in desk.settings.channels}
    within = desk.ledger.read(lambda read: targeting.now(read, subject.within))
    people = extent.people(desk, stored, configured, within)
    found = desk.ledger.read(
        lambda read: verdicts.of_alert(
            read,
            stored,
            policy=desk.settings.policy,
            now=desk.now,
            people=people.total,
            head_key=desk.head_key,
        )
    )
    return Prospect(
        alert=stored,
        approved=found,
        people=people,
        instances=tuple(instance.name for instance in subject.instances),
        sandbox=all(instance.sandbox for instance in subject.instances),
        places=extent.area_names(stored.draft),
        within=within,
    )


def dispatch(
    desk: Desk,
    handle: str,
    login: Login | None,
    *,
    break_glass: str | None = None,
    without: Collection[str] = (),
    also: Callable[[Write, Released], None] | None = None,
) -> Released:
    """Commits an approved alert to be sent, after every check anew; `break_glass` is one officer's typed reason.

    With break-glass an alert that is not submitted is submitted first, in the same officer's name. A live alert ends
    every drill, and says so where that had gone. `also` is written in the same transaction. Raises Refused.
    """
    acting = desk.acting(login)
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    if break_glass is not None:
        forbidden = break_glass_forbidden(
            break_glass,
            kind=acts_as(stored.kind, stored.draft.cap),
            severity=worst_severity(stored.draft.cap),
            policy=desk.settings.policy,
        )
        if forbidden is not None:
            raise forbidden.error()
        if stored.mode is Mode.EXERCISE:
            raise Refused(
                f"public exercise {stored.code} takes two officers' approval; nobody sends it alone",
                rule="break-glass-kind",
            )
        if stored.state == "draft":
            # Late: what was submitted is rendered, and is sent without any of what renders.
            from kentongan.desk import submitting

            submitting.submit(desk, handle, login)
    extent.check_without(desk, without)
    ahead = prospect(desk, handle)
    gates.refuse(approvals.time_findings(desk, stored))
    _refuse_live_without_live(desk, stored, ahead)
    # What was taken out of the config since is refused below, with its own sentence.
    configured = desk.settings.channels
    wanted = {name: configured[name] for name in ahead.instances if name not in without and name in configured}
    desk.ledger.read(lambda read: unreached.refuse_if_nothing_would_go(desk, read, wanted))

    def commit(write: Write) -> Released:
        current = alerts.get(write, stored.id)
        if current.state not in ("submitted", "approved"):
            raise Refused(f"alert {current.code} is {current.state}; it cannot be sent", rule="state")
        exercises.refuse(desk, write, current)
        subject = subjects.current(write, stored.id)
        if break_glass is not None:
            signed = sign(
                acting.key,
                act=Act.BREAK_GLASS,
                digest=subject_digest(subject),
                people=ahead.people.total,
                now=desk.now,
                reason=break_glass,
            )
            approvals.record_approval(write, stored.id, signed)
        found = verdicts.of_alert(
            write,
            current,
            policy=desk.settings.policy,
            now=desk.now,
            people=ahead.people.total,
            head_key=desk.head_key,
        )
        if isinstance(found, Refusal):
            raise found.error()
        plan = plans.of(desk, write, current, subject, without)
        ending = yielding.to_stop(write) if current.mode is Mode.LIVE else []
        dispatches.begin(
            write,
            stored.id,
            plan=plan,
            by=acting.officer,
            allowed=("submitted", "approved"),
            proof={
                "by": list(found.by),
                "by_code": list(found.by_code),
                "break_glass": found.reason,
                "people": dict(ahead.people.by_instance),
            },
        )
        if found.break_glass:
            within = round(desk.settings.policy.review_within * 1000)
            reviews.begin(write, stored.id, officer=acting.officer, within=within)
        ends = withdrawing.announce_end(desk, write, ending, acting)
        released = Released(alerts.get(write, stored.id), plan, found, ends)
        if also is not None:
            also(write, released)
        return released

    with desk.fence(stored.id, stored.code):
        return desk.ledger.write(commit)


def _refuse_live_without_live(desk: Desk, stored: StoredAlert, ahead: Prospect) -> None:
    if stored.mode is Mode.LIVE and ahead.sandbox and not desk.settings.agency.sandbox:
        raise Refused(
            f"alert {stored.code} is live and every channel it would go to is a sandbox: nobody would be warned; "
            "configure a real live channel in channels.yaml",
            rule="sandbox",
        )


def stop(desk: Desk, handle: str, *, by: str, signed: bool) -> StoredAlert:
    """Stops an alert: nothing of it is begun from this commit. Needs no key and asks nothing.

    What was not begun is then marked as cancelled, in chunks, whether or not a service is there to do it.
    """
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    desk.ledger.write(lambda write: dispatches.stop(write, stored.id, by=by, signed=signed), urgent=True)
    while desk.ledger.write(lambda write: outcomes.cancel_stopped(write, stored.id)):
        pass
    return desk.ledger.read(lambda read: alerts.get(read, stored.id))


def unfinished(read: Read, alert_id: str) -> int:
    """How many deliveries of an alert are still to be sent."""
    return sum(
        view.words.get(stage, 0)
        for view in views.summaries(read, alert_id)
        for stage in (Stage.PLANNED, Stage.CLAIMED, Stage.SENDING)
    )
