"""At what pace each run of a sender goes, and what is told when a provider lets an alert wait for too long."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from kentongan import waves
from kentongan.bucket import cost_of, name_of
from kentongan.clock import Milliseconds
from kentongan.dispatcher.owned import OwnedDispatch
from kentongan.dispatcher.pace import Credential, Pace, Spacing
from kentongan.dispatcher.pacing import LedgerBucket, fastest
from kentongan.dispatcher.part import Sender
from kentongan.errors import KentonganError
from kentongan.ledger import throttled
from kentongan.ledger.buckets import Here
from kentongan.plan import PUBLIC
from kentongan.seam import Channel

_log = logging.getLogger(__name__)

_SAME_PAUSE: Milliseconds = 2_000
"""Two ends of a pause that lie so near are told of as one."""


@dataclass(slots=True)
class Paces:
    """The paces of all runs of a sender; what shares a credential shares its bucket. `boot_id` is the machine's."""

    sender: Sender
    channels: Mapping[str, Channel]
    boot_id: str
    _credentials: dict[str, Credential] = field(default_factory=dict)
    _spacings: dict[str, Spacing] = field(default_factory=dict)
    _telling: set[asyncio.Task[None]] = field(default_factory=set)
    _throttled: dict[tuple[str, str], Milliseconds] = field(default_factory=dict)

    def of(self, owned: OwnedDispatch, channel: Channel) -> Pace:
        """The pace at which a dispatch goes over one of its channels."""
        name, rate = name_of(channel.name, channel.limits), fastest(channel, self.channels.values())
        if name not in self._credentials:
            shared = LedgerBucket(name, self.sender.ledger, Here(self.sender.clock, self.boot_id))
            self._credentials[name] = Credential(shared, self._seconds)
        if channel.limits.rate < rate and channel.name not in self._spacings:
            self._spacings[channel.name] = Spacing(channel.limits.rate, self._seconds)
        policy = self.sender.policy
        return Pace(
            credential=self._credentials[name],
            cost=cost_of(channel.limits, rate, owned.messages.get(channel.name, {}).values(), owned.plan.values),
            rank=waves.place(owned.rank, public=owned.plan.instance(channel.name).family == PUBLIC),
            spacing=self._spacings.get(channel.name),
            told=lambda seconds: self._tell(owned, channel.name, seconds),
            backoff=(policy.backoff_first, policy.backoff_most),
        )

    async def close(self) -> None:
        """Lets what is being told be recorded, and gives back what was leased."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        for credential in self._credentials.values():
            await credential.close()

    def _tell(self, owned: OwnedDispatch, instance: str, seconds: float) -> None:
        """Says at once, and once, that a provider lets an alert wait for longer than it is of use there."""
        until = self.sender.clock.wall() + round(seconds * 1000)
        deliver_by = owned.plan.instance(instance).deliver_by
        place = (owned.alert_id, instance)
        if until < deliver_by or until <= self._throttled.get(place, 0) + _SAME_PAUSE:
            return
        self._throttled[place] = until
        _log.warning("throttled for longer than the alert is of use", extra={"alert": place[0], "instance": instance})

        async def tell() -> None:
            counted = functools.partial(throttled.waiting, alert_id=owned.alert_id, instance=instance)
            try:
                waiting, also = await asyncio.to_thread(self.sender.ledger.read, counted)
                await self.sender.ledger.write_soon(
                    lambda write: throttled.record(
                        write, owned.alert_id, instance, until=until, deliver_by=deliver_by, waiting=waiting, also=also
                    ),
                    must=True,
                )
            except KentonganError:
                # The next request that has to wait tells it again.
                self._throttled.pop(place, None)

        task = asyncio.create_task(tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _seconds(self) -> float:
        return self.sender.clock.boot() / 1000
