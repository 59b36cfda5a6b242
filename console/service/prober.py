"""The prober of the service: asks every channel whether a message would pass, as often as service.yaml says.

It has connections of its own, so that no alert waits for a look. What it finds stands in the ledger: `kentongan status`
shows it, and the pager calls officers where a channel would fail.
"""

from __future__ import annotations

import asyncio
import logging

from console.service.looking import Looking
from flows.house import House
from kentongan.ledger import probes
from kentongan.probing import probe
from kentongan.readiness import interval, is_due
from kentongan.seam import Channel

_log = logging.getLogger(__name__)

_LOOK = 15.0
"""Most seconds between two questions to the ledger whether a look is due."""


class Probing:
    """Asks the channels while it runs: `start`, then `stop`. Use it from one event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._channels: dict[str, Channel] = {}
        self._every: dict[str, int] = {}
        self._looking = Looking("prober", self.look, every=_LOOK)

    async def start(self) -> None:
        """Begins to ask, where service.yaml says how often; a channel that cannot be opened stops no other."""
        settings = self._house.settings
        if settings is None or settings.service.probe_every is None:
            return
        every = round(settings.service.probe_every * 1000)
        self._channels, faults = self._house.open_each()
        self._every = {name: interval(every, channel.limits) for name, channel in self._channels.items()}
        for name in faults:
            _log.error("channel not opened to be asked", extra={"instance": name})
        if self._channels:
            self._looking.start()

    async def stop(self) -> None:
        """Leaves what is under way, for it changes nothing anywhere, and closes the connections."""
        await self._looking.stop()
        for channel in self._channels.values():
            await channel.close()

    async def look(self) -> int:
        """Asks the channels that are due now; returns how many. Raises LedgerUnavailable."""
        due = await asyncio.to_thread(self._due)
        seen = await probe(
            {name: self._channels[name] for name in due},
            self._house.ledger,
            every=self._every.__getitem__,
            now=self._house.clock.wall(),
        )
        for name, found in seen.items():
            if not found.seen.ready:
                _log.warning("channel would fail", extra={"instance": name, "why": found.seen.detail})
        return len(seen)

    def _due(self) -> list[str]:
        begun, now = self._house.ledger.read(probes.last_begun), self._house.clock.wall()
        return [name for name, every in self._every.items() if is_due(begun.get(name), now=now, every=every)]
