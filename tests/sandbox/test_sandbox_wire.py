"""HTTP as the stand-ins speak it, before any provider's rule."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from sandbox import wire
from sandbox.server import Sandbox


async def test_requests_sent_ahead_are_answered_one_after_another(sandbox: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(b"GET /_sandbox/counts HTTP/1.1\r\nHost: sandbox\r\n\r\n" * 3)
    for _ in range(3):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(2) == b"{}"
    writer.transport.abort()


async def test_a_request_that_never_arrives_whole_is_not_counted(sandbox: Sandbox) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(b"POST /mastodon/api/v1/statuses HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 10\r\n\r\nstat")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with httpx.AsyncClient() as client:
        await client.get(f"{sandbox.url}/_sandbox/counts")
    assert sandbox.requests == 1


async def test_what_is_no_http_is_refused_and_closed(sandbox: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(b"\x16\x03\x01 this is TLS, perhaps\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.transport.abort()


async def test_a_caller_that_waits_for_leave_to_send_its_body_gets_it(sandbox: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    head = "POST /_sandbox/kannel/faults HTTP/1.1\r\nHost: sandbox\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(b"[]")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.transport.abort()


async def test_a_body_that_is_too_large_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_BODY", 100)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{sandbox.url}/_sandbox/kannel/faults", content=b"x" * 101)
    assert answer.status_code == 413


async def test_closing_the_sandbox_ends_connections_that_hang() -> None:
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 10\r\n\r\n")
        await writer.drain()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.transport.abort()


async def test_only_loopback_is_listened_on(sandbox: Sandbox) -> None:
    assert sandbox._wire._server is not None
    assert [s.getsockname()[0] for s in sandbox._wire._server.sockets] == ["127.0.0.1"]
