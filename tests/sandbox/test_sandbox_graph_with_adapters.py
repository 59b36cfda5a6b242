"""The adapters of Meta's products before their stand-ins, which were written apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

import channels
from kentongan.seam import (
    Absent,
    Accepted,
    Address,
    Channel,
    Credential,
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
    Template,
    Uploaded,
    Why,
)
from sandbox import facebook, whatsapp
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from tests.sandbox.fault_outcomes import FAULT_OUTCOMES

MARK = "[LATIHAN]"
WORDS = ("Gempa M5,6 dekat Melonguane & sekitarnya.", "K7Q4-ID")
BODY = f"{MARK} Peringatan: {{{{1}}}} Kode {{{{2}}}} {MARK}"
TEXT = BODY.replace("{{1}}", WORDS[0]).replace("{{2}}", WORDS[1])
PERSON = Address("whatsapp", "+6281100001")
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16


class Clock(Protocol):
    time: float


def rendered(**changes: Any) -> Rendered:
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": "meta",
        "language": "id",
        "kind": "alert",
        "mode": Mode.DRILL,
        "code": "K7Q4-ID",
        "mark": MARK,
        "title": "Gempa",
        "text": TEXT,
        "link": "https://bpbd.example/K7Q4",
        "template": Template("warning_alert", "id", WORDS),
    }
    return Rendered(**{**fields, **changes})


def job(kind: str, **changes: Any) -> Job:
    return replace(Job("k1", PERSON if kind == "whatsapp" else None, datetime.now(UTC)), **changes)


@pytest.fixture(params=["facebook", "whatsapp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _now(clock: Clock) -> None:
    clock.time = datetime.now(UTC).timestamp()


@pytest.fixture
async def opened(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Channel]]:
    monkeypatch.setenv("FACEBOOK_TOKEN", facebook.token("default"))
    monkeypatch.setenv("WHATSAPP_TOKEN", whatsapp.token("default"))
    approved = [
        {"kind": kind, "language": "id", "name": f"warning_{kind}", "code": "id", "body": BODY}
        for kind in ("alert", "correction")
    ]
    sandbox.stand_in("whatsapp").configure(
        {"templates": [{"name": each["name"], "language": "id", "body": BODY} for each in approved]}
    )
    of: dict[str, dict[str, Any]] = {
        "facebook": {"page": facebook.PAGE},
        "whatsapp": {
            "audience": "people",
            "phone_number": whatsapp.PHONE_NUMBER,
            "account": whatsapp.ACCOUNT,
            "templates": [{**each, "parameters": ["message", "code"]} for each in approved],
        },
    }
    made: list[Channel] = []

    def build(kind: str, **changes: Any) -> Channel:
        common = {"kind": kind, "mode": "drill", "sandbox": True, "base_url": sandbox.base_url(kind), "deadline": 1.5}
        token = {"token": {"env": f"{kind.upper()}_TOKEN"}}
        settings = channels.settings_model(kind).model_validate({**common, **token, **of[kind], **changes})
        made.append(channels.adapter(kind)(kind, settings))
        return made[-1]

    yield build
    for channel in made:
        await channel.close()


async def send(channel: Channel, kind: str, message: Rendered | None = None) -> Outcome:
    [outcome] = await channel.send(message or rendered(), [job(kind)], None)
    return outcome


@pytest.mark.parametrize(("fault", "outcome", "taken"), [*FAULT_OUTCOMES, (Fault.UNAVAILABLE, InDoubt, 0)], ids=str)
async def test_a_fault_is_read_as_what_it_was(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str, fault: Fault, outcome: type[Outcome], taken: int
) -> None:
    sandbox.add_faults(kind, [Rule(fault, seconds=0.1)])
    assert isinstance(await send(opened(kind), kind), outcome)
    assert sandbox.counts()[kind]["taken"] == taken


async def test_a_throttle_inside_a_400_is_waited_out(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str
) -> None:
    sandbox.add_faults(kind, [Rule(Fault.THROTTLE, seconds=300)])
    outcome = await send(opened(kind), kind)
    assert isinstance(outcome, Retryable)
    assert outcome.after == 300


async def test_the_approved_words_are_what_a_citizen_reads(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str
) -> None:
    assert isinstance(await send(opened(kind), kind), Accepted)
    assert [message.text for message in sandbox.stand_in(kind).messages] == [TEXT]


async def test_an_account_that_is_ready_says_so_and_a_refused_one_does_not(
    sandbox: Sandbox, opened: Callable[..., Channel], kind: str
) -> None:
    seen = await opened(kind).ready()
    assert seen.ready, seen
    assert (seen.expires_at if kind == "facebook" else seen.quota_left) is not None
    assert not (await opened(kind, base_url=sandbox.base_url(kind, "drill")).ready()).ready


async def test_a_lost_answer_is_found_and_the_same_text_again_is_never_a_second_post(
    sandbox: Sandbox, opened: Callable[..., Channel]
) -> None:
    sandbox.add_faults("facebook", [Rule(Fault.ACCEPT_THEN_500)])
    page = opened("facebook")
    assert isinstance(await page.find(rendered(), job("facebook")), Absent)
    assert isinstance(await send(page, "facebook"), InDoubt)
    assert isinstance(await send(page, "facebook"), InDoubt)
    found = await page.find(rendered(), job("facebook", since=datetime.now(UTC) - timedelta(seconds=5)))
    assert isinstance(found, Accepted)
    assert [message.id for message in sandbox.stand_in("facebook").messages] == [found.id]
    other = await page.find(rendered(code="ZZZZ-ID"), job("facebook"))
    assert isinstance(other, Absent), "a post of ours that is not this one"


async def test_a_post_is_edited_and_taken_away(sandbox: Sandbox, opened: Callable[..., Channel]) -> None:
    page = opened("facebook")
    outcome = await send(page, "facebook")
    assert isinstance(outcome, Accepted)
    withdrawn = rendered(text=f"{MARK} DITARIK: pesan kami ditarik. K7Q4-ID {MARK}")
    posted = Posted(outcome.id)
    assert isinstance(await page.edit(posted, withdrawn, job("facebook")), Accepted)
    assert isinstance(await page.delete(posted, job("facebook")), Accepted)
    assert isinstance(await page.edit(posted, withdrawn, job("facebook")), Rejected)
    [message] = sandbox.stand_in("facebook").messages
    assert (message.text, message.earlier, message.deleted) == (withdrawn.text, [TEXT], True)


@pytest.mark.parametrize("contents", [(PNG,), (PNG, PNG), (PNG, b"no picture", PNG), (b"no picture",)])
async def test_pictures_that_facebook_takes_stand_with_the_words(
    sandbox: Sandbox, opened: Callable[..., Channel], contents: tuple[bytes, ...]
) -> None:
    page = opened("facebook")
    media = tuple(Media(f"{n}.png", "image/png", each, f"Map {n}") for n, each in enumerate(contents))
    message = rendered(media=media)
    uploaded = await page.upload(message)
    while isinstance(uploaded, Pending):
        assert not uploaded.irreversible_next
        uploaded = await page.advance(message, job("facebook", handle=uploaded.handle))
    assert isinstance(uploaded, Uploaded)
    [outcome] = await page.send(message, [job("facebook")], uploaded)
    if isinstance(outcome, Pending):
        outcome_or_upload = await page.advance(message, job("facebook", handle=outcome.handle))
        assert isinstance(outcome_or_upload, Accepted)
    else:
        assert isinstance(outcome, Accepted)
    [post] = sandbox.stand_in("facebook").messages
    good = [n for n, each in enumerate(contents) if each == PNG]
    assert post.notes == ([f"picture: Map {n}" for n in good] or ["link: https://bpbd.example/K7Q4"])


async def test_words_go_out_while_our_own_page_is_down(sandbox: Sandbox, opened: Callable[..., Channel]) -> None:
    sandbox.stand_in("facebook").configure({"unreadable_links": True})
    page = opened("facebook")
    step = await send(page, "facebook")
    assert isinstance(step, Pending)
    assert isinstance(await page.advance(rendered(), job("facebook", handle=step.handle)), Accepted)
    assert [message.text for message in sandbox.stand_in("facebook").messages] == [TEXT]


@pytest.mark.parametrize(
    ("behaviour", "kind_of"), [("pair-limit", Retryable), ("opted-out", Rejected), ("not-listed", Rejected)]
)
async def test_one_person_out_of_reach_is_no_fault_of_the_message(
    sandbox: Sandbox, opened: Callable[..., Channel], behaviour: str, kind_of: type[Outcome]
) -> None:
    sandbox.stand_in("whatsapp").script([{"match": "100001", "is": behaviour}])
    outcome = await send(opened("whatsapp"), "whatsapp")
    assert isinstance(outcome, kind_of)
    if isinstance(outcome, Rejected):
        assert outcome.why is Why.ADDRESS


@pytest.mark.parametrize("state", ["PAUSED", "DISABLED", "REJECTED"])
async def test_a_template_that_is_not_approved_holds_the_channel(
    sandbox: Sandbox, opened: Callable[..., Channel], state: str
) -> None:
    template = {"name": "warning_alert", "language": "id", "body": BODY, "status": state}
    sandbox.stand_in("whatsapp").configure({"templates": [template]})
    channel = opened("whatsapp")
    assert isinstance(await send(channel, "whatsapp"), Credential)
    seen = await channel.ready()
    assert not seen.ready
    assert state.lower() in seen.detail
