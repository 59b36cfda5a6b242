"""What the renderer makes and the adapters send is what the stand-ins, written from the providers' pages, take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import channels
from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.cap.writing import write
from kentongan.data import data_path
from kentongan.seam import Accepted, Address, Channel, Confirmed, Job, Mode, Posted, Receipt, Rendered, slots
from kentongan.settings import Agency, Policy, Settings
from kentongan.words import drafting
from kentongan.words.late import late_values
from kentongan.words.library import library as read_library
from kentongan.words.rendering import Target, render
from sandbox import facebook, smtp, webhook, whatsapp
from sandbox.server import Sandbox
from tests.channels.contract import SINCE
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.channels.test_kannel import received

NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)
SENDERS = {
    "MASTODON": "sandbox-mastodon-token",
    "TELEGRAM": "1000000:sandbox-telegram-token",
    "KANNEL": "sandbox-kannel-password",
    "RECEIPTS": "receipts",
    "WORDPRESS": "sand boxw ordp ress pass word",
    "X": "sandbox-x-token",
    "FACEBOOK": facebook.token("default"),
    "WHATSAPP": whatsapp.token("default"),
    "MAIL": smtp.password("default"),
    "PARTNER": webhook.secret("default"),
}
AGENCY = Agency.model_validate(
    {
        "name": "BPBD Bengkulu Selatan",
        "sender": "bpbd@bengkuluselatan.example",
        "languages": ["id", "en"],
        "timezone": "Asia/Jakarta",
        "link": "https://siaga.example",
    }
)


def approved(mode: Mode) -> list[dict[str, Any]]:
    """WhatsApp templates in both languages, those of a drill with its mark."""
    marks = {"id": "[LATIHAN]", "en": "[EXERCISE]"} if mode is not Mode.LIVE else {"id": "", "en": ""}
    return [
        {
            "kind": kind,
            "language": language,
            "name": f"{kind}_{language}",
            "code": language,
            "body": f"{mark} BPBD: {{{{1}}}} Info {{{{2}}}} ({{{{3}}}}). {mark}".strip(),
            "parameters": ["message", "link", "code"],
        }
        for language, mark in marks.items()
        for kind in ("alert", "correction")
    ]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(params=list(Mode))
def mode(request: pytest.FixtureRequest) -> Mode:
    return Mode(request.param)


@pytest.fixture
def configured(sandbox: Sandbox, server: ScriptedServer, tmp_path: Path, mode: Mode) -> Settings:
    def instance(kind: str, **fields: Any) -> Any:
        common = {"kind": kind, "mode": mode, "sandbox": True}
        return channels.settings_model(kind).model_validate({**common, **fields})

    def secret(name: str) -> dict[str, str]:
        return {"env": f"KENTONGAN_TEST_{name}"}

    kannel = {"username": "sandbox", "sender": "BPBD", "audience": "all", "receipt_url": f"{server.base_url}/r"}
    telegram = {"base_url": sandbox.base_url("telegram"), "token": secret("TELEGRAM")}
    templates = approved(mode)
    at_meta = [{"name": each["name"], "language": each["code"], "body": each["body"]} for each in templates]
    sandbox.stand_in("whatsapp").configure({"templates": at_meta})
    return Settings(
        source=None,
        agency=AGENCY,
        audiences={},
        policy=Policy(),
        channels={
            "toot": instance("mastodon", base_url=sandbox.base_url("mastodon"), token=secret("MASTODON")),
            "x": instance("x", base_url=sandbox.base_url("x"), token=secret("X")),
            "blog": instance(
                "wordpress",
                base_url=sandbox.base_url("wordpress"),
                username="sandbox",
                password=secret("WORDPRESS"),
            ),
            "channel": instance("telegram", chat="@bpbd", **telegram),
            "bot": instance("telegram", audience="all", **telegram),
            "sms": instance(
                "kannel",
                base_url=sandbox.base_url("kannel"),
                password=secret("KANNEL"),
                receipt_secret=secret("RECEIPTS"),
                **kannel,
            ),
            "page": instance(
                "facebook", base_url=sandbox.base_url("facebook"), page=facebook.PAGE, token=secret("FACEBOOK")
            ),
            "wa": instance(
                "whatsapp",
                base_url=sandbox.base_url("whatsapp"),
                audience="all",
                phone_number=whatsapp.PHONE_NUMBER,
                account=whatsapp.ACCOUNT,
                token=secret("WHATSAPP"),
                templates=templates,
            ),
            "mail": instance(
                "smtp",
                base_url=sandbox.base_url("smtp"),
                audience="all",
                username=smtp.USERNAME,
                password=secret("MAIL"),
                sender="siaga@siaga.example",
                sender_name=AGENCY.name,
                list_id="siaga.siaga.example",
            ),
            "partner": instance("webhook", base_url=sandbox.base_url("webhook"), secret=secret("PARTNER")),
            "feed": instance(
                "cap_feed", base_url=AGENCY.link, directory=tmp_path, title="Peringatan", author=AGENCY.name
            ),
        },
    )


@pytest.fixture
async def opened(configured: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Channel]]:
    for name, value in SENDERS.items():
        monkeypatch.setenv(f"KENTONGAN_TEST_{name}", value)
    opened = channels.open(configured)
    yield opened
    for channel in opened.values():
        await channel.close()


def drafted(mode: Mode) -> Draft:
    hazard = read_library(data_path("templates")).get("earthquake")
    facts = {
        "magnitude": "5.6",
        "origin_time": "2026-11-21 14:05",
        "place": "28 km barat laut Manna <Bengkulu & Selatan>",
        "depth_km": "10",
        "latitude": "-4.46",
        "longitude": "102.9",
        "tsunami": "none",
        "source": "BMKG",
        "area": "Manna; Kota Bengkulu",
    }
    status = Status.ACTUAL if mode is Mode.LIVE else Status.EXERCISE
    draft = drafting.from_facts(hazard, facts, agency=AGENCY, status=status, identifier="K-1", now=NOW)
    return draft.model_copy(update={"public_exercise": mode is Mode.EXERCISE})


def made(configured: Settings, mode: Mode) -> dict[tuple[str, str], Rendered]:
    targets = [
        Target(
            instance=name,
            kind=settings.kind,
            mode=settings.mode,
            sandbox=settings.sandbox,
            limits=channels.limits(settings),
            public=settings.audience is None,
            languages=AGENCY.languages,
            approved=settings.approved_templates(),
        )
        for name, settings in configured.channels.items()
    ]
    renderings = render(
        drafted(mode),
        kind=Kind.ALERT,
        alert_id="alert-1",
        code="K7Q4",
        targets=targets,
        agency=AGENCY,
        library=read_library(data_path("templates")),
        cap_xml=lambda alert: write(alert).decode(),
    )
    assert renderings.problems == ()
    return {(message.instance, message.language): message for message in renderings.messages}


def job(message: Rendered, channel: Channel, person: str = "+628120000001") -> Job:
    library = read_library(data_path("templates"))
    texts = [message.text, message.title, message.html, *(document.text for document in message.documents)]
    values = late_values(
        frozenset().union(*map(slots, texts)),
        language=message.language if message.language != "mul" else "id",
        languages=library.languages,
        zone=ZoneInfo(AGENCY.timezone),
        sent=NOW,
    )
    to = None
    if message.instance in ("bot", "sms", "wa", "mail"):
        assert channel.traits.family is not None
        reached_at = {"phone": person, "whatsapp": person, "telegram": "77001", "email": "siti@people.example"}
        to = Address(channel.traits.family, reached_at[channel.traits.family])
    return Job(f"key-{message.instance}-{message.language}", to, SINCE, values)


async def test_every_channel_takes_what_the_renderer_made(
    sandbox: Sandbox, configured: Settings, opened: dict[str, Channel], mode: Mode
) -> None:
    messages = made(configured, mode)
    assert {name for name, _ in messages} == set(opened)
    for (name, _), message in messages.items():
        channel = opened[name]
        assert (await channel.ready()).ready
        outcomes = await channel.send(message, [job(message, channel)], None)
        assert isinstance(outcomes[0], Accepted), (name, outcomes)
    taken = [each["taken"] for each in sandbox.counts().values()]
    assert sum(taken) == len(messages) - 1, "all but the feed's one file went to a stand-in, each once"
    assert not any(each["duplicates"] for each in sandbox.counts().values())


async def test_a_post_whose_answer_was_lost_is_found_by_its_code(
    configured: Settings, opened: dict[str, Channel], mode: Mode
) -> None:
    toot, message = opened["toot"], made(configured, mode)["toot", "id"]
    (first,) = await toot.send(message, [job(message, toot)], None)
    (again,) = await toot.send(message, [job(message, toot)], None)
    assert isinstance(first, Accepted)
    assert first == again, "the same key made a second post"
    looked = await toot.find(message, job(message, toot))
    assert looked == first
    assert isinstance(await toot.edit(Posted(first.id), message, job(message, toot)), Accepted)
    assert isinstance(await toot.delete(Posted(first.id), job(message, toot)), Accepted)


async def test_the_gateway_confirms_by_our_own_key(
    server: ScriptedServer, configured: Settings, opened: dict[str, Channel], mode: Mode
) -> None:
    sms, message = opened["sms"], made(configured, mode)["sms", "id"]
    receipts: list[Receipt] = []
    delivered = asyncio.Event()

    def endpoint(request: Request) -> Reply:
        receipts.extend(sms.receipts(received(request.query)))
        if receipts and receipts[-1].confirmed is Confirmed.DELIVERED:
            delivered.set()
        return Reply(204)

    server.usual = endpoint
    await sms.send(message, [job(message, sms)], None)
    async with asyncio.timeout(10):
        await delivered.wait()
    assert {receipt.key for receipt in receipts} == {"key-sms-id"}
