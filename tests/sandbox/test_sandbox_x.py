from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import oauthlib.oauth1
import pytest
from hypothesis import given
from hypothesis import strategies as st

import channels.x
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Job,
    Media,
    Mode,
    Pending,
    Posted,
    Rejected,
    Rendered,
    Retryable,
    Uploaded,
)
from kentongan.settings import SecretSource
from kentongan.words.counting import count
from sandbox import x
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from sandbox.x_text import weight_of
from tests.sandbox.conftest import Clock

AUTH = {"Authorization": f"Bearer {x.token('default')}"}
POSTS = "/x/2/tweets"


def message(words: str = "Gempa M5,6 di Manna & sekitarnya", code: str = "K7Q4-ID", **changes: Any) -> Rendered:
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": "x",
        "language": "id",
        "kind": "alert",
        "mode": Mode.DRILL,
        "code": code,
        "mark": "[LATIHAN]",
        "title": "Gempa",
        "text": f"[LATIHAN] {words} https://bpbd.go.id/K7Q4 {code} [LATIHAN]",
    }
    return Rendered(**{**fields, **changes})


def job(clock: Clock, **changes: Any) -> Job:
    return Job("key", None, datetime.fromtimestamp(clock.time, UTC), **changes)


@pytest.fixture
async def channel(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[channels.x.Adapter]:
    monkeypatch.setenv("X_TOKEN", x.token("default"))
    fields = {"kind": "x", "mode": "drill", "sandbox": True, "base_url": sandbox.base_url("x"), "deadline": 0.5}
    settings = channels.x.Settings(**fields, token=SecretSource(env="X_TOKEN"), may_edit=True)
    channel = channels.x.Adapter("x", settings)
    yield channel
    await channel.close()


@pytest.fixture
async def signing(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[channels.x.Adapter]:
    """The same account by the keys of its app."""
    sources = {}
    for field in dataclasses.fields(x.Keys):
        monkeypatch.setenv(f"X_{field.name.upper()}", getattr(x.keys("default"), field.name))
        sources[field.name] = SecretSource(env=f"X_{field.name.upper()}")
    fields = {"kind": "x", "mode": "drill", "sandbox": True, "base_url": sandbox.base_url("x"), "deadline": 0.5}
    settings = channels.x.Settings(**fields, **sources)
    channel = channels.x.Adapter("x", settings, now=lambda: datetime.fromtimestamp(clock.time, UTC))
    yield channel
    await channel.close()


@given(st.text(st.sampled_from("aé–—字😀👍🏽\u200d\ufe0f1⚠© \n.,@#ñاก")))
def test_a_text_is_never_longer_there_than_it_was_counted(text: str) -> None:
    assert weight_of(text) <= count(text, "x")


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("a" * 280, 280),
        ("字" * 140, 280),
        ("https://example.com/very/long/path", 23),
        ("lihat https://bpbd.go.id/K7Q4.", 6 + 23 + 1),
        ("👨‍👩‍👧‍👦🙋🏽👾", 6),
        ("cafe\u0301", 4),
    ],
)
def test_x_counts_by_weight(text: str, weight: int) -> None:
    assert weight_of(text) == count(text, "x") == weight


async def test_a_post_is_taken_charged_and_shown(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await http.post(POSTS, json={"text": "Gempa & tsunami https://bpbd.go.id/K7Q4"}, headers=AUTH)
    assert answer.status_code == 201
    assert answer.json()["data"]["text"] == "Gempa &amp; tsunami https://t.co/0000000000"
    assert answer.headers["x-rate-limit-remaining"] == "99"
    assert sandbox.counts()["x"]["charged"] == 0.2
    assert "Gempa &amp; tsunami https://bpbd.go.id/K7Q4" in (await http.get("/?refresh=0")).text


async def test_signed_requests_do_whatever_a_bearer_may(
    signing: channels.x.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    media = (Media("map.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(2_000_000), "Peta"),)
    step = await signing.upload(message(media=media))
    while isinstance(step, Pending):
        step = await signing.advance(message(media=media), job(clock, handle=step.handle))
    assert isinstance(step, Uploaded)
    (outcome,) = await signing.send(message(media=media), [job(clock)], step)
    assert isinstance(outcome, Accepted)
    assert await signing.find(message(), job(clock)) == outcome
    assert (await signing.ready()).ready
    assert await signing.delete(Posted(outcome.id), job(clock)) == Accepted(outcome.id)
    assert await signing.find(message(), job(clock)) == Absent()


async def test_a_signature_of_another_time_is_refused(
    signing: channels.x.Adapter, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "_now", lambda: datetime.fromtimestamp(clock.time - 3600, UTC))
    (outcome,) = await signing.send(message(), [job(clock)], None)
    assert isinstance(outcome, Credential)
    assert sandbox.counts()["x"]["taken"] == 0


async def test_a_signed_request_passes_once_and_only_as_it_was_signed(http: httpx.AsyncClient, clock: Clock) -> None:
    keys = x.keys("default")
    signer = oauthlib.oauth1.Client(
        keys.consumer_key,
        client_secret=keys.consumer_secret,
        resource_owner_key=keys.token,
        resource_owner_secret=keys.token_secret,
        timestamp=str(int(clock.time)),
    )
    url = f"{str(http.base_url).rstrip('/')}/x/2/users/{x.ACCOUNT}/tweets?max_results=10"
    _, headers, _ = signer.sign(url, "GET")
    assert (await http.get(url.replace("10", "20"), headers=headers)).status_code == 401
    assert (await http.delete(url, headers=headers)).status_code == 404
    assert (await http.get(url, headers=headers)).status_code == 200
    assert (await http.get(url, headers=headers)).status_code == 401, "a nonce is used once"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "a" * 281}, 400),
        ({"text": ""}, 400),
        ({}, 400),
        ({"text": "a", "status": "a"}, 400),
        ({"text": "a", "media": {"media_ids": ["1"]}}, 400),
        ({"text": "a", "edit_options": {"previous_post_id": "1"}}, 403),
        ({"text": "a", "reply": {"in_reply_to_tweet_id": "1"}}, 400),
        ({"text": 7}, 400),
    ],
)
async def test_what_x_refuses_is_refused(http: httpx.AsyncClient, sandbox: Sandbox, body: Any, status: int) -> None:
    assert (await http.post(POSTS, json=body, headers=AUTH)).status_code == status
    assert sandbox.counts()["x"]["taken"] == 0


async def test_a_post_needs_the_token_and_json(http: httpx.AsyncClient) -> None:
    assert (await http.post(POSTS, json={"text": "a"})).status_code == 401
    assert (await http.post(POSTS, json={"text": "a"}, headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await http.post(POSTS, data={"text": "a"}, headers=AUTH)).status_code == 404


async def test_posts_are_limited_by_windows(http: httpx.AsyncClient, clock: Clock) -> None:
    await http.post("/_sandbox/x/settings", json={"rate_limit": 2})
    statuses = [(await http.post(POSTS, json={"text": str(n)}, headers=AUTH)).status_code for n in range(3)]
    assert statuses == [201, 201, 429]
    clock.time += 901
    assert (await http.post(POSTS, json={"text": "later"}, headers=AUTH)).status_code == 201


@pytest.mark.parametrize("settings", [{"polls": 1}, {"may_edit": -1}, {"credit": "much"}])
async def test_a_setting_that_is_none_is_refused(http: httpx.AsyncClient, settings: Any) -> None:
    assert (await http.post("/_sandbox/x/settings", json=settings)).status_code == 422


# --- the adapter before it ---


async def test_a_lost_answer_is_found_by_its_code(channel: channels.x.Adapter, sandbox: Sandbox, clock: Clock) -> None:
    assert await channel.find(message(), job(clock)) == Absent()
    sandbox.add_faults("x", [Rule(Fault.ACCEPT_THEN_RESET, times=1)])
    (lost,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(lost, InDoubt)
    (again,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(again, InDoubt), "the same words are a hint, not a second post"
    assert isinstance(await channel.find(message(), job(clock)), Accepted)
    assert await channel.find(message(code="K7Q5-ID"), job(clock)) == Absent()
    assert sandbox.counts()["x"]["taken"] == 1


async def test_an_edit_has_a_new_id_and_the_post_can_still_be_taken_away(
    channel: channels.x.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.stand_in("x").configure({"may_edit": 1})
    (first,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(first, Accepted)
    second = await channel.edit(Posted(first.id), message("DITARIK"), job(clock))
    assert isinstance(second, Accepted)
    assert second.id != first.id
    assert await channel.find(message("DITARIK"), job(clock)) == second
    assert isinstance(await channel.delete(Posted(first.id), job(clock)), Accepted)
    assert await channel.find(message(), job(clock)) == Absent()
    (shown,) = sandbox.stand_in("x").messages
    assert (shown.deleted, len(shown.earlier)) == (True, 1)


async def test_a_picture_arrives_with_its_description(
    channel: channels.x.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.stand_in("x").configure({"media_polls": 2})
    content = b"\x89PNG\r\n\x1a\n" + bytes(1_500_000)
    told = message(media=(Media("map.png", "image/png", content, "Peta guncangan"),))
    step = await channel.upload(told)
    while isinstance(step, Pending):
        step = await channel.advance(told, job(clock, handle=step.handle))
    assert isinstance(step, Uploaded), step
    (outcome,) = await channel.send(told, [job(clock)], step)
    assert isinstance(outcome, Accepted)
    assert sandbox.stand_in("x").messages[0].notes == ["picture: Peta guncangan"]


async def test_what_is_no_picture_is_refused(channel: channels.x.Adapter, clock: Clock) -> None:
    told = message(media=(Media("map.png", "image/png", b"GIF8", "Peta"),))
    step = await channel.upload(told)
    while isinstance(step, Pending):
        step = await channel.advance(told, job(clock, handle=step.handle))
    assert isinstance(step, Rejected)


async def test_credits_that_are_used_up_hold_the_channel(
    channel: channels.x.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.stand_in("x").configure({"credit": 0.1})
    (outcome,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(outcome, Credential)
    sandbox.stand_in("x").configure({"credit": None})
    assert (await channel.ready()).ready


@pytest.mark.parametrize(
    ("fault", "outcome", "taken"),
    [
        (Fault.THROTTLE, Retryable, 0),
        (Fault.UNAVAILABLE, InDoubt, 0),
        (Fault.REFUSE, Credential, 0),
        (Fault.ACCEPT_THEN_500, InDoubt, 1),
        (Fault.ACCEPT_THEN_HANG, InDoubt, 1),
        (Fault.GARBLE_BODY, InDoubt, 1),
        (Fault.DROP, InDoubt, 0),
    ],
)
async def test_every_fault_has_its_outcome(
    channel: channels.x.Adapter, sandbox: Sandbox, clock: Clock, fault: Fault, outcome: type, taken: int
) -> None:
    sandbox.add_faults("x", [Rule(fault, times=1)])
    (got,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(got, outcome)
    assert sandbox.counts()["x"]["taken"] == taken
    assert not isinstance(got, Accepted)
