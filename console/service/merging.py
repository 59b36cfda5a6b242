"""The service's care for what was sent from the spare: it comes into the ledger once that takes something again."""

from __future__ import annotations

import asyncio
import logging

from console.service.looking import Looking
from flows.house import House
from kentongan.errors import KentonganError
from kentongan.safekeeping.spare import Spare

_log = logging.getLogger(__name__)

_LOOK = 5.0
"""Seconds between two looks at whether a spool is there in which nobody sends any more."""


class Merging:
    """Merges spools while it runs: `start`, then `stop`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._looking = Looking("spare", self.look, every=_LOOK)

    def start(self) -> None:
        """Begins to look, where KENTONGAN_SPARE_DIR names a spare."""
        try:
            spare = Spare.find(self._house.state)
        except KentonganError as error:
            _log.error("the spare cannot be used", extra={"why": str(error)})
            return
        if spare is not None:
            self._looking.start()

    async def stop(self) -> None:
        """Ends the looking; a merge that is cut off goes on the next time."""
        await self._looking.stop()

    async def look(self) -> int:
        """Merges what can be merged now; returns how many spools."""
        return await asyncio.to_thread(self._merge)

    def _merge(self) -> int:
        spare = Spare.find(self._house.state)
        merged = 0
        if spare is None:
            return merged
        for spool in spare.spools():
            try:
                spare.bring(spool, keys=self._house.keys, clock=self._house.clock)
            except KentonganError as error:
                # Somebody sends from it, or the ledger takes nothing yet.
                _log.warning("a spool waits to be merged", extra={"spool": spool.name, "why": type(error).__name__})
            else:
                _log.warning("a spool was merged", extra={"spool": spool.name})
                merged += 1
        return merged
