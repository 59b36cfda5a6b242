"""What a sender mends in the ledger in every round of its sweep, so that none of it waits for anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from kentongan.clock import Milliseconds
from kentongan.delivery import Evidence
from kentongan.dispatcher.chunks import Chunks
from kentongan.ledger import Ledger, Read, Write, dispatches, outcomes, receipts, steps, views
from kentongan.ledger.changes import Standing
from kentongan.plan import PUBLIC
from kentongan.policy import Decision, Reason, Situation, after_doubt
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Channel
from kentongan.settings import Policy

_ROUND = 0.25
"""Seconds that a round of the sweep gives to what nobody waits for."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Brings the ledger up to date in small transactions; `wake` is told of the alert whose deliveries changed.

    `wake` is told None where it may be any. `chance` gives numbers from 0 to 1.
    """

    ledger: Ledger
    channels: Mapping[str, Channel]
    policy: Policy
    chance: Callable[[], float]
    wake: Callable[[str | None], None]

    async def recover(self, gone: Sequence[str]) -> None:
        """Takes back what senders held that are `gone`."""
        while await self.ledger.write_soon(
            lambda write: outcomes.recover(write, gone=gone, after_doubt=lambda row: self._after_doubt(write, row))
        ):
            pass

    async def cancel_stopped(self, alert_id: str, *, gives_way: bool) -> None:
        """Marks what a stop has kept from going, a part of it in each round; none of it can go any more.

        `gives_way`: an alert is being sent.
        """
        await self._close(
            alert_id, lambda write, most: outcomes.cancel_stopped(write, alert_id, most=most), gives_way=gives_way
        )

    async def follow_clock(self, alert_id: str, dispatched_at: Milliseconds) -> None:
        """Sends on although the wall clock was set back, by which all that is planned would lie hours ahead."""
        while await self.ledger.write_soon(
            lambda write: outcomes.clock_set_back(write, alert_id=alert_id, dispatched_at=dispatched_at)
        ):
            self.wake(alert_id)
        await self.ledger.write_soon(
            lambda write: steps.clock_set_back(write, alert_id=alert_id, dispatched_at=dispatched_at)
        )

    async def close_overdue(self, alert_id: str, instance: str, *, gives_way: bool) -> None:
        """Closes what would come too late, a part of it in each round."""
        await self._close(
            alert_id,
            lambda write, most: outcomes.close_overdue(write, alert_id, instance, most=most),
            gives_way=gives_way,
        )

    async def _close(self, alert_id: str, act: Callable[[Write, int], int], *, gives_way: bool) -> None:
        chunks, until = Chunks(), time.monotonic() + _ROUND
        while await self.ledger.write_soon(chunks.timed(act)):
            self.wake(alert_id)
            if time.monotonic() > until:
                return
            await asyncio.sleep(chunks.rest(gives_way=gives_way))

    async def tidy(self) -> None:
        """Matches receipts that came early, ends what has expired, and takes the steps that are due."""
        if self.ledger.read(views.has_kept_receipts):
            await self.ledger.write_soon(receipts.match_kept)
        if self.ledger.read(views.has_expired):
            await self.ledger.write_soon(dispatches.end_expired)
        # Whose next channel or group it is; the owner of the dispatch finds what is planned here.
        while self.ledger.read(steps.is_due) and await self.ledger.write_soon(steps.advance):
            self.wake(None)

    def _after_doubt(self, read: Read, row: Standing) -> Decision:
        """Decides for a row whose sender ended in mid-request."""
        found = dispatches.get(read, row.alert_id)
        channel = self.channels.get(row.instance)
        if found is None or channel is None:
            return Decision(Evidence.IN_DOUBT, Reason.OFFICER, "its channel is not in the config of this process")
        attempts = views.attempts(read, row.id)
        situation = Situation(
            traits=channel.traits,
            public=row.family == PUBLIC,
            life_at_stake=found.plan.life_at_stake,
            tries=row.attempt,
            doubts=1 + sum(attempt.evidence == Evidence.IN_DOUBT for attempt in attempts),
            intent_at=attempts[-1].intent_at if attempts else read.now,
            first_intent_at=row.first_intent_at or read.now,
            deadline=channel.limits.deadline,
            deliver_by=row.deliver_by,
            now=read.now,
            chance=self.chance(),
        )
        return after_doubt(Reason.SENDER_GONE, situation, self.policy)
