from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from console.service.listening import Impatient, Listening, peer_of
from tests.console.service.serving import until


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def ask(port: int, begin: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /receipts/sms HTTP/1.1\r\nHost: x\r\n",
        b"POST /receipts/sms HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n",
    ],
    ids=["silent", "half a head", "half a body", "half a second head"],
)
async def test_connections_that_dawdle_are_closed_and_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(Impatient, "patience", 0.5)
    listener = socket.create_server(("127.0.0.1", 0), backlog=400)
    listener.setblocking(False)
    port = listener.getsockname()[1]
    listening = Listening(answer, listener)
    await listening.start()
    try:
        dawdling = await asyncio.gather(*(ask(port, begin) for _ in range(300)))
        async with asyncio.timeout(10):
            for reader, writer in dawdling:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
            reader, writer = await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
    finally:
        await listening.stop()


async def test_whoever_asks_and_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impatient, "patience", 0.3)

    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):  # far more than the sockets' own buffers take
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    listening = Listening(much, listener)
    await listening.start()
    try:
        _, writer = await ask(listener.getsockname()[1], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await until(lambda: listening.connections)
            await until(lambda: not listening.connections)
        writer.close()
    finally:
        await listening.stop()


async def test_one_peer_cannot_hold_all_connections() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=400)
    listener.setblocking(False)
    port = listener.getsockname()[1]
    listening = Listening(answer, listener, most_of_one=4)
    await listening.start()
    held = [await ask(port, b"GET / HTTP/1.1\r\n") for _ in range(4)]
    try:
        async with asyncio.timeout(10):
            await until(lambda: len(listening.connections) == 4)
            reader, writer = await ask(port, b"")
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            held.pop()[1].close()
            await until(lambda: len(listening.connections) == 3)
            reader, writer = await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
    finally:
        for _, writer in held:
            writer.close()
        await listening.stop()


@pytest.mark.parametrize(
    ("peer", "place"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("::ffff:192.0.2.7", 4711, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 4711, 0, 0), "2001:db8:1:2::/64"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_peer_is_its_address_and_with_ipv6_its_network(peer: object, place: str) -> None:
    assert peer_of(peer) == place
