"""The rules that the Graph API documents for a page."""

from __future__ import annotations

from typing import Any, Protocol

import httpx
import pytest

from sandbox import facebook
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16


class Clock(Protocol):
    time: float


class Page:
    """Speaks to the stand-in's page with its token."""

    def __init__(self, http: httpx.AsyncClient, base: str, token: str) -> None:
        self.http, self.base, self.headers = http, base, {"Authorization": f"Bearer {token}"}

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.http.request(method, f"{self.base}/v26.0/{path}", headers=self.headers, **more)

    async def post(self, **fields: Any) -> httpx.Response:
        return await self("POST", f"{facebook.PAGE}/feed", json=fields)

    async def photo(self, content: bytes = PNG, **form: str) -> httpx.Response:
        files = {"source": ("map.png", content, "image/png")}
        return await self("POST", f"{facebook.PAGE}/photos", data=form, files=files)

    async def list(self, **query: str) -> Any:
        return (await self("GET", f"{facebook.PAGE}/published_posts", params=query)).json()


@pytest.fixture
def page(http: httpx.AsyncClient, sandbox: Sandbox) -> Page:
    return Page(http, sandbox.base_url("facebook"), facebook.token("default"))


def refused(answer: httpx.Response, code: int, subcode: int | None = None, status: int = 400) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error.get("error_subcode")) == (code, subcode)


async def test_a_post_stands_on_the_wall(page: Page, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    answer = await page.post(message="Gempa K7Q4-ID", link="https://siaga.example/K7Q4")
    assert answer.json()["id"].startswith(f"{facebook.PAGE}_")
    (channel,) = (await http.get("/_sandbox/wall")).json()["channels"]
    assert [(each["text"], each["notes"]) for each in channel["posts"]] == [
        ("Gempa K7Q4-ID", ["link: https://siaga.example/K7Q4"])
    ]


async def test_a_wrong_token_is_an_expired_session(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    stranger = Page(http, sandbox.base_url("facebook"), facebook.token("drill"))
    refused(await stranger.post(message="x"), 190, 463)
    refused(await stranger("GET", "me"), 190, 463)
    assert (await Page(http, sandbox.base_url("facebook", "drill"), facebook.token("drill"))("GET", "me")).is_success


@pytest.mark.parametrize("path", ["v20.0/me", "v27.0/me"])
async def test_a_version_that_is_not_served_is_refused(page: Page, path: str) -> None:
    refused(await page.http.get(f"{page.base}/{path}", headers=page.headers), 2635)


async def test_the_same_text_twice_in_a_row_is_refused(page: Page, sandbox: Sandbox) -> None:
    await page.post(message="A")
    refused(await page.post(message="A"), 506)
    assert (await page.post(message="B")).is_success
    assert (await page.post(message="A")).is_success
    assert sandbox.counts()["facebook"]["taken"] == 3


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 100),
        ({"message": "x" * 63_207}, 100),
        ({"message": "x", "link": "siaga.example"}, 1609005),
        ({"message": "x", "attached_media": [{"media_fbid": "1"}]}, 100),
        ({"message": "x", "attached_media": [1]}, 100),
    ],
)
async def test_a_post_that_cannot_be_is_refused(page: Page, sandbox: Sandbox, fields: Any, code: int) -> None:
    refused(await page.post(**fields), code)
    assert sandbox.counts()["facebook"]["taken"] == 0


async def test_a_page_behind_a_link_may_be_down(page: Page, sandbox: Sandbox) -> None:
    sandbox.stand_in("facebook").configure({"unreadable_links": True})
    refused(await page.post(message="x", link="https://siaga.example"), 1609005)
    assert (await page.post(message="x")).is_success


async def test_pictures_are_shown_alone_or_together(page: Page, sandbox: Sandbox) -> None:
    alone = (await page.photo(caption="One", alt_text_custom="Map")).json()
    assert alone["post_id"] != alone["id"]
    ids = [(await page.photo(published="false", alt_text_custom=name)).json() for name in ("a", "b")]
    assert all("post_id" not in each for each in ids)
    assert sandbox.counts()["facebook"]["taken"] == 1
    assert (await page.post(message="Two", attached_media=[{"media_fbid": each["id"]} for each in ids])).is_success
    one, two = sandbox.stand_in("facebook").messages
    assert one.notes == ["picture: Map"]
    assert two.notes == ["picture: a", "picture: b"]
    refused(await page.post(message="Three", attached_media=[{"media_fbid": ids[0]["id"]}]), 100)


@pytest.mark.parametrize("content", [b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\x00" * (4 * 1024 * 1024)])
async def test_a_picture_that_is_none_is_refused(page: Page, content: bytes) -> None:
    refused(await page.photo(content, caption="x"), 100, 1366046)


async def test_posts_are_listed_newest_first_since_a_time(page: Page, clock: Clock) -> None:
    for text in ("old", "new", "newest"):
        clock.time += 100
        await page.post(message=text)
    found = await page.list(since=str(int(clock.time) - 100))
    assert [each["message"] for each in found["data"]] == ["newest", "new"]
    first = await page.list(limit="2")
    rest = await page.list(limit="2", after=first["paging"]["cursors"]["after"])
    assert [each["message"] for each in rest["data"]] == ["old"]
    end = await page.list(after=rest["paging"]["cursors"]["after"])
    assert end == {"data": []}


async def test_a_post_is_edited_and_deleted_once(page: Page) -> None:
    id = (await page.post(message="A")).json()["id"]
    assert (await page("POST", id, json={"message": "B"})).json() == {"success": True}
    assert (await page("GET", id)).json()["message"] == "B"
    assert (await page("DELETE", id)).json() == {"success": True}
    refused(await page("DELETE", id), 100, 33)
    refused(await page("POST", id, json={"message": "C"}), 100, 33)
    assert await page.list() == {"data": []}


async def test_a_token_is_described(page: Page, clock: Clock) -> None:
    mine = (await page("GET", "debug_token", params={"input_token": facebook.token("default")})).json()["data"]
    assert mine["is_valid"]
    assert mine["expires_at"] > clock.time
    assert not (await page("GET", "debug_token", params={"input_token": "x"})).json()["data"]["is_valid"]


async def test_a_throttle_is_a_400_that_says_minutes_in_a_header(page: Page, sandbox: Sandbox) -> None:
    sandbox.add_faults("facebook", [Rule(Fault.THROTTLE, seconds=61)])
    answer = await page.post(message="x")
    refused(answer, 80001)
    assert '"estimated_time_to_regain_access": 2' in answer.headers["x-business-use-case-usage"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff"])
async def test_a_body_that_cannot_be_read_is_refused(page: Page, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    url = f"{page.base}/v26.0/{facebook.PAGE}/feed"
    refused(await page.http.post(url, content=body, headers={**page.headers, **kind}), 100)
