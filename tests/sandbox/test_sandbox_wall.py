"""What the wall shows, and what it keeps to itself."""

from __future__ import annotations

import html.parser

import httpx
import pytest

from sandbox import kannel, mastodon, telegram, wall
from sandbox.server import Sandbox

OWN = {"Authorization": f"Bearer {mastodon.token('default')}"}


class Page(html.parser.HTMLParser):
    """Collects the tags and the visible words of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._hidden = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data


async def page(http: httpx.AsyncClient, query: str = "") -> Page:
    answer = await http.get(f"/{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


async def sms(http: httpx.AsyncClient, to: str, text: str) -> None:
    who = {"username": kannel.USERNAME, "password": kannel.password("default")}
    assert (await http.get("/kannel/cgi-bin/sendsms", params={**who, "to": to, "text": text})).status_code == 202


async def test_the_banner_stands_on_an_empty_wall(http: httpx.AsyncClient) -> None:
    shown = await page(http)
    assert "SANDBOX - NOBODY WAS WARNED" in shown.words
    assert ("html", {"lang": "en"}) in shown.tags


async def test_posts_and_phones_stand_under_their_channel(http: httpx.AsyncClient) -> None:
    await http.post("/mastodon/api/v1/statuses", json={"status": "Gempa M5,6", "language": "id"}, headers=OWN)
    await http.post(f"/telegram/bot{telegram.token('default')}/sendMessage", json={"chat_id": "@bpbd", "text": "Siaga"})
    await sms(http, "+62811000001234", "Menjauh dari pantai")
    shown = await page(http)
    for words in ("Gempa M5,6", "Siaga", "@bpbd", "Menjauh dari pantai", "Phone …1234", "1 part, GSM-7"):
        assert words in shown.words
    assert {"class": "text", "dir": "auto", "lang": "id"} in [attributes for _, attributes in shown.tags]


async def test_a_number_is_masked_on_the_wall_and_in_its_json(http: httpx.AsyncClient) -> None:
    await sms(http, "+62811000001234", "Gempa")
    assert "62811000001234" not in (await http.get("/")).text
    assert "62811000001234" not in (await http.get("/_sandbox/wall")).text


async def test_a_drill_shows_as_a_drill_and_a_live_message_does_not(http: httpx.AsyncClient) -> None:
    await sms(http, "+6281100001", "[LATIHAN] Gempa [LATIHAN]")
    await sms(http, "+6281100002", "Gempa, bukan latihan. DRILL")
    channel = (await http.get("/_sandbox/wall")).json()["channels"][0]
    drills = {phone["owner"]: phone["messages"][0]["drill"] for phone in channel["phones"]}
    assert drills == {"…0002": False, "…0001": True}
    marks = [attributes for tag, attributes in (await page(http)).tags if tag == "strong"]
    assert marks == [{"class": "mark drill-mark"}]


@pytest.mark.parametrize(
    ("text", "drill"),
    [
        ("[LATIHAN] INI HANYA LATIHAN\nGempa\n[LATIHAN] INI HANYA LATIHAN", True),
        ("[UJI COBA] Gempa [UJI COBA]\n", True),
        ("[LATIHAN] Gempa", False),
        ("[LATIHAN] Gempa [LATIHAN]\nsungguhan", False),
        ("Gempa [LATIHAN] [LATIHAN]", False),
        ("[LATIHAN]", False),
        ("", False),
    ],
)
def test_a_drill_bears_its_mark_first_and_last(text: str, drill: bool) -> None:
    assert wall.is_drill(text) is drill


async def test_an_edit_and_a_deletion_are_marked_and_the_old_words_kept(http: httpx.AsyncClient) -> None:
    path = "/mastodon/api/v1/statuses"
    first = (await http.post(path, json={"status": "Gempa"}, headers=OWN)).json()
    second = (await http.post(path, json={"status": "Salah kirim"}, headers=OWN)).json()
    await http.put(f"{path}/{first['id']}", json={"status": "DITARIK"}, headers=OWN)
    await http.delete(f"{path}/{second['id']}", headers=OWN)
    shown = await page(http)
    for words in ("EDITED", "DITARIK", "what it said before", "Gempa", "TAKEN AWAY", "Salah kirim"):
        assert words in shown.words


async def test_a_status_links_to_its_place_on_the_wall(http: httpx.AsyncClient) -> None:
    url = (await http.post("/mastodon/api/v1/statuses", json={"status": "Gempa"}, headers=OWN)).json()["url"]
    address, _, anchor = url.partition("#")
    shown = Page((await http.get(address)).text)
    assert anchor in [attributes.get("id") for tag, attributes in shown.tags if tag == "article"]


async def test_markup_in_a_message_stays_words(http: httpx.AsyncClient) -> None:
    await sms(http, "+6281100001", "<script>alert(1)</script> & <b>tebal</b>")
    shown = await page(http)
    assert "<script>alert(1)</script> & <b>tebal</b>" in shown.words
    assert not {"script", "b", "img", "link"} & {tag for tag, _ in shown.tags}


async def test_the_page_reloads_itself_until_told_to_hold_still(http: httpx.AsyncClient) -> None:
    def refreshes(shown: Page) -> list[str | None]:
        return [a.get("content") for tag, a in shown.tags if tag == "meta" and a.get("http-equiv") == "refresh"]

    assert refreshes(await page(http)) == ["3"]
    assert refreshes(await page(http, "?refresh=0")) == []


async def test_many_phones_are_counted_and_the_newest_shown(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    stand_in = sandbox.stand_in("kannel")
    for n in range(1000):
        stand_in.take(id=str(n), recipient=f"+6281{n:07}", text="Gempa")
    stand_in.take(id="again", recipient=f"+6281{7:07}", text="DITARIK")
    channel = (await http.get("/_sandbox/wall")).json()["channels"][0]
    assert channel["taken"] == 1001
    assert channel["phones_not_shown"] == 1000 - wall.SHOWN
    first = channel["phones"][0]
    assert first["owner"] == "…0007"
    assert [m["text"] for m in first["messages"]] == ["DITARIK", "Gempa"]


async def test_messages_are_forgotten_on_request(http: httpx.AsyncClient) -> None:
    await sms(http, "+6281100001", "Gempa")
    await http.post("/mastodon/api/v1/statuses", json={"status": "Gempa"}, headers=OWN)
    assert [m["text"] for m in (await http.get("/_sandbox/kannel/messages")).json()] == ["Gempa"]
    await http.delete("/_sandbox/kannel/messages")
    kept = (await http.get("/_sandbox/messages")).json()
    assert {name: len(messages) for name, messages in kept.items()} == {"mastodon": 1, "kannel": 0}
    await http.delete("/_sandbox/messages")
    assert [c["taken"] for c in (await http.get("/_sandbox/counts")).json().values()] == [0, 0]


async def test_a_page_in_a_browser_cannot_steer_the_sandbox(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/_sandbox/messages", headers={"Origin": "https://example.org"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/_sandbox/fax/faults", "/_sandbox/kannel/a/b/faults", "/_sandbox/kannel/nothing"])
async def test_what_the_sandbox_does_not_know_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, json=[])
    assert answer.status_code == 404
    assert answer.json()["error"]


async def test_a_body_that_is_no_list_is_refused(http: httpx.AsyncClient) -> None:
    for body in (b"{", b"{}", b"7"):
        assert (await http.post("/_sandbox/kannel/faults", content=body)).status_code == 422
