"""What machines see of a process that sends: its metrics and its health, at an address of their own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from console.service.listening import Listening
from flows.house import House
from kentongan.figures import Following

if TYPE_CHECKING:
    from console.service.metrics import Metrics
    from console.service.metrics_endpoint import Watched
    from kentongan.seam import Channel


class LookedAt:
    """`channels`: those given, with their requests counted where anybody looks. Without `listener` nobody does."""

    def __init__(self, house: House, opened: Mapping[str, Channel], listener: socket.socket | None) -> None:
        self._house = house
        self._listener = listener
        self._following: Following | None = None
        self._listening: Listening | None = None
        self.metrics: Metrics | None = None
        self.channels = opened
        if listener is not None:
            # Imported only where somebody looks.
            from console.service.metrics import Metrics
            from console.service.observed import ObservedChannels

            self.metrics = Metrics()
            self.channels = ObservedChannels(opened, self.metrics)

    @property
    def address(self) -> str | None:
        """Where it is shown, as "HOST:PORT"."""
        if self._listener is None:
            return None
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, watched: Callable[[], Watched]) -> None:
        """Begins to answer."""
        if self._listener is None or self.metrics is None:
            return
        from console.service import metrics_endpoint

        self._following = Following(self._house.ledger)
        shown = metrics_endpoint.application(watched, self._house.ledger, self._following, self.metrics)
        self._listening = Listening(shown, self._listener)
        await self._listening.start()

    async def stop(self) -> None:
        """Answers no more."""
        if self._listening is not None:
            await self._listening.stop()
        if self._following is not None:
            await self._following.close()
