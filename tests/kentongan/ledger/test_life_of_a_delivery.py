"""Senders, providers, officers and clocks do whatever they can in whatever order, and all of `watched.py` holds.

The machine plays two senders over one ledger. A sender may end, or sleep through its lease and wake; requests of
either kind may still be answered late. Decisions are the policy's own.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from kentongan.clock import Process
from kentongan.delivery import Action, Evidence, Phase
from kentongan.ledger import (
    Write,
    alerts,
    claims,
    dispatches,
    outcomes,
    planning,
    receipts,
    senders,
    views,
)
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.outcomes import Settled
from kentongan.policy import (
    Decision,
    Reason,
    after_doubt,
    after_find,
    after_send,
    before_repeat,
    covered,
)
from kentongan.seam import (
    Absent,
    Accepted,
    Confirmed,
    Credential,
    InDoubt,
    Outcome,
    Pending,
    Receipt,
    Rejected,
    Retryable,
    Why,
)
from kentongan.settings import Policy
from tests.kentongan.ledger.scenes import release
from tests.kentongan.ledger.watched import DEADLINE, DELIVER_WITHIN, TRAITS, Request, Watched

POLICY = Policy(repeat_after=3, backoff_first=1, backoff_most=4)
outcomes_ = st.one_of(
    st.builds(Accepted, st.from_regex(r"m[0-9]{1,2}", fullmatch=True), st.just("")),
    st.builds(Retryable, st.just("throttled"), st.sampled_from([None, 0.5, 14.0, 500.0])),
    st.builds(Retryable, st.just("refused"), st.none()),
    st.builds(Rejected, st.just("no"), st.sampled_from(Why)),
    st.just(InDoubt("hung up")),
    st.just(InDoubt("hung up")),
    st.just(InDoubt("hung up")),
    st.builds(Pending, st.just({"step": "2"}), st.just(0.5), st.booleans()),
    st.just(Credential("token")),
)
answers = st.one_of(st.just(Accepted("found")), st.just(Absent()), st.just(InDoubt("garbled")))
roles = st.sampled_from(["one", "two"])


class Deliveries(Watched):
    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        """One rule, so that every run has all of it, in proportions that let much happen before it is too late."""
        rows, _ = self.looked
        acts = [self.send] * 6 + [self.time_passes] * 3 + [self.sweep] * 2 + [self.tidy]
        if self.claimed:
            acts += [self.go_on_late] * 2
        if self.claimed or self.requests:
            acts.append(self.a_sender_ends)
        if self.requests:
            acts += [self.answer] * 2
        if any(row.instance == "sms" and row.attempt for row in rows):
            acts.append(self.receipt)
        if any(row.result == "in_doubt" for row in rows):
            acts.append(self.resolve)
        if not self.stopped and len(self.known) > 6:
            acts.append(self.stop)
        if not self.released and len(self.known) > 6:
            acts.append(self.withdraw)
        data.draw(st.sampled_from(acts))(data)

    # --- Time and senders ---

    def time_passes(self, data: st.DataObject) -> None:
        """Whoever is not awake misses its beats."""
        seconds = data.draw(st.sampled_from([0.5, 1, 1, 2, 3, 3, 6, 11, 30]))
        awake = data.draw(st.sampled_from(["both", "both", "one", "two"]))
        self.clock.pass_by(round(seconds * 1000))
        for role in ("one", "two"):
            if awake in ("both", role):
                name = self.names[role]
                self.write(lambda w, n=name: senders.beat(w, sender=n, clock=self.clock))  # type: ignore[misc]

    def a_sender_ends(self, data: st.DataObject) -> None:
        """It is gone at once; another takes its role."""
        role = data.draw(roles)
        name = self.names[role]
        self.write(lambda w: senders.end(w, sender=name))
        self.start(role)

    def sweep(self, _: st.DataObject) -> None:
        gone = self.ledger.read(lambda read: senders.gone(read, clock=self.clock, process=Process.current()))
        taken = [r for r in self.requests if r.sender in gone]

        def decide(row: Any) -> Decision:
            known = self.ledger.read(lambda read: views.attempts(read, row.id))
            doubts = 1 + sum(attempt.evidence == Evidence.IN_DOUBT for attempt in known)
            request = next(r for r in self.requests if r.intent.delivery == row.id and r.intent.attempt == row.attempt)
            return after_doubt(Reason.SENDER_GONE, self.situation(request.claimed, request.intent, doubts), POLICY)

        while self.write(lambda w: outcomes.recover(w, gone=gone, after_doubt=decide, most=2)):
            pass
        for request in taken:
            request.taken_back = True
        held = {row.sender for row in self.ledger.read(self.look)[0]}
        assert not held & set(gone)

    # --- Sending ---

    def claim(self, role: str) -> None:
        name = self.names[role]
        for alert in ("alert1", "correction1"):
            for instance in TRAITS:
                found = self.write(
                    lambda w, a=alert, i=instance: claims.claim(w, sender=name, alert_id=a, instance=i, most=2)  # type: ignore[misc]
                )
                self.claimed += [(name, claimed) for claimed in found]

    def send(self, data: st.DataObject) -> None:
        """What a sender does: it claims what is due, has leave at once or later, and is answered at once or later."""
        role = data.draw(roles)
        before = len(self.claimed)
        self.claim(role)
        for position in reversed(range(before, len(self.claimed))):
            match data.draw(st.sampled_from(["answered", "answered", "in flight", "claimed"])):
                case "claimed":
                    continue
                case "in flight":
                    self.go_on(position, data)
                case "answered":
                    asked = len(self.requests)
                    self.go_on(position, data)
                    if len(self.requests) > asked:
                        self.settle(self.requests.pop(), data.draw(outcomes_))

    def go_on_late(self, data: st.DataObject) -> None:
        """A sender goes on with what it claimed long ago, or gives it back."""
        position = data.draw(st.integers(0, len(self.claimed) - 1))
        if data.draw(st.integers(0, 4)):
            self.go_on(position, data)
        else:
            name, claimed = self.claimed.pop(position)
            self.write(lambda w: claims.release(w, sender=name, deliveries=[claimed.id]))

    def go_on(self, position: int, data: st.DataObject) -> None:
        name, claimed = self.claimed[position]
        if claimed.action in (Action.FIND, Action.EDIT):
            del self.claimed[position]
            self.look_up_or_mark(name, claimed, data.draw(answers))
        else:
            phase = data.draw(st.sampled_from([Phase.IRREVERSIBLE, Phase.IRREVERSIBLE, Phase.REVERSIBLE]))
            self.ask_for_leave(position, phase)

    def ask_for_leave(self, position: int, phase: Phase) -> None:
        name, claimed = self.claimed.pop(position)
        now = self.clock.wall()
        before = Intent(claimed.id, claimed.attempt, claimed.last_intent_at or now, claimed.first_intent_at or now)
        instead = before_repeat(self.situation(claimed, before, claimed.doubts), POLICY)
        if instead is not None:
            self.write(lambda w: outcomes.reconsider(w, sender=name, instead=[(claimed, instead)]))
            return
        first_at = claimed.first_intent_at
        is_covered = first_at is not None and covered(TRAITS[claimed.instance], first_at, now + round(DEADLINE * 1000))
        row = self.row(claimed.id)
        alert = self.ledger.read(lambda read: alerts.get(read, claimed.alert_id))
        intents = self.write(
            lambda w: claims.intend(
                w, sender=name, deliveries=[claimed.id], phase=phase, covered=[claimed.id] if is_covered else []
            )
        )
        if not intents:
            return
        (intent,) = intents
        # The fence: nothing of an old epoch, nothing too late, and nobody else in the middle of it.
        assert alert.state == "dispatched"
        assert row.epoch == alert.epoch
        assert now < claimed.deliver_by
        assert row.sender == name
        assert not [r for r in self.requests if r.intent.delivery == claimed.id and not r.taken_back]
        # A doubt is repeated only where that is harmless, or for life, marked, and once.
        unsettled = self.ledger.read(lambda read: views.attempts(read, claimed.id))
        doubts = sum(attempt.evidence == Evidence.IN_DOUBT for attempt in unsettled)
        if doubts and phase is Phase.IRREVERSIBLE:
            assert is_covered or (self.life_at_stake and claimed.instance != "toots" and doubts == 1)
        if claimed.id in self.ever_doubted and not is_covered and phase is Phase.IRREVERSIBLE:
            self.ever_marked.add(claimed.id)
        self.requests.append(Request(name, claimed, intent))

    def answer(self, data: st.DataObject) -> None:
        """The provider answers, in time or long after; the sender may be taken for gone by now. Or it never wrote."""
        request = self.requests.pop(data.draw(st.integers(0, len(self.requests) - 1)))
        if data.draw(st.integers(0, 4)):
            self.settle(request, data.draw(outcomes_))
        else:
            self.write(lambda w: outcomes.note_unsent(w, intents=[request.intent], why="it slept"))

    def settle(self, request: Request, outcome: Outcome) -> None:
        doubts = request.claimed.doubts + isinstance(outcome, InDoubt)
        decision = after_send(outcome, self.situation(request.claimed, request.intent, doubts), POLICY)
        if decision.evidence is Evidence.ACCEPTED and request.claimed.follows and TRAITS[request.claimed.instance].edit:
            decision = Decision(decision.evidence, decision.reason, decision.detail, Action.EDIT, self.clock.wall())
        settled = Settled(
            request.claimed.id,
            request.intent.attempt,
            decision,
            provider_id=outcome.id if isinstance(outcome, Accepted) else "",
            handle=outcome.handle if isinstance(outcome, Pending) else None,
        )
        self.write(lambda w: outcomes.settle(w, sender=request.sender, outcomes=[settled]))

    def look_up_or_mark(self, name: str, claimed: Claimed, answer: Accepted | Absent | InDoubt) -> None:
        if claimed.action is Action.EDIT:
            again = self.clock.wall() + 1000 if isinstance(answer, InDoubt) else None
            self.write(lambda w: outcomes.settle_edit(w, sender=name, claimed=claimed, detail="marked", again_at=again))
            return
        first_at = claimed.first_intent_at or self.clock.wall()
        intent = Intent(claimed.id, claimed.attempt, claimed.last_intent_at or first_at, first_at)
        decision = after_find(answer, self.situation(claimed, intent, claimed.doubts), POLICY)
        if decision.evidence is Evidence.ABSENT:
            assert self.clock.wall() >= intent.at + (DEADLINE + 4) * 1000
        self.write(lambda w: outcomes.settle_find(w, sender=name, claimed=claimed, decision=decision))

    # --- Receipts and officers ---

    def receipt(self, data: st.DataObject) -> None:
        confirmed = data.draw(st.sampled_from(Confirmed))
        rows = [row for row in self.looked[0] if row.instance == "sms" and row.attempt]
        row = data.draw(st.sampled_from(rows))
        by_id = data.draw(st.booleans()) and row.provider_id
        told = Receipt(confirmed, key="" if by_id else row.key, provider_id=row.provider_id if by_id else "")
        self.write(lambda w: receipts.record(w, instance="sms", receipts=[told]))
        self.write(receipts.match_kept)

    def resolve(self, data: st.DataObject) -> None:
        sent, again = data.draw(st.booleans()), data.draw(st.booleans())
        id = data.draw(st.sampled_from([row.id for row in self.looked[0] if row.result == "in_doubt"]))
        self.write(lambda w: outcomes.resolve(w, deliveries=[id], sent=sent, again=again, by="siti"))

    def stop(self, _: st.DataObject) -> None:
        self.write(lambda w: dispatches.stop(w, "alert1", by="siti", signed=True))
        self.stopped = True

    def tidy(self, data: st.DataObject) -> None:
        """The chores of a sweep, in chunks as small as can be; and an officer who would not wait."""

        def act(write: Write) -> None:
            for alert in ("alert1", "correction1"):
                found = dispatches.get(write, alert)
                if found is not None and alerts.get(write, alert).state == "dispatched":
                    planning.expand(write, alert, found.plan, 1)
                for instance in TRAITS:
                    outcomes.close_overdue(write, alert, instance, most=1)
            outcomes.cancel_stopped(write, "alert1", most=1)

        for _ in range(data.draw(st.integers(1, 4))):
            self.write(act)

        def hasten(write: Write) -> None:
            ids = outcomes.waiting(write, alert_id="alert1", instances=["toots", "bot"])
            outcomes.hasten(write, alert_id="alert1", deliveries=ids, by="siti")

        self.write(hasten)

    def withdraw(self, _: st.DataObject) -> None:
        deliver_by = self.clock.wall() + DELIVER_WITHIN
        self.write(lambda w: release(w, "alert1", "correction1", deliver_by=deliver_by))
        self.stopped = self.released = True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_life_of_a_delivery_holds_whatever_happens() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Deliveries,
        settings=settings(
            max_examples=60,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
