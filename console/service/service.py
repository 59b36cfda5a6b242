"""The resident service: one a state directory, which owns dispatches, sends, shows, and takes receipts."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from console.service import memory, officers_api, receipts_endpoint, remote_api
from console.service.drills import Drills
from console.service.listening import Listening
from console.service.log import take_over
from console.service.officers_tls import Tls
from console.service.pager import Paging
from console.service.prefect_server import PrefectServer
from console.service.prober import Probing
from console.service.pruning import Pruning
from console.service.releasing import Releasing
from console.service.resident import Resident
from console.service.retention import Retention
from console.service.sockets import (
    SOCKET_NAME,
    listen_locally,
)
from flows.house import House, Vouch
from flows.orchestration import Orchestration
from flows.sending import Sending
from kentongan.errors import KentonganError

_log = logging.getLogger(__name__)

_SILENT = 8.0
"""Seconds without a beat on record after which officers are paged: it beats every two."""
_MOST_OF_ONE = 32
"""Connections to the officers' address that one machine, or one office behind one address, may hold."""


class Service(Resident):
    """The service in this process: `start`, then `stop`. Use it from one event loop, in the main thread."""

    def __init__(
        self,
        house: House,
        receipts: socket.socket | None,
        *,
        prefect: bool = True,
        vouch: Vouch | None = None,
        officers: tuple[socket.socket, Tls] | None = None,
        metrics: socket.socket | None = None,
    ) -> None:
        super().__init__(house, metrics=metrics)
        self._officers = officers
        self._paging = Paging(house, silent=self._is_silent)
        self._probing = Probing(house)
        self._retention = Retention(house)
        self._pruning = Pruning(house)
        self._receipts_socket = receipts
        self._orchestration: Orchestration | None = None
        if prefect:
            external = os.environ.get("PREFECT_API_URL") or None
            self._server = PrefectServer(house.state, external=external, ready=self._server_ready)
            self._orchestration = Orchestration(
                ledger=house.ledger, environment=self._server.environment, available=self._server.available
            )
        self.dispatcher = house.dispatcher(
            self._looked_at.channels,
            vouch=vouch,
            orchestrate=self._orchestration.show if self._orchestration is not None else None,
            done=lambda alert_id: self._signing.want(),
            # A ledger in a database is shared by machines; a file's other senders are commands on this one.
            takes_part=house.state.database is not None,
        )
        self._drills = Drills(house, self.dispatcher.nudge)
        self.releasing = Releasing(house, self.dispatcher.nudge)
        self._listening: list[Listening] = []

    @property
    def receipts_address(self) -> str | None:
        """Where receipts are taken, as "HOST:PORT"."""
        return _address(self._receipts_socket) if self._receipts_socket is not None else None

    def _is_silent(self) -> bool:
        """Whether no beat of this process has been recorded for most of a lease."""
        beat = self.dispatcher.pulse.beat
        return beat is not None and beat > _SILENT

    @property
    def officers_address(self) -> str | None:
        """Where officers on other machines are answered, as "HOST:PORT"."""
        return _address(self._officers[0]) if self._officers is not None else None

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the certificate that they are answered with."""
        return self._officers[1].fingerprint if self._officers is not None else None

    @property
    def prefect(self) -> officers_api.PrefectStatus | None:
        """The Prefect server beside it."""
        if self._server is None:
            return None
        return officers_api.PrefectStatus(
            state=self._server.available() or "answering", url=self._server.url, pid=self._server.pid
        )

    @property
    def shows_in_prefect(self) -> bool:
        """Whether an alert that came now would be shown in Prefect."""
        return self._orchestration is not None and self._orchestration.obstacle() is None

    async def _open(self) -> None:
        memory.share_arenas()
        officers = listen_locally(self.house.state.run)
        self._listening = [Listening(officers_api.application(lambda: self), officers)]
        if self._receipts_socket is not None:
            endpoint = receipts_endpoint.application(
                self.house.ledger,
                self._channels,
                self.dispatcher.wake,
                answers=self._take_answers(),
                counting=self._looked_at.metrics,
            )
            self._listening.append(Listening(endpoint, self._receipts_socket))
        if self._officers is not None:
            listener, tls = self._officers
            loop = asyncio.get_running_loop()

            def wake(alert_id: str) -> None:
                loop.call_soon_threadsafe(self.dispatcher.wake, alert_id)

            remote = remote_api.application(lambda: self.house, audience=tls.fingerprint, wake=wake)
            self._listening.append(Listening(remote, listener, tls=tls.context, most_of_one=_MOST_OF_ONE))
        for each in self._listening:
            await each.start()

    async def _begin(self) -> None:
        await self._paging.start()
        await self._drills.start()
        await self._probing.start()
        await self._retention.start()
        await self._pruning.start()
        if self._orchestration is not None:
            self._orchestration.start(Sending(self.dispatcher, asyncio.get_running_loop()))

    def _take_answers(self) -> receipts_endpoint.Answers | None:
        """What keeps answers; None where the words of a language cannot be read: that must not keep alerts in."""
        try:
            return self.house.take_answers()
        except KentonganError as error:
            _log.error("answers cannot be taken", extra={"why": str(error)})
            return None

    async def _take_no_more(self) -> None:
        await self._drills.stop()
        (self.house.state.run / SOCKET_NAME).unlink(missing_ok=True)

    async def _end(self) -> None:
        if self._orchestration is not None:
            await self._orchestration.close(1.0)
        if self._server is not None:
            await self._server.stop()
        for each in self._listening:
            await each.stop()
        await self._paging.stop()
        await self._probing.stop()
        await self._retention.stop()
        await self._pruning.stop()

    async def _server_ready(self) -> None:
        assert self._orchestration is not None
        warm = await self._orchestration.warm_up()
        take_over()
        _log.info("Prefect server answers", extra={"warm": warm})


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
