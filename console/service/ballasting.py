"""The service's care for the ledger's ballast: it is made at the start, and anew when there is room again."""

from __future__ import annotations

import asyncio
import logging

from console.service.looking import Looking
from flows.house import House
from kentongan.ledger import ballast
from kentongan.settings import Service as ServiceSettings

_log = logging.getLogger(__name__)

_LOOK = 60.0
"""Seconds between two looks at whether it is there and whether there is room."""

_MEGABYTE = 1_000_000


class Ballasting:
    """Keeps ballast beside the ledger while it runs: `start`, then `stop`. It stays when the service ends."""

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings.service if house.settings is not None else ServiceSettings()
        self._size = settings.ballast * _MEGABYTE
        self._told = False
        self._looking = Looking("ballast", self.look, every=_LOOK)

    def start(self) -> None:
        """Begins to look, unless service.yaml wants none or the ledger is in a database."""
        if self._size and self._house.ledger.ballast.path is not None:
            self._looking.start()

    async def stop(self) -> None:
        """Ends the looking."""
        await self._looking.stop()

    async def look(self) -> None:
        """Makes the ballast where it is missing and there is room; raises LedgerUnavailable."""
        ledger, size = self._house.ledger, self._size
        made = await asyncio.to_thread(ledger.ballast.make, size)
        if made or (ledger.ballast.there and ledger.read(ballast.used_at) is not None):
            await ledger.write_soon(lambda write: ballast.note_made(write, size=size))
        missing = not ledger.ballast.there
        if missing and not self._told:
            _log.error("no room for the ballast", extra={"ledger": str(ledger.path), "bytes": size})
        self._told = missing
