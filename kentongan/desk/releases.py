"""Releasing: sending an approved alert, stopping it, withdrawing it, and settling what is in doubt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from sqlalchemy.exc import OperationalError

from kentongan import gates
from kentongan.alert import Kind, acts_as, has_life_at_stake, worst_severity
from kentongan.approval import Act, Approval, Approved, break_glass_forbidden, sign
from kentongan.area.codes import Within
from kentongan.clock import Milliseconds, to_datetime, to_milliseconds
from kentongan.delivery import Stage
from kentongan.desk import approvals, composing, exercises, targeting, threads
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput, KentonganError, LedgerUnavailable, Refused
from kentongan.ledger import (
    Read,
    Write,
    alerts,
    dispatches,
    outcomes,
    renderings,
    reviews,
    senders,
    submissions,
    views,
    yielding,
)
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.reach import reach_of
from kentongan.routing import Following
from kentongan.seam import Mode, Rendered, slots
from kentongan.subject import Instance, Subject, subject_digest
from kentongan.words.late import late_values

_log = logging.getLogger(__name__)

DRILL_STOPPED = "drill_stopped"
"""The reason by which those who got a drill hear that it was stopped."""

_UNCONFIGURED = 3600.0
"""Seconds to deliver a correction on an instance that the config no longer has."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a send would do, for the officer to read before they confirm it."""

    alert: StoredAlert
    approved: Approved | Refusal
    people: composing.People
    instances: tuple[str, ...]
    sandbox: bool
    places: tuple[str, ...]
    within: Within | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """A dispatch that is committed: nothing of it is lost from here.

    `ends` are the ids of the messages that say of drills that this live alert has stopped them.
    """

    alert: StoredAlert
    plan: Plan
    approved: Approved
    ends: tuple[str, ...] = ()


def prospect(desk: Desk, handle: str) -> Prospect:
    """What sending this alert would do now; raises BadInput, and Refused where it is not up for sending."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    submission = desk.ledger.read(lambda read: submissions.latest(read, stored.id))
    if submission is None:
        raise Refused(f"alert {stored.code} is not submitted; run `kentongan submit {stored.code}`", rule="state")
    subject = desk.ledger.read(lambda read: approvals.current_subject(read, stored.id))
    configured = {i.name: desk.settings.channels[i.name] for i in subject.instances if i.name in desk.settings.channels}
    within = desk.ledger.read(lambda read: targeting.now(read, subject.within))
    people = composing.people(desk, stored, configured, within)
    found = desk.ledger.read(
        lambda read: approvals.verdict(
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
        places=composing.area_names(stored.draft),
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
            approvals.submit(desk, handle, login)
    composing.check_without(desk, without)
    ahead = prospect(desk, handle)
    gates.refuse(approvals.time_findings(desk, stored))
    _refuse_live_without_live(desk, stored, ahead)

    def commit(write: Write) -> Released:
        current = alerts.get(write, stored.id)
        if current.state not in ("submitted", "approved"):
            raise Refused(f"alert {current.code} is {current.state}; it cannot be sent", rule="state")
        exercises.refuse(desk, write, current)
        subject = approvals.current_subject(write, stored.id)
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
        found = approvals.verdict(
            write,
            current,
            policy=desk.settings.policy,
            now=desk.now,
            people=ahead.people.total,
            head_key=desk.head_key,
        )
        if isinstance(found, Refusal):
            raise found.error()
        plan = plan_of(desk, write, current, subject, without)
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
        ends = _announce_end(desk, write, ending, acting)
        released = Released(alerts.get(write, stored.id), plan, found, ends)
        if also is not None:
            also(write, released)
        return released

    return desk.ledger.write(commit)


def _refuse_live_without_live(desk: Desk, stored: StoredAlert, ahead: Prospect) -> None:
    if stored.mode is Mode.LIVE and ahead.sandbox and not desk.settings.agency.sandbox:
        raise Refused(
            f"alert {stored.code} is live and every channel it would go to is a sandbox: nobody would be warned; "
            "configure a real live channel in channels.yaml",
            rule="sandbox",
        )


def plan_of(desk: Desk, write: Write, stored: StoredAlert, subject: Subject, without: Collection[str] = ()) -> Plan:
    """What the dispatch of a submitted alert freezes; raises Refused where nothing of it may leave."""
    messages = renderings.of(write, stored.id)
    now = desk.clock.wall()
    instances = []
    approvals.same_instances(subject, desk.settings.channels, stored.code)
    within = targeting.now(write, subject.within)
    for instance in subject.instances:
        settings = desk.settings.channels[instance.name]
        finding = gates.fits(stored.draft, settings)
        if finding is not None:
            raise Refused(f"channel {instance.name} cannot be used: {finding.sentence}", rule=finding.rule)
        languages = _languages(stored, messages, instance.name, without)
        if instance.name in without or not languages:
            continue
        deliver_by = now + round(desk.kinds.limits(settings).deliver_within * 1000)
        if stored.expires_at is not None:
            deliver_by = min(deliver_by, stored.expires_at)
        instances.append(
            PlannedInstance(
                name=instance.name,
                kind=instance.kind,
                family=_family(desk, instance),
                languages=languages,
                audience=instance.audience if stored.kind.widens else None,
                within=within if stored.kind.widens and instance.audience is not None else None,
                deliver_by=deliver_by,
                receipts=desk.kinds.traits(instance.kind).receipts and settings.confirmed(),
            )
        )
    if not instances:
        raise Refused(f"nothing of alert {stored.code} is left to send; leave fewer channels out", rule="rendering")
    thread = threads.followed(write, stored)
    return Plan(
        kind=stored.kind,
        mode=stored.mode,
        life_at_stake=has_life_at_stake(stored.draft),
        instances=tuple(instances),
        values=_values(desk, messages, sent=now, earlier_sent=to_milliseconds(thread.sent) if thread else None),
        predecessor=stored.predecessor,
        reach=reach_of(stored.draft.cap, desk.settings.policy, desk.identify),
        following=subject.following.among([i.name for i in instances]) if stored.kind.widens else Following(),
    )


def _family(desk: Desk, instance: Instance) -> str:
    """The address space that an instance writes to; raises Refused for people on a kind that only publishes."""
    if instance.audience is None:
        return PUBLIC
    family = desk.kinds.traits(instance.kind).family
    if family is None:
        raise Refused(
            f"channel {instance.name} names an audience and {instance.kind} publishes to everybody; mend channels.yaml",
            rule="scope",
        )
    return family


def _languages(
    stored: StoredAlert, messages: Collection[Rendered], instance: str, without: Collection[str]
) -> tuple[str, ...]:
    """The languages that an instance has a message in, in the draft's order."""
    there = {m.language for m in messages if m.instance == instance and f"{instance}:{m.language}" not in without}
    ordered = [language for language in stored.draft.languages if language in there]
    return (*ordered, *sorted(there - set(ordered)))


def _values(
    desk: Desk,
    messages: Collection[Rendered],
    *,
    sent: Milliseconds,
    earlier_sent: Milliseconds | None = None,
    reason: str | None = None,
) -> dict[str, dict[str, str]]:
    """The late facts that stand in the messages' slots, by language."""
    wanted: dict[str, set[str]] = {}
    for message in messages:
        for text in (message.title, message.text, message.html, message.link, *(d.text for d in message.documents)):
            wanted.setdefault(message.language, set()).update(slots(text))
    return {
        language: late_values(
            names,
            language=language,
            languages=desk.library.languages,
            zone=ZoneInfo(desk.settings.agency.timezone),
            sent=to_datetime(sent),
            earlier_sent=to_datetime(earlier_sent) if earlier_sent is not None else None,
            reason=reason,
        )
        for language, names in wanted.items()
    }


def stop(desk: Desk, handle: str, *, by: str, signed: bool) -> StoredAlert:
    """Stops an alert: nothing of it is begun from this commit. Needs no key and asks nothing.

    What was not begun is then marked as cancelled, in chunks, whether or not a service is there to do it.
    """
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    desk.ledger.write(lambda write: dispatches.stop(write, stored.id, by=by, signed=signed))
    while desk.ledger.write(lambda write: outcomes.cancel_stopped(write, stored.id)):
        pass
    return desk.ledger.read(lambda read: alerts.get(read, stored.id))


def release_correction(desk: Desk, handle: str, login: Login | None, *, reason: str) -> Released:
    """Withdraws an alert by its ready-made correction, on one officer's word; stops the alert first if it runs.

    `handle` is the alert's, or the correction's own. `reason` is one of the library's closed list. Raises Refused.
    """
    acting = desk.acting(login)
    if reason not in desk.library.reasons:
        raise BadInput(f"{reason!r} is no reason; known are {', '.join(desk.library.reasons)}")
    newest = to_withdraw(desk, handle)
    if reason == DRILL_STOPPED and newest.mode is Mode.LIVE:
        raise Refused(f"alert {newest.code} is no drill; give the reason for which it is withdrawn", rule="mode")

    def commit(write: Write) -> Released:
        ending = yielding.to_stop(write) if newest.mode is Mode.LIVE else []
        released = withdraw(
            desk,
            write,
            newest.id,
            lambda subject, people: release(desk, acting, subject, people),
            acting.officer,
            reason,
        )
        return replace(released, ends=_announce_end(desk, write, ending, acting))

    return desk.ledger.write(commit)


def release(desk: Desk, acting: Login, subject: Subject, people: int) -> Approval:
    """An officer's signed word that the ready-made correction of an approved alert may leave."""
    return sign(acting.key, act=Act.RELEASE, digest=subject_digest(subject), people=people, now=desk.now)


def withdraw(
    desk: Desk,
    write: Write,
    predecessor_id: str,
    word: Callable[[Subject, int], Approval] | None,
    by: str,
    reason: str,
) -> Released:
    """Commits the ready-made correction of a thread's newest message to be sent.

    `word` gives an officer's release of it; without one it goes by the schedule of its drill. Raises Refused.
    """
    predecessor = alerts.get(write, predecessor_id)
    dispatched = dispatches.get(write, predecessor_id)
    correction = approvals.prepared_correction(write, predecessor_id)
    assert dispatched is not None
    if correction is None or ledger_threads.withdrawal(write, predecessor_id) is not None:
        raise Refused(f"alert {predecessor.code} is withdrawn already; see `kentongan status`", rule="state")
    if ledger_threads.messages(write, predecessor_id)[-1] != predecessor_id:
        raise Refused(f"another message followed {predecessor.code} just now; withdraw it again", rule="thread")
    people, _ = ledger_threads.reached(write, predecessor_id)
    signed = word(approvals.current_subject(write, predecessor_id), people) if word is not None else None
    found = approvals.release_verdict(
        write, correction, signed, policy=desk.settings.policy, now=desk.now, head_key=desk.head_key
    )
    if isinstance(found, Refusal):
        raise found.error()
    if signed is not None:
        approvals.record_approval(write, correction.id, signed)
    plan = _correction_plan(desk, write, predecessor, correction, dispatched, reason)
    dispatches.begin(
        write,
        correction.id,
        plan=plan,
        by=by,
        allowed=("prepared",),
        proof={"by": list(found.by), "reason": reason, "withdraws": predecessor.id, "schedule": found.schedule},
    )
    return Released(alerts.get(write, correction.id), plan, found)


def _announce_end(desk: Desk, write: Write, ended: Sequence[str], acting: Login) -> tuple[str, ...]:
    """Sends the ready-made corrections of drills that a live alert has just stopped, on its sender's word.

    Returns their ids. Nothing that goes wrong with one keeps the live alert: then only the record says that nobody was
    told.
    """
    told = []
    for alert_id in ended:
        try:
            with write.attempt():
                released = withdraw(
                    desk,
                    write,
                    alert_id,
                    lambda subject, people: release(desk, acting, subject, people),
                    acting.officer,
                    DRILL_STOPPED,
                )
        except (LedgerUnavailable, OperationalError):
            # Nothing of this transaction can be relied on: the live alert is tried again as a whole.
            raise
        except Exception as error:
            why = str(error) if isinstance(error, KentonganError) else type(error).__name__
            _log.warning("end of a drill not announced", extra={"alert": alert_id, "error": type(error).__name__})
            write.event("drill.not_announced", alert=alert_id, why=why)
        else:
            told.append(released.alert.id)
    return tuple(told)


def to_withdraw(desk: Desk, handle: str) -> StoredAlert:
    """The newest message of the thread that `handle` names by any of its messages: its correction withdraws them all.

    Raises Refused where nothing of it was sent, or it was withdrawn.
    """

    def find(read: Read) -> StoredAlert:
        named = alerts.by_handle(read, handle)
        sent = ledger_threads.messages(read, named.id)
        if not sent:
            raise Refused(f"alert {named.code} was never sent, so there is nothing to withdraw", rule="state")
        newest = alerts.get(read, sent[-1])
        if newest.kind is Kind.CORRECTION:
            raise Refused(f"alert {named.code} is withdrawn already; see `kentongan status`", rule="state")
        return newest

    return desk.ledger.read(find)


def _correction_plan(
    desk: Desk,
    write: Write,
    predecessor: StoredAlert,
    correction: StoredAlert,
    dispatched: dispatches.Dispatch,
    reason: str,
) -> Plan:
    """The same instances as the thread went to, whatever the routes and configs say by now."""
    messages = renderings.of(write, correction.id)
    now = desk.clock.wall()
    instances = []
    planned_before = thread_instances(write, predecessor.id)
    # Whoever had messages by two channels of one kind hears it by the first: by one that is there.
    for planned in sorted(planned_before, key=lambda each: each.name not in desk.settings.channels):
        settings = desk.settings.channels.get(planned.name)
        within = desk.kinds.limits(settings).deliver_within if settings is not None else _UNCONFIGURED
        instances.append(
            planned.model_copy(
                update={
                    "audience": None,
                    "deliver_by": now + round(within * 1000),
                    "languages": _languages(correction, messages, planned.name, ()) or planned.languages,
                }
            )
        )
    return Plan(
        kind=correction.kind,
        mode=correction.mode,
        life_at_stake=dispatched.plan.life_at_stake,
        instances=tuple(instances),
        values=_values(desk, messages, sent=now, earlier_sent=dispatched.at, reason=reason),
        predecessor=predecessor.id,
    )


def thread_instances(read: Read, alert_id: str) -> list[PlannedInstance]:
    """Each instance as the newest message of the thread that went to it planned it, the newest message's first."""
    found: dict[str, PlannedInstance] = {}
    for id in reversed(ledger_threads.messages(read, alert_id)):
        sent = dispatches.get(read, id)
        found = {**found, **{i.name: i for i in sent.plan.instances if i.name not in found}} if sent else found
    return list(found.values())


def resolve(desk: Desk, delivery: int, login: Login | None, *, sent: bool, again: bool) -> str:
    """Settles one delivery's doubt by an officer's word; returns the word it then has. Raises Refused, BadInput."""
    acting = desk.acting(login)

    def put(write: Write) -> str:
        found = views.delivery(write, delivery)
        if found is None:
            raise BadInput(f"no delivery {delivery} in this ledger; `kentongan status CODE` lists those in doubt")
        if found.word != "in_doubt":
            raise Refused(f"delivery {delivery} is {found.word}, so there is no doubt to settle", rule="state")
        return outcomes.resolve(write, delivery=delivery, sent=sent, again=again, by=acting.officer)

    return desk.ledger.write(put)


def retry(desk: Desk, handle: str, *, channel: str | None, by: str) -> tuple[list[str], int]:
    """Lets held channels of an alert go on and makes what waits due now; returns the channels and the number."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, stored.id))
    if dispatched is None:
        raise Refused(f"alert {stored.code} was not sent yet; run `kentongan send {stored.code}`", rule="state")
    names = [instance.name for instance in dispatched.plan.instances]
    if channel is not None and channel not in names:
        raise BadInput(f"{channel!r} is no channel of alert {stored.code}; its channels are {', '.join(names)}")
    wanted = [channel] if channel is not None else names

    def put(write: Write) -> tuple[list[str], int]:
        released = [name for name in wanted if senders.release_hold(write, instance=name, by=by)]
        return released, outcomes.hasten(write, alert_id=stored.id, instances=wanted, by=by)

    return desk.ledger.write(put)


def unfinished(read: Read, alert_id: str) -> int:
    """How many deliveries of an alert are still to be sent."""
    return sum(
        view.words.get(stage, 0)
        for view in views.summaries(read, alert_id)
        for stage in (Stage.PLANNED, Stage.CLAIMED, Stage.SENDING)
    )
