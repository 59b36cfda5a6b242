"""Retention in the service: once a day, and never while an alert is on its way."""

from __future__ import annotations

import asyncio
import logging

from console.service.looking import After, Looking
from flows.house import House
from kentongan import retention
from kentongan.ledger import editions, erasing

_log = logging.getLogger(__name__)

_FIRST = 600.0
_AGAIN = 600.0
_DAILY = 86_400.0

BY = "policy"
"""Who an erasing is by that policy.yaml asked for."""


class Retention:
    """Erases what policy.yaml wants erased while it runs: `start`, then `stop`. Use it from one event loop."""

    def __init__(self, house: House, *, first: float = _FIRST) -> None:
        self._house = house
        self._looking = Looking("retention", self.look, every=_AGAIN, first=first)

    async def start(self) -> None:
        """Begins, some minutes after the service itself."""
        self._looking.start()

    async def stop(self) -> None:
        """Ends it; what is under way is finished by the next service."""
        await self._looking.stop()

    async def look(self) -> object:
        """Erases what is overdue; the next look is a day later, or soon, where an alert goes first."""
        return After(_DAILY) if await asyncio.to_thread(self.retain) else None

    def retain(self) -> bool:
        """Erases what is overdue; False where an alert is on its way, which goes first. Raises LedgerUnavailable."""
        ledger, settings = self._house.ledger, self._house.settings
        if settings is None:
            return True
        if ledger.read(editions.is_sending):
            return False
        done = retention.retain(ledger, settings.policy, by=BY)
        if done.people or done.answers:
            erasing.clear_journal(ledger)
            _log.info("erased by policy", extra={"people": done.people, "answers": done.answers})
        return True
