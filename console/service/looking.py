"""What a service looks at every so often, beside sending: one frame for all, which nothing that goes wrong can end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kentongan.errors import KentonganError
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class After:
    """What a look returns to have the next one after other seconds than usual."""

    seconds: float


class Looking:
    """Looks every `every` seconds while it runs, the first time after `first`: `start`, then `stop`.

    Use it from one event loop. `name` is what the log calls it.
    """

    def __init__(self, name: str, look: Callable[[], Awaitable[object]], *, every: float, first: float = 0.0) -> None:
        self._name = name
        self._look = look
        self._every = every
        self._first = first
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.create_task(self._for_ever(), name=self._name)

    async def stop(self) -> None:
        """Ends it; a look that is under way is left where it waits."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _for_ever(self) -> None:
        wait = self._first
        while True:
            await asyncio.sleep(wait)
            wait = self._every
            try:
                found = await self._look()
                if isinstance(found, After):
                    wait = found.seconds
            except KentonganError as error:
                _log.warning("a look of the service waits", extra={"look": self._name, "why": type(error).__name__})
            except Exception:
                # Whatever is wrong with a look must never end the service, which is there for live alerts.
                _log.exception("a look of the service failed", extra={"look": self._name})
