"""HTTP/1.1 on a socket that can misbehave: what a stand-in answers, and how that reaches the caller or does not."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import h11

LARGEST_BODY = 120 * 1024 * 1024
"""Bytes; above the largest upload that any of the stand-ins' providers allows."""

_GARBLED = b"\x00\x15HTPP/1.x ok\r\n\xff\xfe\x00garbled\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request that arrived whole; header names are in lower case, `path` and `query` as they came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @functools.cached_property
    def parameters(self) -> Mapping[str, str]:
        """The query's parameters; of a name given twice the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def media_type(self) -> str:
        """The body's media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider says."""

    status: int
    body: bytes = b""
    media_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, status: int, content: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        """An answer whose body is `content` as JSON."""
        return cls(status, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), headers=headers)

    @classmethod
    def text(cls, status: int, content: str, media_type: str = "text/plain; charset=utf-8") -> Answer:
        """An answer whose body is `content` as it stands."""
        return cls(status, content.encode(), media_type)


class Manner(enum.Enum):
    """How an answer is put on the wire."""

    WHOLE = enum.auto()
    """As it should be; the connection is kept."""
    CLOSE = enum.auto()
    """Whole, and the kept connection is closed right after it without notice."""
    RESET_NEXT = enum.auto()
    """Whole, and the connection is reset as soon as the next request begins to arrive on it."""
    HANG = enum.auto()
    """Never; the connection stays open."""
    RESET = enum.auto()
    """Never; the connection is reset (RST)."""
    HANG_UP = enum.auto()
    """Never; the connection is closed (FIN)."""
    GARBLE = enum.auto()
    """As bytes that are no HTTP; then the connection is closed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, the manner in which it comes, and after how many seconds."""

    answer: Answer
    manner: Manner = Manner.WHOLE
    delay: float = 0.0


Handler = Callable[[Request], Reply]


@dataclass(eq=False)
class Wire:
    """A listening socket whose every request goes through `handler`, called in the event loop and never blocking."""

    handler: Handler
    requests: int = field(default=0, init=False)
    _connections: set[_Connection] = field(default_factory=set, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)

    async def listen(self, host: str, port: int) -> int:
        """Listens and returns the port; raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=512)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stops listening and drops every connection, those that hang included."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.drop()
        await self._server.wait_closed()
        self._server = None


class _Connection(asyncio.Protocol):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._reset_next = False
        self._silent = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wire._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._reset_next:
            self._reset()
        elif not self._silent:
            self._http.receive_data(data)
            self._advance()

    def eof_received(self) -> bool:
        return False

    def _advance(self) -> None:
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._head, self._body, self._size = event, [], 0
                    if self._http.they_are_waiting_for_100_continue:
                        self._write(h11.InformationalResponse(status_code=100, headers=[]))
                elif isinstance(event, h11.Data):
                    self._size += len(event.data)
                    if self._size > LARGEST_BODY:
                        self._refuse(413)
                        return
                    self._body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._dispatch()
                    return
                else:
                    return
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    def _dispatch(self) -> None:
        head = self._head
        assert head is not None
        target = head.target.decode("ascii", "replace")
        path, _, query = target.partition("?")
        headers = {name.decode("ascii"): value.decode("utf-8", "replace") for name, value in head.headers}
        self._wire.requests += 1
        reply = self._wire.handler(Request(head.method.decode("ascii"), path, query, headers, b"".join(self._body)))
        self._body = []
        if reply.delay > 0:
            self._timer = asyncio.get_running_loop().call_later(reply.delay, self._answer, reply)
        else:
            self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        self._timer = None
        if self._transport.is_closing():
            return
        match reply.manner:
            case Manner.HANG:
                self._silent = True
            case Manner.RESET:
                self._reset()
            case Manner.HANG_UP:
                self._silent = True
                self._transport.close()
            case Manner.GARBLE:
                self._silent = True
                self._transport.write(_GARBLED)
                self._transport.close()
            case Manner.WHOLE | Manner.CLOSE | Manner.RESET_NEXT:
                self._speak(reply)

    def _speak(self, reply: Reply) -> None:
        answer = reply.answer
        headers = [("content-type", answer.media_type), ("content-length", str(len(answer.body))), *answer.headers]
        self._write(h11.Response(status_code=answer.status, headers=headers))
        assert self._head is not None
        if answer.body and self._head.method != b"HEAD":
            self._write(h11.Data(data=answer.body))
        self._write(h11.EndOfMessage())
        if reply.manner is Manner.CLOSE or self._http.our_state is h11.MUST_CLOSE:
            self._silent = True
            self._transport.close()
            return
        self._reset_next = reply.manner is Manner.RESET_NEXT
        self._http.start_next_cycle()
        if not self._reset_next:
            self._advance()

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._transport.write(data)

    def _refuse(self, status: int) -> None:
        self._silent = True
        self._transport.write(f"HTTP/1.1 {status} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self._transport.close()

    def _reset(self) -> None:
        self._silent = True
        raw = self._transport.get_extra_info("socket")
        # A linger time of zero makes the close a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
