"""What is asked beside the event loop because it may hang, and is waited for only so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Asked:
    """`ask` answers what is wrong, None where nothing is; use it from one event loop.

    It is never asked twice at once: what hangs keeps one thread, however many wait for it.
    """

    def __init__(self, ask: Callable[[], str | None], *, patience: float, silent: str) -> None:
        self._ask = ask
        self._patience = patience
        self._silent = silent
        self._asking: asyncio.Future[str | None] | None = None

    async def answer(self) -> str | None:
        """What is wrong; `silent` where it does not say so within `patience` seconds."""
        asking = self._asking
        if asking is None:
            asking = self._asking = asyncio.ensure_future(asyncio.to_thread(self._ask))
            asking.add_done_callback(self._forget)
        await asyncio.wait([asking], timeout=self._patience)
        return asking.result() if asking.done() else self._silent

    def _forget(self, asking: asyncio.Future[str | None]) -> None:
        self._asking = None
