"""A server on a raw socket that does what it is told with each connection, and counts what arrives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Exchange:
    """One connection as the server sees it. `requests` and `taken` are counted over all connections."""

    def __init__(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Reads one request to its end; raises IncompleteReadError where there is none."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        whole = head + await self._reader.readexactly(int(lengths[0]) if lengths else 0)
        self._server.requests.append(whole)
        return whole

    async def some(self, count: int) -> None:
        """Reads `count` bytes of a request."""
        self._server.taken += len(await self._reader.readexactly(count))

    async def rest(self) -> int:
        """Reads to the end of the connection; returns how many bytes came."""
        count = 0
        try:
            while part := await self._reader.read(65_536):
                count += len(part)
        except ConnectionError:
            pass
        return count

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._writer.transport.abort()

    async def hang(self) -> None:
        await asyncio.Event().wait()


Act = Callable[[Exchange], Awaitable[object]]


class RawServer:
    """Does with its n-th connection what the n-th act says, with all later ones the last; then closes it."""

    def __init__(self, *acts: Act) -> None:
        self._acts = acts
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.taken = 0
        self.connections = 0
        self.closed = asyncio.Event()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._connected, host, port)
        try:
            yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        act = self._acts[min(self.connections, len(self._acts) - 1)]
        self.connections += 1
        try:
            await act(Exchange(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            self.closed.set()


async def answering(exchange: Exchange) -> None:
    """Answers every request well."""
    while True:
        await exchange.request()
        await exchange.say(GOOD)


def after_request(*said: bytes) -> Act:
    async def act(exchange: Exchange) -> None:
        await exchange.request()
        for data in said:
            await exchange.say(data)

    return act


async def nothing(exchange: Exchange) -> None:
    """Closes what it took without reading."""


async def reset_at_once(exchange: Exchange) -> None:
    await exchange.reset()


async def reset_after_request(exchange: Exchange) -> None:
    await exchange.request()
    await exchange.reset()


async def hang(exchange: Exchange) -> None:
    await exchange.request()
    await exchange.hang()


async def half_an_answer_and_silence(exchange: Exchange) -> None:
    await exchange.request()
    await exchange.say(GOOD[:-1])
    await exchange.hang()


def kept(act: Act) -> Act:
    """One good answer, then `act` with the next request on the same connection."""

    async def both_acts(exchange: Exchange) -> None:
        await after_request(GOOD)(exchange)
        await act(exchange)

    return both_acts
