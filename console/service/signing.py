"""Signing the record as it grows: the ledger's heads, every minute and whenever an alert is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from console.service.heads import Heads
from kentongan.errors import KentonganError

_log = logging.getLogger(__name__)

_EVERY = 60.0


class Signing:
    """Signs in a task of its own: `start`, then `stop`. Use it from one event loop.

    `ours` tells whether it falls to this process, and is asked each time; it may raise LedgerUnavailable.
    """

    def __init__(self, heads: Heads, ours: Callable[[], bool] = lambda: True) -> None:
        self._heads = heads
        self._ours = ours
        self._fell_to_us = False
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def want(self) -> None:
        """Has it signed soon."""
        self._wanted.set()

    def start(self) -> None:
        """Begins to sign."""
        self._task = asyncio.create_task(self._for_ever(), name="signing")

    async def stop(self) -> None:
        """Signs once more where it fell to this process, and ends."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._fell_to_us:
            with contextlib.suppress(KentonganError):
                await self._heads.publish()

    async def look(self) -> bool:
        """Signs now, where it falls to this process; True where chains had grown. Raises LedgerUnavailable."""
        self._fell_to_us = await asyncio.to_thread(self._ours)
        return self._fell_to_us and await self._heads.publish()

    async def _for_ever(self) -> None:
        while True:
            self._wanted.clear()
            try:
                await self.look()
            except KentonganError:
                _log.warning("heads wait for the ledger")
            except Exception:
                _log.exception("heads not signed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._wanted.wait()
