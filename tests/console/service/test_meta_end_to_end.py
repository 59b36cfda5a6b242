"""A drill over Facebook and WhatsApp, from draft to read, through desk, ledger, dispatcher, stand-ins and endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from console.service import receipts_endpoint
from flows.house import House
from kentongan.ledger import renderings, views
from sandbox import facebook, whatsapp
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from tests.installation import Installation, install, phone
from tests.kentongan.sending import until

PEOPLE = 6
BODIES = {
    ("alert", "id"): "[LATIHAN] BPBD: {{1}} Kode {{2}} [LATIHAN]",
    ("alert", "en"): "[EXERCISE] BPBD: {{1}} Code {{2}} [EXERCISE]",
    ("correction", "id"): "[LATIHAN] Ralat BPBD: {{1}} Kode {{2}} [LATIHAN]",
    ("correction", "en"): "[EXERCISE] Correction of BPBD: {{1}} Code {{2}} [EXERCISE]",
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        at_meta = [
            {"name": f"{kind}_{language}", "language": language, "body": body}
            for (kind, language), body in BODIES.items()
        ]
        sandbox.stand_in("whatsapp").configure({"templates": at_meta})
        yield sandbox


@pytest.fixture
def installation(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Installation:
    for name, value in {
        "PAGE": facebook.token("default"),
        "WA": whatsapp.token("default"),
        "APP": whatsapp.app_secret("default"),
    }.items():
        monkeypatch.setenv(f"TEST_META_{name}", value)
    common = {"mode": "drill", "sandbox": True, "deadline": 2.0}
    templates = [
        {
            "kind": kind,
            "language": language,
            "name": f"{kind}_{language}",
            "code": language,
            "body": body,
            "parameters": ["message", "code"],
        }
        for (kind, language), body in BODIES.items()
    ]
    return install(
        tmp_path,
        {
            "page": {
                **common,
                "kind": "facebook",
                "base_url": sandbox.base_url("facebook"),
                "page": facebook.PAGE,
                "token": {"env": "TEST_META_PAGE"},
            },
            "wa": {
                **common,
                "kind": "whatsapp",
                "base_url": sandbox.base_url("whatsapp"),
                "audience": "subscribers",
                "phone_number": whatsapp.PHONE_NUMBER,
                "account": whatsapp.ACCOUNT,
                "token": {"env": "TEST_META_WA"},
                "app_secret": {"env": "TEST_META_APP"},
                "verify_token": {"env": "TEST_META_APP"},
                "templates": templates,
            },
        },
        {"probe_every": 0.2},
    )


class Running:
    """One sender with its receipt endpoint on loopback."""

    def __init__(self, house: House, installation: Installation) -> None:
        self.house = house
        self.installation = installation
        self.alert = ""

    def words(self, instance: str) -> dict[str, int]:
        return self.house.ledger.read(lambda read: views.words(read, self.alert, instance))


@pytest.fixture
async def running(sandbox: Sandbox, installation: Installation) -> AsyncIterator[Running]:
    with installation.open() as house:
        installation.admit(house)
        installation.subscribe(house, PEOPLE)
    house = installation.open("service")
    opened = house.open_channels()
    dispatcher = house.dispatcher(opened)
    app = receipts_endpoint.application(house.ledger, opened, dispatcher.wake)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    sandbox.stand_in("whatsapp").configure({"webhook": f"http://127.0.0.1:{port}/receipts/wa"})
    await dispatcher.start()
    try:
        there = Running(house, installation)
        there.alert = installation.draft(house.desk())
        yield there
    finally:
        await dispatcher.close()
        for channel in opened.values():
            await channel.close()
        server.should_exit = True
        await serving
        house.close()


def send(running: Running) -> None:
    running.installation.dispatch(running.house.desk(), running.alert)


def messages(running: Running, alert: str) -> dict[tuple[str, str], Any]:
    found = running.house.ledger.read(lambda read: renderings.of(read, alert))
    return {(each.instance, each.language): each for each in found}


async def test_citizens_read_what_officers_approved_and_every_status_is_on_record(
    sandbox: Sandbox, running: Running
) -> None:
    numbers = [phone(n)[1:] for n in range(PEOPLE)]
    sandbox.stand_in("whatsapp").script(
        [
            {"match": numbers[0], "is": "read"},
            {"match": numbers[1], "is": "unreachable"},
            {"match": numbers[2], "is": "delivered-first"},
            {"match": numbers[3], "is": "repeated"},
            {"match": numbers[4], "is": "opted-out"},
        ]
    )
    send(running)
    await until(lambda: running.words("wa") == {"read": 1, "unreachable": 1, "delivered": 3, "rejected": 1})
    await until(lambda: running.words("page") == {"accepted": 2})
    approved = messages(running, running.alert)
    for message in sandbox.stand_in("whatsapp").messages:
        language = "id" if int(message.recipient) % 2 else "en"
        rendered = approved["wa", language]
        # The time of sending is the one thing that officers could not know yet.
        before, _, after = rendered.text.partition("\ue000sent\ue001")
        assert message.text.startswith(before)
        assert message.text.endswith(after)
        assert "\ue000" not in message.text
        assert rendered.mark
        assert message.text.startswith(rendered.mark)
        assert message.text.endswith(rendered.mark)
    assert len(sandbox.stand_in("facebook").messages) == 2
    assert not any(counts["duplicates"] for counts in sandbox.counts().values())


@pytest.mark.slow
async def test_lost_answers_are_settled_by_look_up_and_by_status_without_a_second_message(
    sandbox: Sandbox, running: Running
) -> None:
    sandbox.add_faults("whatsapp", [Rule(Fault.ACCEPT_THEN_RESET, times=None)])
    sandbox.add_faults("facebook", [Rule(Fault.ACCEPT_THEN_500, times=None)])
    send(running)
    await until(lambda: running.words("wa") == {"delivered": PEOPLE}, patience=20)
    await until(lambda: running.words("page") == {"accepted": 2}, patience=40)
    assert sandbox.counts()["whatsapp"]["taken"] == PEOPLE
    assert sandbox.counts()["facebook"]["taken"] == 2
    assert not any(counts["duplicates"] for counts in sandbox.counts().values())


async def test_a_paused_template_holds_the_channel_until_it_is_approved_again(
    sandbox: Sandbox, running: Running
) -> None:
    stand_in = sandbox.stand_in("whatsapp")
    listed = [{"name": f"{k}_{lang}", "language": lang, "body": body} for (k, lang), body in BODIES.items()]
    stand_in.configure({"templates": [{**each, "status": "PAUSED"} for each in listed]})
    send(running)
    await until(lambda: running.house.ledger.read(lambda read: views.events(read, types=["instance.held"])) != [])
    assert sandbox.counts()["whatsapp"]["taken"] == 0
    stand_in.configure({"templates": listed})
    await until(lambda: running.words("wa") == {"delivered": PEOPLE}, patience=30)
    assert sandbox.counts()["whatsapp"]["taken"] == PEOPLE


async def test_a_paused_template_of_one_language_holds_up_nobody_who_reads_another(
    sandbox: Sandbox, running: Running
) -> None:
    stand_in = sandbox.stand_in("whatsapp")
    listed = [{"name": f"{k}_{lang}", "language": lang, "body": body} for (k, lang), body in BODIES.items()]
    paused = [{**each, "status": "PAUSED"} if each["language"] == "id" else each for each in listed]
    stand_in.configure({"templates": paused})
    send(running)
    english = {phone(n)[1:] for n in range(PEOPLE) if not int(phone(n)[1:]) % 2}
    await until(lambda: running.words("wa").get("delivered") == len(english))
    assert {message.recipient for message in stand_in.messages} == english
    assert running.house.ledger.read(lambda read: views.events(read, types=["instance.held"])) == []
    stand_in.configure({"templates": listed})
    await until(lambda: running.words("wa") == {"delivered": PEOPLE}, patience=30)


async def test_the_words_go_out_on_facebook_while_our_own_page_is_down(sandbox: Sandbox, running: Running) -> None:
    sandbox.stand_in("facebook").configure({"unreadable_links": True})
    send(running)
    await until(lambda: running.words("page") == {"accepted": 2})
    assert sandbox.counts()["facebook"]["taken"] == 2
    assert [message.notes for message in sandbox.stand_in("facebook").messages] == [[], []]
