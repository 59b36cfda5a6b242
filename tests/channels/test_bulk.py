"""What leaves over either transport, counted on a raw socket: how many requests arrived, and what each was read as."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels._bulk import BulkTransport
from channels._guarded import GuardedTransport
from channels._http import Wire
from channels._reading import Answer
from kentongan.seam import Credential, InDoubt, Outcome, Rejected, Retryable
from tests.channels.raw_server import (
    GOOD,
    Act,
    Exchange,
    RawServer,
    after_request,
    answering,
    half_an_answer_and_silence,
    hang,
    kept,
    nothing,
    reset_after_request,
    reset_at_once,
)
from tests.channels.scripted import DeafPort, HangUp, Raw, Reply, Reset, ScriptedServer, closed_port
from tests.channels.scripted_mail import trusted

BODY = b'{"text": "Gempa M6,1"}'
METHODS = ("POST", "GET", "PUT", "DELETE")


def plain(concurrency: int = 16, idle: float = 1.0) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=concurrency, keepalive_expiry=idle)
    return httpx.AsyncHTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False, limits=limits)


def bulk(concurrency: int = 16, idle: float = 1.0) -> httpx.AsyncBaseTransport:
    return BulkTransport(concurrency=concurrency, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), idle=idle)


both = pytest.mark.parametrize("make", [plain, bulk])
Make = Callable[..., httpx.AsyncBaseTransport]


def direct(base_url: str, transport: httpx.AsyncBaseTransport, deadline: float = 5.0) -> Wire:
    return Wire(base_url, public=False, deadline=deadline, concurrency=16, transport=transport)


FAULTS: dict[str, tuple[Act, int]] = {
    "accepts and resets": (reset_at_once, 0),
    "accepts and closes": (nothing, 0),
    "reads and resets": (reset_after_request, 1),
    "reads and closes": (after_request(), 1),
    "hangs": (hang, 1),
    "half a head": (after_request(GOOD[:20]), 1),
    "half a body": (after_request(GOOD[:-1]), 1),
    "half a body and silence": (half_an_answer_and_silence, 1),
    "garbage": (after_request(b"\x16\x03\x01\x02\x00\x01\x00\x01"), 1),
    "a head without an end": (after_request(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000), 1),
    "an answer of another protocol": (after_request(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), 1),
    "continue and no more": (after_request(b"HTTP/1.1 100 Continue\r\n\r\n"), 1),
}


@both
@pytest.mark.parametrize(
    ("fault", "fresh"),
    [(fault, fresh) for fault, (_, arrive) in FAULTS.items() for fresh in (True, False) if fresh or arrive],
)
async def test_a_connection_that_breaks_is_in_doubt_and_nothing_is_sent_again(
    make: Make, fault: str, fresh: bool
) -> None:
    act, arrive = FAULTS[fault]

    async def ask(method: str) -> tuple[Answer | Outcome, int, int]:
        server = RawServer(act if fresh else kept(act), answering)
        async with server.listening() as base_url, make() as transport:
            if not fresh:
                assert isinstance(await direct(base_url, transport).ask(method, "/", content=BODY), Answer)
                server.requests.clear()
            wire = direct(base_url, transport, 0.6 if act in (hang, half_an_answer_and_silence) else 5.0)
            outcome = await wire.ask(method, "/", content=BODY)
        return outcome, len(server.requests), server.connections

    for outcome, arrived, connections in await asyncio.gather(*map(ask, METHODS)):
        assert isinstance(outcome, InDoubt), outcome
        assert (arrived, connections) == (arrive, 1)


@both
async def test_what_takes_no_connection_never_left(make: Make) -> None:
    async with make() as transport:
        refused = await asyncio.gather(*(direct(closed_port(), transport).ask(method, "/") for method in METHODS))
        with DeafPort() as base_url:
            late = await asyncio.gather(*(direct(base_url, transport, 0.2).ask(method, "/") for method in METHODS))
    assert refused == [Retryable("no connection")] * 4
    assert late == [Retryable("no connection in time")] * 4


@pytest.mark.parametrize(
    "host", ["[::1]:1", "a_b.invalid", f"{'a' * 80}.invalid", "xn--bcher-kva.invalid", "b%41.invalid"]
)
async def test_a_host_of_any_form_that_cannot_be_reached_never_left(host: str) -> None:
    async with bulk() as transport:
        assert await direct(f"http://{host}", transport).ask("POST", "/") == Retryable("no connection")


@pytest.mark.parametrize("host", ["127.1", "2130706433"])
async def test_a_number_that_hides_an_address_is_ours_to_mend(host: str) -> None:
    async with bulk() as transport:
        assert isinstance(await direct(f"http://{host}", transport).ask("POST", "/"), Credential)


async def test_an_encrypted_connection_is_kept_and_breaks_as_any_other(tmp_path: Path) -> None:
    context, authority = trusted(tmp_path)
    verify = ssl.create_default_context(cafile=str(authority))
    transport = BulkTransport(concurrency=1, verify=verify, idle=1.0)
    async with ScriptedServer(context) as server, transport:
        wire = direct(server.base_url, transport)
        server.script.extend([Reply(), Reply(), Reply(), Reset(), HangUp(), Raw(GOOD[:-1]), Reply()])
        seen = [await wire.ask("PUT", "/", content=BODY) for _ in range(7)]
    assert [type(one) for one in seen] == [Answer, Answer, Answer, InDoubt, InDoubt, InDoubt, Answer]
    assert (len(server.requests), server.connections) == (7, 4)


@both
async def test_what_breaks_in_the_handshake_never_left(make: Make) -> None:
    async def garbage(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    for act, told in ((nothing, "no connection"), (garbage, "no connection"), (hang, "no connection in time")):
        server = RawServer(act)
        async with server.listening() as base_url, make() as transport:
            wire = direct(base_url.replace("http:", "https:"), transport, 0.6)
            assert await wire.ask("POST", "/", content=BODY) == Retryable(told)


@both
async def test_a_request_that_waits_too_long_for_a_connection_never_left(make: Make) -> None:
    server = RawServer(hang)
    async with server.listening() as base_url, make(concurrency=1) as transport:
        wire = direct(base_url, transport, 1.0)
        outcomes = await asyncio.gather(wire.ask("POST", "/"), wire.ask("POST", "/"))
    assert outcomes == [InDoubt("no answer in time"), Retryable("no free connection in time")]
    assert len(server.requests) == 1


async def test_a_connection_is_late_before_the_whole_deadline_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp rounds long times up to whole seconds, by which a request that never left would be in doubt."""
    given: list[aiohttp.ClientTimeout] = []

    async def connect(self: object, origin: object, traces: object, timeout: aiohttp.ClientTimeout) -> None:
        given.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)
    async with bulk() as transport:
        outcome = await direct("http://provider.invalid", transport, 10.0).ask("POST", "/")
    assert outcome == Retryable("no connection in time")
    (timeout,) = given
    assert timeout.connect is not None
    assert timeout.connect + 2.0 < 10.0
    assert timeout.ceil_threshold > timeout.connect


@pytest.mark.parametrize("act", [hang, half_an_answer_and_silence])
async def test_a_silence_in_the_answer_has_a_limit_of_its_own(act: Act) -> None:
    async with RawServer(act).listening() as base_url, bulk() as transport:
        request = httpx.Request("POST", base_url, extensions={"timeout": {"read": 0.1}})
        with pytest.raises(httpx.ReadTimeout):
            await (await transport.handle_async_request(request)).aread()


@both
@pytest.mark.parametrize("method", METHODS)
async def test_a_connection_closed_while_idle_makes_no_doubt(make: Make, method: str) -> None:
    server = RawServer(after_request(GOOD), answering)
    async with server.listening() as base_url, make() as transport:
        wire = direct(base_url, transport)
        assert isinstance(await wire.ask(method, "/", content=BODY), Answer)
        await server.closed.wait()
        assert isinstance(await wire.ask(method, "/", content=BODY), Answer)
    assert (len(server.requests), server.connections) == (2, 2)


@both
async def test_a_connection_idle_for_too_long_is_not_used_again(make: Make) -> None:
    server = RawServer(answering)
    async with server.listening() as base_url, make(idle=0.05) as transport:
        wire = direct(base_url, transport)
        for _ in range(2):
            assert isinstance(await wire.ask("POST", "/"), Answer)
            await asyncio.sleep(0.1)  # idleness itself is what is tested
    assert server.connections == 2


async def test_an_answer_that_nobody_asked_for_answers_nothing() -> None:
    """Were it taken for the next request's, a message that was lost would count as accepted.

    httpx takes it so: one more reason why a public post has a connection of its own.
    """

    async def twice(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.say(GOOD + GOOD)
        await exchange.request()

    async def later(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.say(GOOD)
        await idle.wait()
        await exchange.say(GOOD)
        said.set()
        await exchange.request()

    for act, turns in ((twice, 0), (later, 0), (later, 9)):
        idle, said, server = asyncio.Event(), asyncio.Event(), RawServer(act, hang)
        async with server.listening() as base_url, bulk() as transport:
            assert isinstance(await direct(base_url, transport).ask("POST", "/"), Answer)
            idle.set()
            if act is later:
                await said.wait()
            for _ in range(turns):  # in which the loop takes it off the socket
                await asyncio.sleep(0)
            assert isinstance(await direct(base_url, transport, 0.5).ask("POST", "/"), InDoubt)
        assert (len(server.requests), server.connections) == (2, 2)


@both
async def test_an_interim_answer_is_waited_through(make: Make) -> None:
    server = RawServer(after_request(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", GOOD))
    async with server.listening() as base_url, make() as transport:
        answer = await direct(base_url, transport).ask("POST", "/", content=BODY)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, len(server.requests)) == (200, b"{}", 1)


@both
async def test_an_answer_is_taken_as_it_is(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """No redirect is followed, no cookie kept, no proxy looked for, nothing decompressed."""
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    body = gzip.compress(b"{}")
    packed = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"

    async def act(exchange: Exchange) -> None:
        for answer in (packed % (len(body), body), moved):
            await exchange.request()
            await exchange.say(answer)

    server = RawServer(act)
    async with server.listening() as base_url, make() as transport:
        wire = direct(base_url, transport)
        answer = await wire.ask("GET", "/")
        assert isinstance(answer, Answer)
        assert answer.body == body
        assert isinstance(await wire.ask("GET", "/"), Credential)
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()


@both
async def test_a_head_without_a_length_ends_with_its_connection(make: Make) -> None:
    server = RawServer(after_request(b"HTTP/1.1 200 OK\r\n\r\n{}"), after_request(b"HTTP/1.1 204 None\r\n\r\n"))
    async with server.listening() as base_url, make() as transport:
        wire = direct(base_url, transport)
        first, second = await wire.ask("POST", "/"), await wire.ask("POST", "/")
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.body, second.status, second.body) == (b"{}", 204, b"")


@both
async def test_no_more_connections_are_open_than_were_allowed(make: Make) -> None:
    server = RawServer(answering)
    async with server.listening() as base_url, make(concurrency=3) as transport:
        wire = direct(base_url, transport)
        answers = await asyncio.gather(*(wire.ask("POST", "/", content=BODY) for _ in range(40)))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert (len(server.requests), server.connections) == (40, 3)


@both
async def test_a_cancelled_request_takes_its_connection_with_it(make: Make) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def act(exchange: Exchange) -> None:
        await exchange.request()
        arrived.set()
        assert await exchange.rest() == 0
        ended.set()

    server = RawServer(act, answering)
    async with server.listening() as base_url, make(concurrency=1) as transport:
        wire = direct(base_url, transport)
        asking = asyncio.create_task(wire.ask("POST", "/", content=BODY))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(ended.wait(), 5)
        assert isinstance(await wire.ask("POST", "/", content=BODY), Answer), "the place was not freed"
    assert server.connections == 2


async def test_what_was_not_written_by_the_deadline_is_not_written_later() -> None:
    late, counted = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def act(exchange: Exchange) -> None:
        await late.wait()
        counted.set_result(await exchange.rest())

    body = b"x" * 32_000_000
    async with RawServer(act).listening() as base_url, bulk() as transport:
        assert isinstance(await direct(base_url, transport, 0.3).ask("POST", "/", content=body), InDoubt)
        late.set()
        assert await asyncio.wait_for(counted, 5) < len(body)


async def test_a_connection_on_which_a_refused_request_still_waits_is_not_used_again() -> None:
    async def refuses(exchange: Exchange) -> None:
        await exchange.some(100)
        await exchange.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await exchange.hang()

    server = RawServer(refuses, answering)
    async with server.listening() as base_url, bulk() as transport:
        wire = direct(base_url, transport)
        assert isinstance(await wire.ask("POST", "/", content=b"x" * 32_000_000), Rejected)
        assert isinstance(await wire.ask("POST", "/", content=BODY), Answer)
    assert server.connections == 2


@both
@pytest.mark.parametrize("header", [("X-Text", "a\r\nX-Other: b"), ("X Text", "a"), ("Content-Length", "3")])
async def test_a_header_cannot_change_what_is_around_it(make: Make, header: tuple[str, str]) -> None:
    server = RawServer(answering)
    async with server.listening() as base_url, make() as transport:
        outcome = await direct(base_url, transport).ask("POST", "/", headers=dict([header]), content=BODY)
    assert not isinstance(outcome, (Answer, Retryable))
    assert server.requests == []


_names = st.text("abcXYZ-", min_size=1, max_size=12).map(lambda name: f"X-{name}")
_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40).map(str.strip)


@settings(max_examples=30, deadline=None)
@given(
    method=st.sampled_from(["POST", "GET", "PUT", "DELETE", "OPTIONS"]),
    path=st.text(max_size=20).map(lambda path: f"/{path}"),
    query=st.dictionaries(st.text(max_size=5), st.text(max_size=10), max_size=3),
    headers=st.dictionaries(_names, _values, max_size=4),
    body=st.none() | st.binary(max_size=200),
)
def test_the_same_bytes_leave_over_either(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes | None
) -> None:
    async def ask() -> tuple[list[bytes], list[Answer | Outcome]]:
        server, outcomes = RawServer(answering), []
        async with server.listening() as base_url:
            for make in (plain, bulk):
                async with make() as transport:
                    wire = direct(base_url, transport)
                    outcomes.append(await wire.ask(method, path, headers=headers, query=query, content=body))
        return server.requests, outcomes

    requests, outcomes = asyncio.run(ask())
    assert len({*requests}) <= 1
    assert len(requests) in (0, 2)
    assert type(outcomes[0]) is type(outcomes[1])


@settings(max_examples=60, deadline=None)
@given(
    make=st.sampled_from([plain, bulk]),
    method=st.sampled_from(METHODS),
    fresh=st.booleans(),
    read=st.integers(0, 400),
    said=st.integers(0, len(GOOD)),
    reset=st.booleans(),
)
def test_wherever_the_server_cuts_what_it_has_read_is_never_said_to_have_not_left(
    make: Make, method: str, fresh: bool, read: int, said: int, reset: bool
) -> None:
    async def cut(exchange: Exchange) -> None:
        await (exchange.some(read) if read < 150 else exchange.request())
        await exchange.say(GOOD[:said])
        if reset:
            await exchange.reset()

    async def ask() -> tuple[Answer | Outcome, RawServer]:
        server = RawServer(cut if fresh else kept(cut), answering)
        async with server.listening() as base_url, make() as transport:
            wire = direct(base_url, transport)
            if not fresh:
                await wire.ask(method, "/", content=BODY)
            outcome = await wire.ask(method, "/", content=BODY)
        return outcome, server

    outcome, server = asyncio.run(ask())
    assert isinstance(outcome, (Answer, InDoubt))
    assert isinstance(outcome, InDoubt) or said == len(GOOD) or server.connections == 2
    assert server.connections <= 2 - fresh


async def test_the_address_that_was_checked_is_the_one_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard gives way to no resolver below it, and what is kept for one name serves no other."""
    monkeypatch.setattr("channels._guarded.is_open", lambda address: address == "127.0.0.2")
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"]

    checked, other = RawServer(answering), RawServer(answering)
    async with checked.listening("127.0.0.2") as base_url:
        port = int(base_url.rpartition(":")[2])
        async with other.listening("127.0.0.1", port), bulk() as transport:
            guarded = GuardedTransport(transport, resolve=resolve)
            for _ in range(2):
                assert isinstance(await direct(f"http://localhost:{port}", guarded).ask("POST", "/"), Answer)
            assert isinstance(await direct(f"http://other.invalid:{port}", guarded).ask("POST", "/"), Answer)
    assert asked == ["localhost", "localhost", "other.invalid"]
    assert (len(checked.requests), checked.connections, other.connections) == (3, 2, 0)
