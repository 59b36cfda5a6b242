"""Telegram Bot API 10: a channel of the agency (`chat`), or people who wrote to its bot (`audience`).

Telegram knows no idempotency key and a bot cannot read back what it posted, so a lost answer stays in doubt.
Source: core.telegram.org/bots/api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pydantic import Field, JsonValue, model_validator

from channels._adapter import HttpAdapter, OnlineSettings
from channels._reading import Answer, Documented, readiness, unreadable
from channels._secret import Secret
from kentongan.seam import (
    Accepted,
    Credential,
    Job,
    Limits,
    Outcome,
    Posted,
    Readiness,
    Rejected,
    Rendered,
    Traits,
    Uploaded,
    Why,
)
from kentongan.settings import SecretSource

if TYPE_CHECKING:
    import httpx

# What the description of a refusal says, in lower case. Telegram gives no finer code than the HTTP status.
_UNKNOWN_ADDRESS = ("chat not found", "peer_id_invalid", "chat_id is empty", "user not found")
_NO_RIGHT = ("not enough rights", "need administrator rights", "have no rights", "bot is not a member")


class Settings(OnlineSettings):
    """One bot: its channel, or the people it writes to."""

    base_url: str = Field(default="https://api.telegram.org", description="Address of the Bot API server.")
    token: SecretSource = Field(description="The bot's token as BotFather gave it.")
    chat: str | None = Field(default=None, description="Channel to post to: @name or numeric id; absent: audience.")

    @model_validator(mode="after")
    def _one_readership(self) -> Settings:
        if (self.chat is None) == (self.audience is None):
            raise ValueError("name either chat (a public channel) or audience (people)")
        return self

    def limits(self) -> Limits:
        """About 30 messages a second over all chats, one a second in one chat."""
        if self.chat is not None:
            return self.limited("telegram", 4096, rate=1.0, concurrency=1, deliver_within=21_600)
        return self.limited("telegram", 4096, rate=25.0, concurrency=16, deliver_within=3600)


class Adapter(HttpAdapter):
    """Sends HTML messages; the token stands in the path, so no address of a request may ever be shown."""

    kind: ClassVar[str] = "telegram"
    traits: ClassVar[Traits] = Traits(family="telegram", public=True, edit=True, delete=True)

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._chat = settings.chat
        self._token = Secret(settings.token, name, "token")

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        return _posted(await self._call("sendMessage", {**self._to(job), **_words(message)}))

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        fields = {**self._to(job), "message_id": _message_id(posted), **_words(message)}
        return _posted(await self._call("editMessageText", fields, done=("message is not modified",), posted=posted))

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes a message away; Telegram refuses once it is 48 hours old."""
        fields = {**self._to(job), "message_id": _message_id(posted)}
        done = ("message to delete not found",)
        asked = await self._call("deleteMessage", fields, done=done, posted=posted)
        if not isinstance(asked, Answer):
            return asked
        return Accepted(posted.id) if asked.fields.get("result") is True else unreadable(asked)

    async def ready(self) -> Readiness:
        """Asks which bot this is."""
        return readiness(await self._call("getMe", {}))

    def _to(self, job: Job) -> dict[str, JsonValue]:
        return {"chat_id": self._chat or (job.to.value if job.to is not None else "")}

    async def _call(
        self, method: str, fields: dict[str, JsonValue], *, done: tuple[str, ...] = (), posted: Posted | None = None
    ) -> Answer | Outcome:
        table = _table(public=self._public, done=done, posted=posted)
        path = f"/bot{quote(self._token.get_secret_value(), safe=':')}/{method}"
        asked = await self.wire.ask("POST", path, fields=fields, documented=table)
        return unreadable(asked) if isinstance(asked, Answer) and asked.fields.get("ok") is not True else asked


def _words(message: Rendered) -> dict[str, JsonValue]:
    # A preview would push the words of the alert off a small screen.
    fields: dict[str, JsonValue] = {"link_preview_options": {"is_disabled": True}}
    if message.html:
        return {**fields, "text": message.html, "parse_mode": "HTML"}
    return {**fields, "text": message.text}


def _message_id(posted: Posted) -> JsonValue:
    return int(posted.id) if posted.id.isascii() and posted.id.isdigit() else posted.id


def _posted(asked: Answer | Outcome) -> Outcome:
    if not isinstance(asked, Answer):
        return asked
    result = asked.fields.get("result")
    identifier = result.get("message_id") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(identifier, int):
        return unreadable(asked)
    chat = result.get("chat")
    name = chat.get("username") if isinstance(chat, dict) and chat.get("type") == "channel" else None
    return Accepted(str(identifier), f"https://t.me/{name}/{identifier}" if isinstance(name, str) else "")


def _table(*, public: bool, done: tuple[str, ...], posted: Posted | None) -> Documented:
    """Telegram's own refusals; `done` are those that say that what we wanted is so already."""

    def documented(answer: Answer) -> Outcome | None:
        if answer.status not in (400, 404) or answer.fields.get("ok") is not False:
            return None
        words = str(answer.fields.get("description", "")).lower()
        if answer.status == 404:
            return Credential("status 404: no such bot")
        if posted is not None and any(part in words for part in done):
            return Accepted(posted.id, posted.url)
        parameters = answer.fields.get("parameters")
        if isinstance(parameters, dict) and "migrate_to_chat_id" in parameters:
            reason = "status 400: the chat has moved to a new id"
        elif any(part in words for part in _UNKNOWN_ADDRESS):
            reason = "status 400: no such chat"
        elif any(part in words for part in _NO_RIGHT):
            reason = "status 400: the bot may not write there"
        else:
            return None
        return Credential(reason) if public else Rejected(reason, Why.ADDRESS)

    return documented
