"""The verdict that every entry point asks for before anything leaves: do officers' words still stand, and for this?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

from kentongan.alert import Kind, acts_as, worst_severity
from kentongan.approval import Approval
from kentongan.cap.model import Scope
from kentongan.clock import to_datetime
from kentongan.desk import scheduling, subjects, targeting
from kentongan.ledger import Read, alerts, code_sheets, dispatches, submissions
from kentongan.ledger import officers as register
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.officers import Refusal
from kentongan.plan import PUBLIC
from kentongan.routes import Following
from kentongan.settings import Policy
from kentongan.stored import from_json
from kentongan.subject import subject_digest
from kentongan.verdict import Approved, check, check_release


def of_alert(
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
        digest=subject_digest(subjects.current(read, stored.id)),
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


def of_release(
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
        subject=subjects.submitted(read, predecessor.id),
        correction=subjects.prepared(read, correction.id),
        alert_approved=of_alert(
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
        found = of_release(read, stored, release, policy=policy, now=now, head_key=head_key)
        approved_of = stored.predecessor
    else:
        found = of_alert(read, stored, policy=policy, now=now, head_key=head_key)
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
        instance.name: instance for source in sources for instance in subjects.submitted(read, source).instances
    }
    submitted = subjects.submitted(read, approved_of)
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
