from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import channels.wordpress
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
    Rendered,
    Retryable,
    Uploaded,
)
from kentongan.settings import SecretSource
from sandbox import wordpress
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from tests.sandbox.conftest import Clock

POSTS = "/wordpress/wp-json/wp/v2/posts"
MEDIA = "/wordpress/wp-json/wp/v2/media"


def credentials(word: str = wordpress.password("default")) -> dict[str, str]:
    pair = base64.b64encode(f"{wordpress.USERNAME}:{word}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def message(words: str = "Gempa M5,6 di Manna & <sekitarnya>", **changes: Any) -> Rendered:
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": "blog",
        "language": "id",
        "kind": "alert",
        "mode": Mode.DRILL,
        "code": "K7Q4-ID",
        "mark": "[LATIHAN]",
        "title": "[LATIHAN] Gempa & <tsunami>",
        "text": f"[LATIHAN]\n\n{words}\n\nK7Q4-ID\n\n[LATIHAN]",
    }
    return Rendered(**{**fields, **changes})


def job(clock: Clock, **changes: Any) -> Job:
    return Job("key", None, datetime.fromtimestamp(clock.time, UTC), **changes)


def opened(sandbox: Sandbox, **changes: Any) -> channels.wordpress.Adapter:
    fields: dict[str, Any] = {"kind": "wordpress", "mode": "drill", "sandbox": True, "deadline": 0.5}
    fields |= {"base_url": sandbox.base_url("wordpress"), "username": wordpress.USERNAME}
    settings = channels.wordpress.Settings(**{**fields, **changes}, password=SecretSource(env="WORDPRESS_PASSWORD"))
    return channels.wordpress.Adapter("blog", settings)


@pytest.fixture
async def channel(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[channels.wordpress.Adapter]:
    monkeypatch.setenv("WORDPRESS_PASSWORD", wordpress.password("default"))
    channel = opened(sandbox)
    yield channel
    await channel.close()


async def test_a_taken_slug_becomes_another_one_silently(http: httpx.AsyncClient) -> None:
    for expected in ("k7q4-id", "k7q4-id-2", "k7q4-id-3"):
        body = {"title": "a", "content": "b", "slug": "K7Q4-ID", "status": "publish"}
        answer = await http.post(POSTS, json=body, headers=credentials())
        assert (answer.status_code, answer.json()["slug"]) == (201, expected)
    found = await http.get(POSTS, params={"slug": "k7q4-id", "status": "any"}, headers=credentials())
    assert len(found.json()) == 1


async def test_markup_that_an_author_may_not_use_is_taken_out(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    content = '<p onclick="x">Awas &amp; <script>alert(1)</script><strong>jauhi</strong></p>'
    body = {"content": content, "status": "publish"}
    answer = await http.post(POSTS, json=body, headers=credentials())
    assert "script" not in answer.json()["content"]["rendered"]
    assert sandbox.stand_in("wordpress").messages[0].text == "Awas & alert(1)jauhi"


@pytest.mark.parametrize("headers", [{}, credentials("wrong"), {"Authorization": "Basic ???"}])
async def test_a_post_needs_the_application_password(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await http.post(POSTS, json={"title": "a"}, headers=headers)).status_code == 401


async def test_the_spaces_of_an_application_password_do_not_count(http: httpx.AsyncClient) -> None:
    headers = credentials(wordpress.password("default").replace(" ", ""))
    assert (await http.post(POSTS, json={"title": "a"}, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "empty_content"),
        ({"title": "a", "status": "out"}, 400, "rest_invalid_param"),
        ({"title": "a", "featured_media": 9}, 400, "rest_invalid_featured_media"),
        ({"title": "a", "categories": ["x"]}, 400, "rest_invalid_param"),
    ],
)
async def test_what_wordpress_refuses_is_refused(http: httpx.AsyncClient, body: Any, status: int, code: str) -> None:
    answer = await http.post(POSTS, json=body, headers=credentials())
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_file_that_is_no_picture_is_refused(http: httpx.AsyncClient) -> None:
    headers = {**credentials(), "Content-Type": "image/png", "Content-Disposition": 'attachment; filename="a.png"'}
    assert (await http.post(MEDIA, content=b"GIF8", headers=headers)).status_code == 500
    assert (await http.post(MEDIA, content=b"\x89PNG\r\n\x1a\n", headers=headers)).status_code == 201
    del headers["Content-Disposition"]
    assert (await http.post(MEDIA, content=b"\x89PNG\r\n\x1a\n", headers=headers)).status_code == 400


async def test_a_path_that_is_none_has_no_route(http: httpx.AsyncClient) -> None:
    answer = await http.get("/wordpress/wp-json/wp/v3/posts", headers=credentials())
    assert (answer.status_code, answer.json()["code"]) == (404, "rest_no_route")


# --- the adapter before it ---


async def test_a_lost_answer_is_found_by_its_slug(
    channel: channels.wordpress.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    assert await channel.find(message(), job(clock)) == Absent()
    sandbox.add_faults("wordpress", [Rule(Fault.ACCEPT_THEN_HANG_UP, times=1)])
    (lost,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(lost, InDoubt)
    found = await channel.find(message(), job(clock))
    assert isinstance(found, Accepted)
    (shown,) = sandbox.stand_in("wordpress").messages
    assert shown.text == f"{message().title}\n\n{message().text}"


async def test_a_post_is_edited_then_trashed(
    channel: channels.wordpress.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    (first,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(first, Accepted)
    assert isinstance(await channel.edit(Posted(first.id), message("DITARIK"), job(clock)), Accepted)
    for _ in range(2):
        assert isinstance(await channel.delete(Posted(first.id), job(clock)), Accepted)
    assert await channel.find(message(), job(clock)) == Absent()
    (shown,) = sandbox.stand_in("wordpress").messages
    assert (shown.deleted, len(shown.earlier)) == (True, 1)


async def test_a_picture_heads_the_post_with_its_text(
    channel: channels.wordpress.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    told = message(media=(Media("map.png", "image/png", b"\x89PNG\r\n\x1a\n", "Peta guncangan"),))
    step = await channel.upload(told)
    while isinstance(step, Pending):
        step = await channel.advance(told, job(clock, handle=step.handle))
    assert isinstance(step, Uploaded), step
    (outcome,) = await channel.send(told, [job(clock)], step)
    assert isinstance(outcome, Accepted)
    assert "picture: Peta guncangan" in sandbox.stand_in("wordpress").messages[0].notes


@pytest.mark.parametrize("status", ["private", "draft"])
async def test_a_drill_that_the_public_must_not_see_is_found_too(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setenv("WORDPRESS_PASSWORD", wordpress.password("default"))
    channel = opened(sandbox, status=status)
    (sent,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(sent, Accepted)
    assert await channel.find(message(), job(clock)) == sent
    await channel.close()


async def test_a_user_who_may_not_publish_is_not_ready_and_holds_the_channel(
    channel: channels.wordpress.Adapter, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.stand_in("wordpress").configure({"role": "contributor"})
    assert not (await channel.ready()).ready
    (outcome,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(outcome, Credential)
    sandbox.stand_in("wordpress").configure({"role": "author"})
    assert (await channel.ready()).ready


@pytest.mark.parametrize(
    ("fault", "outcome", "taken"),
    [
        (Fault.THROTTLE, Retryable, 0),
        (Fault.UNAVAILABLE, InDoubt, 0),
        (Fault.REFUSE, Credential, 0),
        (Fault.ACCEPT_THEN_500, InDoubt, 1),
        (Fault.GARBLE_BODY, InDoubt, 1),
    ],
)
async def test_every_fault_has_its_outcome(
    channel: channels.wordpress.Adapter, sandbox: Sandbox, clock: Clock, fault: Fault, outcome: type, taken: int
) -> None:
    sandbox.add_faults("wordpress", [Rule(fault, times=1)])
    (got,) = await channel.send(message(), [job(clock)], None)
    assert isinstance(got, outcome)
    assert sandbox.counts()["wordpress"]["taken"] == taken
