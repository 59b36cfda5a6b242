"""A sender that does everything at random, as fast as it can, over a ledger that others write to at the same time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from kentongan.clock import Process
from kentongan.delivery import Evidence, Phase
from kentongan.ledger import Ledger, buckets, claims, dispatches, outcomes, planning, receipts, senders
from kentongan.ledger.buckets import Here
from kentongan.ledger.claims import Intent
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, Reason
from kentongan.seam import Confirmed, Receipt


@dataclass
class Hammer:
    """Sends of these alerts as the sender `name`; `granted` is all that it had leave to send, by number of attempt."""

    ledger: Ledger
    name: str
    chance: random.Random
    granted: list[tuple[int, int]] = field(default_factory=list)

    def run(self, alerts: list[str], rounds: int) -> list[tuple[int, int]]:
        """Does `rounds` things; returns all that it had leave to send."""
        for _ in range(rounds):
            act = self.chance.choice([self.send, self.send, self.send, self.confirm, self.plan, self.beat, self.lease])
            act(self.chance.choice(alerts))
        return self.granted

    def send(self, alert_id: str) -> None:
        """Claims, gives some back, intends, and records an outcome of each: accepted, never left, or doubtful."""
        claimed = self.ledger.write(
            lambda write: claims.claim(write, sender=self.name, alert_id=alert_id, instance="sms", most=9), beside=True
        )
        ids = [each.id for each in claimed]
        back = ids[: self.chance.randrange(3)]
        self.ledger.write(lambda write: claims.release(write, sender=self.name, deliveries=back), beside=True)
        intents = self.ledger.write(
            lambda write: claims.intend(write, sender=self.name, deliveries=ids, phase=Phase.IRREVERSIBLE), beside=True
        )
        self.granted += [(intent.delivery, intent.attempt) for intent in intents]
        unsent = [intent for intent in intents if self.chance.random() < 0.1]
        settled = [self._settled(intent) for intent in intents if intent not in unsent]
        self.ledger.write(lambda write: outcomes.note_unsent(write, intents=unsent, why="slept"), beside=True)
        self.ledger.write(lambda write: outcomes.settle(write, sender=self.name, outcomes=settled), beside=True)

    def _settled(self, intent: Intent) -> Settled:
        found = self.chance.choice(
            [
                Decision(Evidence.ACCEPTED, Reason.ACCEPTED),
                Decision(Evidence.ACCEPTED, Reason.ACCEPTED),
                Decision(Evidence.ABSENT, Reason.NEVER_LEFT, due_at=intent.at),
                Decision(Evidence.IN_DOUBT, Reason.MARKED_REPEAT, due_at=intent.at),
            ]
        )
        return Settled(intent.delivery, intent.attempt, found, provider_id=f"m{intent.delivery}")

    def confirm(self, _: str) -> None:
        """Receipts come of what is being sent, perhaps while its sender records the outcome."""
        keys = self.ledger.read(
            lambda read: read.sql("SELECT key FROM delivery WHERE stage = 'sending' LIMIT 9").scalars().all()
        )
        found = [Receipt(self.chance.choice(list(Confirmed)), key=key) for key in keys]
        self.ledger.write(lambda write: receipts.record(write, instance="sms", receipts=found), beside=True)

    def plan(self, alert_id: str) -> None:
        """Plans a few more of an alert's deliveries."""
        found = self.ledger.read(lambda read: dispatches.get(read, alert_id))
        assert found is not None
        self.ledger.write(lambda write: planning.expand(write, alert_id, found.plan, 20), beside=True)

    def beat(self, _: str) -> None:
        """Says that it is there."""
        self.ledger.write(lambda write: senders.beat(write, sender=self.name, clock=self.ledger.clock), beside=True)

    def lease(self, name: str) -> None:
        """Leases some of a credential's time."""
        here = Here(self.ledger.clock, Process.current().boot_id)
        self.ledger.write(lambda write: buckets.lease(write, name, here, length=0.001, rank=0), beside=True)
