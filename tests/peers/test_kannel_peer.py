"""The SMS path against a real Kannel: the gateway itself, our stand-in measured by it, and the adapter through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from channels.kannel import Adapter, Settings
from kentongan.seam import (
    Accepted,
    Address,
    Confirmed,
    Credential,
    Forged,
    Job,
    Mode,
    Receipt,
    Received,
    Rejected,
    Rendered,
    Retryable,
    Why,
)
from kentongan.settings import SecretSource
from sandbox import kannel as stand_in
from sandbox.server import Sandbox

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]


class Smsc(Protocol):
    async def submitted(self, to: str, times: int = 1) -> list[Mapping[str, Any]]: ...


class Kannel(Protocol):
    base_url: str
    username: str
    password: str
    smsc: Smsc


@dataclass
class Inbox:
    """A receipt endpoint: keeps every call as an adapter is handed it."""

    calls: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                headers = {}
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                method, target, _ = line.decode().split()
                parts = urlsplit(target)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                async with self.arrived:
                    self.calls.append(Received(method, parts.path, query, headers, b""))
                    self.arrived.notify_all()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def of(self, key: str) -> list[Received]:
        return [call for call in self.calls if call.query.get("key") == key]

    async def until(self, key: str, count: int) -> list[Received]:
        """Waits until `count` calls for `key` came; returns those."""
        async with self.arrived, asyncio.timeout(20):
            await self.arrived.wait_for(lambda: len(self.of(key)) >= count)
        return self.of(key)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    inbox = Inbox()
    server = await asyncio.start_server(inbox.serve, "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    yield inbox
    server.close()


# --- the gateway itself ----------------------------------------------------------------------------------


async def raw(kannel: Kannel, inbox: Inbox, number: str, wanted: int) -> list[int]:
    """Sends to `number` and then to one that is delivered; returns the report types of the first until then.

    Waits for `wanted` of them, since the gateway makes its calls side by side.
    """
    report = f"http://127.0.0.1:{inbox.port}/receipts?type=%d&key="
    async with httpx.AsyncClient(trust_env=False) as client:
        for key, to in (("first", number), ("marker", "+6281200000101")):
            who = {"username": kannel.username, "password": kannel.password, "to": to, "text": f"Gempa {key}"}
            parameters = {**who, "dlr-mask": "31", "dlr-url": report + key}
            answer = await client.get(f"{kannel.base_url}/cgi-bin/sendsms", params=parameters)
            assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    await inbox.until("marker", 2)
    await inbox.until("first", wanted)
    return [int(call.query["type"]) for call in inbox.of("first")]


@pytest.mark.parametrize(
    ("number", "types"),
    [
        ("+6281200000001", {8, 1}),
        ("+6281200000002", {8, 2}),
        ("+6281200000003", {16}),
        ("+6281200000004", {8}),
        ("+6281200000005", set()),
        ("+6281200000006", {8}),
    ],
    ids=["delivered", "failed", "refused", "never confirmed", "throttled", "receipt ahead of the answer"],
)
async def test_each_number_is_reported_as_it_is_scripted(
    kannel: Kannel, inbox: Inbox, number: str, types: set[int]
) -> None:
    assert set(await raw(kannel, inbox, number, len(types))) == types


# --- our stand-in, measured by the real one ------------------------------------------------------------------

_REQUESTS: Mapping[str, dict[str, Any]] = {
    "accepted": {},
    "two numbers": {"to": "+6281200000101 +6281200000201"},
    "wrong password": {"password": "wrong"},
    "no number": {"to": None},
    "empty number": {"to": ""},
    "no digits": {"to": "abc"},
    "no text": {"text": None},
    "coding": {"coding": "9"},
    "charset": {"charset": "NONSENSE"},
    "mask": {"dlr-mask": "99"},
    "validity below zero": {"validity": "-5"},
    "validity in words": {"validity": "long"},
    "another alphabet": {"text": "日本 [x]", "coding": "0"},
}


@pytest.mark.parametrize("name", _REQUESTS)
async def test_the_stand_in_answers_a_get_as_kannel_does(kannel: Kannel, name: str) -> None:
    async def ask(client: httpx.AsyncClient, base_url: str, username: str, password: str) -> tuple[int, str]:
        fields = {
            "username": username,
            "password": password,
            "to": "+6281200000101",
            "text": "Gempa",
            **_REQUESTS[name],
        }
        parameters = {key: value for key, value in fields.items() if value is not None}
        answer = await client.get(f"{base_url}/cgi-bin/sendsms", params=parameters)
        return answer.status_code, answer.text

    async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
        real = await ask(client, kannel.base_url, kannel.username, kannel.password)
        ours = await ask(client, sandbox.base_url("kannel"), stand_in.USERNAME, stand_in.password("default"))
    assert ours == real


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("text/plain; charset=UTF-8", {"X-Kannel-To": "+6281200000101"}),
        ("application/octet-stream", {"X-Kannel-To": "+6281200000101", "X-Kannel-Coding": "2"}),
        ("text/plain", {"X-Kannel-To": "+6281200000101", "X-Kannel-Password": "wrong"}),
        ("text/plain", {"X-Kannel-To": "abc"}),
        ("text/plain", {"X-Kannel-To": ""}),
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {"X-Kannel-To": "+6281200000101"}),
        ("application/json", {"X-Kannel-To": "+6281200000101"}),
        ("text/plain; charset=NONSENSE", {"X-Kannel-To": "+6281200000101"}),
    ],
)
async def test_the_stand_in_answers_a_post_as_kannel_does(
    kannel: Kannel, content_type: str, headers: dict[str, str]
) -> None:
    async def ask(client: httpx.AsyncClient, base_url: str, username: str, password: str) -> tuple[int, str]:
        who = {"X-Kannel-Username": username, "X-Kannel-Password": password, "Content-Type": content_type}
        answer = await client.post(f"{base_url}/cgi-bin/sendsms", content=b"Gempa!", headers={**who, **headers})
        return answer.status_code, answer.text

    async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
        real = await ask(client, kannel.base_url, kannel.username, kannel.password)
        ours = await ask(client, sandbox.base_url("kannel"), stand_in.USERNAME, stand_in.password("default"))
    assert ours == real


# --- the adapter through the real one --------------------------------------------------------------------------


def settings(kannel: Kannel, inbox: Inbox, **changes: Any) -> Settings:
    return Settings(
        **{
            "kind": "kannel",
            "mode": "drill",
            "audience": "peers",
            "base_url": kannel.base_url,
            "username": kannel.username,
            "password": SecretSource(env="PEER_PASSWORD"),
            "sender": "BPBD",
            "receipt_url": f"http://127.0.0.1:{inbox.port}/receipts/sms",
            "receipt_secret": SecretSource(env="PEER_RECEIPT_SECRET"),
            **changes,
        }
    )


@pytest.fixture
async def adapter(kannel: Kannel, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Adapter]:
    monkeypatch.setenv("PEER_PASSWORD", kannel.password)
    monkeypatch.setenv("PEER_RECEIPT_SECRET", "only for this test")
    adapter = Adapter("sms", settings(kannel, inbox))
    yield adapter
    await adapter.close()


def rendered(text: str = "Gempa M5,6 dekat Melonguane. K7Q4-ID") -> Rendered:
    return Rendered(
        alert_id="a",
        instance="sms",
        language="id",
        kind="alert",
        mode=Mode.DRILL,
        code="K7Q4-ID",
        mark="[LATIHAN]",
        title="",
        text=f"[LATIHAN] {text} [LATIHAN]",
    )


def job(to: str, key: str = "delivery-1") -> Job:
    return Job(key=key, to=Address("phone", to), since=datetime.now(UTC))


async def received(adapter: Adapter, inbox: Inbox, key: str, count: int) -> list[Receipt]:
    return [receipt for call in await inbox.until(key, count) for receipt in adapter.receipts(call)]


@pytest.mark.parametrize(
    ("number", "confirmed"),
    [
        ("+6281200000001", {Confirmed.ACCEPTED, Confirmed.DELIVERED}),
        ("+6281200000002", {Confirmed.ACCEPTED, Confirmed.UNREACHABLE}),
        ("+6281200000003", {Confirmed.REJECTED}),
        ("+6281200000004", {Confirmed.ACCEPTED}),
    ],
    ids=["delivered", "failed", "refused", "never confirmed"],
)
async def test_what_became_of_a_message_comes_as_receipts_with_our_key(
    adapter: Adapter, inbox: Inbox, number: str, confirmed: set[Confirmed]
) -> None:
    [outcome] = await adapter.send(rendered(), [job(number, "a key/with %d and & = é")], None)
    assert isinstance(outcome, Accepted)
    receipts = await received(adapter, inbox, "a key/with %d and & = é", len(confirmed))
    # One that is delivered later shows that nothing else was on its way.
    await adapter.send(rendered(), [job("+6281200000101", "marker")], None)
    await inbox.until("marker", 2)
    assert len(inbox.of("a key/with %d and & = é")) == len(confirmed)
    assert {receipt.confirmed for receipt in receipts} == confirmed
    assert {receipt.key for receipt in receipts} == {"a key/with %d and & = é"}
    assert number.lstrip("+") not in repr(receipts)


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("Gempa [M 5,6] ^ {€} | ~ é", 0, 1),
        ("Menjauh dari pantai. " * 12, 0, 2),
        ("地震 \U0001f30a " * 20, 8, 3),
    ],
    ids=["extension characters", "two parts", "another alphabet"],
)
async def test_the_text_arrives_on_the_phone_as_it_was_approved(
    kannel: Kannel, adapter: Adapter, inbox: Inbox, text: str, coding: int, parts: int
) -> None:
    message = rendered(text.strip())
    [outcome] = await adapter.send(message, [job("+6281200000001")], None)
    assert isinstance(outcome, Accepted)
    # The gateway stops at once when it has no report left to bring.
    await inbox.until("delivery-1", 2)
    submissions = await kannel.smsc.submitted("+6281200000001", parts)
    assert len(submissions) == parts
    assert {submission["coding"] for submission in submissions} == {coding}
    # A part's header ends with how many there are and which one it is (3GPP TS 23.040, 9.2.3.24.1).
    ordered = sorted(submissions, key=lambda s: s["part"][0][-1] if s["part"] else 1)
    assert "".join(submission["text"] for submission in ordered) == message.text
    assert all(submission["validity"] for submission in submissions)


async def test_one_request_reports_once_however_many_parts_it_has(adapter: Adapter, inbox: Inbox) -> None:
    await adapter.send(rendered(("Menjauh dari pantai. " * 12).strip()), [job("+6281200000001", "long")], None)
    await inbox.until("long", 2)
    await adapter.send(rendered(), [job("+6281200000101", "marker")], None)
    await inbox.until("marker", 2)
    confirmed = [receipt.confirmed for receipt in await received(adapter, inbox, "long", 2)]
    assert set(confirmed) == {Confirmed.ACCEPTED, Confirmed.DELIVERED}


async def test_a_number_that_is_none_is_the_addresss_fault(adapter: Adapter) -> None:
    [outcome] = await adapter.send(rendered(), [job("not-a-number")], None)
    assert isinstance(outcome, Rejected)
    assert outcome.why is Why.ADDRESS


async def test_the_right_password_is_ready_and_a_wrong_one_is_a_matter_of_credentials(
    kannel: Kannel, inbox: Inbox, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await adapter.ready()).ready
    monkeypatch.setenv("PEER_PASSWORD", "wrong")
    mistaken = Adapter("sms", settings(kannel, inbox))
    assert not (await mistaken.ready()).ready
    [outcome] = await mistaken.send(rendered(), [job("+6281200000001")], None)
    assert isinstance(outcome, Credential)
    await mistaken.close()


async def test_a_receipt_with_another_key_than_its_tokens_is_forged(adapter: Adapter, inbox: Inbox) -> None:
    await adapter.send(rendered(), [job("+6281200000001", "mine")], None)
    call = (await inbox.until("mine", 1))[0]
    stolen = Received(call.method, call.path, {**call.query, "key": "another"}, call.headers, call.body)
    with pytest.raises(Forged):
        adapter.receipts(stolen)


async def test_a_gateway_that_is_not_there_has_taken_nothing(kannel: Kannel, inbox: Inbox, adapter: Adapter) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    absent = Adapter("sms", settings(kannel, inbox, base_url=f"http://127.0.0.1:{port}"))
    [outcome] = await absent.send(rendered(), [job("+6281200000001")], None)
    assert isinstance(outcome, Retryable)
    await absent.close()
