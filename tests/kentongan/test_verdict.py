from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import product
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kentongan.alert import Kind
from kentongan.approval import Act, Approval, sign
from kentongan.cap.model import Severity
from kentongan.officers import Officer, Refusal, SigningKey, new_officer
from kentongan.seam import Mode
from kentongan.settings import Policy
from kentongan.subject import Instance, Prepared, Subject, subject_digest
from kentongan.verdict import Approved, break_glass_forbidden, check, check_release

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
POLICY = Policy()
LASTS = timedelta(seconds=POLICY.approval_lasts)
DIGEST = "d" * 64
ALL_CLEAR = cast(Kind, "all-clear")


@cache
def person(name: str) -> tuple[Officer, SigningKey]:
    return new_officer(name, SecretStr("kucing lima ekor"), now=NOW - timedelta(days=30), cost=2**14)


OFFICERS: Mapping[str, Officer] = {name: person(name)[0] for name in ("siti", "budi", "made")}


def by(name: str, act: Act, *, age: timedelta = timedelta(minutes=1), **changes: Any) -> Approval:
    values: dict[str, Any] = {"digest": DIGEST, "people": 41_200, "reason": ""} | changes
    return sign(person(name)[1], act=act, now=NOW - age, **values)


SUBMITTED = by("siti", Act.SUBMIT)


def decide(approvals: Sequence[Approval], **changes: Any) -> Approved | Refusal:
    values: dict[str, Any] = {
        "code": "K7Q4",
        "submitter": "siti",
        "digest": DIGEST,
        "people": 41_200,
        "officers": OFFICERS,
        "now": NOW,
        "kind": Kind.ALERT,
        "severity": Severity.SEVERE,
        "policy": POLICY,
    }
    return check(approvals, **values | changes)


def rule(verdict: object) -> str:
    assert isinstance(verdict, Refusal), verdict
    return verdict.rule


# What may be wrong with one signature, by the rule that finds it.
FAULTS: Mapping[str, Any] = {
    "": lambda approval: approval,
    "approval-changed": lambda approval: by(approval.officer, approval.act, digest="e" * 64, reason=approval.reason),
    "signature": lambda approval: dataclasses.replace(approval, people=approval.people + 1),
    "approval-time": lambda approval: by(
        approval.officer, approval.act, age=-timedelta(seconds=61), reason=approval.reason
    ),
    "approval-lapsed": lambda approval: by(approval.officer, approval.act, age=LASTS, reason=approval.reason),
}
SUBMISSIONS = ("absent", *(fault for fault in FAULTS if fault != "approval-lapsed"))
APPROVALS = ("absent", "own", *FAULTS)
GLASSES = ("absent", "empty", *FAULTS)


@pytest.mark.parametrize("submission", SUBMISSIONS)
@pytest.mark.parametrize("approval", APPROVALS)
def test_truth_table(submission: str, approval: str) -> None:
    for glass, kind, severity in product(GLASSES, (Kind.ALERT, Kind.CORRECTION, ALL_CLEAR), Severity):
        given: list[Approval] = []
        if submission != "absent":
            given.append(FAULTS[submission](SUBMITTED))
        if approval == "own":
            given.append(by("siti", Act.APPROVE))
        elif approval != "absent":
            given.append(FAULTS[approval](by("budi", Act.APPROVE)))
        if glass != "absent":
            reason = " " if glass == "empty" else "nobody answers"
            given.append(FAULTS["" if glass == "empty" else glass](by("made", Act.BREAK_GLASS, reason=reason)))
        verdict = decide(given[::-1], kind=kind, severity=severity)

        if submission == "" and approval == "":
            assert verdict == Approved(("siti", "budi"))
        elif glass == "absent":
            if submission == "absent":
                assert rule(verdict) == "submission-missing"
            elif submission:
                assert rule(verdict) == submission
            else:
                assert rule(verdict) == {"absent": "approval-missing", "own": "approval-second-person"}.get(
                    approval, approval
                )
        elif kind is ALL_CLEAR:
            assert rule(verdict) == "break-glass-kind"
        elif severity not in (Severity.EXTREME, Severity.SEVERE):
            assert rule(verdict) == "break-glass-severity"
        elif glass:
            assert rule(verdict) == {"empty": "break-glass-reason"}.get(glass, glass)
        else:
            assert verdict == Approved(("made",), reason="nobody answers")
            assert verdict.break_glass


@pytest.mark.parametrize("act", Act)
def test_one_act_is_never_taken_for_another(act: Act) -> None:
    for name, claimed in product(("siti", "budi"), Act):
        claiming = dataclasses.replace(by(name, act, reason="nobody answers"), act=claimed)
        verdict = decide([SUBMITTED, claiming] if name == "budi" else [claiming, by("budi", Act.APPROVE)])
        fits = act is claimed and (
            act is Act.BREAK_GLASS or (name, act) in (("budi", Act.APPROVE), ("siti", Act.SUBMIT))
        )
        assert isinstance(verdict, Approved) == fits


def test_the_submitter_cannot_be_renamed_to_make_two_persons_of_one() -> None:
    both = [by("budi", Act.SUBMIT), by("budi", Act.APPROVE)]
    assert rule(decide(both, submitter="siti")) == "submission-missing"
    assert rule(decide(both, submitter="budi")) == "approval-second-person"


def test_revoked_and_unknown_officers_do_not_count() -> None:
    approved = [SUBMITTED, by("budi", Act.APPROVE)]
    for name in ("siti", "budi"):
        revoked = dataclasses.replace(OFFICERS[name], revoked_at=NOW)
        assert rule(decide(approved, officers={**OFFICERS, name: revoked})) == "officer-revoked"
        later = dataclasses.replace(OFFICERS[name], revoked_at=NOW + timedelta(seconds=1))
        assert isinstance(decide(approved, officers={**OFFICERS, name: later}), Approved)
        without = {each: officer for each, officer in OFFICERS.items() if each != name}
        assert rule(decide(approved, officers=without)) == "officer-unknown"
        usurped = dataclasses.replace(OFFICERS[name], public_key=OFFICERS["made"].public_key)
        assert rule(decide(approved, officers={**OFFICERS, name: usurped})) == "signature"


@pytest.mark.parametrize(
    ("age", "good"),
    [(LASTS - timedelta(seconds=1), True), (LASTS, False), (-timedelta(seconds=60), True), (-timedelta(days=1), False)],
)
def test_an_approval_and_a_broken_glass_lapse(age: timedelta, good: bool) -> None:
    two = decide([SUBMITTED, by("budi", Act.APPROVE, age=age)])
    one = decide([by("budi", Act.BREAK_GLASS, age=age, reason="nobody answers")])
    assert [isinstance(two, Approved), isinstance(one, Approved)] == [good, good]


def test_a_submission_waits_for_its_approval_without_lapsing() -> None:
    submitted = by("siti", Act.SUBMIT, age=timedelta(days=2))
    assert isinstance(decide([submitted, by("budi", Act.APPROVE)]), Approved)


def test_a_changed_count_only_warns() -> None:
    verdict = decide([SUBMITTED, by("budi", Act.APPROVE, people=40_000)])
    assert verdict == Approved(("siti", "budi"), ("budi was shown 40000 people and there are 41200 now",))
    alone = decide([by("made", Act.BREAK_GLASS, people=1, reason="nobody answers")])
    assert isinstance(alone, Approved)
    assert alone.warnings == ("made was shown 1 people and there are 41200 now",)


def test_one_sound_approval_is_enough_among_stale_ones() -> None:
    stale = [FAULTS[fault](by("made", Act.APPROVE)) for fault in FAULTS if fault]
    for approvals in ([*stale, by("budi", Act.APPROVE, age=timedelta(minutes=9))], [by("budi", Act.APPROVE), *stale]):
        assert decide([SUBMITTED, *approvals]) == Approved(("siti", "budi"))


def test_two_persons_outrank_a_broken_glass() -> None:
    verdict = decide([SUBMITTED, by("budi", Act.APPROVE), by("made", Act.BREAK_GLASS, reason="nobody answers")])
    assert isinstance(verdict, Approved)
    assert not verdict.break_glass


def test_policy_says_for_which_severities_the_glass_may_be_broken() -> None:
    glass = by("made", Act.BREAK_GLASS, reason="nobody answers")
    for severity in Severity:
        verdict = decide([glass], severity=severity, policy=Policy(break_glass=("Minor",)))
        assert isinstance(verdict, Approved) == (severity is Severity.MINOR)
        assert rule(decide([glass], severity=severity, policy=Policy(break_glass=()))) == "break-glass-severity"


def test_whether_the_glass_may_be_broken_can_be_asked_before_signing() -> None:
    assert break_glass_forbidden("nobody answers", kind=Kind.ALERT, severity=Severity.EXTREME, policy=POLICY) is None
    refused = break_glass_forbidden("", kind=Kind.ALERT, severity=Severity.EXTREME, policy=POLICY)
    assert rule(refused) == "break-glass-reason"


@given(st.data())
def test_no_signed_field_can_be_changed(data: st.DataObject) -> None:
    good = [SUBMITTED, by("budi", Act.APPROVE)]
    changed = data.draw(st.integers(0, 1))
    approval = good[changed]
    field, value = data.draw(
        st.one_of(
            st.tuples(st.just("officer"), st.sampled_from(["siti", "budi", "made", "nobody"])),
            st.tuples(st.just("act"), st.sampled_from(Act)),
            st.tuples(st.just("digest"), st.text()),
            st.tuples(st.just("people"), st.integers(0)),
            st.tuples(st.just("at"), st.integers(1, 10**6).map(lambda seconds: NOW - timedelta(seconds=seconds))),
            st.tuples(st.just("reason"), st.text()),
            st.tuples(st.just("signature"), st.binary()),
        )
    )
    good[changed] = dataclasses.replace(approval, **{field: value})
    assert isinstance(decide(good), Approved) == (good[changed] == approval)


@given(
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    offset=st.integers(-720, 840),
    reason=st.text(),
    people=st.integers(0, 10**9),
)
def test_a_signature_holds_wherever_and_whatever_was_signed(
    at: datetime, offset: int, reason: str, people: int
) -> None:
    local = at.replace(tzinfo=timezone(timedelta(minutes=offset)))
    glass = sign(person("made")[1], act=Act.BREAK_GLASS, digest=DIGEST, people=people, now=local, reason=f"a{reason}")
    officers = {"made": dataclasses.replace(OFFICERS["made"], active_from=datetime(1999, 1, 1, tzinfo=UTC))}
    assert isinstance(decide([glass], now=local, people=people, officers=officers), Approved)


CORRECTION = Prepared("c" * 64, {"toot:id": "r" * 64})
SUBJECT = Subject(
    alert_id="K7Q4",
    kind=Kind.ALERT,
    alert="a" * 64,
    renderings={"toot:id": "b" * 64},
    instances=(Instance("toot", "mastodon", Mode.LIVE, False),),
    area=("Klaten",),
    correction=CORRECTION,
)


def release(name: str = "made", act: Act = Act.RELEASE, **changes: Any) -> Approval:
    return by(name, act, **{"digest": subject_digest(SUBJECT)} | changes)


def decide_release(given: Approval, **changes: Any) -> Approved | Refusal:
    values: dict[str, Any] = {
        "code": "K7Q4",
        "subject": SUBJECT,
        "correction": CORRECTION,
        "alert_approved": Approved(("siti", "budi")),
        "officers": OFFICERS,
        "now": NOW,
        "policy": POLICY,
    }
    return check_release(given, **values | changes)


@pytest.mark.parametrize("name", ["siti", "budi", "made"])
def test_any_one_officer_releases_the_ready_made_correction(name: str) -> None:
    assert decide_release(release(name)) == Approved((name,))


def test_a_release_takes_an_officer_who_signed_for_this_correction() -> None:
    changed = Prepared(CORRECTION.alert, {"toot:id": "s" * 64})
    revoked = {**OFFICERS, "made": dataclasses.replace(OFFICERS["made"], revoked_at=NOW)}
    for verdict, expected in (
        (decide_release(release(), correction=changed), "correction-changed"),
        (decide_release(release(), subject=dataclasses.replace(SUBJECT, correction=None)), "correction-changed"),
        (decide_release(release(), subject=dataclasses.replace(SUBJECT, area=())), "approval-changed"),
        (decide_release(release(act=Act.APPROVE)), "release-missing"),
        (decide_release(dataclasses.replace(release(act=Act.APPROVE), act=Act.RELEASE)), "signature"),
        (decide_release(release(), officers=revoked), "officer-revoked"),
        (decide_release(release(), officers={}), "officer-unknown"),
        (decide_release(release(age=LASTS)), "approval-lapsed"),
        (decide_release(release(), alert_approved=Refusal("approval-missing", "no")), "approval-missing"),
    ):
        assert rule(verdict) == expected


def test_every_refusal_names_the_alert_and_is_one_line() -> None:
    for fault in FAULTS:
        verdict = decide([SUBMITTED, FAULTS[fault](by("budi", Act.APPROVE))])
        if isinstance(verdict, Refusal):
            assert "K7Q4" in verdict.sentence
            assert "\n" not in verdict.sentence
            assert DIGEST not in verdict.sentence


def test_a_refusal_names_the_alert_as_officers_do() -> None:
    refused = decide([SUBMITTED])
    assert isinstance(refused, Refusal)
    assert refused.sentence == "alert K7Q4 is not approved; another officer than siti runs `kentongan approve K7Q4`"
