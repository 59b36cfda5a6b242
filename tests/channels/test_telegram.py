from __future__ import annotations

import asyncio
import html
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from channels import _http
from kentongan.seam import Accepted, Address, Credential, InDoubt, Mode, Outcome, Posted, Rejected, Retryable, Why
from tests.channels.contract import MARK, SECRET
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

PERSON = Address("telegram", "6281230001")


def refusal(description: str, code: int = 400, **parameters: Any) -> Reply:
    content: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return Reply.of({**content, "parameters": parameters} if parameters else content, code)


class TelegramContract(WireContract):
    kind = "telegram"
    retry_503 = False
    expected_chat: str

    def message(self, mode: Mode = Mode.LIVE, **changes: Any) -> Any:
        message = super().message(mode, **changes)
        return replace(message, html=f"<b>{html.escape(message.text)}</b>")

    def sent_text(self, request: Request) -> str:
        assert request.json["parse_mode"] == "HTML"
        return html.unescape(request.json["text"].removeprefix("<b>").removesuffix("</b>"))

    async def test_a_message_goes_to_its_chat_under_the_token(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None)
        (request,) = server.requests
        assert isinstance(outcome, Accepted)
        assert outcome.id == "7"
        assert (request.method, request.path) == ("POST", f"/bot{SECRET}/sendMessage")
        assert request.json["chat_id"] == self.expected_chat

    async def test_a_plain_message_is_not_read_as_markup(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.send(replace(self.message(), html=""), [self.job()], None)
        assert "parse_mode" not in server.requests[0].json
        assert server.requests[0].json["text"] == self.message().text

    async def test_markup_that_hides_the_drill_mark_is_refused(self, server: ScriptedServer) -> None:
        message = replace(self.message(Mode.DRILL), html=f"Ini {MARK} gempa {MARK}")
        async with self.opened(self.configured(server.base_url, Mode.DRILL)) as channel:
            (outcome,) = await channel.send(message, [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert server.requests == []

    async def test_a_throttle_in_the_body_beats_the_header(self, server: ScriptedServer) -> None:
        step = refusal("Too Many Requests: retry after 5", 429, retry_after=5)
        step = replace(step, headers={"Retry-After": "900"})
        assert await self.send_once(server, None, step) == Retryable("status 429", 5.0, throttled=True)

    @pytest.mark.parametrize("answer", [refusal("Unauthorized", 401), refusal("Not Found", 404)])
    async def test_a_token_that_telegram_does_not_know_is_ours_to_mend(
        self, server: ScriptedServer, answer: Reply
    ) -> None:
        assert isinstance(await self.send_once(server, None, answer), Credential)

    async def test_a_success_that_says_no_is_in_doubt(self, server: ScriptedServer) -> None:
        assert isinstance(await self.send_once(server, None, Reply.of({"ok": False})), InDoubt)

    @pytest.mark.parametrize(
        "description", ["Bad Request: message is too long", "Bad Request: can't parse entities: tag at offset 3"]
    )
    async def test_a_message_that_telegram_cannot_read_is_refused(
        self, server: ScriptedServer, description: str
    ) -> None:
        outcome = await self.send_once(server, None, refusal(description))
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD

    async def test_an_edit_that_changes_nothing_is_done(self, server: ScriptedServer) -> None:
        same = refusal("Bad Request: message is not modified: specified new message content is exactly the same")
        server.script.extend([self.good, same, refusal("Bad Request: message to edit not found")])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.edit(Posted("7"), self.message(), self.job()) for _ in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Rejected]
        assert server.requests[0].path.endswith("/editMessageText")
        assert server.requests[0].json["message_id"] == 7

    async def test_not_modified_means_nothing_of_a_new_message(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None, refusal("Bad Request: message is not modified"))
        assert isinstance(outcome, Rejected)

    async def test_a_message_older_than_two_days_cannot_be_deleted(self, server: ScriptedServer) -> None:
        server.script.extend(
            [
                Reply.of({"ok": True, "result": True}),
                refusal("Bad Request: message to delete not found"),
                refusal("Bad Request: message can't be deleted for everyone"),
                Reply(502),
            ]
        )
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.delete(Posted("7"), self.job()) for _ in range(4)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Rejected, InDoubt]

    async def test_a_bot_that_answers_is_ready(self, server: ScriptedServer) -> None:
        server.usual = Reply.of({"ok": True, "result": {"id": 1, "is_bot": True}})
        async with self.opened(self.configured(server.base_url)) as channel:
            assert (await channel.ready()).ready

    def check(self, outcome: Outcome) -> None:
        """Whether a refusal of the address is about us, or about one person."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "answer",
        [
            refusal("Bad Request: chat not found"),
            refusal("Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100123456),
            refusal("Bad Request: not enough rights to send text messages to the chat"),
            refusal("Forbidden: bot was blocked by the user", 403),
        ],
        ids=["unknown", "moved", "no right", "blocked"],
    )
    async def test_a_chat_that_cannot_be_written_to_is_no_fault_of_the_message(
        self, server: ScriptedServer, answer: Reply
    ) -> None:
        self.check(await self.send_once(server, None, answer))


class TestTelegramChannel(TelegramContract):
    settings: ClassVar[dict[str, Any]] = {"token": {"env": "KENTONGAN_TEST_SECRET"}, "chat": "@bpbd"}
    good = Reply.of({"ok": True, "result": {"message_id": 7, "chat": {"type": "channel", "username": "bpbd"}}})
    refused_403 = Credential
    expected_chat = "@bpbd"

    def check(self, outcome: Outcome) -> None:
        assert isinstance(outcome, Credential)

    async def test_the_public_reads_it_at_its_address(self, server: ScriptedServer) -> None:
        assert await self.send_once(server, None) == Accepted("7", "https://t.me/bpbd/7")

    def test_a_bot_writes_to_a_channel_or_to_people(self) -> None:
        for changes in ({"chat": None}, {"audience": "all"}):
            with pytest.raises(ValidationError, match="either chat"):
                self.configured("https://api.telegram.org", **changes)


class TestTelegramPeople(TelegramContract):
    settings: ClassVar[dict[str, Any]] = {"token": {"env": "KENTONGAN_TEST_SECRET"}, "audience": "all"}
    to = PERSON
    good = Reply.of({"ok": True, "result": {"message_id": 7, "chat": {"id": 6281230001, "type": "private"}}})
    refused_403 = Rejected
    expected_chat = PERSON.value

    def check(self, outcome: Outcome) -> None:
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.ADDRESS

    async def test_messages_to_people_share_connections(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            for number in range(5):
                await channel.send(self.message(), [self.job(str(number))], None)
        assert server.connections == 1

    async def test_no_connection_is_used_again_after_it_lay_idle(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert _http.IDLE <= 1.0
        monkeypatch.setattr(_http, "IDLE", 0.05)
        async with self.opened(self.configured(server.base_url)) as channel:
            for number in range(2):
                await channel.send(self.message(), [self.job(str(number))], None)
                await asyncio.sleep(0.1)  # idleness itself is what is tested
        assert server.connections == 2
