"""The rules that Mastodon documents."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Protocol

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import mastodon
from sandbox.faults import Fault, Rule
from sandbox.mastodon_text import html_of, length_of
from sandbox.server import Sandbox


class Clock(Protocol):
    time: float


PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
OWN = {"Authorization": f"Bearer {mastodon.token('default')}"}


@pytest.fixture
async def account(http: httpx.AsyncClient, sandbox: Sandbox) -> httpx.AsyncClient:
    http.base_url = httpx.URL(sandbox.base_url("mastodon"))
    http.headers.update(OWN)
    return http


async def post(account: httpx.AsyncClient, key: str = "", **fields: object) -> httpx.Response:
    return await account.post("/api/v1/statuses", json=fields, headers={"Idempotency-Key": key} if key else {})


async def test_without_the_right_token_nothing_is_taken(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": mastodon.token("default")}):
        answer = await http.post("/mastodon/api/v1/statuses", data={"status": "Gempa"}, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"error": "The access token is invalid"}
    assert sandbox.counts()["mastodon"]["taken"] == 0


async def test_each_instance_has_a_token_of_its_own(account: httpx.AsyncClient, sandbox: Sandbox) -> None:
    path = f"{sandbox.base_url('mastodon', 'drill')}/api/v1/statuses"
    assert (await account.post(path, data={"status": "x"})).status_code == 401
    own = {"Authorization": f"Bearer {mastodon.token('drill')}"}
    assert (await account.post(path, data={"status": "x"}, headers=own)).status_code == 200


async def test_a_status_can_be_posted_as_a_form_or_as_json(account: httpx.AsyncClient) -> None:
    form = await account.post("/api/v1/statuses", data={"status": "Gempa #Waspada", "language": "id"})
    json = await post(account, status="Gempa #Waspada", language="id")
    for answer in (form, json):
        assert answer.status_code == 200
        status = answer.json()
        assert status["language"] == "id"
        assert status["visibility"] == "public"
        assert re.sub("<[^>]+>", "", status["content"]) == "Gempa #Waspada"
    assert int(json.json()["id"]) > int(form.json()["id"])


async def test_the_same_key_within_the_hour_returns_the_same_status(
    account: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    first = await post(account, "key-1", status="Gempa")
    clock.time += 3599
    assert (await post(account, "key-1", status="Gempa")).json() == first.json()
    assert sandbox.counts()["mastodon"] | {"requests": 0, "recipients": 0} == {
        "requests": 0,
        "taken": 1,
        "repeats": 1,
        "recipients": 0,
        "duplicates": [],
    }


async def test_the_same_key_after_the_hour_is_a_new_status(
    account: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    first = await post(account, "key-1", status="Gempa")
    clock.time += 3600
    assert (await post(account, "key-1", status="Gempa")).json()["id"] != first.json()["id"]
    assert sandbox.counts()["mastodon"]["duplicates"] == [{"recipient": "public", "text": "Gempa", "taken": 2}]


async def test_a_key_of_a_lost_answer_finds_what_was_taken(account: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.add_faults("mastodon", [Rule(Fault.ACCEPT_THEN_500)])
    assert (await post(account, "key-1", status="Gempa")).status_code == 500
    assert (await post(account, "key-1", status="Gempa")).status_code == 200
    assert sandbox.counts()["mastodon"]["taken"] == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Text can't be blank"),
        ({"status": " \n"}, "Text can't be blank"),
        ({"status": "x" * 501}, "Text character limit of 500 exceeded"),
        ({"status": "x" * 495, "spoiler_text": "gempa!"}, "Text character limit of 500 exceeded"),
        ({"status": "x " * 239 + "https://example.org"}, "Text character limit of 500 exceeded"),
        ({"status": "x", "visibility": "everybody"}, "Visibility is not included in the list"),
        ({"status": "x", "media_ids": ["7"]}, "Media not found"),
        ({"status": "x", "media_ids": list("12345")}, "Cannot attach more than 4 files"),
        ({"status": "x", "in_reply_to_id": "7"}, "does not appear to exist"),
        ({"status": "x", "scheduled_at": "2030-01-01T00:00:00Z"}, "no polls, quotes or scheduled posts"),
    ],
)
async def test_what_the_rules_forbid_is_refused(
    account: httpx.AsyncClient, sandbox: Sandbox, fields: dict[str, object], says: str
) -> None:
    answer = await post(account, **fields)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    assert sandbox.counts()["mastodon"]["taken"] == 0


async def test_a_link_counts_23_however_long_it_is(account: httpx.AsyncClient) -> None:
    long = "https://example.org/" + "a" * 600
    assert (await post(account, status="x" * 476 + " " + long)).status_code == 200
    assert (await post(account, status="x" * 477 + " " + long)).status_code == 422


@given(st.text(st.characters(blacklist_characters="@:/"), max_size=60), st.integers(1, 200))
def test_of_plain_text_every_character_counts(text: str, tail: int) -> None:
    assert length_of(text, 23) == len(text)
    assert length_of(f"{text} https://example.org/{'a' * tail}", 23) == len(text) + 24


def test_a_mention_on_another_server_counts_its_local_part() -> None:
    assert length_of("hai @bmkg@sosial.example", 23) == len("hai @bmkg")


@given(st.text(st.characters(codec="utf-8", blacklist_characters="\r"), max_size=80))
def test_content_without_its_tags_is_the_text(text: str) -> None:
    stripped = html.unescape(re.sub(r"<[^>]+>", "", html_of(text).replace("<br />", "\n").replace("</p><p>", "\n\n")))
    assert re.sub(r"\n+", "\n", stripped) == re.sub(r"\n+", "\n", text.strip())


def test_a_long_link_is_split_into_shown_and_hidden_parts() -> None:
    content = html_of("Lihat https://peringatan.example.org/arsip/K7Q4-ID")
    assert "K7Q4-ID" not in re.sub(r'href="[^"]*"', "", content).replace("</span>", "|")
    assert "peringatan.example.org/arsip/K" in content


async def test_an_image_is_ready_at_once_and_a_film_is_not(account: httpx.AsyncClient) -> None:
    picture = await account.post("/api/v2/media", files={"file": ("a.png", PNG, "image/png")})
    assert picture.status_code == 200
    assert picture.json()["url"]
    film = await account.post("/api/v2/media", files={"file": ("a.mp4", b"film", "video/mp4")})
    assert film.status_code == 202
    assert film.json()["url"] is None
    path = f"/api/v1/media/{film.json()['id']}"
    answers = [await account.get(path) for _ in range(3)]
    assert [a.status_code for a in answers] == [206, 206, 200]
    assert answers[1].json()["url"] is None
    assert answers[2].json()["url"]


async def test_any_upload_can_be_made_to_take_its_time(account: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await account.post(f"{sandbox.url}/_sandbox/mastodon/settings", json={"media_polls": 1})
    data = {"description": "Peta getaran"}
    upload = await account.post("/api/v2/media", files={"file": ("a.png", PNG, "image/png")}, data=data)
    assert upload.status_code == 202
    assert upload.json()["description"] == "Peta getaran"
    id = upload.json()["id"]
    early = await post(account, status="Gempa", media_ids=[id])
    assert early.status_code == 422
    assert "not finished processing" in early.json()["error"]
    assert (await account.get(f"/api/v1/media/{id}")).status_code == 206
    posted = await post(account, status="Gempa", media_ids=[id])
    assert [m["id"] for m in posted.json()["media_attachments"]] == [id]
    assert (await post(account, status="Gempa", media_ids=[id])).status_code == 422


@pytest.mark.parametrize(
    "file",
    [("a.png", b"no picture", "image/png"), ("a.exe", b"MZ", "application/octet-stream"), ("a.mp4", b"", "video/mp4")],
)
async def test_a_bad_file_is_refused(account: httpx.AsyncClient, file: tuple[str, bytes, str]) -> None:
    answer = await account.post("/api/v2/media", files={"file": file})
    assert answer.status_code == 422
    assert answer.json() == {"error": "Validation failed: File content type is invalid, File is invalid"}


async def test_a_status_can_be_read_edited_and_deleted(account: httpx.AsyncClient, sandbox: Sandbox) -> None:
    id = (await post(account, status="Gempa")).json()["id"]
    path = f"/api/v1/statuses/{id}"
    assert (await account.get(path)).json()["edited_at"] is None
    edited = await account.put(path, data={"status": "DITARIK: Gempa"})
    assert edited.json()["edited_at"]
    assert "DITARIK" in (await account.get(path)).json()["content"]
    assert (await account.put(path, data={"status": "x" * 501})).status_code == 422
    deleted = await account.delete(path)
    assert deleted.json()["text"] == "DITARIK: Gempa"
    for gone in (await account.get(path), await account.put(path, data={"status": "x"}), await account.delete(path)):
        assert gone.status_code == 404
        assert gone.json() == {"error": "Record not found"}
    message = sandbox.stand_in("mastodon").messages[0]
    assert (message.text, message.earlier, message.deleted) == ("DITARIK: Gempa", ["Gempa"], True)


async def test_an_edit_to_the_same_words_is_no_edit(account: httpx.AsyncClient) -> None:
    path = f"/api/v1/statuses/{(await post(account, status='Gempa')).json()['id']}"
    assert (await account.put(path, data={"status": "Gempa"})).json()["edited_at"] is None


async def test_ones_own_statuses_come_newest_first_and_in_pages(account: httpx.AsyncClient) -> None:
    ids = [(await post(account, status=f"Gempa {n}")).json()["id"] for n in range(25)]
    me = (await account.get("/api/v1/accounts/verify_credentials")).json()
    path = f"/api/v1/accounts/{me['id']}/statuses"
    first = [s["id"] for s in (await account.get(path)).json()]
    assert first == ids[:4:-1]
    second = [s["id"] for s in (await account.get(path, params={"max_id": first[-1], "limit": 40})).json()]
    assert second == ids[4::-1]
    newer = [s["id"] for s in (await account.get(path, params={"since_id": ids[20]})).json()]
    assert newer == ids[:20:-1]
    assert len((await account.get(path, params={"limit": 90})).json()) == 25


async def test_a_private_status_is_nobody_elses(account: httpx.AsyncClient, sandbox: Sandbox) -> None:
    id = (await post(account, status="Gempa", visibility="private")).json()["id"]
    async with httpx.AsyncClient(base_url=sandbox.base_url("mastodon")) as stranger:
        assert (await stranger.get(f"/api/v1/statuses/{id}")).status_code == 404
        assert (await stranger.get("/api/v1/accounts/1/statuses")).json() == []
        assert (await stranger.get("/api/v1/accounts/verify_credentials")).status_code == 401


async def test_the_server_tells_its_limits(account: httpx.AsyncClient) -> None:
    statuses = (await account.get("/api/v2/instance")).json()["configuration"]["statuses"]
    assert statuses == {"max_characters": 500, "max_media_attachments": 4, "characters_reserved_per_url": 23}


async def test_so_many_requests_in_five_minutes_and_no_more(
    account: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    clock.time = 1_800_000_060.0
    sandbox.stand_in("mastodon").configure({"rate_limit": 3})
    answers = [await post(account, status="Gempa") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["2", "1", "0", "0"]
    reset = datetime.fromisoformat(answers[3].headers["X-RateLimit-Reset"])
    assert reset == datetime.fromtimestamp(1_800_000_300, UTC)
    clock.time = 1_800_000_300.0
    assert (await post(account, status="Gempa")).status_code == 200


async def test_uploads_and_deletions_have_a_limit_of_their_own(account: httpx.AsyncClient) -> None:
    picture = {"file": ("a.png", PNG, "image/png")}
    answers = [await account.post("/api/v2/media", files=picture) for _ in range(31)]
    assert [a.status_code for a in answers] == [200] * 30 + [429]
    assert answers[0].headers["X-RateLimit-Limit"] == "30"
    assert (await post(account, status="Gempa")).status_code == 200


async def test_a_throttle_names_the_moment_from_which_on_it_is_over(
    account: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.add_faults("mastodon", [Rule(Fault.THROTTLE, seconds=7)])
    answer = await post(account, status="Gempa")
    assert answer.status_code == 429
    assert answer.json() == {"error": "Too many requests"}
    assert datetime.fromisoformat(answer.headers["X-RateLimit-Reset"]) == datetime.fromtimestamp(clock.time + 7, UTC)


async def test_an_unknown_setting_is_refused(http: httpx.AsyncClient) -> None:
    for settings in ({"polls": 1}, {"media_polls": "two"}, {"rate_limit": True}):
        assert (await http.post("/_sandbox/mastodon/settings", json=settings)).status_code == 422


async def test_what_is_no_endpoint_is_not_found(account: httpx.AsyncClient) -> None:
    assert (await account.get("/api/v1/nothing")).status_code == 404
    assert (
        await account.post("/api/v1/statuses", content=b"{", headers={"Content-Type": "application/json"})
    ).status_code == 400
