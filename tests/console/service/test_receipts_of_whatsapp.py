"""WhatsApp's calls on their way into the ledger: signed, many in one, in any order, and any number of times."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import channels
from console.service import receipts_endpoint
from kentongan.ledger import receipts as register
from kentongan.ledger import views
from kentongan.ledger.transaction import Write
from kentongan.seam import Accepted, Channel, Inbound, InDoubt
from tests.kentongan.sending import Place, ScriptedChannel, phone, until

SECRET, WORD, NUMBER = "app-secret", "our-word", "111"
CHECK = {"hub.mode": "subscribe", "hub.verify_token": WORD, "hub.challenge": "1158201444"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
async def adapter(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Channel]:
    for name, value in {"TOKEN": "t0ken", "SECRET": SECRET, "WORD": WORD}.items():
        monkeypatch.setenv(f"WA_{name}", value)
    body = "[LATIHAN] {{1}} Kode {{2}} [LATIHAN]"
    template = {"language": "id", "name": "x", "code": "id", "body": body, "parameters": ["message", "code"]}
    settings = channels.settings_model("whatsapp").model_validate(
        {
            "kind": "whatsapp",
            "mode": "drill",
            "audience": "all",
            "token": {"env": "WA_TOKEN"},
            "app_secret": {"env": "WA_SECRET"},
            "verify_token": {"env": "WA_WORD"},
            "phone_number": NUMBER,
            "account": "222",
            "templates": [{"kind": kind, **template} for kind in ("alert", "correction")],
        }
    )
    channel = channels.adapter("whatsapp")("sms", settings)
    yield channel
    await channel.close()


class Answers:
    """Keeps what people wrote, unless it is told to break."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Inbound]] = []
        self.breaks = False

    def __call__(self, write: Write, instance: str, inbound: Sequence[Inbound]) -> None:
        if self.breaks:
            raise ValueError(inbound[0].address)
        self.kept += [(instance, each) for each in inbound]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def client(place: Place, adapter: Channel, answers: Answers) -> AsyncIterator[httpx.AsyncClient]:
    app = receipts_endpoint.application(place.ledger, {"sms": adapter}, lambda: None, answers=answers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receipts") as client:
        yield client


def status(state: str, *, id: str = "", key: str = "", **more: Any) -> dict[str, Any]:
    return {"id": id, "status": state, **({"biz_opaque_callback_data": key} if key else {}), **more}


async def call(client: httpx.AsyncClient, *values: dict[str, Any], secret: str = SECRET) -> int:
    metadata = {"phone_number_id": NUMBER}
    changes = [{"field": "messages", "value": {"metadata": metadata, **value}} for value in values]
    content = {"object": "whatsapp_business_account", "entry": [{"id": "222", "changes": changes}]}
    body = json.dumps(content).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}"}
    return (await client.post("/receipts/sms", content=body, headers=headers)).status_code


async def test_the_check_of_the_endpoint_reads_its_challenge_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/receipts/sms", params=CHECK)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("params", [{**CHECK, "hub.verify_token": "other"}, {**CHECK, "hub.mode": "unsubscribe"}, {}])
async def test_a_check_by_somebody_else_is_refused(client: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await client.get("/receipts/sms", params=params)
    assert answer.status_code == 403
    assert "1158201444" not in answer.text


async def test_one_call_settles_many_messages_whatever_the_order(place: Place, client: httpx.AsyncClient) -> None:
    place.subscribe(3)
    channel = ScriptedChannel(answer=lambda job, times: Accepted(f"wamid.{job.key}"))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        async with asyncio.timeout(20):
            await dispatcher.finished("alert-1")
    a, b, c = (job.key for job in channel.sent)
    statuses = [
        status("delivered", id=f"wamid.{a}", key=a),
        status("sent", id=f"wamid.{a}", key=a),
        status("failed", id=f"wamid.{b}", errors=[{"code": 131026}]),
        status("read", id=f"wamid.{c}", key=c),
    ]
    for _ in range(2):
        assert await call(client, {"statuses": statuses[:2]}, {"statuses": statuses[2:]}) == 200
    assert await call(client, {"statuses": [status("delivered", id=f"wamid.{c}", key=c)]}) == 200
    assert place.words() == {"delivered": 1, "unreachable": 1, "read": 1}
    assert len(place.events("receipt.received")) == 5


async def test_a_status_with_our_key_settles_a_doubt_without_a_second_message(
    place: Place, client: httpx.AsyncClient
) -> None:
    place.subscribe(1)
    channel = ScriptedChannel(answer=lambda job, times: InDoubt("no answer in time"))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await until(lambda: place.words() == {"in_doubt": 1})
        assert await call(client, {"statuses": [status("sent", id="wamid.1", key=channel.sent[0].key)]}) == 200
        dispatcher.wake()
        async with asyncio.timeout(20):
            await dispatcher.finished("alert-1")
        assert await call(client, {"statuses": [status("read", id="wamid.1")]}) == 200
    assert place.words() == {"read": 1}
    assert len(channel.sent) == 1


async def test_a_status_that_comes_before_its_message_is_known_is_kept(place: Place, client: httpx.AsyncClient) -> None:
    place.subscribe(1)
    assert await call(client, {"statuses": [status("delivered", id="wamid.early")]}) == 200
    assert place.ledger.read(register.unmatched) == 1
    channel = ScriptedChannel(answer=lambda job, times: Accepted("wamid.early"))
    place.dispatch(channel)
    async with place.sending(channel):
        await until(lambda: place.words() == {"delivered": 1})


async def test_a_forged_call_is_refused_and_leaves_nothing(
    place: Place, client: httpx.AsyncClient, answers: Answers
) -> None:
    message = {"from": phone(0)[1:], "id": "wamid.9", "type": "text", "text": {"body": "1"}}
    value = {"statuses": [status("read", id="wamid.1")], "messages": [message]}
    assert await call(client, value, secret="guessed") == 403
    assert (await client.post("/receipts/sms", json={"entry": []})).status_code == 403
    assert place.ledger.read(register.unmatched) == 0
    assert place.ledger.read(lambda read: views.events(read, types=["receipt.received"])) == []
    assert answers.kept == []


async def test_answers_are_handed_on_with_the_receipts_of_the_same_call(
    place: Place, client: httpx.AsyncClient, answers: Answers
) -> None:
    message = {"from": phone(0)[1:], "id": "wamid.9", "type": "text", "text": {"body": "1"}, "context": {"id": "w"}}
    assert await call(client, {"statuses": [status("read", id="wamid.1")], "messages": [message]}) == 200
    assert answers.kept == [("sms", Inbound("whatsapp", phone(0), "1", "wamid.9", "w"))]
    assert place.ledger.read(register.unmatched) == 1
    assert await call(client, {"messages": [message]}) == 200
    assert len(answers.kept) == 2, "who drops repeats is the ledger, by their id"


async def test_answers_that_cannot_be_kept_keep_nothing_and_show_no_address(
    place: Place, client: httpx.AsyncClient, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    answers.breaks = True
    message = {"from": phone(0)[1:], "id": "wamid.9", "type": "text", "text": {"body": "1"}}
    assert await call(client, {"statuses": [status("read", id="wamid.1")], "messages": [message]}) == 500
    assert place.ledger.read(register.unmatched) == 0
    assert phone(0) not in caplog.text
    assert phone(0) not in str([vars(record) for record in caplog.records])


async def test_answers_that_nobody_keeps_are_counted_in_the_log(
    place: Place, adapter: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    app = receipts_endpoint.application(place.ledger, {"sms": adapter}, lambda: None)
    message = {"from": phone(0)[1:], "type": "text", "text": {"body": "1"}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receipts") as client:
        assert await call(client, {"messages": [message, message]}) == 200
    (record,) = [record for record in caplog.records if record.getMessage() == "answers not kept"]
    assert vars(record)["count"] == 2
    assert phone(0)[1:] not in str(vars(record))
