"""Retention in the service: once a day, and never while an alert is on its way."""

from __future__ import annotations

import asyncio
import logging

from flows.house import House
from kentongan import retention
from kentongan.errors import KentonganError
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
        self._first = first
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins, some minutes after the service itself."""
        self._loop = asyncio.create_task(self._for_ever(), name="retention")

    async def stop(self) -> None:
        """Ends it; what is under way is finished by the next service."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _for_ever(self) -> None:
        wait = self._first
        while True:
            await asyncio.sleep(wait)
            wait = _AGAIN
            try:
                if await asyncio.to_thread(self.retain):
                    wait = _DAILY
            except KentonganError:
                _log.warning("retention waits for the ledger")
            except Exception:
                # Whatever is wrong with it must not end the service.
                _log.exception("nothing erased by policy")

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
