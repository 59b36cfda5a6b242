"""The rules that the Bot API documents."""

from __future__ import annotations

import html
from typing import Any, Protocol

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import telegram
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from sandbox.telegram_text import CannotParse, parse_html, units

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
WORDS = st.text(st.characters(codec="utf-8", blacklist_categories=("Cs",)), max_size=40)


class Clock(Protocol):
    time: float


class Bot:
    """Calls methods of the stand-in's bot."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.http, self.url = http, url

    async def __call__(self, method: str, **fields: Any) -> httpx.Response:
        return await self.http.post(f"{self.url}/{method}", json=fields)


@pytest.fixture
def bot(http: httpx.AsyncClient, sandbox: Sandbox) -> Bot:
    return Bot(http, f"{sandbox.base_url('telegram')}/bot{telegram.token('default')}")


def refused(answer: httpx.Response, code: int, says: str) -> None:
    assert answer.status_code == code
    body = answer.json()
    assert body["ok"] is False
    assert body["error_code"] == code
    assert says in body["description"]


async def test_a_wrong_token_is_unauthorised(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    refused(await http.post("/telegram/bot1:wrong/sendMessage", json={"chat_id": 1, "text": "x"}), 401, "Unauthorized")
    drill = f"{sandbox.base_url('telegram', 'drill')}/bot{telegram.token('default')}/getMe"
    refused(await http.get(drill), 401, "Unauthorized")
    refused(await http.get("/telegram/default/getMe"), 404, "Not Found")


async def test_a_method_that_is_not_there_is_not_found(bot: Bot) -> None:
    refused(await bot("sendFax", chat_id=1, text="x"), 404, "method not found")


async def test_get_me_names_the_bot(bot: Bot) -> None:
    assert (await bot("getMe")).json()["result"]["is_bot"] is True


@pytest.mark.parametrize("chat", [62811, "-100123", "@bpbd_sandbox"])
async def test_a_message_is_sent_and_shown(bot: Bot, sandbox: Sandbox, chat: int | str) -> None:
    answer = await bot("sendMessage", chat_id=chat, text="<b>Gempa</b> &amp; tsunami", parse_mode="HTML")
    result = answer.json()["result"]
    assert result["text"] == "Gempa & tsunami"
    assert result["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert result["chat"]["type"] == ("private" if chat == 62811 else "channel")
    assert sandbox.counts()["telegram"]["recipients"] == {str(chat): 1}


async def test_forms_and_query_parameters_are_understood_too(http: httpx.AsyncClient, bot: Bot) -> None:
    assert (await http.post(f"{bot.url}/sendMessage", data={"chat_id": "7", "text": "x"})).status_code == 200
    assert (await http.get(f"{bot.url}/sendMessage", params={"chat_id": "7", "text": "x"})).status_code == 200


async def test_a_repeat_is_a_second_message(bot: Bot, sandbox: Sandbox) -> None:
    for _ in range(2):
        assert (await bot("sendMessage", chat_id=7, text="Gempa")).status_code == 200
    assert sandbox.counts()["telegram"]["duplicates"] == [{"recipient": "7", "text": "Gempa", "taken": 2}]


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"text": "x"}, 400, "chat_id is empty"),
        ({"chat_id": "BPBD", "text": "x"}, 400, "chat not found"),
        ({"chat_id": 7}, 400, "message text is empty"),
        ({"chat_id": 7, "text": "<b> </b>", "parse_mode": "HTML"}, 400, "message text is empty"),
        ({"chat_id": 7, "text": "x" * 4097}, 400, "message is too long"),
        ({"chat_id": 7, "text": "\U0001f30a" * 2049}, 400, "message is too long"),
        ({"chat_id": 7, "text": "a <b", "parse_mode": "HTML"}, 400, "can't parse entities: Unclosed start tag"),
        ({"chat_id": 7, "text": "é<h1>", "parse_mode": "HTML"}, 400, 'Unsupported start tag "h1" at byte offset 2'),
        ({"chat_id": 7, "text": "<b>a</i>", "parse_mode": "HTML"}, 400, 'expected "</b>", found "</i>"'),
        ({"chat_id": 7, "text": "a</b>", "parse_mode": "HTML"}, 400, "Unexpected end tag at byte offset 1"),
        ({"chat_id": 7, "text": "<b>a", "parse_mode": "HTML"}, 400, "Can't find end tag corresponding to start tag"),
        ({"chat_id": 7, "text": "<span>a</span>", "parse_mode": "HTML"}, 400, 'must have class "tg-spoiler"'),
        ({"chat_id": 7, "text": "x", "parse_mode": "Markdown"}, 400, "unsupported parse_mode"),
    ],
)
async def test_what_the_rules_forbid_is_refused(
    bot: Bot, sandbox: Sandbox, fields: dict[str, Any], code: int, says: str
) -> None:
    refused(await bot("sendMessage", **fields), code, says)
    assert sandbox.counts()["telegram"]["taken"] == 0


async def test_the_limit_counts_what_is_left_after_parsing(bot: Bot) -> None:
    marked = "<b>" + "x" * 4096 + "</b>"
    assert (await bot("sendMessage", chat_id=7, text=marked, parse_mode="HTML")).status_code == 200
    refused(await bot("sendMessage", chat_id=7, text=marked), 400, "too long")


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        ({"is": "blocked"}, 403, "bot was blocked by the user"),
        ({"is": "kicked"}, 403, "bot was kicked"),
        ({"is": "deactivated"}, 403, "user is deactivated"),
        ({"is": "unknown"}, 400, "chat not found"),
        ({"is": "migrated", "to": -100777}, 400, "upgraded to a supergroup"),
    ],
)
async def test_a_recipient_can_be_out_of_reach(
    bot: Bot, sandbox: Sandbox, script: dict[str, Any], code: int, says: str
) -> None:
    await bot.http.post("/_sandbox/telegram/recipients", json=[{"match": "666", **script}])
    answer = await bot("sendMessage", chat_id=6660, text="Gempa")
    refused(answer, code, says)
    assert answer.json().get("parameters") == ({"migrate_to_chat_id": -100777} if "to" in script else None)
    assert (await bot("sendMessage", chat_id=7, text="Gempa")).status_code == 200
    assert sandbox.counts()["telegram"]["recipients"] == {"7": 1}


async def test_a_throttle_says_how_many_seconds_to_wait(bot: Bot, sandbox: Sandbox) -> None:
    sandbox.add_faults("telegram", [Rule(Fault.THROTTLE, seconds=4.2)])
    answer = await bot("sendMessage", chat_id=7, text="Gempa")
    refused(answer, 429, "retry after 5")
    assert answer.json()["parameters"] == {"retry_after": 5}


async def test_limits_a_second_hold_for_a_chat_and_for_all(bot: Bot, clock: Clock) -> None:
    await bot.http.post("/_sandbox/telegram/settings", json={"per_chat": 1, "overall": 3})
    statuses = [(await bot("sendMessage", chat_id=chat, text="x")).status_code for chat in (1, 1, 2, 3, 4)]
    assert statuses == [200, 429, 200, 200, 429]
    clock.time += 1
    assert (await bot("sendMessage", chat_id=1, text="x")).status_code == 200


async def test_a_text_can_be_edited_but_not_to_the_same(bot: Bot, sandbox: Sandbox) -> None:
    id = (await bot("sendMessage", chat_id=7, text="Gempa")).json()["result"]["message_id"]
    same = await bot("editMessageText", chat_id=7, message_id=id, text="<b>Gempa</b>", parse_mode="HTML")
    refused(same, 400, "message is not modified")
    edited = await bot("editMessageText", chat_id=7, message_id=id, text="DITARIK")
    assert edited.json()["result"]["text"] == "DITARIK"
    refused(await bot("editMessageText", chat_id=8, message_id=id, text="x"), 400, "message to edit not found")
    refused(await bot("editMessageCaption", chat_id=7, message_id=id, caption="x"), 400, "there is no caption")
    assert sandbox.stand_in("telegram").messages[0].earlier == ["Gempa"]


async def test_a_message_can_be_deleted_for_48_hours(bot: Bot, clock: Clock) -> None:
    ids = [(await bot("sendMessage", chat_id=7, text=str(n))).json()["result"]["message_id"] for n in range(2)]
    assert (await bot("deleteMessage", chat_id=7, message_id=ids[0])).json()["result"] is True
    refused(await bot("deleteMessage", chat_id=7, message_id=ids[0]), 400, "message to delete not found")
    clock.time += 48 * 3600 + 1
    refused(await bot("deleteMessage", chat_id=7, message_id=ids[1]), 400, "can't be deleted")


async def test_a_photo_has_a_caption_with_a_limit_of_its_own(bot: Bot, http: httpx.AsyncClient) -> None:
    url, photo = f"{bot.url}/sendPhoto", {"photo": ("peta.png", PNG, "image/png")}
    sent = await http.post(
        url, data={"chat_id": "7", "caption": "Peta <i>getaran</i>", "parse_mode": "HTML"}, files=photo
    )
    assert sent.json()["result"]["caption"] == "Peta getaran"
    refused(await http.post(url, data={"chat_id": "7", "caption": "x" * 1025}, files=photo), 400, "caption is too long")
    refused(await http.post(url, data={"chat_id": "7", "caption": "x"}), 400, "no photo")
    bad = {"photo": ("peta.png", b"none", "image/png")}
    refused(await http.post(url, data={"chat_id": "7"}, files=bad), 400, "IMAGE_PROCESS_FAILED")
    id = sent.json()["result"]["message_id"]
    edited = await bot("editMessageCaption", chat_id=7, message_id=id, caption="DITARIK")
    assert edited.json()["result"]["caption"] == "DITARIK"
    refused(await bot("editMessageText", chat_id=7, message_id=id, text="x"), 400, "there is no text")


@pytest.mark.parametrize("script", [{"is": "blocked"}, {"match": "7", "is": "asleep"}, "blocked"])
async def test_a_wrong_script_is_refused(http: httpx.AsyncClient, script: object) -> None:
    assert (await http.post("/_sandbox/telegram/recipients", json=[script])).status_code == 422


@given(WORDS)
def test_escaped_text_arrives_as_it_was(text: str) -> None:
    assert parse_html(html.escape(text, quote=False)).text == text


@given(WORDS, WORDS, WORDS)
def test_an_entity_covers_its_words_in_utf16_units(before: str, bold: str, after: str) -> None:
    parsed = parse_html(f"{html.escape(before)}<b>{html.escape(bold)}</b>{html.escape(after)}".replace("&#x27;", "'"))
    assert parsed.text == before + bold + after
    expected = [{"type": "bold", "offset": units(before), "length": units(bold)}] if bold else []
    assert list(parsed.entities) == expected


@given(st.text(st.sampled_from("<>/ab &;\"'="), max_size=25))
def test_any_markup_is_parsed_or_refused_but_never_shown_as_a_tag(markup: str) -> None:
    try:
        text = parse_html(markup).text
    except CannotParse:
        text = ""
    assert "<" not in text
