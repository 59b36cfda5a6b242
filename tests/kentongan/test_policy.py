"""The one place that decides what is next: truth tables by hand, rules by every situation there can be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.delivery import Action, Evidence
from kentongan.policy import (
    TOO_LATE,
    Decision,
    Reason,
    Situation,
    after_doubt,
    after_find,
    after_send,
    backoff,
    before_repeat,
    believable,
    covered,
)
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    Idempotent,
    InDoubt,
    Outcome,
    Pending,
    Rejected,
    Retryable,
    Traits,
    Why,
)
from kentongan.settings import Policy

NOW = 1_795_000_000_000
HOUR = 3_600_000
POLICY = Policy()

PLAIN = Traits(family="phone")
RECEIPTS = Traits(family="phone", receipts=True)
FIND = Traits(public=True, find=True, settling=5)
KEYED = Traits(public=True, idempotent=Idempotent(3600), find=True)


def situation(traits: Traits = PLAIN, **changes: Any) -> Situation:
    values: dict[str, Any] = {
        "traits": traits,
        "public": traits.public,
        "life_at_stake": True,
        "tries": 1,
        "doubts": 0,
        "intent_at": NOW - 2_000,
        "first_intent_at": NOW - 2_000,
        "deadline": 10.0,
        "deliver_by": NOW + HOUR,
        "now": NOW,
        "chance": 1.0,
    }
    return Situation(**values | changes)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Accepted("1"), Decision(Evidence.ACCEPTED, Reason.ACCEPTED)),
        (
            Pending({"id": "7"}, 2.5, True),
            Decision(Evidence.ABSENT, Reason.NEXT_STEP, action=Action.ADVANCE, due_at=NOW + 2_500),
        ),
        (Retryable("refused"), Decision(Evidence.ABSENT, Reason.NEVER_LEFT, "refused", due_at=NOW + 1_000)),
        (Retryable("429", after=42), Decision(Evidence.ABSENT, Reason.NEVER_LEFT, "429", due_at=NOW + 42_000)),
        (Retryable("429", after=3600), Decision(Evidence.ABSENT, Reason.NEVER_LEFT_TOO_LATE, "429")),
        (Credential("401"), Decision(Evidence.ABSENT, Reason.CREDENTIAL, "401", due_at=NOW, hold=True)),
        (Rejected("no", Why.ADDRESS), Decision(Evidence.REJECTED, Reason.REFUSED, "address: no")),
        (Rejected("no", Why.PAYLOAD), Decision(Evidence.REJECTED, Reason.REFUSED, "payload: no")),
    ],
)
def test_each_outcome_has_its_decision(outcome: Outcome, expected: Decision) -> None:
    assert after_send(outcome, situation(), POLICY) == expected


# What a doubt leads to: (traits, public, life at stake, doubts so far) → (reason, action, seconds until it is due).
DOUBTS = [
    (KEYED, True, True, 1, Reason.SAME_KEY, Action.SEND, 1),
    (KEYED, True, False, 5, Reason.SAME_KEY, Action.SEND, 1),
    (FIND, True, True, 1, Reason.LOOK_UP, Action.FIND, 14),
    (FIND, False, True, 1, Reason.LOOK_UP, Action.FIND, 14),
    (PLAIN, False, True, 1, Reason.MARKED_REPEAT, Action.SEND, 60),
    (PLAIN, False, True, 2, Reason.OFFICER, None, None),
    (PLAIN, False, False, 1, Reason.OFFICER, None, None),
    (PLAIN, True, True, 1, Reason.OFFICER, None, None),
    (RECEIPTS, False, True, 1, Reason.RECEIPT_THEN_REPEAT, Action.SEND, 60),
    (RECEIPTS, False, True, 2, Reason.RECEIPT, None, None),
    (RECEIPTS, False, False, 1, Reason.RECEIPT, None, None),
    (RECEIPTS, True, True, 1, Reason.RECEIPT, None, None),
]


@pytest.mark.parametrize(("traits", "public", "life", "doubts", "reason", "action", "seconds"), DOUBTS)
def test_each_doubt_has_its_way_out(
    traits: Traits, public: bool, life: bool, doubts: int, reason: Reason, action: Action | None, seconds: float | None
) -> None:
    given_ = situation(traits, public=public, life_at_stake=life, doubts=doubts)
    decision = after_send(InDoubt("reset"), given_, POLICY)
    assert (decision.evidence, decision.reason, decision.detail) == (Evidence.IN_DOUBT, reason, "reset")
    assert decision.due_at == (None if seconds is None else NOW + seconds * 1000)
    assert action is None or decision.action is action


def test_a_key_that_the_provider_will_have_forgotten_covers_nothing() -> None:
    old = situation(KEYED, doubts=1, first_intent_at=NOW - 3_590_000)
    assert after_doubt("reset", old, POLICY).action is Action.FIND
    assert before_repeat(old, POLICY) is not None
    assert before_repeat(situation(KEYED, doubts=1), POLICY) is None
    assert covered(KEYED, NOW - HOUR + 2_000, NOW)
    assert not covered(KEYED, NOW - HOUR, NOW)
    assert not covered(PLAIN, NOW, NOW)


@pytest.mark.parametrize("outcome", [Retryable("refused"), Credential("401"), Pending({}, 1, True)])
def test_what_never_left_does_not_reopen_an_older_doubt(outcome: Outcome) -> None:
    """A repeat that never left is made again only where the repeat itself would still be."""
    waiting = situation(Traits(public=True), doubts=1, tries=2)
    assert after_send(outcome, waiting, POLICY).due_at is None
    looked_up = after_send(outcome, situation(KEYED, doubts=1, first_intent_at=NOW - 2 * HOUR), POLICY)
    assert (looked_up.evidence, looked_up.action) == (Evidence.ABSENT, Action.FIND)
    assert after_send(outcome, situation(PLAIN, doubts=1, tries=2), POLICY).due_at is not None
    assert after_send(outcome, situation(PLAIN, doubts=2, tries=3), POLICY).due_at is None
    assert after_send(outcome, situation(KEYED, doubts=1, tries=2), POLICY).due_at is not None


def test_a_look_up_is_believed_only_when_it_could_have_found_something() -> None:
    given_ = situation(FIND, doubts=1)
    assert believable(given_) == NOW - 2_000 + 16_000
    early = after_find(Absent(), given_, POLICY)
    assert early == Decision(Evidence.IN_DOUBT, Reason.LOOK_AGAIN, "", Action.FIND, believable(given_))
    late = after_find(Absent(), dataclasses.replace(given_, now=believable(given_)), POLICY)
    assert (late.evidence, late.reason, late.action) == (Evidence.ABSENT, Reason.NOT_FOUND, Action.SEND)
    assert after_find(Accepted("1"), given_, POLICY) == Decision(Evidence.ACCEPTED, Reason.FOUND)
    unclear = after_find(InDoubt("500"), given_, POLICY)
    assert (unclear.reason, unclear.action) == (Reason.LOOK_AGAIN, Action.FIND)
    last = after_find(InDoubt("500"), dataclasses.replace(given_, deliver_by=NOW), POLICY)
    assert last == Decision(Evidence.IN_DOUBT, Reason.OFFICER, "500")


traits_ = st.builds(
    Traits,
    family=st.sampled_from([None, "phone"]),
    public=st.booleans(),
    idempotent=st.none() | st.builds(Idempotent, st.floats(0, 100_000) | st.just(float("inf"))),
    find=st.booleans(),
    receipts=st.booleans(),
    settling=st.floats(0, 600),
)
situations = st.builds(
    lambda since, age, **values: Situation(first_intent_at=NOW - since - age, intent_at=NOW - age, now=NOW, **values),
    since=st.integers(0, 24 * HOUR),
    age=st.integers(0, 120_000),
    traits=traits_,
    public=st.booleans(),
    life_at_stake=st.booleans(),
    tries=st.integers(1, 60),
    doubts=st.integers(0, 5),
    deadline=st.floats(0.1, 120),
    deliver_by=st.integers(NOW - HOUR, NOW + 24 * HOUR),
    chance=st.floats(0, 1),
)
policies = st.builds(
    Policy,
    repeat_after=st.floats(1, 600),
    backoff_first=st.floats(0.01, 30),
    backoff_most=st.floats(0.01, 600),
)
outcomes = st.one_of(
    st.just(Accepted("1")),
    st.builds(Pending, st.just({"id": "7"}), st.floats(0, 600), st.booleans()),
    st.builds(Retryable, st.just("refused"), st.none() | st.floats(0, 100_000)),
    st.just(Rejected("no", Why.ADDRESS)),
    st.just(Credential("401")),
    st.just(InDoubt("reset")),
)


@given(outcomes, situations, policies)
def test_nothing_is_planned_for_the_past_or_for_when_it_is_too_late(
    outcome: Outcome, given_: Situation, policy: Policy
) -> None:
    decision = after_send(outcome, given_, policy)
    if decision.due_at is None:
        return
    assert decision.due_at >= NOW
    if decision.action in (Action.SEND, Action.ADVANCE):
        assert decision.due_at < given_.deliver_by


@given(st.floats(0, 100_000), situations, policies)
def test_what_the_provider_asks_for_is_waited_for(after: float, given_: Situation, policy: Policy) -> None:
    decision = after_send(Retryable("429", after), given_, policy)
    if decision.due_at is not None and decision.action is Action.SEND:
        assert decision.due_at >= NOW + round(after * 1000)


@given(outcomes, situations, policies)
def test_a_doubt_is_repeated_only_where_it_is_harmless_or_for_life_and_once(
    outcome: Outcome, given_: Situation, policy: Policy
) -> None:
    given_ = dataclasses.replace(given_, doubts=max(given_.doubts, isinstance(outcome, InDoubt)))
    decision = after_send(outcome, given_, policy)
    if not given_.doubts or decision.due_at is None or decision.action not in (Action.SEND, Action.ADVANCE):
        return
    harmless = covered(given_.traits, given_.first_intent_at, decision.due_at + round(given_.deadline * 1000))
    for_life = given_.life_at_stake and not given_.public and given_.doubts == 1 and not given_.traits.find
    assert harmless or for_life
    # And right before it is sent the same is asked again.
    at_once = dataclasses.replace(given_, now=decision.due_at)
    assert before_repeat(at_once, policy) is None
    if not for_life:
        forgotten = dataclasses.replace(given_, now=given_.first_intent_at + 200_000_000)
        late = before_repeat(forgotten, policy)
        if not covered(given_.traits, forgotten.first_intent_at, forgotten.now):
            assert late is not None
            assert late.action is not Action.SEND or late.due_at is None


@given(situations, policies, st.sampled_from([Accepted("1"), Absent(), InDoubt("500")]))
def test_a_look_up_repeats_only_what_is_certainly_not_there(
    given_: Situation, policy: Policy, answer: Accepted | Absent | InDoubt
) -> None:
    decision = after_find(answer, given_, policy)
    if decision.due_at is not None:
        assert decision.due_at >= NOW
        if decision.action is Action.SEND:
            assert isinstance(answer, Absent)
            assert decision.evidence is Evidence.ABSENT
            assert given_.intent_at + (given_.deadline + given_.traits.settling) * 1000 <= NOW
            assert decision.due_at < given_.deliver_by
    if decision.evidence is Evidence.ABSENT:
        assert isinstance(answer, Absent)


@given(outcomes, situations, policies)
def test_every_decision_has_a_reason_and_only_an_account_at_fault_holds(
    outcome: Outcome, given_: Situation, policy: Policy
) -> None:
    decision = after_send(outcome, given_, policy)
    assert isinstance(decision.reason, Reason)
    assert decision.hold == isinstance(outcome, Credential)
    assert (decision.evidence is Evidence.IN_DOUBT) == isinstance(outcome, InDoubt)
    if decision.reason in TOO_LATE:
        assert decision.due_at is None
    # Nothing is dropped without a word: without a next step it is settled, in doubt, or too late.
    if decision.due_at is None and decision.evidence is Evidence.ABSENT:
        assert decision.reason in (Reason.NEVER_LEFT_TOO_LATE, Reason.NEVER_LEFT_IN_DOUBT)
        assert (decision.reason is Reason.NEVER_LEFT_IN_DOUBT) <= (given_.doubts > 0)


@given(st.integers(1, 100), st.floats(0, 1), policies)
def test_waits_grow_to_a_most_and_never_shrink(tries: int, chance: float, policy: Policy) -> None:
    wait = backoff(tries, chance, policy)
    assert 0 < wait <= policy.backoff_most
    assert wait <= backoff(tries + 1, chance, policy) + 1e-9
    assert wait >= 0.5 * min(policy.backoff_first, policy.backoff_most)


def test_the_policy_knows_nothing_of_drills() -> None:
    """An exercise rehearses what a live alert does: no field by which to tell them apart reaches the decision."""
    assert {field.name for field in dataclasses.fields(Situation)} == {
        "traits",
        "public",
        "life_at_stake",
        "tries",
        "doubts",
        "intent_at",
        "first_intent_at",
        "deadline",
        "deliver_by",
        "now",
        "chance",
    }
