"""A provider that takes everything at once, in a process of its own, and tells what it has seen and what it cost it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 25\r\n\r\n0: Accepted for delivery\n"
"""As Kannel's sendsms answers; any other client reads a success."""


@dataclass(frozen=True)
class Seen:
    """What a stand-in has seen since it was last asked to forget.

    `first` and `last` are when the first byte of the first and last request came, on this machine's monotonic clock,
    0.0 where none came; `cpu` are the seconds of processor time of its process so far.
    """

    requests: int
    first: float
    last: float
    cpu: float


class _Answering(asyncio.Protocol):
    """Answers every request whose body has come."""

    def __init__(self, provider: _Provider) -> None:
        self._provider = provider
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self._came:
            self._began = now
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            _, _, length = self._came[:end].lower().partition(b"content-length:")
            whole = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(self._came) < whole:
                return
            self._came = self._came[whole:]
            self._provider.took(self._began)
            self._began = now
            if self._provider.delay:
                self._provider.loop.call_later(self._provider.delay, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._provider.answer)


class _Provider:
    def __init__(self, pipe: Connection, answer: bytes, delay: float) -> None:
        self._pipe, self.answer, self.delay = pipe, answer, delay
        self._forget()

    def _forget(self) -> None:
        self._requests, self._first, self._last = 0, 0.0, 0.0

    def took(self, began: float) -> None:
        self._requests += 1
        self._first = min(self._first or began, began)
        self._last = began

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def asked() -> None:
            try:
                if self._pipe.recv() == "forget":
                    self._forget()
                self._pipe.send(Seen(self._requests, self._first, self._last, time.process_time()))
            except (EOFError, OSError):
                self.loop.remove_reader(self._pipe.fileno())
                ended.set()

        server = await self.loop.create_server(functools.partial(_Answering, self), "127.0.0.1", 0, backlog=1024)
        self._pipe.send(server.sockets[0].getsockname()[1])
        self.loop.add_reader(self._pipe.fileno(), asked)
        await ended.wait()
        server.close()


def _serve(pipe: Connection, answer: bytes, delay: float) -> None:
    asyncio.run(_Provider(pipe, answer, delay).serve())


@dataclass(frozen=True)
class StandIn:
    """A stand-in that runs. `base` is its address; `process` the id of its process."""

    base: str
    process: int
    _pipe: Connection

    def seen(self) -> Seen:
        """What it has seen so far."""
        self._pipe.send("seen")
        seen = self._pipe.recv()
        assert isinstance(seen, Seen)
        return seen

    def forget(self) -> Seen:
        """Lets it count from nothing; what it gives holds the processor time so far."""
        self._pipe.send("forget")
        seen = self._pipe.recv()
        assert isinstance(seen, Seen)
        return seen


@contextlib.contextmanager
def stand_in(answer: bytes = ACCEPTED, *, delay: float = 0.0) -> Iterator[StandIn]:
    """Runs a stand-in on loopback that gives every request `answer`, after `delay` seconds."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, answer, delay), daemon=True)
    process.start()
    theirs.close()
    try:
        yield StandIn(f"http://127.0.0.1:{ours.recv()}", process.pid or 0, ours)
    finally:
        ours.close()
        process.join(5)
