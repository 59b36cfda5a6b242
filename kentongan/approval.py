"""Approvals: what officers sign before an alert may leave, and whether what they signed still holds.

All decisions here are pure. Every entry point makes them again, flows included: what is stored is never believed
because it is stored. `now` is the time of the dispatch, also where a dispatched alert is taken up again later.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, ConfigDict, JsonValue

from kentongan.alert import Kind
from kentongan.cap.model import Severity
from kentongan.keys import verify_signature
from kentongan.officers import CLOCK_SKEW, STORED, Officer, Refusal, SigningKey, statement
from kentongan.settings import Policy
from kentongan.subject import Prepared, Subject, subject_digest

BREAK_GLASS_KINDS = frozenset({Kind.ALERT, Kind.CORRECTION})
"""What one officer may send alone; all that is not named here always takes two."""


# --- What an officer signs -----------------------------------------------------------------------------


class Act(enum.StrEnum):
    """What an officer's signature means; one act's signature is never good for another's."""

    SUBMIT = "submit"
    APPROVE = "approve"
    BREAK_GLASS = "break-glass"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Approval:
    """One officer's signed word on a subject's `digest`, with the people count that they were shown.

    `at` is in whole seconds, UTC. `reason` is what was typed to break the glass, else "".
    """

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    officer: str
    act: Act
    digest: str
    people: int
    at: AwareDatetime
    reason: str
    signature: bytes = field(repr=False)


def sign(key: SigningKey, *, act: Act, digest: str, people: int, now: datetime, reason: str = "") -> Approval:
    """Signs for the officer whose key it is."""
    at = now.astimezone(UTC).replace(microsecond=0)
    reason = reason.strip()
    content = _content(key.officer, act, digest, people, at, reason)
    return Approval(key.officer, act, digest, people, at, reason, key.sign(content))


def _content(officer: str, act: Act, digest: str, people: int, at: datetime, reason: str) -> bytes:
    fields: dict[str, JsonValue] = {"officer": officer, "digest": digest, "people": people, "reason": reason}
    return statement(f"alert.{act.value}", fields, at)


# --- Whether it holds ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approved:
    """The alert may leave, by the word of these officers; `reason` is set where the glass was broken."""

    by: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def break_glass(self) -> bool:
        """Whether one officer sends alone."""
        return bool(self.reason)


def check(
    approvals: Sequence[Approval],
    *,
    code: str,
    submitter: str,
    digest: str,
    people: int,
    officers: Mapping[str, Officer],
    now: datetime,
    kind: Kind,
    severity: Severity,
    policy: Policy,
) -> Approved | Refusal:
    """Decides whether an alert may leave: the submitter's word and one other's, else one officer's broken glass.

    `code` names the alert to officers. `digest` and `people` are computed anew from what would be sent; `officers` are
    by name, `severity` the gravest of the alert. A submission does not lapse, an approval and a broken glass do after
    `policy.approval_lasts`. A people count that differs from the one shown only warns.
    """
    lasts = timedelta(seconds=policy.approval_lasts)

    def fault(approval: Approval) -> Refusal | None:
        return _fault(approval, code=code, digest=digest, officers=officers, now=now, lasts=lasts)

    two = _two_persons(approvals, code, submitter, fault)
    if not isinstance(two, Refusal):
        submission, approval = two
        return Approved((submission.officer, approval.officer), _count_warnings(approval, people))

    def broken_fault(approval: Approval) -> Refusal | None:
        return break_glass_forbidden(approval.reason, kind=kind, severity=severity, policy=policy) or fault(approval)

    broken = _sound([each for each in approvals if each.act is Act.BREAK_GLASS], broken_fault)
    if broken is None:
        return two
    if isinstance(broken, Refusal):
        return broken
    return Approved((broken.officer,), _count_warnings(broken, people), broken.reason)


def break_glass_forbidden(reason: str, *, kind: Kind, severity: Severity, policy: Policy) -> Refusal | None:
    """Why one officer may not send this alone, or None; live and drill alike, so that it is rehearsed."""
    if kind not in BREAK_GLASS_KINDS:
        return Refusal("break-glass-kind", f"one officer never sends a message of kind {kind} alone; have it approved")
    if severity.value not in policy.break_glass:
        allowed = " or ".join(policy.break_glass) or "none"
        return Refusal(
            "break-glass-severity",
            f"break-glass is for severity {allowed} and this is {severity}; have a second officer approve it",
        )
    if not reason.strip():
        return Refusal("break-glass-reason", "break-glass takes a reason; type why no second officer can approve")
    return None


def check_release(
    release: Approval,
    *,
    code: str,
    subject: Subject,
    correction: Prepared,
    alert_approved: Approved | Refusal,
    officers: Mapping[str, Officer],
    now: datetime,
    policy: Policy,
) -> Approved | Refusal:
    """Decides whether one officer may release a ready-made correction.

    `code` is the alert's, and so is `subject`, as it was approved; `correction` is what would be sent, digested anew;
    `alert_approved` is the verdict on the alert at the time of its dispatch. The release is signed over the digest of
    `subject`.
    """
    if isinstance(alert_approved, Refusal):
        return alert_approved
    if subject.correction != correction:
        return Refusal(
            "correction-changed",
            f"the correction of alert {code} is not the one approved with it; write one and have it approved",
        )
    if release.act is not Act.RELEASE:
        return Refusal("release-missing", f"nobody has released the correction of alert {code}; release it")
    lasts = timedelta(seconds=policy.approval_lasts)
    fault = _fault(release, code=code, digest=subject_digest(subject), officers=officers, now=now, lasts=lasts)
    return fault or Approved((release.officer,))


def _two_persons(
    approvals: Sequence[Approval],
    code: str,
    submitter: str,
    fault: Callable[[Approval], Refusal | None],
) -> tuple[Approval, Approval] | Refusal:
    submissions = [each for each in approvals if each.act is Act.SUBMIT and each.officer == submitter]
    submission = _sound(submissions, fault)
    if submission is None:
        return Refusal(
            "submission-missing", f"{submitter} has not submitted alert {code}; run `kentongan submit {code}`"
        )
    if isinstance(submission, Refusal):
        return submission
    given = [each for each in approvals if each.act is Act.APPROVE]
    approval = _sound([each for each in given if each.officer != submitter], fault)
    if approval is None:
        if given:
            return Refusal(
                "approval-second-person",
                f"{submitter} submitted alert {code} and cannot approve it too; another officer must",
            )
        return Refusal(
            "approval-missing",
            f"alert {code} is not approved; another officer than {submitter} runs `kentongan approve {code}`",
        )
    return approval if isinstance(approval, Refusal) else (submission, approval)


def _sound(approvals: Sequence[Approval], fault: Callable[[Approval], Refusal | None]) -> Approval | Refusal | None:
    """The latest that holds, else what is wrong with the latest, else None."""
    latest_first = sorted(approvals, key=lambda each: each.at, reverse=True)
    faults = []
    for each in latest_first:
        found = fault(each)
        if found is None:
            return each
        faults.append(found)
    return faults[0] if faults else None


def _fault(
    approval: Approval,
    *,
    code: str,
    digest: str,
    officers: Mapping[str, Officer],
    now: datetime,
    lasts: timedelta,
) -> Refusal | None:
    name = approval.officer
    again = "submit it again" if approval.act is Act.SUBMIT else "have it approved again"
    officer = officers.get(name)
    if officer is None:
        return Refusal("officer-unknown", f"{name}, who signed for alert {code}, is no officer here; {again}")
    if not officer.active(now):
        return Refusal("officer-revoked", f"{name}, who signed for alert {code}, does not count as officer; {again}")
    content = _content(name, approval.act, approval.digest, approval.people, approval.at, approval.reason)
    if not verify_signature(officer.public_key, content, approval.signature):
        return Refusal(
            "signature", f"the signature of {name} on alert {code} is not theirs; {again} and tell the reviewer"
        )
    if approval.digest != digest:
        return Refusal(
            "approval-changed", f"alert {code} is not what {name} signed: its words, area or channels changed; {again}"
        )
    if approval.at > now + CLOCK_SKEW:
        return Refusal("approval-time", f"{name} signed alert {code} in the future; set the clocks right and {again}")
    if approval.act is not Act.SUBMIT and now - approval.at >= lasts:
        minutes = int(lasts.total_seconds() // 60)
        return Refusal("approval-lapsed", f"what {name} signed for alert {code} lapsed after {minutes} min; {again}")
    return None


def _count_warnings(approval: Approval, people: int) -> tuple[str, ...]:
    if approval.people == people:
        return ()
    return (f"{approval.officer} was shown {approval.people} people and there are {people} now",)
