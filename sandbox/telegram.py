"""A Telegram bot: the Bot API's methods to send, edit and delete, with the faults that it documents.

Rules from core.telegram.org/bots/api and /bots/faq. A bot can look nothing up and repeats are not recognised: what
was accepted without an answer stays unknown. Only the HTML parse mode is understood.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sandbox import forms
from sandbox.stand_in import BadSetting, Call, Clock, Message, StandIn
from sandbox.telegram_text import CannotParse, Parsed, parse_html, units
from sandbox.wire import Answer, Request

MAX_TEXT, MAX_CAPTION = 4096, 1024
MAX_PHOTO = 10 * 1024 * 1024
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")
DELETABLE_FOR = 48 * 3600.0
BEHAVIOURS = ("blocked", "kicked", "unknown", "deactivated", "migrated")


def token(instance: str) -> str:
    """The token of a stand-in's bot."""
    return "1000000:sandbox-telegram-token" + ("" if instance == "default" else f"-{instance}")


class _Failure(Exception):
    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.answer = _failure(code, description, **parameters)


class Telegram(StandIn):
    """One bot and the chats that it writes to."""

    kind: ClassVar[str] = "telegram"
    title: ClassVar[str] = "Telegram"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._chats: dict[tuple[str, int], Message] = {}
        self._scripts: list[tuple[str, str, int]] = []
        self._per_second = {"per_chat": 0, "overall": 0}
        self._recent: dict[str, deque[float]] = {}

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `per_chat` and `overall`, messages a second (0: no limit, as at the start); raises BadSetting."""
        for name, value in settings.items():
            if name not in self._per_second:
                raise BadSetting(f"{name!r} is no setting of telegram; known are {', '.join(self._per_second)}")
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise BadSetting(f"{name} is a whole number from 0 on")
            self._per_second[name] = value

    def script(self, scripts: list[Any]) -> None:
        """Takes `{"match": part of a chat id, "is": one of BEHAVIOURS, "to": new id}`; raises BadSetting."""
        read = []
        for script in scripts:
            if not isinstance(script, Mapping) or script.get("is") not in BEHAVIOURS or not script.get("match"):
                raise BadSetting('a script is {"match": "…", "is": ' + " | ".join(BEHAVIOURS) + "}")
            read.append((str(script["match"]), str(script["is"]), int(script.get("to", -1001000000000))))
        self._scripts = read

    def forget(self) -> None:
        """Forgets messages and the times of recent ones."""
        super().forget()
        self._chats.clear()
        self._recent.clear()

    def throttled(self, seconds: float) -> Answer:
        """429 with `parameters.retry_after` in whole seconds; without where it is to say nothing of time."""
        if not seconds:
            return _failure(429, "Too Many Requests")
        wait = max(1, round(seconds + 0.499))
        return _failure(429, f"Too Many Requests: retry after {wait}", retry_after=wait)

    def unavailable(self) -> Answer:
        """503."""
        return _failure(503, "Service Unavailable")

    def broken(self) -> Answer:
        """500."""
        return _failure(500, "Internal Server Error")

    def refused(self) -> Answer:
        """401."""
        return _failure(401, "Unauthorized")

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/bot<token>/<method>`."""
        bot, _, method = path.removeprefix("/bot").partition("/")
        if not path.startswith("/bot") or ":" not in bot or request.method not in ("GET", "POST"):
            return Call(lambda: _failure(404, "Not Found"))
        if bot != token(self.instance):
            return Call(self.refused)
        methods: Mapping[str, Callable[[forms.Form], Any]] = {
            "getme": self._me,
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "editmessagetext": self._edit_text,
            "editmessagecaption": self._edit_caption,
            "deletemessage": self._delete,
        }
        act = methods.get(method.lower())
        if act is None:
            return Call(lambda: _failure(404, "Not Found: method not found"))
        try:
            form = forms.read(request)
        except forms.Unreadable:
            return Call(lambda: _failure(400, "Bad Request: can't parse request body"))

        def guarded() -> Answer:
            try:
                return Answer.of(200, {"ok": True, "result": act(form)})
            except _Failure as failure:
                return failure.answer

        if method.lower() in ("sendmessage", "sendphoto"):
            text = form.text("text") or form.text("caption")
            return Call(guarded, recipient=form.text("chat_id"), text=text, sends=True)
        return Call(guarded)

    # --- methods ------------------------------------------------------------------------------------------

    def _me(self, form: forms.Form) -> dict[str, Any]:
        return {"id": 1000000, "is_bot": True, "first_name": "Sandbox", "username": f"sandbox_{self.instance}_bot"}

    def _send_message(self, form: forms.Form) -> dict[str, Any]:
        chat = self._chat(form)
        parsed = _parsed(form, "text")
        if not parsed.text.strip():
            raise _Failure(400, "Bad Request: message text is empty")
        if units(parsed.text) > MAX_TEXT:
            raise _Failure(400, "Bad Request: message is too long")
        return self._sent(chat, parsed, form, "text")

    def _send_photo(self, form: forms.Form) -> dict[str, Any]:
        chat = self._chat(form)
        photo = form.files.get("photo")
        if photo is None and not form.text("photo"):
            raise _Failure(400, "Bad Request: there is no photo in the request")
        if photo is not None and len(photo.content) > MAX_PHOTO:
            raise _Failure(413, "Request Entity Too Large")
        if photo is not None and not photo.content.startswith(_PICTURES):
            raise _Failure(400, "Bad Request: IMAGE_PROCESS_FAILED")
        parsed = _parsed(form, "caption")
        if units(parsed.text) > MAX_CAPTION:
            raise _Failure(400, "Bad Request: message caption is too long")
        result = self._sent(chat, parsed, form, "caption")
        self.messages[-1].notes.append("photo")
        return {**result, "photo": [{"file_id": f"photo-{result['message_id']}", "width": 1, "height": 1}]}

    def _sent(self, chat: str, parsed: Parsed, form: forms.Form, field: str) -> dict[str, Any]:
        self._limit(chat)
        message = self.take(id=str(len(self.messages) + 1), recipient=chat, text=parsed.text.strip())
        if form.flag("disable_notification"):
            message.notes.append("without a sound")
        self._chats[chat, int(message.id)] = message
        return self._view(message, parsed, field)

    def _edit_text(self, form: forms.Form) -> dict[str, Any]:
        return self._edited(form, "text", MAX_TEXT, "message is too long")

    def _edit_caption(self, form: forms.Form) -> dict[str, Any]:
        return self._edited(form, "caption", MAX_CAPTION, "message caption is too long")

    def _edited(self, form: forms.Form, field: str, longest: int, too_long: str) -> dict[str, Any]:
        chat = self._chat(form)
        message = self._message(chat, form, "message to edit not found")
        parsed = _parsed(form, field)
        if field == "text" and not parsed.text.strip():
            raise _Failure(400, "Bad Request: message text is empty")
        if ("photo" in message.notes) != (field == "caption"):
            raise _Failure(400, f"Bad Request: there is no {field} in the message to edit")
        if units(parsed.text) > longest:
            raise _Failure(400, f"Bad Request: {too_long}")
        if parsed.text.strip() == message.text:
            raise _Failure(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        message.earlier.append(message.text)
        message.text = parsed.text.strip()
        return {**self._view(message, parsed, field), "edit_date": int(self.now())}

    def _delete(self, form: forms.Form) -> bool:
        message = self._message(self._chat(form), form, "message to delete not found")
        if self.now() - message.taken_at > DELETABLE_FOR:
            raise _Failure(400, "Bad Request: message can't be deleted for everyone")
        message.deleted = True
        return True

    # --- chats --------------------------------------------------------------------------------------------

    def _chat(self, form: forms.Form) -> str:
        chat = form.text("chat_id")
        if not chat:
            raise _Failure(400, "Bad Request: chat_id is empty")
        named = chat.startswith("@") and len(chat) > 1
        behaviour, to = next(((b, t) for match, b, t in self._scripts if match in chat), ("", 0))
        if behaviour == "unknown" or not (named or chat.lstrip("-").isdecimal()):
            raise _Failure(400, "Bad Request: chat not found")
        if behaviour == "blocked":
            raise _Failure(403, "Forbidden: bot was blocked by the user")
        if behaviour == "kicked":
            raise _Failure(403, "Forbidden: bot was kicked from the channel chat")
        if behaviour == "deactivated":
            raise _Failure(403, "Forbidden: user is deactivated")
        if behaviour == "migrated":
            description = "Bad Request: group chat was upgraded to a supergroup chat"
            raise _Failure(400, description, migrate_to_chat_id=to)
        return chat

    def _message(self, chat: str, form: forms.Form, otherwise: str) -> Message:
        id = form.text("message_id")
        message = self._chats.get((chat, int(id) if id.isdecimal() else 0))
        if message is None or message.deleted:
            raise _Failure(400, f"Bad Request: {otherwise}")
        return message

    def _limit(self, chat: str) -> None:
        now = self.now()
        wanted = (("", self._per_second["overall"]), (chat, self._per_second["per_chat"]))
        limits = [(key, limit) for key, limit in wanted if limit]
        for key, limit in limits:
            recent = self._recent.setdefault(key, deque())
            while recent and now - recent[0] >= 1:
                recent.popleft()
            if len(recent) >= limit:
                raise _Failure(429, "Too Many Requests: retry after 1", retry_after=1)
        for key, _ in limits:
            self._recent[key].append(now)

    def _view(self, message: Message, parsed: Parsed, field: str) -> dict[str, Any]:
        chat = message.recipient
        public = chat.startswith(("@", "-100"))
        described: dict[str, Any] = {"type": "channel" if public else "group" if chat.startswith("-") else "private"}
        if chat.startswith("@"):
            described |= {"id": -1001000000001, "username": chat[1:], "title": chat[1:]}
        else:
            described["id"] = int(chat)
        view: dict[str, Any] = {"message_id": int(message.id), "date": int(message.taken_at), "chat": described}
        view[field] = message.text
        if parsed.entities:
            view["entities" if field == "text" else "caption_entities"] = list(parsed.entities)
        return view


def _parsed(form: forms.Form, field: str) -> Parsed:
    text, mode = form.text(field), form.text("parse_mode").lower()
    if not mode:
        return Parsed(text, ())
    if mode != "html":
        raise _Failure(400, "Bad Request: unsupported parse_mode")
    try:
        return parse_html(text)
    except CannotParse as error:
        raise _Failure(400, f"Bad Request: can't parse entities: {error}") from None


def _failure(code: int, description: str, **parameters: Any) -> Answer:
    content: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        content["parameters"] = parameters
    return Answer.of(code, content)
