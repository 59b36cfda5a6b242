"""The rules that the WhatsApp Cloud API documents, and the calls that it makes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox import whatsapp
from sandbox.server import Sandbox
from sandbox.stand_in import BadSetting
from sandbox.wire import Answer, Reply, Request, Wire

BODY = "Peringatan: {{1}} Kode {{2}}."
TEMPLATES = [
    {"name": "warning", "language": "id", "body": BODY},
    *({"name": state.lower(), "language": "id", "body": BODY, "status": state} for state in whatsapp.STATES),
]


class Number:
    """Speaks to the stand-in's number with its token."""

    def __init__(self, http: httpx.AsyncClient, base: str) -> None:
        self.http, self.base = http, base
        self.headers = {"Authorization": f"Bearer {whatsapp.token('default')}"}

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.http.get(f"{self.base}/v26.0/{path}", headers=self.headers, params=query)

    async def send(self, *words: str, to: str = "628123450001", name: str = "warning", **more: Any) -> httpx.Response:
        parameters = [{"type": "text", "text": each} for each in words or ("Gempa.", "K7Q4-ID")]
        template = {
            "name": name,
            "language": {"code": "id"},
            "components": [{"type": "body", "parameters": parameters}],
        }
        fields = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template, **more}
        url = f"{self.base}/v26.0/{whatsapp.PHONE_NUMBER}/messages"
        return await self.http.post(url, json=fields, headers=self.headers)


@pytest.fixture
def number(http: httpx.AsyncClient, sandbox: Sandbox) -> Number:
    sandbox.stand_in("whatsapp").configure({"templates": TEMPLATES})
    return Number(http, sandbox.base_url("whatsapp"))


class Endpoint:
    """Takes calls; `received` lets a test wait for so many."""

    def __init__(self) -> None:
        self.calls: list[Request] = []
        self.port = 0
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, request: Request) -> Reply:
        self.calls.append(request)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Reply(Answer(200))

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def received(self, count: int) -> list[Any]:
        async with asyncio.timeout(5), self._more:
            await self._more.wait_for(lambda: len(self.calls) >= count)
        return [json.loads(call.body)["entry"][0]["changes"][0]["value"] for call in self.calls]


@pytest.fixture
async def endpoint(sandbox: Sandbox) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    wire = Wire(endpoint.take)
    endpoint.port = await wire.listen("127.0.0.1", 0)
    sandbox.stand_in("whatsapp").configure({"webhook": f"http://127.0.0.1:{endpoint.port}/receipts/wa"})
    yield endpoint
    await wire.close()


def refused(answer: httpx.Response, code: int) -> None:
    assert answer.status_code >= 400
    assert answer.json()["error"]["code"] == code


async def test_a_template_arrives_as_the_text_that_a_person_reads(number: Number, sandbox: Sandbox) -> None:
    answer = (await number.send("Gempa {{2}}.", "K7Q4-ID")).json()
    assert answer["messages"][0]["message_status"] == "accepted"
    (message,) = sandbox.stand_in("whatsapp").messages
    assert message.text == "Peringatan: Gempa {{2}}. Kode K7Q4-ID."
    assert answer["messages"][0]["id"] == message.id


async def test_a_repeat_is_a_second_message(number: Number, sandbox: Sandbox) -> None:
    for _ in range(2):
        await number.send(biz_opaque_callback_data="same")
    assert sandbox.counts()["whatsapp"]["taken"] == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "unknown"}, 132001),
        ({"name": "pending"}, 132001),
        ({"name": "rejected"}, 132001),
        ({"name": "paused"}, 132015),
        ({"name": "disabled"}, 132016),
        ({"to": "0812"}, 131009),
        ({"type": "text"}, 131047),
        ({"template": None}, 131008),
        ({"template": {"name": "warning", "language": {"code": "id"}, "components": [1]}}, 132000),
        ({"messaging_product": "sms"}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
    ],
)
async def test_a_message_that_breaks_a_rule_is_refused(
    number: Number, sandbox: Sandbox, changes: dict[str, Any], code: int
) -> None:
    refused(await number.send(**changes), code)
    assert sandbox.counts()["whatsapp"]["taken"] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("one",), 132000),
        (("one", "two", "three"), 132000),
        (("", "x"), 131008),
        (("a\nb", "x"), 132018),
        (("a\tb", "x"), 132018),
        (("a     b", "x"), 132018),
        (("x" * 1020, "x"), 132005),
    ],
)
async def test_parameters_that_do_not_fit_are_refused(number: Number, words: tuple[str, ...], code: int) -> None:
    refused(await number.send(*words), code)


@pytest.mark.parametrize(("behaviour", "code"), [("pair-limit", 131056), ("opted-out", 131050), ("not-listed", 131030)])
async def test_a_person_may_be_out_of_reach_at_once(
    number: Number, sandbox: Sandbox, behaviour: str, code: int
) -> None:
    sandbox.stand_in("whatsapp").script([{"match": "0001", "is": behaviour}])
    refused(await number.send(), code)
    assert (await number.send(to="628123450002")).is_success


async def test_calls_are_signed_over_their_body(number: Number, endpoint: Endpoint) -> None:
    await number.send(biz_opaque_callback_data="our-key")
    values = await endpoint.received(2)
    assert [value["statuses"][0]["status"] for value in values] == ["sent", "delivered"]
    assert {value["statuses"][0]["biz_opaque_callback_data"] for value in values} == {"our-key"}
    for call in endpoint.calls:
        digest = hmac.new(whatsapp.app_secret("default").encode(), call.body, hashlib.sha256).hexdigest()
        assert call.method == "POST"
        assert call.headers["x-hub-signature-256"] == f"sha256={digest}"


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        ("read", ["sent", "delivered", "read"]),
        ("delivered-first", ["delivered", "sent"]),
        ("repeated", ["sent", "delivered", "delivered", "sent"]),
        ("unreachable", ["failed"]),
    ],
)
async def test_statuses_come_as_the_script_says(
    number: Number, sandbox: Sandbox, endpoint: Endpoint, behaviour: str, statuses: list[str]
) -> None:
    sandbox.stand_in("whatsapp").script([{"match": "0001", "is": behaviour}])
    await number.send()
    values = await endpoint.received(len(statuses))
    assert [value["statuses"][0]["status"] for value in values] == statuses
    if statuses == ["failed"]:
        assert values[0]["statuses"][0]["errors"][0]["code"] == 131026


async def test_a_person_may_answer(number: Number, sandbox: Sandbox, endpoint: Endpoint) -> None:
    sandbox.stand_in("whatsapp").script([{"match": "0001", "is": "silent", "answer": "TOLONG"}])
    sent = (await number.send()).json()["messages"][0]["id"]
    (value,) = await endpoint.received(1)
    (message,) = value["messages"]
    assert (message["text"]["body"], message["context"]["id"]) == ("TOLONG", sent)


async def test_number_and_templates_can_be_asked_about(number: Number) -> None:
    assert (await number.get(whatsapp.PHONE_NUMBER)).json()["status"] == "CONNECTED"
    listed = (await number.get(f"{whatsapp.ACCOUNT}/message_templates", limit="250")).json()["data"]
    assert [each["status"] for each in listed] == ["APPROVED", *whatsapp.STATES]
    refused(await number.get("999"), 100)


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook": "https://example.org/receipts"},
        {"webhook": "http://192.0.2.1/receipts"},
        {"templates": {}},
        {"templates": [{"name": "x"}]},
        {"templates": [{"name": "x", "language": "id", "body": "x", "status": "FINE"}]},
        {"colour": "green"},
    ],
)
def test_settings_that_cannot_be_used_say_so(settings: dict[str, Any]) -> None:
    stand_in = whatsapp.WhatsApp("default", report=lambda *_, **__: None)
    with pytest.raises(BadSetting):
        stand_in.configure(settings)


@pytest.mark.parametrize("script", [1, {}, {"match": "1", "is": "blue"}])
def test_scripts_that_cannot_be_used_say_so(script: Any) -> None:
    stand_in = whatsapp.WhatsApp("default", report=lambda *_, **__: None)
    with pytest.raises(BadSetting):
        stand_in.script([script])
