"""Pruning in the service: once a day, and never while an alert is on its way."""

from __future__ import annotations

import asyncio
import logging
import threading

from console.service import memory
from console.service.looking import After, Looking
from flows.house import House
from kentongan import pruning
from kentongan.pruning import DAY

_log = logging.getLogger(__name__)

_FIRST = 900.0
_AGAIN = 600.0
_DAILY = 86_400.0

BY = "policy"
"""Who prunes by what policy.yaml says."""


class Pruning:
    """Prunes what policy.yaml wants pruned while it runs: `start`, then `stop`. Use it from one event loop."""

    def __init__(self, house: House, *, first: float = _FIRST) -> None:
        self._house = house
        self._ending = threading.Event()
        self._looking = Looking("pruning", self.look, every=_AGAIN, first=first)

    async def start(self) -> None:
        """Begins, some minutes after the service itself."""
        self._looking.start()

    async def stop(self) -> None:
        """Ends it after the transaction that is under way; the rest is done by the next service."""
        self._ending.set()
        await self._looking.stop()

    async def look(self) -> object:
        """Prunes what is due; the next look is a day later, or soon, where an alert went first."""
        done = await asyncio.to_thread(self.prune)
        return After(_DAILY) if done is None or not done.waits else None

    def prune(self) -> pruning.Pruned | None:
        """Prunes what policy wants pruned by now; None where it says nothing. Raises LedgerUnavailable.

        Then, or where nothing was to be pruned, memory is given back that the day has left free.
        """
        try:
            return self._prune()
        finally:
            memory.give_back()

    def _prune(self) -> pruning.Pruned | None:
        house = self._house
        if house.settings is None or house.settings.policy.deliveries_kept_days is None:
            return None
        done = pruning.prune(
            house.ledger,
            house.keys,
            house.settings.agency,
            before=house.clock.wall() - house.settings.policy.deliveries_kept_days * DAY,
            by=BY,
            go_on=lambda: not self._ending.is_set(),
        )
        if done.alerts:
            _log.info(
                "pruned",
                extra={
                    "alerts": len(done.alerts),
                    "deliveries": done.deliveries,
                    "longest_commit": round(done.longest, 3),
                },
            )
        return done
