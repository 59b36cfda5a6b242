"""Receipts as each provider signs them, at the endpoint and in the ledger: repeated, late, out of order, forged, and on
nothing of ours.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import channels
from console.service import receipts_endpoint
from kentongan.ledger import receipts as register
from kentongan.seam import Accepted, Channel, InDoubt
from tests.kentongan.sending import Place, ScriptedChannel, finished, until

SECRET = "x" * 32
WHSEC = f"whsec_{base64.b64encode(SECRET.encode()).decode()}"
TEMPLATE = {"language": "id", "name": "x", "code": "id", "parameters": ["message", "code"]}

SETTINGS: dict[str, dict[str, Any]] = {
    "kannel": {
        "base_url": "http://127.0.0.1:1",
        "audience": "all",
        "username": "bpbd",
        "password": {"env": "RECEIPT_TEST_SECRET"},
        "sender": "BPBD",
        "receipt_url": "http://receipts/receipts/sms",
        "receipt_secret": {"env": "RECEIPT_TEST_SECRET"},
    },
    "whatsapp": {
        "audience": "all",
        "token": {"env": "RECEIPT_TEST_SECRET"},
        "app_secret": {"env": "RECEIPT_TEST_SECRET"},
        "verify_token": {"env": "RECEIPT_TEST_SECRET"},
        "phone_number": "111",
        "account": "222",
        "templates": [
            {**TEMPLATE, "kind": kind, "body": "[LATIHAN] {{1}} Kode {{2}} [LATIHAN]"}
            for kind in ("alert", "correction")
        ],
    },
    "webhook": {
        "base_url": "http://127.0.0.1:1",
        "sandbox": True,
        "secret": {"env": "RECEIPT_TEST_OURS"},
        "receipt_secret": {"env": "RECEIPT_TEST_WHSEC"},
    },
    "smtp": {
        "base_url": "smtp://127.0.0.1:1",
        "audience": "all",
        "sender": "siaga@bpbd.example",
        "sender_name": "BPBD",
        "list_id": "alerts.bpbd.example",
        "bounces": "bounce@bpbd.example",
        "bounce_secret": {"env": "RECEIPT_TEST_SECRET"},
    },
}


def kannel(adapter: Any, key: str, state: str, forged: bool) -> httpx.Request:
    """A delivery report; a forged one bears the token of another message."""
    bits = {"delivered": "1", "accepted": "8", "failed": "2"}[state]
    address = adapter.receipt_address("another" if forged else key).replace("key=another", f"key={key}")
    return httpx.Request("GET", address.replace("%d", bits).replace("%F", "smsc-1").replace("%A", "stat"))


def whatsapp(adapter: Any, key: str, state: str, forged: bool) -> httpx.Request:
    """A status call; a forged one is signed with another secret."""
    told = {"delivered": "delivered", "accepted": "sent", "failed": "failed"}[state]
    status = {"id": f"wamid.{key}", "status": told, "biz_opaque_callback_data": key}
    value = {"metadata": {"phone_number_id": "111"}, "statuses": [status]}
    entry = {"id": "222", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    secret = b"guessed" if forged else SECRET.encode()
    signature = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    return httpx.Request("POST", "/receipts/sms", content=body, headers={"X-Hub-Signature-256": signature})


def webhook(adapter: Any, key: str, state: str, forged: bool) -> httpx.Request:
    """A message of Standard Webhooks; a forged one is signed with the secret by which we sign."""
    told = {"delivered": "receipt.delivered", "failed": "receipt.failed"}[state]
    body = json.dumps({"type": told, "data": {"webhook_id": key}}).encode()
    stamp = str(int(time.time()))
    secret = b"o" * 32 if forged else SECRET.encode()
    mac = base64.b64encode(hmac.digest(secret, f"m-1.{stamp}.".encode() + body, hashlib.sha256)).decode()
    headers = {"webhook-id": "m-1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac}"}
    return httpx.Request("POST", "/receipts/sms", content=body, headers=headers)


def smtp(adapter: Any, key: str, state: str, forged: bool) -> httpx.Request:
    """A delivery status notification; a forged one comes to an address with the mark of another message."""
    told = {"delivered": "delivered", "accepted": "relayed", "failed": "failed"}[state]
    to = adapter._bounces.sender(key)
    if forged:
        to = adapter._bounces.sender("another").replace("+another-", f"+{key}-")
    lines = [
        "From: MAILER-DAEMON@mx.example",
        f"To: {to}",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example",
        "",
        "Final-Recipient: rfc822; siti@people.example",
        f"Action: {told}",
        "Status: 5.1.1",
        "--b--",
    ]
    return httpx.Request("POST", "/receipts/sms", content="\r\n".join(lines).encode())


SIGNED: dict[str, Callable[[Any, str, str, bool], httpx.Request]] = {
    "kannel": kannel,
    "whatsapp": whatsapp,
    "webhook": webhook,
    "smtp": smtp,
}


@pytest.fixture(params=sorted(SIGNED))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
async def adapter(kind: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Channel]:
    monkeypatch.setenv("RECEIPT_TEST_SECRET", SECRET)
    monkeypatch.setenv("RECEIPT_TEST_WHSEC", WHSEC)
    monkeypatch.setenv("RECEIPT_TEST_OURS", f"whsec_{base64.b64encode(b'o' * 32).decode()}")
    settings = channels.settings_model(kind).model_validate({"kind": kind, "mode": "drill", **SETTINGS[kind]})
    channel = channels.adapter(kind)("sms", settings)
    yield channel
    await channel.close()


@pytest.fixture
async def tell(place: Place, kind: str, adapter: Channel) -> AsyncIterator[Callable[..., Any]]:
    """Says as the provider does what became of the message with this key; returns what it is answered."""
    app = receipts_endpoint.application(place.ledger, {"sms": adapter}, lambda: None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receipts") as client:

        async def tell(key: str, state: str, *, forged: bool = False) -> int:
            request = SIGNED[kind](adapter, key, state, forged)
            target = urlsplit(str(request.url))
            path = f"{target.path}?{target.query}" if target.query else target.path
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            answer = await client.request(request.method, path, content=request.content, headers=headers)
            return answer.status_code

        yield tell


async def sent(place: Place, channel: ScriptedChannel) -> str:
    """Sends one message and returns its key."""
    place.subscribe(1)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    return channel.sent[0].key


async def test_a_repeated_receipt_counts_once(place: Place, tell: Callable[..., Any]) -> None:
    key = await sent(place, ScriptedChannel())
    answers = await asyncio.gather(*(tell(key, "delivered") for _ in range(4)))
    assert answers == [200] * 4
    assert place.words() == {"delivered": 1}
    assert len(place.events("receipt.received")) == 1


async def test_a_late_receipt_settles_what_was_given_up(place: Place, tell: Callable[..., Any]) -> None:
    channel = ScriptedChannel(answer=lambda job, times: InDoubt("no answer in time"))
    place.subscribe(1)
    place.dispatch(channel)
    async with place.sending(channel):
        await until(lambda: place.words() == {"in_doubt": 1})
    place.clock.advance(3 * 86_400)
    assert await tell(channel.sent[0].key, "delivered") == 200
    assert place.words() == {"delivered": 1}


async def test_receipts_out_of_order_never_lower_what_is_known(
    place: Place, tell: Callable[..., Any], kind: str
) -> None:
    key = await sent(place, ScriptedChannel())
    for state in ("delivered", "failed", *(["accepted"] if kind != "webhook" else [])):
        assert await tell(key, state) == 200
    assert place.words() == {"delivered": 1}


async def test_a_failure_after_acceptance_is_told(place: Place, tell: Callable[..., Any]) -> None:
    key = await sent(place, ScriptedChannel(answer=lambda job, times: Accepted("id-1")))
    assert await tell(key, "failed") == 200
    assert place.words() == {"unreachable": 1}


async def test_a_forged_receipt_is_refused_and_leaves_nothing(place: Place, tell: Callable[..., Any]) -> None:
    key = await sent(place, ScriptedChannel())
    assert await tell(key, "delivered", forged=True) == 403
    assert place.words() == {"accepted": 1}
    assert place.events("receipt.received") == []
    assert place.ledger.read(register.unmatched) == 0


async def test_a_receipt_on_nothing_of_ours_is_kept_and_changes_nothing(place: Place, tell: Callable[..., Any]) -> None:
    await sent(place, ScriptedChannel())
    assert await tell("0" * 20, "delivered") == 200
    assert place.words() == {"accepted": 1}
    assert place.ledger.read(register.unmatched) == 1
