"""Approval: another officer's signed word on what was submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kentongan import gates
from kentongan.approval import Act, Approval, sign
from kentongan.desk import extent, subjects, targeting, threads, verdicts
from kentongan.desk.desk import Desk, new_id
from kentongan.errors import Refused
from kentongan.ledger import Write, alerts, dispatches, submissions
from kentongan.ledger import officers as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal
from kentongan.seam import Mode
from kentongan.stored import from_json, to_json
from kentongan.subject import Subject, subject_digest
from kentongan.verdict import Approved, approval_fault


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
        subject = subjects.current(write, stored.id)
        if subject_digest(subject) != subject_digest(subjects.submitted(write, stored.id)):
            raise Refused(f"alert {stored.code} is not what was submitted; submit it again", rule="approval-changed")
        subjects.same_instances(subject, desk.settings.channels, stored.code)
        configured = {i.name: desk.settings.channels[i.name] for i in subject.instances}
        people = extent.people(desk, stored, configured, targeting.now(write, subject.within))
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
        lambda read: verdicts.of_alert(
            read, approved, policy=desk.settings.policy, now=desk.now, head_key=desk.head_key
        )
    )
    return approved, found


def time_findings(desk: Desk, stored: StoredAlert) -> list[gates.Finding]:
    """What the gates say of an alert that was rendered already, since time goes on."""
    submission = desk.ledger.read(lambda read: submissions.latest(read, stored.id))
    override = submission.subject.get("clock_override") if submission else None
    return threads.all_clear_findings(desk, stored) + gates.time(
        stored.draft,
        observed=desk.library.observed(stored.draft.hazard, stored.draft.facts),
        now=desk.now,
        clock_offset=desk.clock_offset,
        override=override,
    )


def record_approval(write: Write, alert_id: str, approval: Approval) -> None:
    """Keeps a signed word that moves no state: a broken glass, or the release of a correction."""
    submissions.record_approval(write, alert_id, officer=approval.officer, content=to_json(approval), id=new_id())
