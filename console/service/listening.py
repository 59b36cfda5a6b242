"""One web application on one listening socket, within the service's own loop and under its own signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds in which a connection must have sent its request, or it is closed; else a few hundred that dawdle would keep
all others out."""

_HANDSHAKE = 5.0
"""Seconds for a TLS handshake."""


class Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose request has not come whole in time. uvicorn alone waits for ever."""

    patience = PATIENCE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the request."""
        super().connection_made(transport)
        self._unfinished: object | None = None
        self.loop.call_later(self.patience, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        unfinished = self.cycle if self.cycle is not None and self.cycle.more_body else None
        # A request that is new since the last look gets its whole time.
        if self.cycle is None or (unfinished is not None and unfinished is self._unfinished):
            self.transport.abort()
            return
        self._unfinished = unfinished
        self.loop.call_later(self.patience, self._look)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._tls = tls

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the service."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says when it accepts."""
        if self._tls is None:
            await super().startup(sockets)
        else:
            # Ourselves, for uvicorn gives whoever dawdles in the handshake a whole minute.
            await super().startup([])
            for listener in sockets or ():
                server = await asyncio.get_running_loop().create_server(
                    self._protocol, sock=listener, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE, backlog=64
                )
                self.servers.append(server)
        self.up.set()

    def _protocol(self) -> asyncio.Protocol:
        return Impatient(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


class Listening:
    """Serves `application` on `listener`, which it closes at its end. The query of a request is never logged."""

    def __init__(self, application: Any, listener: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                application,
                access_log=False,
                log_config=None,
                lifespan="off",
                http=Impatient,
                ws="none",
                server_header=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=2,
                limit_concurrency=256,
            ),
            tls,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when requests are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait([self._task, up], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Answers what was asked, for two seconds at most, and ends."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()
