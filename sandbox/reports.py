"""Delivery reports and answers on their way to whoever asked for them, on this machine only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sandbox.stand_in import Message

_CONNECTIONS = 8
_TIMEOUT = 10.0


def loopback_address(url: str) -> tuple[str, int] | None:
    """Returns where `url` points on this machine's loopback; None where it is anywhere else, or no http address."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or not parts.hostname:
        return None
    if parts.hostname == "localhost":
        # Not asked of any resolver: a name could be made to point elsewhere.
        return "127.0.0.1", port
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return None
    return (str(address), port) if address.is_loopback else None


@dataclass(frozen=True, slots=True)
class _Report:
    url: str
    message: Message
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Reports:
    """Calls report addresses, each after its delay, over a few kept connections a destination.

    A report that nobody takes is lost, as it is with Kannel unless it is set up to try again.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0
        self._waiting: set[asyncio.TimerHandle] = set()
        self._queues: dict[tuple[str, int], deque[_Report]] = {}
        self._idle: dict[tuple[str, int], list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}
        self._workers: dict[tuple[str, int], set[asyncio.Task[None]]] = {}
        self._closed = False

    def report(
        self, url: str, seconds: float, message: Message, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends a report after `seconds`, as a POST where it has a body, else as a GET.

        One that would leave this machine is refused and noted.
        """
        where = loopback_address(url)
        if where is None:
            self.lost += 1
            message.notes.append("report refused: its address is not on loopback")
            return

        def due() -> None:
            self._waiting.discard(handle)
            self._queue(where, _Report(url, message, body, headers or {}))

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self._waiting.add(handle)

    async def close(self) -> None:
        """Forgets what has not been sent and closes all connections."""
        self._closed = True
        for handle in self._waiting:
            handle.cancel()
        tasks = [task for workers in self._workers.values() for task in workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for idle in self._idle.values():
            for _, writer in idle:
                writer.transport.abort()
        self._idle.clear()

    def _queue(self, where: tuple[str, int], report: _Report) -> None:
        if self._closed:
            return
        self._queues.setdefault(where, deque()).append(report)
        workers = self._workers.setdefault(where, set())
        if len(workers) < _CONNECTIONS:
            task = asyncio.get_running_loop().create_task(self._work(where))
            workers.add(task)
            task.add_done_callback(workers.discard)

    async def _work(self, where: tuple[str, int]) -> None:
        queue = self._queues[where]
        while queue:
            report = queue.popleft()
            try:
                async with asyncio.timeout(_TIMEOUT):
                    status = await self._send(where, report)
            except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                status = 0
            if 200 <= status < 300:
                self.sent += 1
            else:
                self.lost += 1
                report.message.notes.append("report lost: " + (f"answered {status}" if status else "nobody took it"))

    async def _send(self, where: tuple[str, int], report: _Report) -> int:
        parts = urlsplit(report.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc, "User-Agent": "Sandbox", **report.headers}
        if report.body:
            headers["Content-Length"] = str(len(report.body))
        lines = [f"{'POST' if report.body else 'GET'} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
        if "\r" in target or "\n" in target or " " in target:
            raise ValueError("no target of a request")
        reader, writer = await self._connection(where)
        kept = False
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + report.body)
            status, kept = await _read_answer(reader)
        finally:
            if kept:
                self._idle.setdefault(where, []).append((reader, writer))
            else:
                writer.transport.abort()
        return status

    async def _connection(self, where: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        idle = self._idle.get(where, [])
        while idle:
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            with contextlib.suppress(OSError):
                writer.transport.abort()
        return await asyncio.open_connection(*where)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = head[0].partition(" ")
    status = int(rest[:3])
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    kept = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    if status == 204:
        return status, kept
    if headers.get("content-length", "").isdecimal():
        await reader.readexactly(int(headers["content-length"]))
        return status, kept
    # Chunked or until the end: nothing in it is of interest, so the connection is given up instead.
    return status, False
