"""The worker: a sender on a host of its own, which takes part in whatever the shared ledger says is to be sent."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from console.service.announcing import Announcing
from console.service.prefect_server import PrefectServer
from console.service.prefect_work import PrefectWork
from console.service.resident import Resident
from flows.house import House, Vouch
from kentongan.clock import Process
from kentongan.ledger import hosts

_log = logging.getLogger(__name__)


class Worker(Resident):
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
        super().__init__(house, metrics=metrics)
        self.host = socket.gethostname()
        self._work: PrefectWork | None = None
        announcing = None
        url = os.environ.get("PREFECT_API_URL") if prefect else None
        if url:
            self._server = PrefectServer(house.state, external=url, ready=self._server_ready)
            self._work = PrefectWork(house.state, self._server.environment)
            secret = os.environ.get("PREFECT_API_AUTH_STRING", "")
            announcing = Announcing(house.ledger, url, house.sender, self.host, secret).announce
        self.dispatcher = house.dispatcher(
            self._looked_at.channels,
            vouch=vouch,
            orchestrate=announcing,
            done=lambda alert_id: self._signing.want(),
            takes_part=True,
        )

    def _signs(self) -> bool:
        return self.house.ledger.read(
            lambda read: hosts.signs(read, self.house.sender, clock=self.house.clock, process=Process.current())
        )

    @property
    def prefect_url(self) -> str | None:
        """The Prefect server that it works for."""
        return self._server.url if self._server is not None else None

    async def _end(self) -> None:
        if self._server is not None and self._work is not None:
            await asyncio.gather(self._server.stop(), self._work.stop())

    async def _server_ready(self) -> None:
        assert self._work is not None
        self._work.start()
        _log.info("Prefect server answers", extra={"host": self.host})
