"""What every channel that speaks HTTP must keep to, on real sockets, over its own transport and over the other one."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from channels._bulk import BulkTransport
from kentongan.seam import Accepted, Credential, InDoubt, Outcome, Rejected, Retryable, Why
from tests.channels.contract import SECRET, ChannelContract
from tests.channels.scripted import (
    DeafPort,
    Hang,
    HangUp,
    Raw,
    Reply,
    Request,
    Reset,
    ScriptedServer,
    Step,
    Trickle,
    closed_port,
    self_signed,
)


def plain() -> httpx.AsyncBaseTransport:
    """httpx's own, as public posts use it, but with its connections kept."""
    return httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_connections=16, keepalive_expiry=1.0))


def bulk() -> httpx.AsyncBaseTransport:
    """Ours, as direct messages use it."""
    return BulkTransport(concurrency=16, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), idle=1.0)


class WireContract(ChannelContract):
    """For kinds that speak HTTP. Subclasses also say how their provider answers."""

    good: ClassVar[Reply]
    """How the provider says that it has taken the message."""
    refused_403: ClassVar[type[Outcome]]  # type: ignore[valid-type]
    """Credential where 403 is about us, Rejected where it is about one person."""
    retry_503: ClassVar[bool]
    """Whether 503 may be repeated: documented as not taken, or the channel idempotent."""

    def sent_text(self, request: Request) -> str:
        """The words as they arrived in the request."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _usual(self, server: ScriptedServer) -> None:
        self.server = server
        server.usual = self.good

    @pytest.fixture
    def base_url(self, server: ScriptedServer) -> str:
        return server.base_url

    @pytest.fixture(params=["own", "other"])
    async def transport(self, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncBaseTransport | None]:
        """The one that the kind opens itself, plain or bulk, and the other one handed in."""
        if request.param == "own":
            yield None
            return
        async with bulk() if self.to is None else plain() as transport:
            yield transport

    def happened(self) -> int:
        return len(self.server.requests)

    async def send_once(
        self,
        server: ScriptedServer | str,
        transport: httpx.AsyncBaseTransport | None,
        *steps: Step,
        **changes: Any,
    ) -> Outcome:
        if isinstance(server, ScriptedServer):
            server.script.extend(steps)
            server = server.base_url
        async with self.opened(self.configured(server, **changes), transport) as channel:
            (outcome,) = await channel.send(self.message(), [self.job()], None)
        result: Outcome = outcome
        return result

    # --- what never left ---------------------------------------------------------------------------------

    async def test_a_refused_connection_never_left(self, transport: httpx.AsyncBaseTransport | None) -> None:
        assert isinstance(await self.send_once(closed_port(), transport), Retryable)

    async def test_an_unknown_host_never_left(self, transport: httpx.AsyncBaseTransport | None) -> None:
        url = "http://kentongan.invalid"
        assert isinstance(await self.send_once(url, transport, sandbox=True, deadline=1.0), Retryable)

    async def test_a_connection_that_nobody_takes_never_left(self, transport: httpx.AsyncBaseTransport | None) -> None:
        with DeafPort() as url:
            assert isinstance(await self.send_once(url, transport, deadline=0.5), Retryable)

    async def test_a_certificate_that_does_not_pass_is_ours_to_mend(
        self, transport: httpx.AsyncBaseTransport | None, tmp_path: Path
    ) -> None:
        async with ScriptedServer(self_signed(tmp_path)) as secure:
            assert isinstance(await self.send_once(secure.base_url, transport), Credential)
            assert secure.requests == []

    # --- what may have been taken ------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "fault",
        [
            Hang(),
            Reset(),
            HangUp(),
            Trickle(),
            Raw(b"\x00\xffnot the protocol\r\n\r\n"),
            Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"),
            Raw(b"HTTP/1.1 "),
            Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ],
        ids=["hang", "reset", "hang-up", "trickle", "garbled", "cut short", "half a line", "bad chunk"],
    )
    async def test_a_request_without_a_whole_answer_is_in_doubt(
        self, server: ScriptedServer, transport: httpx.AsyncBaseTransport | None, fault: Step
    ) -> None:
        endless = isinstance(fault, (Hang, Trickle))
        began = time.monotonic()
        outcome = await self.send_once(server, transport, fault, deadline=0.5 if endless else 5.0)
        assert isinstance(outcome, InDoubt)
        assert not endless or time.monotonic() - began < 1.5, "the total deadline did not hold"
        assert len(server.requests) == 1, "a repeat left without a decision"

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[1]", b"null", b'{"id": 7', b"[" * 100_000])
    async def test_a_success_that_cannot_be_read_is_in_doubt(self, server: ScriptedServer, body: bytes) -> None:
        assert isinstance(await self.send_once(server, None, Reply(self.good.status, body)), InDoubt)

    async def test_an_endless_answer_is_in_doubt(self, server: ScriptedServer) -> None:
        step = replace(self.good, body=self.good.body + b" " * 2_000_000)
        assert isinstance(await self.send_once(server, None, step), InDoubt)

    @pytest.mark.parametrize("status", [408, 409, 425, 500, 501, 502, 504, 520, 599])
    async def test_an_error_after_which_it_may_be_out_is_in_doubt(self, server: ScriptedServer, status: int) -> None:
        assert isinstance(await self.send_once(server, None, Reply(status, b"oops")), InDoubt)
        assert len(server.requests) == 1

    # --- what the provider says --------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
    async def test_a_redirect_is_ours_to_mend_and_is_not_followed(self, server: ScriptedServer, status: int) -> None:
        step = Reply(status, headers={"Location": f"{server.base_url}/elsewhere"})
        assert isinstance(await self.send_once(server, None, step), Credential)
        assert len(server.requests) == 1

    async def test_a_refused_token_is_ours_to_mend(self, server: ScriptedServer) -> None:
        assert isinstance(await self.send_once(server, None, Reply(401)), Credential)

    async def test_a_403_is_about_us_or_about_one_person(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None, Reply(403))
        assert isinstance(outcome, self.refused_403)
        if isinstance(outcome, Rejected):
            assert outcome.why is Why.ADDRESS

    @pytest.mark.parametrize("status", [400, 410, 413, 418, 422])
    async def test_any_other_refusal_is_about_the_message(self, server: ScriptedServer, status: int) -> None:
        outcome = await self.send_once(server, None, Reply(status, b"no"))
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD

    async def test_a_503_is_repeated_only_where_that_is_safe(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None, Reply(503))
        assert isinstance(outcome, Retryable if self.retry_503 else InDoubt)

    @pytest.mark.parametrize("status", [429])
    async def test_a_throttle_is_retried_after_what_the_provider_says(
        self, server: ScriptedServer, status: int
    ) -> None:
        in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
        says: Sequence[tuple[dict[str, str], float, float]] = (
            ({"Retry-After": "17"}, 17, 17),
            ({"Retry-After": format_datetime(in_a_minute, usegmt=True)}, 50, 60),
            ({"X-RateLimit-Reset": in_a_minute.isoformat().replace("+00:00", "Z")}, 50, 60),
            ({"X-RateLimit-Reset": str(int(in_a_minute.timestamp()))}, 50, 60),
        )
        for headers, least, most in says:
            outcome = await self.send_once(server, None, Reply(status, headers=headers))
            assert isinstance(outcome, Retryable)
            assert outcome.after is not None
            assert least <= outcome.after <= most
        assert (await self.send_once(server, None, Reply(status))).after is None  # type: ignore[union-attr]

    # --- what leaves -------------------------------------------------------------------------------------

    async def test_the_words_arrive_byte_for_byte(
        self, server: ScriptedServer, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        assert isinstance(await self.send_once(server, transport), Accepted)
        (request,) = server.requests
        assert self.sent_text(request) == self.message().text

    async def test_the_same_key_makes_the_same_request(self, server: ScriptedServer) -> None:
        for _ in range(2):
            await self.send_once(server, None)
        first, second = server.requests
        assert (first.target, first.headers, first.body) == (second.target, second.headers, second.body)

    async def test_a_connection_that_the_provider_closes_when_idle_makes_no_doubt_and_no_repeat(
        self, server: ScriptedServer, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        server.usual = replace(self.good, then_close=True)
        async with self.opened(self.configured(server.base_url), transport) as channel:
            for number in range(40):
                (outcome,) = await channel.send(self.message(), [self.job(str(number))], None)
                assert isinstance(outcome, Accepted)
                await asyncio.sleep(0)  # one turn of the loop, so that the closing can be seen
        assert len(server.requests) == 40

    async def test_many_at_once_are_each_sent_once(self, server: ScriptedServer) -> None:
        # Nothing is late here but the machine.
        async with self.opened(self.configured(server.base_url, concurrency=16, deadline=30.0)) as channel:
            answers = await asyncio.gather(
                *(channel.send(self.message(), [self.job(str(number))], None) for number in range(100))
            )
        assert all(isinstance(outcome, Accepted) for (outcome,) in answers)
        assert len(server.requests) == 100

    async def test_a_channel_goes_on_after_many_deadlines(self, server: ScriptedServer) -> None:
        server.usual = Hang()
        async with self.opened(self.configured(server.base_url, deadline=0.2)) as channel:
            late = await asyncio.gather(
                *(channel.send(self.message(), [self.job(str(number))], None) for number in range(20))
            )
            server.usual = self.good
            (outcome,) = await channel.send(self.message(), [self.job("after")], None)
        assert all(isinstance(outcome, (InDoubt, Retryable)) for (outcome,) in late)
        assert isinstance(outcome, Accepted)

    async def test_a_cancelled_send_is_not_swallowed(self, server: ScriptedServer) -> None:
        server.usual = Hang()
        async with self.opened(self.configured(server.base_url)) as channel:
            sending = asyncio.create_task(channel.send(self.message(), [self.job()], None))
            await server.arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    async def test_an_unheard_of_fault_of_the_transport_is_in_doubt(self, server: ScriptedServer) -> None:
        class Broken(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                raise OSError(f"lost {request.url} {request.headers}")

        assert isinstance(await self.send_once(server, Broken()), InDoubt)

    @pytest.mark.parametrize("step", [None, Reply(401), Reply(400), Reply(500), Reset(), Hang(), Reply(302)])
    async def test_nothing_secret_is_told(
        self, server: ScriptedServer, caplog: pytest.LogCaptureFixture, step: Step | None
    ) -> None:
        caplog.set_level(logging.DEBUG)
        echo = replace(step, body=f"{SECRET} {self._address()}".encode()) if isinstance(step, Reply) else step
        server.script.extend([] if echo is None else [echo] * 2)
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            (outcome,) = await channel.send(self.message(), [self.job()], None)
            seen = await channel.ready()
            told = f"{channel!r} {vars(channel)!r} {outcome!r} {seen!r} {self.configured(server.base_url)!r}"
        told += "".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
        assert SECRET not in told
        if self.to is not None:
            assert self.to.value not in told

    def _address(self) -> str:
        return self.to.value if self.to is not None else ""

    @pytest.mark.parametrize("step", [Reply(401), Reply(500), Hang(), Reset()])
    async def test_an_instance_that_would_not_pass_is_not_ready(self, server: ScriptedServer, step: Step) -> None:
        server.usual = step
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            assert not (await channel.ready()).ready
