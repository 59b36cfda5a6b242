"""Verdicts: whether what officers have signed still holds, so that an alert may leave.

All decisions here are pure. Every entry point makes them again, flows included: what is stored is never believed
because it is stored. `now` is the time of the dispatch, also where a dispatched alert is taken up again later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from kentongan.alert import Kind
from kentongan.approval import Act, Approval, ByCode, signed_by, signed_content
from kentongan.cap.model import Severity
from kentongan.drill_schedules import ScheduledRun, may_run
from kentongan.keys import verify_signature
from kentongan.officers import CLOCK_SKEW, Officer, Refusal
from kentongan.one_time_codes import Sheet, fits, is_theirs
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode
from kentongan.settings import Policy
from kentongan.subject import Prepared, Subject, subject_digest

BREAK_GLASS_KINDS = frozenset({Kind.ALERT, Kind.UPDATE, Kind.CORRECTION})
"""What one officer may send alone; all that is not named here always takes two."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The alert may leave, by the word of these officers; `reason` is set where the glass was broken.

    `by_code` are those of them who said a one-time code on the telephone and signed nothing. `schedule`: the id of the
    drill schedule that they approved, where the alert goes by that.
    """

    by: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    reason: str = ""
    by_code: tuple[str, ...] = ()
    schedule: str = ""

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
    sheets: Mapping[str, Sheet] = MappingProxyType({}),
    mode: Mode = Mode.LIVE,
    alert_id: str = "",
    scheduled: ScheduledRun | None = None,
) -> Approved | Refusal:
    """Decides whether an alert may leave: the submitter's word and one other's, else one officer's broken glass.

    A public exercise takes two approvals of two officers, one of whom may be the submitter, and never less. A drill
    that a schedule has made goes by the two officers' word on that schedule (`scheduled`), and by nothing else; no
    live alert ever does.

    `code` names the alert to officers. `digest` and `people` are computed anew from what would be sent; `officers` are
    by name, `severity` the gravest of the alert. A submission does not lapse, an approval and a broken glass do after
    `policy.approval_lasts`. A people count that differs from the one shown only warns. `sheets` are officers' one-time
    codes, by id.
    """
    lasts = timedelta(seconds=policy.approval_lasts)

    def fault(approval: Approval) -> Refusal | None:
        if approval.act is Act.APPROVE_BY_CODE and not policy.approval_by_code:
            return Refusal("approval-by-code", "policy.yaml allows no approval by one-time code; have it signed")
        return _fault(approval, code=code, digest=digest, officers=officers, now=now, lasts=lasts, sheets=sheets)

    if scheduled is not None:
        if mode is Mode.LIVE:
            return Refusal("schedule-live", f"alert {code} is live, and no schedule sends that; have it approved")
        found = may_run(scheduled, code=code, alert_id=alert_id, digest=digest, officers=officers, now=now)
        return found if isinstance(found, Refusal) else Approved(found.by, schedule=scheduled.schedule.id)
    if mode is Mode.EXERCISE:
        return _two_approvals(approvals, code, submitter, people, fault)
    two = _two_persons(approvals, code, submitter, fault)
    if not isinstance(two, Refusal):
        submission, approval = two
        taken = approval.by_code
        return Approved(
            (submission.officer, approval.officer),
            (*_code_warnings(approval), *_count_warnings(approval, people)),
            by_code=(approval.officer,) if taken is not None else (),
        )

    def broken_fault(approval: Approval) -> Refusal | None:
        return break_glass_forbidden(approval.reason, kind=kind, severity=severity, policy=policy) or fault(approval)

    broken = _sound([each for each in approvals if each.act is Act.BREAK_GLASS], broken_fault)
    if broken is None:
        return two
    if isinstance(broken, Refusal):
        return broken
    return Approved((broken.officer,), _count_warnings(broken, people), broken.reason)


def _two_approvals(
    approvals: Sequence[Approval],
    code: str,
    submitter: str,
    people: int,
    fault: Callable[[Approval], Refusal | None],
) -> Approved | Refusal:
    submission = _submitted(approvals, code, submitter, fault)
    if isinstance(submission, Refusal):
        return submission
    given = [each for each in approvals if each.act in (Act.APPROVE, Act.APPROVE_BY_CODE)]
    latest = [_sound([e for e in given if e.officer == name], fault) for name in sorted({e.officer for e in given})]
    sound = sorted((each for each in latest if isinstance(each, Approval)), key=lambda each: each.at)
    if len(sound) < 2:
        faults = [each for each in latest if isinstance(each, Refusal)]
        if faults and not sound:
            return faults[0]
        told = f"only {sound[0].officer} has approved" if sound else "nobody has approved"
        return Refusal(
            "approval-two",
            f"public exercise {code} takes the approval of two officers and {told} it; "
            f"another runs `kentongan approve {code}`",
        )
    two = (sound[0], sound[-1])
    warnings = [warning for each in two for warning in (*_code_warnings(each), *_count_warnings(each, people))]
    by_code = tuple(each.officer for each in two if each.by_code is not None)
    if len(by_code) == 2:
        told = f"one officer at least signs for public exercise {code}; approve it without a code"
        return Refusal("approval-two", told)
    return Approved((two[0].officer, two[1].officer), tuple(warnings), by_code=by_code)


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


def approval_fault(
    approval: Approval, *, code: str, digest: str, officers: Mapping[str, Officer], now: datetime, policy: Policy
) -> Refusal | None:
    """Why an approval that was signed elsewhere does not count as one of what is to be sent, or None."""
    if approval.act is not Act.APPROVE:
        return Refusal("signature", f"what {approval.officer} signed for alert {code} is no approval; approve it again")
    lasts = timedelta(seconds=policy.approval_lasts)
    return _fault(approval, code=code, digest=digest, officers=officers, now=now, lasts=lasts)


def check_release(
    release: Approval | None,
    *,
    code: str,
    subject: Subject,
    correction: Prepared,
    alert_approved: Approved | Refusal,
    officers: Mapping[str, Officer],
    now: datetime,
    policy: Policy,
    by_schedule: bool = False,
) -> Approved | Refusal:
    """Decides whether one officer may release a ready-made correction.

    `code` is the alert's, and so is `subject`, as it was approved; `correction` is what would be sent, digested anew;
    `alert_approved` is the verdict on the alert at the time of its dispatch. The release is signed over the digest of
    `subject`. Without one, a drill's correction goes by its schedule, where the officers have approved that too:
    `by_schedule` says so.
    """
    if isinstance(alert_approved, Refusal):
        return alert_approved
    if subject.correction != correction:
        return Refusal(
            "correction-changed",
            f"the correction of alert {code} is not the one approved with it; write one and have it approved",
        )
    if release is None and by_schedule and alert_approved.schedule:
        return Approved(alert_approved.by, schedule=alert_approved.schedule)
    if release is None or release.act is not Act.RELEASE:
        return Refusal("release-missing", f"nobody has released the correction of alert {code}; release it")
    lasts = timedelta(seconds=policy.approval_lasts)
    fault = _fault(release, code=code, digest=subject_digest(subject), officers=officers, now=now, lasts=lasts)
    return fault or Approved((release.officer,))


def _submitted(
    approvals: Sequence[Approval], code: str, submitter: str, fault: Callable[[Approval], Refusal | None]
) -> Approval | Refusal:
    submissions = [each for each in approvals if each.act is Act.SUBMIT and each.officer == submitter]
    return _sound(submissions, fault) or Refusal(
        "submission-missing", f"{submitter} has not submitted alert {code}; run `kentongan submit {code}`"
    )


def _two_persons(
    approvals: Sequence[Approval],
    code: str,
    submitter: str,
    fault: Callable[[Approval], Refusal | None],
) -> tuple[Approval, Approval] | Refusal:
    submission = _submitted(approvals, code, submitter, fault)
    if isinstance(submission, Refusal):
        return submission
    given = [each for each in approvals if each.act in (Act.APPROVE, Act.APPROVE_BY_CODE)]
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
    sheets: Mapping[str, Sheet] = MappingProxyType({}),
) -> Refusal | None:
    name = approval.officer
    again = "submit it again" if approval.act is Act.SUBMIT else "have it approved again"
    officer = officers.get(name)
    if officer is None:
        return Refusal("officer-unknown", f"{name}, who signed for alert {code}, is no officer here; {again}")
    if not officer.active(now):
        return Refusal("officer-revoked", f"{name}, who signed for alert {code}, does not count as officer; {again}")
    if (approval.by_code is not None) != (approval.act is Act.APPROVE_BY_CODE):
        return Refusal("signature", f"what {name} signed for alert {code} is no {approval.act.value}; {again}")
    signer: Officer | None = officer
    if approval.by_code is not None:
        signer = officers.get(approval.by_code.taken_by)
        found = _code_fault(approval.by_code, officer, signer, code=code, sheets=sheets, now=now)
        if found is not None:
            return found
    if signer is None or not verify_signature(signer.public_key, signed_content(approval), approval.signature):
        return Refusal(
            "signature",
            f"the signature of {signed_by(approval)} on alert {code} is not theirs; {again} and tell the reviewer",
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


def _code_fault(
    taken: ByCode, officer: Officer, taker: Officer | None, *, code: str, sheets: Mapping[str, Sheet], now: datetime
) -> Refusal | None:
    """Why a code that was said on the telephone does not count, or None."""
    name = officer.name
    if taker is None or not taker.active(now) or taker.name == name:
        return Refusal(
            "code-taker", f"no officer who counts has taken down the code of {name} for alert {code}; approve it again"
        )
    sheet = sheets.get(taken.sheet)
    if sheet is None or not is_theirs(sheet, officer):
        return Refusal("code-sheet", f"{name} has signed no such sheet of codes; have alert {code} approved again")
    if taken.number > sheet.spent or not fits(sheet, taken.number, taken.code):
        return Refusal("code", f"the code on alert {code} is none that {name} has spent; have it approved again")
    return None


def _code_warnings(approval: Approval) -> tuple[str, ...]:
    taken = approval.by_code
    if taken is None:
        return ()
    return (
        f"{approval.officer} approved by one-time code {taken.number}, taken down by {taken.taken_by}: "
        "that is no signature of theirs",
    )


def _count_warnings(approval: Approval, people: int) -> tuple[str, ...]:
    if approval.people == people:
        return ()
    return (f"{approval.officer} was shown {approval.people} people and there are {people} now",)
