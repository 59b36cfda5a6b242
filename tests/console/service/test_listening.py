from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from console.service.listening import Impatient, Listening


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
    ],
    ids=["silent", "half a head", "half a body"],
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
