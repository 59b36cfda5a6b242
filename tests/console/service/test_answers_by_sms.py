"""What somebody writes back by SMS goes from the gateway's call to the ledger, once, and nobody is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from channels.kannel import Adapter, Settings
from console.service import receipts_endpoint
from kentongan.data import data_path
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, answers
from kentongan.words.languages import read_languages, spoken
from tests.kentongan.sending import Place, ScriptedChannel, phone, until


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    monkeypatch.setenv("A_SECRET", "a secret of the gateway")
    secret = {"env": "A_SECRET"}
    settings = Settings.model_validate(
        {
            "kind": "kannel",
            "mode": "drill",
            "base_url": "http://127.0.0.1:13013",
            "username": "siaga",
            "password": secret,
            "sender": "BPBD",
            "audience": "all",
            "receipt_url": "http://receipts/receipts/sms",
            "receipt_secret": secret,
        }
    )
    return Adapter("sms", settings)


@pytest.fixture
async def client(place: Place, gateway: Adapter) -> AsyncIterator[httpx.AsyncClient]:
    words = spoken(read_languages(data_path("templates") / "languages"))
    app = receipts_endpoint.application(
        place.ledger,
        {"sms": gateway},
        lambda: None,
        answers=lambda write, instance, inbound: answers.record(
            write, instance=instance, inbound=inbound, keys=place.keys, words=words
        ),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receipts") as client:
        yield client


def address(gateway: Adapter, id: str) -> str:
    told = gateway.inbound_address()
    assert told is not None
    return told.replace("%I", id)


async def test_a_call_for_help_is_on_disk_before_the_gateway_is_told_so(
    place: Place, gateway: Adapter, client: httpx.AsyncClient
) -> None:
    place.subscribe(2)
    channel = ScriptedChannel("sms")
    place.dispatch(channel)
    async with place.sending(channel):
        await until(lambda: place.words() == {"accepted": 2})
    headers = {"X-Kannel-From": phone(1).lstrip("+"), "Content-Type": "text/plain; charset=UTF-8"}
    for _ in range(2):
        answer = await client.post(address(gateway, "mo-1"), content=b"tolong!", headers=headers)
        assert (answer.status_code, answer.text) == (200, "")
    found = place.ledger.read(lambda read: answers.summary(read, "alert-1"))
    assert (found.asked, found.answered, len(found.help)) == (2, 1, 1)
    assert place.words() == {"accepted": 1, "read": 1}


async def test_a_forged_answer_leaves_nothing(place: Place, gateway: Adapter, client: httpx.AsyncClient) -> None:
    answer = await client.get("/receipts/sms", params={"inbound": "guessed", "from": "+628120000001", "text": "3"})
    assert answer.status_code == 403
    assert place.ledger.read(answers.answered_alerts) == []


async def test_an_answer_that_cannot_be_kept_is_asked_for_again(
    gateway: Adapter, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: object, **kwargs: object) -> None:
        raise LedgerUnavailable("ledger is locked")

    monkeypatch.setattr(Ledger, "write_soon", refuse)
    answer = await client.get(address(gateway, "mo-1") + "&from=%2B628120000001&text=3")
    assert answer.status_code == 503
