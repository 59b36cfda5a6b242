"""One instance's part of one alert, and the sender that sends it: what a run and its requests go by."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence

from kentongan.clock import Clock, Milliseconds, to_datetime
from kentongan.dispatcher.gate import Gate
from kentongan.ledger import Ledger
from kentongan.ledger.claims import Claimed, Intent
from kentongan.plan import PUBLIC, Plan
from kentongan.policy import Situation
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address, Channel, InDoubt, Job, Rendered
from kentongan.settings import Policy

_OVERTIME = 2.0
"""Seconds beyond the adapter's own deadline after which the core gives an attempt up as doubtful."""


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender of this process, by its `name` in the ledger, with all that its runs share."""

    name: str
    ledger: Ledger
    clock: Clock
    gate: Gate
    policy: Policy
    open_addresses: Callable[[Sequence[int]], Mapping[int, Address]]
    chance: Callable[[], float]


@dataclass(frozen=True)
class Part:
    """What `sender` has to send of an alert over one channel; `messages` by language."""

    sender: Sender
    channel: Channel
    alert_id: str
    epoch: int
    plan: Plan
    messages: Mapping[str, Rendered]

    @functools.cached_property
    def public(self) -> bool:
        """Whether it posts for everybody, and not to people one by one."""
        return self.plan.instance(self.channel.name).family == PUBLIC

    @property
    def patience(self) -> float:
        """Seconds after which a call of the adapter is given up."""
        return self.channel.limits.deadline + _OVERTIME

    async def addresses(self, ids: Sequence[int]) -> Mapping[int, Address]:
        """The addresses by their ids, without those that were erased."""
        return await asyncio.to_thread(self.sender.open_addresses, ids) if ids else {}

    async def address(self, claimed: Claimed) -> Address | None:
        """The address of one delivery; None for a public one, and where the person was erased."""
        if claimed.address_id is None:
            return None
        return (await self.addresses([claimed.address_id])).get(claimed.address_id)

    def job(self, claimed: Claimed, first_at: Milliseconds, to: Address | None) -> Job:
        """What the adapter is told of one attempt; `first_at` is the time of the delivery's first intent."""
        values = dict(self.plan.values.get(claimed.language, {}))
        values["validity_minutes"] = str(max(1, (claimed.deliver_by - self.sender.clock.wall()) // 60_000))
        handle = None
        if claimed.handle is not None:
            handle = {name: value for name, value in claimed.handle.items() if name != "irreversible_next"}
        return Job(key=claimed.key, to=to, since=to_datetime(first_at), values=values, handle=handle)

    def situation(self, claimed: Claimed, intent: Intent, answer: object) -> Situation:
        """What the policy decides by after `answer`; None stands for no answer."""
        return Situation(
            traits=self.channel.traits,
            public=self.public,
            life_at_stake=self.plan.life_at_stake,
            tries=intent.attempt,
            doubts=claimed.doubts + isinstance(answer, InDoubt),
            intent_at=intent.at,
            first_intent_at=intent.first_at,
            deadline=self.channel.limits.deadline,
            deliver_by=claimed.deliver_by,
            now=self.sender.clock.wall(),
            chance=self.sender.chance(),
        )
