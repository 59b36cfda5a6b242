"""The adapters before the stand-ins, which were written apart: every fault has the outcome that it calls for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import pytest

import channels.kannel
import channels.mastodon
import channels.telegram
from kentongan.seam import (
    Absent,
    Accepted,
    Address,
    Channel,
    InDoubt,
    Job,
    Media,
    Mode,
    Outcome,
    Pending,
    Posted,
    Rejected,
    Rendered,
    Retryable,
    Uploaded,
    Why,
)
from kentongan.settings import SecretSource
from sandbox import kannel, mastodon, telegram
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from tests.sandbox.fault_outcomes import FAULT_OUTCOMES

ADDRESSES = {"kannel": Address("phone", "+6281100001"), "telegram": Address("telegram", "6281100001"), "mastodon": None}


class Clock(Protocol):
    time: float


def rendered(kind: str, **changes: Any) -> Rendered:
    words = "[LATIHAN] Gempa M5,6 dekat Melonguane & sekitarnya. K7Q4-ID https://bpbd.example/K7Q4-ID [LATIHAN]"
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": kind,
        "language": "id",
        "kind": "alert",
        "mode": Mode.DRILL,
        "code": "K7Q4-ID",
        "mark": "[LATIHAN]",
        "title": "Gempa",
        "text": words,
        "html": words.replace("&", "&amp;") if kind == "telegram" else "",
    }
    return Rendered(**{**fields, **changes})


@pytest.fixture(params=sorted(ADDRESSES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def opened(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Channel]]:
    monkeypatch.setenv("MASTODON_TOKEN", mastodon.token("default"))
    monkeypatch.setenv("TELEGRAM_TOKEN", telegram.token("default"))
    monkeypatch.setenv("KANNEL_PASSWORD", kannel.password("default"))
    made: list[Channel] = []

    def build(kind: str, **changes: Any) -> Channel:
        common = {"kind": kind, "mode": "drill", "sandbox": True, "base_url": sandbox.base_url(kind), "deadline": 1.5}
        channel: Channel
        match kind:
            case "mastodon":
                token = SecretSource(env="MASTODON_TOKEN")
                channel = channels.mastodon.Adapter(
                    kind, channels.mastodon.Settings(**{**common, "token": token, **changes})
                )
            case "telegram":
                token = SecretSource(env="TELEGRAM_TOKEN")
                fields = {**common, "token": token, "audience": "people", **changes}
                channel = channels.telegram.Adapter(kind, channels.telegram.Settings(**fields))
            case _:
                password = SecretSource(env="KANNEL_PASSWORD")
                fields = {"username": kannel.USERNAME, "password": password, "sender": "BPBD", "audience": "people"}
                channel = channels.kannel.Adapter(kind, channels.kannel.Settings(**{**common, **fields, **changes}))
        made.append(channel)
        return channel

    yield build
    for channel in made:
        await channel.close()


async def send(channel: Channel, kind: str, key: str = "k1") -> Outcome:
    job = Job(key=key, to=ADDRESSES[kind], since=datetime.now(UTC))
    [outcome] = await channel.send(rendered(kind), [job], None)
    return outcome


@pytest.mark.parametrize(("fault", "outcome", "taken"), FAULT_OUTCOMES, ids=str)
async def test_a_fault_is_read_as_what_it_was(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str, fault: Fault, outcome: type[Outcome], taken: int
) -> None:
    sandbox.add_faults(kind, [Rule(fault, seconds=0.1)])
    assert isinstance(await send(opened(kind), kind), outcome)
    assert sandbox.counts()[kind]["taken"] == taken


async def test_a_kept_connection_that_the_other_side_closes_makes_no_doubt_and_no_duplicate(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str
) -> None:
    sandbox.add_faults(kind, [Rule(Fault.IDLE_CLOSE, times=None)])
    channel = opened(kind)
    for n in range(20):
        assert isinstance(await send(channel, kind, f"k{n}"), Accepted)
    assert sandbox.counts()[kind]["taken"] == 20


async def test_an_account_that_is_ready_says_so_and_a_refused_one_does_not(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str
) -> None:
    channel = opened(kind)
    assert (await channel.ready()).ready
    elsewhere = opened(kind, base_url=sandbox.base_url(kind, "drill"))
    assert not (await elsewhere.ready()).ready
    assert sandbox.counts()[kind]["taken"] == 0


async def test_a_throttle_is_waited_out_as_long_as_the_provider_says(
    sandbox: Sandbox, opened: Callable[..., Channel]
) -> None:
    sandbox.add_faults("telegram", [Rule(Fault.THROTTLE, seconds=7)])
    outcome = await send(opened("telegram"), "telegram")
    assert isinstance(outcome, Retryable)
    assert outcome.after is not None
    assert 7 <= outcome.after <= 8


@pytest.mark.parametrize("behaviour", ["blocked", "unknown", "deactivated"])
async def test_a_citizen_out_of_reach_is_rejected_as_an_address(
    sandbox: Sandbox, opened: Callable[..., Channel], behaviour: str
) -> None:
    sandbox.stand_in("telegram").script([{"match": "6281100001", "is": behaviour}])
    outcome = await send(opened("telegram"), "telegram")
    assert isinstance(outcome, Rejected)
    assert outcome.why is Why.ADDRESS


async def test_an_unroutable_number_is_rejected_as_an_address(sandbox: Sandbox, opened: Callable[..., Channel]) -> None:
    sandbox.stand_in("kannel").script([{"match": "6281100001", "is": "unroutable"}])
    outcome = await send(opened("kannel"), "kannel")
    assert isinstance(outcome, Rejected)
    assert outcome.why is Why.ADDRESS


async def test_the_same_key_again_settles_a_doubt_without_a_second_post(
    sandbox: Sandbox, opened: Callable[..., Channel], clock: Clock
) -> None:
    clock.time = datetime.now(UTC).timestamp()
    sandbox.add_faults("mastodon", [Rule(Fault.ACCEPT_THEN_500)])
    channel = opened("mastodon")
    assert isinstance(await send(channel, "mastodon"), InDoubt)
    again = await send(channel, "mastodon")
    assert isinstance(again, Accepted)
    assert sandbox.counts()["mastodon"]["taken"] == 1
    job = Job(key="k1", to=None, since=datetime.now(UTC) - timedelta(seconds=5))
    found = await channel.find(rendered("mastodon"), job)
    assert isinstance(found, Accepted)
    assert found.id == again.id


async def test_a_look_up_that_finds_nothing_says_absent(
    sandbox: Sandbox, opened: Callable[..., Channel], clock: Clock
) -> None:
    clock.time = datetime.now(UTC).timestamp()
    sandbox.add_faults("mastodon", [Rule(Fault.DROP)])
    channel = opened("mastodon")
    assert isinstance(await send(channel, "mastodon"), InDoubt)
    job = Job(key="k1", to=None, since=datetime.now(UTC))
    assert isinstance(await channel.find(rendered("mastodon"), job), Absent)


async def test_a_slow_upload_is_polled_until_it_is_ready_and_then_attached(
    sandbox: Sandbox, opened: Callable[..., Channel]
) -> None:
    sandbox.stand_in("mastodon").configure({"media_polls": 2})
    channel = opened("mastodon")
    picture = Media("peta.png", "image/png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 16, "Peta getaran")
    message = rendered("mastodon", media=(picture,))
    uploaded = await channel.upload(message)
    steps = 0
    while isinstance(uploaded, Pending):
        assert not uploaded.irreversible_next
        steps += 1
        job = Job(key="k1", to=None, since=datetime.now(UTC), handle=uploaded.handle)
        uploaded = await channel.advance(message, job)
    assert isinstance(uploaded, Uploaded)
    assert steps == 3
    [outcome] = await channel.send(message, [Job(key="k1", to=None, since=datetime.now(UTC))], uploaded)
    assert isinstance(outcome, Accepted)
    assert sandbox.stand_in("mastodon").messages[0].notes == ["image: Peta getaran"]
    withdrawn = rendered("mastodon", text="[LATIHAN] DITARIK. K7Q4-ID [LATIHAN]")
    assert isinstance(await channel.edit(Posted(outcome.id), withdrawn, job), Accepted)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {mastodon.token('default')}"}) as client:
        shown = (await client.get(f"{sandbox.base_url('mastodon')}/api/v1/statuses/{outcome.id}")).json()
    assert shown["media_attachments"] == [], "the map of a warning that was withdrawn must not stay"


@pytest.mark.parametrize("kind", ["mastodon", "telegram"])
async def test_a_post_is_edited_and_taken_away(sandbox: Sandbox, opened: Callable[..., Channel], kind: str) -> None:
    channel = opened(kind)
    outcome = await send(channel, kind)
    assert isinstance(outcome, Accepted)
    words = "[LATIHAN] DITARIK: pesan kami ditarik. K7Q4-ID [LATIHAN]"
    withdrawn = rendered(kind, text=words, html=words if kind == "telegram" else "")
    posted, job = Posted(outcome.id), Job(key="k1", to=ADDRESSES[kind], since=datetime.now(UTC))
    assert isinstance(await channel.edit(posted, withdrawn, job), Accepted)
    assert isinstance(await channel.edit(posted, withdrawn, job), Accepted)
    [message] = sandbox.stand_in(kind).messages
    assert message.text == words
    assert len(message.earlier) == 1
    assert isinstance(await channel.delete(posted, job), Accepted)
    assert message.deleted


async def test_the_approved_words_are_what_a_citizen_reads(
    sandbox: Sandbox, opened: Callable[..., Channel], http: httpx.AsyncClient
) -> None:
    for kind in ADDRESSES:
        assert isinstance(await send(opened(kind), kind), Accepted)
    shown = (await http.get("/_sandbox/messages")).json()
    assert {each["text"] for messages in shown.values() for each in messages} == {rendered("kannel").text}
    assert {m["drill"] for c in (await http.get("/_sandbox/wall")).json()["channels"] for m in _messages(c)} == {True}


def _messages(channel: dict[str, Any]) -> list[dict[str, Any]]:
    return [*channel["posts"], *(m for phone in channel["phones"] for m in phone["messages"])]
