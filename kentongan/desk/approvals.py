"""Submission and approval, and the verdict that every entry point asks for before anything leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from sqlalchemy import select

from kentongan import gates
from kentongan.alert import Kind, acts_as, worst_severity
from kentongan.approval import Act, Approval, Approved, approval_fault, check, check_release, sign
from kentongan.area.codes import Within
from kentongan.cap.model import Scope
from kentongan.clock import to_datetime
from kentongan.desk import composing, scheduling, targeting, threads
from kentongan.desk.composing import Composed
from kentongan.desk.desk import Desk, new_id
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, Write, alerts, code_sheets, dispatches, renderings, schema, submissions
from kentongan.ledger import officers as register
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal
from kentongan.plan import PUBLIC
from kentongan.routing import Following
from kentongan.seam import Mode
from kentongan.settings import InstanceSettings, Policy
from kentongan.stored import from_json, to_json
from kentongan.subject import Instance, Prepared, Subject, subject_digest


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was put up for approval: what it is, and what the officer should know of it."""

    alert: StoredAlert
    correction: StoredAlert
    composed: Composed
    digest: str
    people: int


def submit(
    desk: Desk,
    handle: str,
    login: Login | None,
    *,
    without: Collection[str] = (),
    clock_override: str | None = None,
    also: Callable[[Write, Submitted], None] | None = None,
) -> Submitted:
    """Renders the alert and its correction, asks the gates, and signs them up for approval.

    `also` is written in the same transaction. Raises Refused where a gate or a rendering forbids it, BadInput for an
    unknown alert or channel.
    """
    acting = desk.acting(login)
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    _may_submit(stored)
    prepared = desk.ledger.read(lambda read: prepared_correction(read, stored.id))
    code = prepared.code if prepared else desk.ledger.write(desk.free_code)
    composed = composing.compose(
        desk,
        stored,
        correction_code=code,
        correction_draft=prepared.draft if prepared else None,
        without=without,
        clock_override=clock_override,
    )
    gates.refuse(composed.findings)
    composing.refuse_unrendered(composed)
    if not composed.alert.messages:
        raise Refused(f"nothing of alert {stored.code} is left to send; leave fewer channels out", rule="rendering")
    people = composed.people.total

    def word(fixed: str) -> Mapping[str, Any]:
        signed = sign(acting.key, act=Act.SUBMIT, digest=fixed, people=people, now=desk.now)
        return {"signed": to_json(signed), "clock_override": clock_override}

    def put(write: Write) -> Submitted:
        made = put_up(write, desk, stored.id, composed, correction_code=code, by=acting.officer, word=word)
        if also is not None:
            also(write, made)
        return made

    return desk.ledger.write(put)


def put_up(
    write: Write,
    desk: Desk,
    alert_id: str,
    composed: Composed,
    *,
    correction_code: str,
    by: str,
    word: Callable[[str], Mapping[str, Any]],
) -> Submitted:
    """Puts a composed alert up with its correction; `word` gives, for the subject's digest, by what word it is."""
    stored = alerts.get(write, alert_id)
    _may_submit(stored)
    correction = prepared_correction(write, stored.id) or alerts.insert_alert(
        write,
        id=new_id(),
        code=correction_code,
        kind=Kind.CORRECTION,
        mode=stored.mode,
        draft=composed.correction_draft,
        by=by,
        predecessor=stored.id,
    )
    renderings.put(write, stored.id, composed.alert.messages)
    renderings.put(write, correction.id, composed.correction.messages)
    shown = {message.instance for message in composed.alert.messages}
    subject = _subject(
        write,
        stored.id,
        {n: _instance(desk, n, s) for n, s in composed.instances.items() if n in shown},
        targeting.approved(composed.targeted.within if composed.targeted is not None else None),
        composed.following.among(shown),
    )
    fixed = subject_digest(subject)
    people = dict(composed.people.by_instance)
    said: dict[str, Any] = {"subject": to_json(subject), "people": people, "rules": dict(composed.choice.rules)}
    said |= {"clock_override": None, **word(fixed)}
    submissions.submit(write, stored.id, officer=by, subject=said, id=new_id())
    return Submitted(alerts.get(write, stored.id), correction, composed, fixed, composed.people.total)


def approve(desk: Desk, handle: str, login: Login | None) -> tuple[StoredAlert, Approved | Refusal]:
    """Signs the approving officer's word; returns the verdict that now stands.

    Raises Refused for the submitter's own approval, for an alert that is not up for it, and where a gate forbids it.
    """
    acting = desk.acting(login)

    def word(write: Write, stored: StoredAlert, subject: Subject, people: int) -> Approval:
        return sign(acting.key, act=Act.APPROVE, digest=subject_digest(subject), people=people, now=desk.now)

    return record_word(desk, handle, acting.officer, word)


def approve_signed(desk: Desk, handle: str, approval: Approval) -> tuple[StoredAlert, Approved | Refusal]:
    """Takes an approval that was signed on another machine, over what the officer was shown there.

    Raises Refused as `approve` does, and where the signature does not hold or is over anything but what would be sent.
    """

    def word(write: Write, stored: StoredAlert, subject: Subject, people: int) -> Approval | Refusal:
        fault = approval_fault(
            approval,
            code=stored.code,
            digest=subject_digest(subject),
            officers=register.officers(write),
            now=desk.now,
            policy=desk.settings.policy,
        )
        return fault or approval

    return record_word(desk, handle, approval.officer, word)


Word = Callable[[Write, StoredAlert, Subject, int], Approval | Refusal]
"""Gives an officer's word on an alert, from what it covers now and how many people it would reach."""


def record_word(desk: Desk, handle: str, officer: str, word: Word) -> tuple[StoredAlert, Approved | Refusal]:
    """Puts the approving officer's word on record, where the alert is up for it; returns the verdict that now stands.

    What `word` writes is kept also where it refuses. Raises Refused.
    """
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))

    def put(write: Write) -> StoredAlert | Refusal:
        submission = submissions.latest(write, stored.id)
        if dispatches.get(write, stored.id) is not None:
            raise Refused(
                f"alert {stored.code} was sent off already; see `kentongan status {stored.code}`", rule="state"
            )
        if submission is None or alerts.get(write, stored.id).state not in ("submitted", "approved"):
            raise Refused(f"alert {stored.code} is not submitted; run `kentongan submit {stored.code}`", rule="state")
        if submission.officer == officer and stored.mode is not Mode.EXERCISE:
            raise Refused(
                f"{officer} submitted alert {stored.code} and cannot approve it too; another officer must",
                rule="approval-second-person",
            )
        subject = current_subject(write, stored.id)
        if subject_digest(subject) != subject_digest(_submitted_subject(write, stored.id)):
            raise Refused(f"alert {stored.code} is not what was submitted; submit it again", rule="approval-changed")
        same_instances(subject, desk.settings.channels, stored.code)
        configured = {i.name: desk.settings.channels[i.name] for i in subject.instances}
        people = composing.people(desk, stored, configured, targeting.now(write, subject.within))
        signed = word(write, stored, subject, people.total)
        if isinstance(signed, Refusal):
            return signed
        taken_by = signed.by_code.taken_by if signed.by_code is not None else None
        given: dict[str, Any] = {"officer": officer, "content": to_json(signed), "id": new_id(), "taken_by": taken_by}
        before = [from_json(Approval, content) for content in submissions.approvals(write, stored.id)]
        if stored.mode is Mode.EXERCISE and not any(each.officer != officer for each in before):
            # A public exercise waits for the second officer as it did for the first.
            submissions.record_approval(write, stored.id, **given)
        else:
            submissions.approve(write, stored.id, **given)
        return alerts.get(write, stored.id)

    gates.refuse(time_findings(desk, stored))
    approved = desk.ledger.write(put)
    if isinstance(approved, Refusal):
        raise approved.error()
    found = desk.ledger.read(
        lambda read: verdict(read, approved, policy=desk.settings.policy, now=desk.now, head_key=desk.head_key)
    )
    return approved, found


def time_findings(desk: Desk, stored: StoredAlert) -> list[gates.Finding]:
    """What the gates say of an alert that was rendered already, since time goes on."""
    submission = desk.ledger.read(lambda read: submissions.latest(read, stored.id))
    override = submission.subject.get("clock_override") if submission else None
    return threads.all_clear_findings(desk, stored) + gates.time(
        stored.draft,
        observed=composing.observed(desk, stored.draft),
        now=desk.now,
        clock_offset=desk.clock_offset,
        override=override,
    )


def verdict(
    read: Read,
    stored: StoredAlert,
    *,
    policy: Policy,
    now: datetime,
    people: int | None = None,
    head_key: bytes = b"",
) -> Approved | Refusal:
    """Decides anew, from what the ledger holds, whether an alert may leave at `now`.

    `head_key` is this installation's public key; without it nothing goes by a schedule.
    """
    submission = submissions.latest(read, stored.id)
    if submission is None:
        return Refusal(
            "submission-missing", f"alert {stored.code} is not submitted; run `kentongan submit {stored.code}`"
        )
    scheduled = scheduling.right(read, submission, now=now, head_key=head_key)
    signed = [from_json(Approval, submission.subject["signed"])] if scheduled is None else []
    signed += [from_json(Approval, content) for content in submissions.approvals(read, stored.id)]
    if people is None:
        people = signed[-1].people if signed else 0
    return check(
        signed,
        code=stored.code,
        submitter=submission.officer,
        digest=subject_digest(current_subject(read, stored.id)),
        people=people,
        officers=register.officers(read),
        now=now,
        kind=acts_as(stored.kind, stored.draft.cap),
        severity=worst_severity(stored.draft.cap),
        policy=policy,
        sheets=code_sheets.sheets(read),
        mode=stored.mode,
        alert_id=stored.id,
        scheduled=scheduled,
    )


def release_verdict(
    read: Read,
    correction: StoredAlert,
    release: Approval | None,
    *,
    policy: Policy,
    now: datetime,
    head_key: bytes = b"",
) -> Approved | Refusal:
    """Decides anew whether a ready-made correction may leave by one officer's word, or a drill's by its schedule."""
    assert correction.predecessor is not None
    predecessor = alerts.get(read, correction.predecessor)
    dispatched = dispatches.get(read, predecessor.id)
    if dispatched is None:
        return Refusal("state", f"alert {predecessor.code} was never sent, so there is nothing to withdraw")
    return check_release(
        release,
        code=predecessor.code,
        subject=_submitted_subject(read, predecessor.id),
        correction=_prepared(read, correction.id),
        alert_approved=verdict(
            read, predecessor, policy=_lenient(policy), now=to_datetime(dispatched.at), head_key=head_key
        ),
        by_schedule=scheduling.corrects(read, submissions.latest(read, predecessor.id)),
        officers=register.officers(read),
        now=now,
        policy=policy,
    )


def _lenient(policy: Policy) -> Policy:
    """The policy by which a dispatched alert still counts as approved: a stricter one since must not bar withdrawal."""
    severities = get_args(get_args(Policy.model_fields["break_glass"].annotation)[0])
    return policy.model_copy(
        update={
            "approval_lasts": timedelta(days=36_500).total_seconds(),
            "break_glass": severities,
            "approval_by_code": True,
        }
    )


def vouch(read: Read, alert_id: str, *, policy: Policy, head_key: bytes = b"") -> str | None:
    """Why a sender must not send this dispatch; None when officers have approved it and it is what they approved."""
    stored = alerts.get(read, alert_id)
    dispatched = dispatches.get(read, alert_id)
    if dispatched is None:
        return f"alert {stored.code} is not dispatched"
    now = to_datetime(dispatched.at)
    approved_of = stored.id
    found: Approved | Refusal
    if stored.kind is Kind.CORRECTION:
        releases = [from_json(Approval, content) for content in submissions.approvals(read, alert_id)]
        if stored.predecessor is None:
            return f"correction {stored.code} withdraws nothing"
        release = releases[-1] if releases else None
        found = release_verdict(read, stored, release, policy=policy, now=now, head_key=head_key)
        approved_of = stored.predecessor
    else:
        found = verdict(read, stored, policy=policy, now=now, head_key=head_key)
    if isinstance(found, Refusal):
        return found.sentence
    if dispatched.plan.mode is not stored.mode:
        return f"the dispatch of alert {stored.code} is {dispatched.plan.mode} and the alert is {stored.mode}"
    if dispatched.plan.predecessor != stored.predecessor:
        return f"the dispatch of alert {stored.code} follows another alert than the one approved"
    if dispatched.plan.kind is not stored.kind:
        return f"the dispatch of alert {stored.code} is of kind {dispatched.plan.kind} and the alert is {stored.kind}"
    # A correction withdraws a thread, so it goes wherever any message of that was approved to go.
    sources = ledger_threads.others(read, alert_id) if stored.kind is Kind.CORRECTION else [approved_of]
    approved = {
        instance.name: instance for source in sources for instance in _submitted_subject(read, source).instances
    }
    submitted = _submitted_subject(read, approved_of)
    within = submitted.within
    wanted = (
        submitted.following.among([i.name for i in dispatched.plan.instances]) if stored.kind.widens else Following()
    )
    if dispatched.plan.following != wanted:
        return f"the fallbacks of alert {stored.code} are not those that were approved"
    if stored.draft.cap.scope is Scope.PRIVATE and dispatched.plan.reach.addressees is None and stored.kind.widens:
        return f"alert {stored.code} is Private and its dispatch names nobody"
    for planned in dispatched.plan.instances:
        if planned.name not in approved:
            return f"{planned.name} is not among the approved channels of alert {stored.code}"
        if planned.audience != (approved[planned.name].audience if stored.kind.widens else None):
            return f"{planned.name} would reach other people than were approved for alert {stored.code}"
        if planned.audience is not None and targeting.approved(planned.within) != within:
            return f"{planned.name} would reach people in other regions than were approved for alert {stored.code}"
        if (planned.family == PUBLIC) != (approved[planned.name].audience is None):
            return f"{planned.name} would reach others than alert {stored.code} was approved for"
        if planned.kind != approved[planned.name].kind:
            return f"{planned.name} is not the {approved[planned.name].kind} channel of alert {stored.code}"
        if approved[planned.name].mode is not stored.mode:
            return f"{planned.name} is a {approved[planned.name].mode} channel and alert {stored.code} is {stored.mode}"
    return None


def record_approval(write: Write, alert_id: str, approval: Approval) -> None:
    """Keeps a signed word that moves no state: a broken glass, or the release of a correction."""
    submissions.record_approval(write, alert_id, officer=approval.officer, content=to_json(approval), id=new_id())


def prepared_correction(read: Read, alert_id: str) -> StoredAlert | None:
    """The correction that lies ready for an alert, None before its first submission or after its release."""
    for successor in alerts.successors(read, alert_id):
        if successor.kind is Kind.CORRECTION and successor.state == "prepared":
            return successor
    return None


def current_subject(read: Read, alert_id: str) -> Subject:
    """What an approval covers now, computed anew from the rows, for the instances that were submitted."""
    submitted = _submitted_subject(read, alert_id)
    instances = {instance.name: instance for instance in submitted.instances}
    return _subject(read, alert_id, instances, submitted.within, submitted.following)


def within_of(read: Read, alert_id: str) -> Within | None:
    """The area that was submitted, with the codes of people that no region knows now; None where there is none."""
    if submissions.latest(read, alert_id) is None:
        return None
    return targeting.now(read, _submitted_subject(read, alert_id).within)


def routed(read: Read, alert_id: str) -> tuple[Mapping[str, str], Following]:
    """By which rule of the routes each channel was chosen when an alert was submitted, and what follows."""
    submission = submissions.latest(read, alert_id)
    if submission is None:
        return {}, Following()
    return submission.subject.get("rules") or {}, from_json(Subject, submission.subject["subject"]).following


def _submitted_subject(read: Read, alert_id: str) -> Subject:
    submission = submissions.latest(read, alert_id)
    if submission is None:
        raise BadInput(f"alert {alert_id} was never submitted; run `kentongan submit`")
    return from_json(Subject, submission.subject["subject"])


def _subject(
    read: Read, alert_id: str, instances: Mapping[str, Instance], within: Within | None, following: Following
) -> Subject:
    row = read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).mappings().one()
    stored = alerts.get(read, alert_id)
    corrections = [s for s in alerts.successors(read, alert_id) if s.kind is Kind.CORRECTION]
    return Subject(
        alert_id=alert_id,
        kind=stored.kind,
        alert=alerts.alert_digest(dict(row)),
        renderings=_rendering_digests(read, alert_id),
        instances=tuple(instances.values()),
        area=composing.area_names(stored.draft),
        correction=_prepared(read, corrections[0].id) if corrections else None,
        within=within,
        following=following,
    )


def _prepared(read: Read, correction_id: str) -> Prepared:
    row = read.execute(select(schema.alert).where(schema.alert.c.id == correction_id)).mappings().one()
    return Prepared(alert=alerts.alert_digest(dict(row)), renderings=_rendering_digests(read, correction_id))


def _rendering_digests(read: Read, alert_id: str) -> dict[str, str]:
    rows = read.execute(select(schema.rendering).where(schema.rendering.c.alert_id == alert_id))
    return {
        f"{row.instance}:{row.language}": renderings.rendering_digest(alert_id, row.instance, row.language, row.content)
        for row in rows
    }


def _instance(desk: Desk, name: str, settings: InstanceSettings) -> Instance:
    audience = desk.settings.audiences[settings.audience] if settings.audience is not None else None
    return Instance(name, settings.kind, settings.mode, settings.sandbox, audience)


def same_instances(subject: Subject, channels: Mapping[str, InstanceSettings], code: str) -> None:
    """Raises Refused where the config no longer has an instance as it was submitted."""
    for instance in subject.instances:
        settings = channels.get(instance.name)
        was = (instance.kind, instance.mode, instance.sandbox, instance.audience is None)
        if settings is None or (settings.kind, settings.mode, settings.sandbox, settings.audience is None) != was:
            raise Refused(
                f"channel {instance.name} is not what it was when alert {code} was submitted; submit it again",
                rule="approval-changed",
            )


def _may_submit(stored: StoredAlert) -> None:
    if stored.kind is Kind.CORRECTION:
        raise Refused(
            f"{stored.code} is a correction, approved with its alert; release it with `kentongan follow-up`",
            rule="state",
        )
    if stored.state not in ("draft", "submitted", "approved"):
        raise Refused(f"alert {stored.code} is {stored.state} and never changes; draft a new one", rule="state")
