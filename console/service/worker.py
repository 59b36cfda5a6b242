"""The worker: a sender on a host of its own, which takes part in whatever the shared ledger says is to be sent."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

import channels
from console.service.announcing import Announcing
from console.service.draining import drain
from console.service.health import STUCK, Condition
from console.service.looked_at import LookedAt
from console.service.prefect_server import PrefectServer
from console.service.prefect_work import PrefectWork
from flows.house import House, Vouch
from flows.opened import OpenedChannels

if TYPE_CHECKING:
    from kentongan.dispatcher import Dispatcher

_log = logging.getLogger(__name__)


class Worker:
    """The worker in this process: `start`, then `stop`. Use it from one event loop, in the main thread.

    Its sweep looks at the ledger by itself, so that nothing it sends waits for Prefect. With PREFECT_API_URL it also
    keeps a process worker of Prefect's, by which each host is seen in the broadcast's flow run.
    """

    def __init__(
        self,
        house: House,
        *,
        prefect: bool = True,
        vouch: Vouch | None = None,
        metrics: socket.socket | None = None,
    ) -> None:
        self.house = house
        self.pid = os.getpid()
        self.host = socket.gethostname()
        self.taking = False
        self._channels = OpenedChannels(house)
        self._looked_at = LookedAt(house, self._channels, metrics)
        self._server: PrefectServer | None = None
        self._work: PrefectWork | None = None
        announcing = None
        url = os.environ.get("PREFECT_API_URL") if prefect else None
        if url:
            self._server = PrefectServer(house.state, external=url, ready=self._server_ready)
            self._work = PrefectWork(house.state, self._server.environment)
            secret = os.environ.get("PREFECT_API_AUTH_STRING", "")
            announcing = Announcing(house.ledger, url, house.sender, self.host, secret).announce
        self.dispatcher: Dispatcher = house.dispatcher(
            self._looked_at.channels, vouch=vouch, orchestrate=announcing, takes_part=True
        )

    @property
    def metrics_address(self) -> str | None:
        """Where metrics and health are shown, as "HOST:PORT"."""
        return self._looked_at.address

    @property
    def condition(self) -> Condition:
        """How it is now."""
        return Condition(
            taking=self.taking,
            configured=self.house.settings is not None,
            channels=len(self._channels),
            pulse=self.dispatcher.pulse,
        )

    def goes_round(self) -> bool:
        """Whether its work goes on at all; a ledger that is locked or away is no reason to start it anew."""
        sweep = self.dispatcher.pulse.sweep
        return sweep is None or sweep < STUCK

    @property
    def channel_names(self) -> list[str]:
        """The channels that are open."""
        return sorted(self._channels)

    def key_fault(self) -> str | None:
        """Why it could not be started anew: the key of people's data is gone, or another. It reads the disk."""
        return self.house.keys.people_fault()

    @property
    def prefect_answers(self) -> bool | None:
        """Whether the Prefect server answers; None where none was named."""
        return None if self._server is None else self._server.available() is None

    @property
    def prefect_url(self) -> str | None:
        """The Prefect server that it works for."""
        return self._server.url if self._server is not None else None

    async def start(self) -> None:
        """Begins to send; returns as soon as it is on record."""
        await self.dispatcher.start()
        self.taking = True
        await self._looked_at.start(lambda: self)
        await channels.prepare(self._channels.values())
        if self._server is not None:
            self._server.start()

    async def stop(self) -> None:
        """Begins nothing more, lets every request in flight end and be recorded, and gives back what it had claimed."""
        self.taking = False
        await drain(self.dispatcher)
        if self._server is not None and self._work is not None:
            await asyncio.gather(self._server.stop(), self._work.stop())
        await self._looked_at.stop()
        for channel in self._channels.values():
            await channel.close()

    async def _server_ready(self) -> None:
        assert self._work is not None
        self._work.start()
        _log.info("Prefect server answers", extra={"host": self.host})
