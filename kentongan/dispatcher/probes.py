"""Asking held instances whether they would pass again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kentongan.clock import Clock, Milliseconds
from kentongan.ledger import Ledger, senders
from kentongan.seam import Channel
from kentongan.settings import Policy

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Probes:
    """Releases the holds of instances whose provider takes us again; `released` is called after each."""

    ledger: Ledger
    clock: Clock
    channels: Mapping[str, Channel]
    policy: Policy
    released: Callable[[], None]
    _at: dict[str, Milliseconds] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, wanted: set[str]) -> None:
        """Probes the held instances that an open dispatch needs, where one is due; waits for none of them."""
        for instance in self.ledger.read(senders.holds):
            channel = self.channels.get(instance)
            due = self._at.setdefault(instance, self.clock.boot()) + round(self.policy.probe_every * 1000)
            if channel is None or instance not in wanted or self.clock.boot() < due:
                continue
            self._at[instance] = self.clock.boot()
            probe = asyncio.create_task(self._probe(channel))
            self._tasks.add(probe)
            probe.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends the probes that are under way."""
        probes = list(self._tasks)
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    async def _probe(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(min(channel.limits.deadline, self.policy.probe_every)):
                readiness = await channel.ready()
            if readiness.ready:
                await self.ledger.write_soon(
                    lambda write: senders.release_hold(write, instance=channel.name, by="probe")
                )
                self._at.pop(channel.name, None)
                self.released()
        except Exception as error:
            _log.warning("probe failed", extra={"instance": channel.name, "error": type(error).__name__})
