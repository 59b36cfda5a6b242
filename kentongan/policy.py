"""What to do after an attempt: the one place where that is decided, purely and with a named reason (DESIGN section 5).

What certainly never left is tried again until it is too late; what may have left is repeated only where a repeat is
harmless, or where life is at stake, and then once and marked.
"""

from __future__ import annotations

import enum
from dataclasses import replace

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Evidence
from kentongan.quick_dataclass import dataclass
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Outcome,
    Pending,
    Rejected,
    Retryable,
    Traits,
)
from kentongan.settings import Policy

_MARGIN: Milliseconds = 1000


class Reason(enum.StrEnum):
    """Why the next step is what it is; stands in the log and the report, behind what the attempt came to."""

    ACCEPTED = "accepted"
    NEXT_STEP = "next step of the provider's procedure"
    NEVER_LEFT = "never left, tried again"
    NEVER_LEFT_TOO_LATE = "never left, and another try would come too late"
    NEVER_LEFT_IN_DOUBT = "this attempt never left, and an earlier one is still in doubt"
    CREDENTIAL = "our account or configuration was refused; the channel is held"
    REFUSED = "refused for good"
    SAME_KEY = "repeated under the same key, which the provider drops if it has it"
    LOOK_UP = "looked up before anything else"
    RECEIPT_THEN_REPEAT = "waiting for a receipt, then one marked repeat because life is at stake"
    MARKED_REPEAT = "one marked repeat because life is at stake"
    RECEIPT = "only a receipt or an officer can settle it"
    OFFICER = "an officer must settle it"
    TOO_LATE = "a repeat would come too late"
    FOUND = "found on our own account"
    NOT_FOUND = "not found on our own account, tried again"
    NOT_FOUND_TOO_LATE = "not found on our own account, and another try would come too late"
    NOT_SENT = "not sent: stopped, too late or its sender slept; planned again if it still may go"
    SENDER_GONE = "its sender ended in the middle of it"
    BY_OFFICER = "settled by an officer"
    RESTORED = "the ledger was restored from a backup; it may have been sent since that was made"
    LOOK_AGAIN = "the look-up gave no clear answer, looked up again"


TOO_LATE = frozenset({Reason.TOO_LATE, Reason.NEVER_LEFT_TOO_LATE, Reason.NOT_FOUND_TOO_LATE})
"""Reasons for which nothing more is done, because it would come after `deliver_by`."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the decision depends on, beside the outcome.

    `tries`: attempts so far, this one included; `doubts`: those of them that were in doubt, this one included if it
    is. `intent_at`, `first_intent_at`, `now`, `deliver_by`: wall time. `deadline`: seconds one request may take.
    `chance`: a number from 0 to 1 that spreads repeats.
    """

    traits: Traits
    public: bool
    life_at_stake: bool
    tries: int
    doubts: int
    intent_at: Milliseconds
    first_intent_at: Milliseconds
    deadline: float
    deliver_by: Milliseconds
    now: Milliseconds
    chance: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the attempt proves, and what is next: `action` at `due_at`, or nothing (`due_at` None)."""

    evidence: Evidence
    reason: Reason
    detail: str = ""
    action: Action = Action.SEND
    due_at: Milliseconds | None = None
    hold: bool = False


_TAKEN = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)


def at_once(outcome: Outcome) -> Decision | None:
    """Decides on an answer to `send`, `advance` or `upload` that needs no situation; None where it does."""
    return _TAKEN if isinstance(outcome, Accepted) else None


def after_send(outcome: Outcome, situation: Situation, policy: Policy) -> Decision:
    """Decides after an answer to `send`, `advance` or `upload`."""
    match outcome:
        case Accepted():
            return _TAKEN
        case Pending(check_after=check_after):
            due_at = situation.now + _milliseconds(check_after)
            decision = Decision(Evidence.ABSENT, Reason.NEXT_STEP, action=Action.ADVANCE, due_at=due_at)
            return _absent(decision, situation)
        case Retryable(reason=detail, after=after):
            wait = max(after or 0.0, backoff(situation.tries, situation.chance, policy))
            due_at = situation.now + _milliseconds(wait)
            return _absent(Decision(Evidence.ABSENT, Reason.NEVER_LEFT, detail, due_at=due_at), situation)
        case Credential(reason=detail):
            decision = Decision(Evidence.ABSENT, Reason.CREDENTIAL, detail, due_at=situation.now, hold=True)
            return _absent(decision, situation)
        case Rejected(reason=detail, why=why):
            return Decision(Evidence.REJECTED, Reason.REFUSED, f"{why}: {detail}")
        case InDoubt(reason=detail):
            return after_doubt(detail, situation, policy)


def after_doubt(detail: str, situation: Situation, policy: Policy) -> Decision:
    """Decides when nobody here can know whether the attempt arrived, a sender's death in mid-request included."""

    def next_step(reason: Reason, action: Action, due_at: Milliseconds) -> Decision:
        if due_at >= situation.deliver_by and action is Action.SEND:
            return Decision(Evidence.IN_DOUBT, Reason.TOO_LATE, detail)
        return Decision(Evidence.IN_DOUBT, reason, detail, action, due_at)

    soon = situation.now + _milliseconds(backoff(situation.tries, situation.chance, policy))
    traits = situation.traits
    if _covered_at(situation, soon):
        return next_step(Reason.SAME_KEY, Action.SEND, soon)
    if traits.find:
        return next_step(Reason.LOOK_UP, Action.FIND, max(believable(situation), situation.now))
    if _one_repeat_left(situation):
        reason = Reason.RECEIPT_THEN_REPEAT if traits.receipts else Reason.MARKED_REPEAT
        return next_step(reason, Action.SEND, situation.now + _milliseconds(policy.repeat_after))
    reason = Reason.RECEIPT if traits.receipts else Reason.OFFICER
    return Decision(Evidence.IN_DOUBT, reason, detail)


def _absent(decision: Decision, situation: Situation) -> Decision:
    """Lets a next step stand only where it still comes in time and repeats no doubt that it may not repeat."""
    assert decision.due_at is not None
    if situation.doubts and not (_covered_at(situation, decision.due_at) or _one_repeat_left(situation)):
        if situation.traits.find:
            due_at = max(believable(situation), situation.now)
            return replace(decision, reason=Reason.NEVER_LEFT_IN_DOUBT, action=Action.FIND, due_at=due_at)
        return replace(decision, reason=Reason.NEVER_LEFT_IN_DOUBT, due_at=None)
    if decision.due_at >= situation.deliver_by:
        return replace(decision, reason=Reason.NEVER_LEFT_TOO_LATE, due_at=None)
    return decision


def _covered_at(situation: Situation, moment: Milliseconds) -> bool:
    return covered(situation.traits, situation.first_intent_at, moment + _milliseconds(situation.deadline))


def _one_repeat_left(situation: Situation) -> bool:
    """Whether life is at stake and a person's message may be repeated, marked, which is done for one doubt alone."""
    return not situation.traits.find and situation.life_at_stake and not situation.public and situation.doubts <= 1


def believable(situation: Situation) -> Milliseconds:
    """From when on a look-up that finds nothing proves that nothing is there (wall time)."""
    return situation.intent_at + _milliseconds(situation.deadline + situation.traits.settling) + _MARGIN


def before_repeat(situation: Situation, policy: Policy) -> Decision | None:
    """Decides right before an intent on what is still in doubt; None where the planned repeat may go.

    Between plan and intent a hold, a stop of the machine or a long queue may have outlasted the provider's memory of
    the key.
    """
    if not situation.doubts or _covered_at(situation, situation.now) or _one_repeat_left(situation):
        return None
    return after_doubt("the provider has forgotten the key by now", situation, policy)


def after_find(answer: Accepted | Absent | InDoubt, situation: Situation, policy: Policy) -> Decision:
    """Decides after a look-up of a doubtful attempt."""
    wait = _milliseconds(backoff(situation.tries, situation.chance, policy))
    match answer:
        case Accepted():
            return Decision(Evidence.ACCEPTED, Reason.FOUND)
        case Absent() if situation.now < believable(situation):
            return Decision(Evidence.IN_DOUBT, Reason.LOOK_AGAIN, action=Action.FIND, due_at=believable(situation))
        case Absent() if situation.now + wait >= situation.deliver_by:
            return Decision(Evidence.ABSENT, Reason.NOT_FOUND_TOO_LATE)
        case Absent():
            return Decision(Evidence.ABSENT, Reason.NOT_FOUND, due_at=situation.now + wait)
        case InDoubt(reason=detail):
            if situation.now + wait >= situation.deliver_by:
                return Decision(Evidence.IN_DOUBT, Reason.OFFICER, detail)
            return Decision(Evidence.IN_DOUBT, Reason.LOOK_AGAIN, detail, Action.FIND, situation.now + wait)


def covered(traits: Traits, first_intent_at: Milliseconds, moment: Milliseconds) -> bool:
    """Whether the provider still drops a repeat under the same key at `moment`."""
    if traits.idempotent is None:
        return False
    # A first intent that lies ahead was dated by a clock that has been set back: how old the key is nobody can tell.
    return 0 <= moment - first_intent_at < traits.idempotent.window * 1000 - _MARGIN


def backoff(tries: int, chance: float, policy: Policy) -> float:
    """Seconds before try `tries` + 1: doubling, capped, and spread over its upper half by `chance`."""
    # Late: it imports much that the first request of an alert would wait for.
    from tenacity import wait_exponential

    strategy = wait_exponential(multiplier=policy.backoff_first, max=policy.backoff_most)
    whole = strategy(_Tries(max(1, min(tries, 40))))  # type: ignore[arg-type]  # it reads attempt_number alone
    return whole * (0.5 + 0.5 * chance)


@dataclass(frozen=True, slots=True)
class _Tries:
    attempt_number: int


def _milliseconds(seconds: float) -> Milliseconds:
    return round(seconds * 1000)
