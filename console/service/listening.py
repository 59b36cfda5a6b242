"""One web application on one listening socket, within the service's own loop and under its own signals."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Collection, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds in which a connection must have sent its request, or it is closed; else a few hundred that dawdle would keep
all others out."""

_HANDSHAKE = 5.0
"""Seconds for a TLS handshake, and as many for its end."""

_BACKLOG = 64
"""Connections that wait for a TLS handshake."""


_LOOKS_AT_WORK = 6
"""So many times that patience a request may take to be answered, and its answer to be taken."""


def peer_of(address: object) -> str:
    """Whoever sits at a socket's other end, by which they are counted: an IPv4 address, or the /64 of an IPv6 one.

    "" for what is no such address. A single customer has the whole /64 (RFC 6177).
    """
    host = address[0] if isinstance(address, tuple) and address else address
    try:
        parsed = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose request has not come whole in time. uvicorn alone waits for ever.

    The same goes for the second and later requests of a connection, and for an answer that nobody takes. `most_of_one`:
    most connections that one peer may hold; None: any number.
    """

    patience = PATIENCE

    def __init__(self, *arguments: Any, most_of_one: int | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._most_of_one = most_of_one
        self._next_look: asyncio.TimerHandle | None = None
        self._stood = self._standing()
        self._looks = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the request."""
        super().connection_made(transport)
        if self._is_one_too_many(transport):
            transport.abort()
            return
        self._next_look = self.loop.call_later(self.patience, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Looks no more."""
        super().connection_lost(exc)
        if self._next_look is not None:
            self._next_look.cancel()

    def _is_one_too_many(self, transport: asyncio.Transport) -> bool:
        peer = peer_of(transport.get_extra_info("peername"))
        if self._most_of_one is None or not peer:
            return False
        held = sum(1 for each in self.connections if peer_of(each.transport.get_extra_info("peername")) == peer)
        return held > self._most_of_one

    def _standing(self) -> tuple[object, bool]:
        """The request that was last begun, and whether the peer has the next word."""
        cycle = self.cycle
        return cycle, cycle is None or cycle.more_body or cycle.response_complete

    def _look(self) -> None:
        standing = self._standing()
        # What is new since the last look gets its whole time.
        self._looks = self._looks + 1 if standing == self._stood else 0
        self._stood = standing
        if self.transport.is_closing() or self._looks >= (1 if standing[1] else _LOOKS_AT_WORK):
            # close() would wait until all that was written is read.
            self.transport.abort()
            return
        self._next_look = self.loop.call_later(self.patience, self._look)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None, most_of_one: int | None) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._tls = tls
        self._most_of_one = most_of_one

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the service."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says when it accepts."""
        # Ourselves, for uvicorn gives whoever dawdles in the handshake a whole minute.
        await super().startup([])
        for listener in sockets or ():
            server = await asyncio.get_running_loop().create_server(
                self._protocol,
                sock=listener,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE if self._tls is not None else None,
                ssl_shutdown_timeout=_HANDSHAKE if self._tls is not None else None,
                backlog=self.config.backlog if self._tls is None else _BACKLOG,
            )
            self.servers.append(server)
        self.up.set()

    def _protocol(self) -> asyncio.Protocol:
        return Impatient(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            most_of_one=self._most_of_one,
        )


class Listening:
    """Serves `application` on `listener`, which it closes at its end. The query of a request is never logged.

    `most_of_one`: most connections that one peer (`peer_of`) may hold; None where others may come through one address.
    """

    def __init__(
        self,
        application: Any,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        most_of_one: int | None = None,
    ) -> None:
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
            most_of_one,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def connections(self) -> Collection[object]:
        """The connections that are open now."""
        return self._server.server_state.connections

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
