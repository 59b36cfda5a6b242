"""A Mastodon account: server 4.5 as far as publishing, editing, deleting and looking up one's own posts goes.

Rules from docs.joinmastodon.org: methods/statuses, methods/media, methods/accounts, methods/instance,
api/rate-limits, user/posting. Polls, quotes and scheduled posts are refused, so that nobody takes them for kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from sandbox import forms
from sandbox.mastodon_answers import invalid, missing
from sandbox.mastodon_limits import Window, limit_headers
from sandbox.mastodon_media import IMAGE_LIMIT, MAX_MEDIA, MEDIA_TYPES, VIDEO_LIMIT, Uploads
from sandbox.mastodon_text import html_of, length_of
from sandbox.stand_in import BadSetting, Call, Clock, Message, StandIn
from sandbox.wire import Answer, Request

MAX_CHARACTERS = 500
CHARACTERS_PER_URL = 23
IDEMPOTENCY_WINDOW = 3600.0
VISIBILITIES = ("public", "unlisted", "private", "direct")


def token(instance: str) -> str:
    """The access token of a stand-in's account."""
    return "sandbox-mastodon-token" if instance == "default" else f"sandbox-mastodon-token-{instance}"


@dataclass
class _Status:
    message: Message
    language: str | None
    visibility: str
    spoiler_text: str
    in_reply_to: str | None
    media: list[str]
    edited_at: float | None = None


class Mastodon(StandIn):
    """One account on one server; what it posts stands on the wall."""

    kind: ClassVar[str] = "mastodon"
    title: ClassVar[str] = "Mastodon"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._statuses: dict[str, _Status] = {}
        self._keys: dict[str, tuple[float, str]] = {}
        self._uploads = Uploads(self._new_id)
        self._last_id = 0
        self._windows: dict[str, Window] = {}
        self._set_limits(300)

    def _set_limits(self, requests: int) -> None:
        # api/rate-limits: 300 in 5 minutes per account; media uploads and deletions 30 in 30 minutes.
        few = 30 if requests else 0
        self._windows = {"all": Window(requests, 300), "media": Window(few, 1800), "delete": Window(few, 1800)}

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `media_polls` (206 answers until an upload is ready) and `rate_limit` (0: none); raises BadSetting."""
        for name, value in settings.items():
            if name not in ("media_polls", "rate_limit"):
                raise BadSetting(f"{name!r} is no setting of mastodon; known are media_polls, rate_limit")
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise BadSetting(f"{name} is a whole number from 0 on")
        if "media_polls" in settings:
            self._uploads.polls = settings["media_polls"]
        if "rate_limit" in settings:
            self._set_limits(settings["rate_limit"])

    def forget(self) -> None:
        """Forgets posts, uploads, keys and counted requests."""
        super().forget()
        self._statuses.clear()
        self._keys.clear()
        self._uploads.clear()
        self._set_limits(self._windows["all"].limit)

    # --- what the caller may be told instead --------------------------------------------------------

    def throttled(self, seconds: float) -> Answer:
        """429; when it ends stands in X-RateLimit-Reset as a timestamp."""
        return Answer.of(429, {"error": "Too many requests"}, limit_headers(300, 0, self.now() + seconds))

    def unavailable(self) -> Answer:
        """503."""
        return Answer.of(503, {"error": "There was a temporary problem serving your request, please try again"})

    def broken(self) -> Answer:
        """500."""
        return Answer.of(500, {"error": "An unexpected error occurred"})

    def refused(self) -> Answer:
        """401."""
        return Answer.of(401, {"error": "The access token is invalid"})

    # --- requests ---------------------------------------------------------------------------------------

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/api/…`."""
        if path == "/api/v2/instance" and request.method == "GET":
            return Call(self._instance)
        authorised = request.headers.get("authorization", "") == f"Bearer {token(self.instance)}"
        try:
            form = forms.read(request)
        except forms.Unreadable:
            return Call(lambda: Answer.of(400, {"error": "Bad Request"}))
        origin = f"http://{request.headers.get('host', 'localhost')}"
        parts = path.strip("/").split("/")
        window = "media" if path == "/api/v2/media" else "delete" if request.method == "DELETE" else "all"
        act = self._route(request, parts, form, origin, authorised)
        if act is None:
            return Call(lambda: Answer.of(404, {"error": "Record not found"}))

        def guarded() -> Answer:
            now = self.now()
            if not authorised and not _public(request.method, parts):
                return self.refused()
            passes = [w.use(now) for w in {self._windows["all"], self._windows[window]}]
            if not all(passes):
                return Answer.of(429, {"error": "Too many requests"}, self._windows[window].headers(now))
            answer = act()
            headers = (*answer.headers, *self._windows[window].headers(now))
            return Answer(answer.status, answer.body, answer.media_type, headers)

        if request.method == "POST" and parts == ["api", "v1", "statuses"]:
            return Call(guarded, recipient="public", text=form.text("status"), sends=True)
        return Call(guarded)

    def _route(
        self, request: Request, parts: list[str], form: forms.Form, origin: str, authorised: bool
    ) -> Callable[[], Answer] | None:
        match request.method, parts:
            case "POST", ["api", "v1", "statuses"]:
                key = request.headers.get("idempotency-key", "")
                return lambda: self._post(form, key, origin)
            case "GET", ["api", "v1", "statuses", id]:
                return lambda: self._get(id, origin, authorised)
            case "PUT", ["api", "v1", "statuses", id]:
                return lambda: self._edit(id, form, origin)
            case "DELETE", ["api", "v1", "statuses", id]:
                return lambda: self._delete(id, origin)
            case "GET", ["api", "v1", "accounts", "verify_credentials"]:
                return lambda: Answer.of(200, {**self._account(origin), "source": {"privacy": "public"}})
            case "GET", ["api", "v1", "accounts", "1", "statuses"]:
                return lambda: self._own(form, origin, authorised)
            case "POST", ["api", "v2", "media"]:
                return lambda: self._uploads.upload(form, origin)
            case "GET", ["api", "v1", "media", id]:
                return lambda: self._uploads.processing(id, origin)
            case _:
                return None

    def _post(self, form: forms.Form, key: str, origin: str) -> Answer:
        now = self.now()
        if key in self._keys:
            at, id = self._keys[key]
            if now - at < IDEMPOTENCY_WINDOW:
                self.repeats += 1
                return self._get(id, origin, True)
        text, media = form.text("status"), form.texts("media_ids")
        if form.text("scheduled_at") or any(name.startswith(("poll", "quote")) for name in form.values):
            return invalid("This stand-in keeps no polls, quotes or scheduled posts")
        error = self._fault_of(text, media, form)
        if error:
            return invalid(error)
        message = self.take(id=self._new_id(), recipient="public", text=text)
        status = _Status(
            message,
            form.text("language") or None,
            form.text("visibility") or "public",
            form.text("spoiler_text"),
            form.text("in_reply_to_id") or None,
            media,
        )
        self._statuses[message.id] = status
        message.language = status.language or ""
        if status.visibility != "public":
            message.notes.append(f"visibility: {status.visibility}")
        message.notes.extend(self._uploads.attach(id) for id in media)
        if key:
            self._keys[key] = (now, message.id)
        return Answer.of(200, self._view(status, origin))

    def _fault_of(self, text: str, media: list[str], form: forms.Form, kept: tuple[str, ...] = ()) -> str:
        if not text.strip() and not media:
            return "Validation failed: Text can't be blank"
        if length_of(text, CHARACTERS_PER_URL) + len(form.text("spoiler_text")) > MAX_CHARACTERS:
            return f"Validation failed: Text character limit of {MAX_CHARACTERS} exceeded"
        if form.text("visibility") and form.text("visibility") not in VISIBILITIES:
            return "Validation failed: Visibility is not included in the list"
        if form.text("in_reply_to_id") and form.text("in_reply_to_id") not in self._statuses:
            return "The post you are trying to reply to does not appear to exist."
        return self._uploads.fault(media, kept)

    def _get(self, id: str, origin: str, authorised: bool) -> Answer:
        status = self._statuses.get(id)
        hidden = status is not None and not authorised and status.visibility in ("private", "direct")
        if status is None or status.message.deleted or hidden:
            return missing()
        return Answer.of(200, self._view(status, origin))

    def _edit(self, id: str, form: forms.Form, origin: str) -> Answer:
        status = self._statuses.get(id)
        if status is None or status.message.deleted:
            return missing()
        given = "media_ids" in form.values or "media_ids[]" in form.values
        media = form.texts("media_ids") if given else status.media
        text = form.text("status")
        error = self._fault_of(text, media, form, tuple(status.media))
        if error:
            return invalid(error)
        if text != status.message.text or media != status.media:
            status.message.earlier.append(status.message.text)
            status.message.text = text
            status.edited_at = self.now()
            for new in media:
                if new not in status.media:
                    status.message.notes.append(self._uploads.attach(new))
            status.media = media
        status.spoiler_text = form.text("spoiler_text")
        status.language = form.text("language") or status.language
        return Answer.of(200, self._view(status, origin))

    def _delete(self, id: str, origin: str) -> Answer:
        status = self._statuses.get(id)
        if status is None or status.message.deleted:
            return missing()
        status.message.deleted = True
        view = self._view(status, origin)
        view["text"] = status.message.text
        del view["content"]
        return Answer.of(200, view)

    def _own(self, form: forms.Form, origin: str, authorised: bool) -> Answer:
        try:
            limit = min(int(form.text("limit", "20")), 40)
            bounds = {name: int(form.text(name, "0")) for name in ("since_id", "min_id", "max_id")}
        except ValueError:
            return invalid("Validation failed: limit, since_id, min_id and max_id are numbers")
        found = [
            status
            for status in self._statuses.values()
            if not status.message.deleted
            and (authorised or status.visibility in ("public", "unlisted"))
            and int(status.message.id) > max(bounds["since_id"], bounds["min_id"])
            and (not bounds["max_id"] or int(status.message.id) < bounds["max_id"])
        ]
        page = found[: max(limit, 0)] if bounds["min_id"] else found[max(0, len(found) - limit) :]
        return Answer.of(200, [self._view(status, origin) for status in reversed(page)])

    # --- what the account shows ---------------------------------------------------------------------------

    def _new_id(self) -> str:
        # As Mastodon makes them: milliseconds, then 16 bits; greater for each newer one.
        self._last_id = max(self._last_id + 1, int(self.now() * 1000) << 16)
        return str(self._last_id)

    def _account(self, origin: str) -> dict[str, Any]:
        return {
            "id": "1",
            "username": self.instance,
            "acct": self.instance,
            "display_name": f"{self.instance} (sandbox)",
            "locked": False,
            "bot": True,
            "url": f"{origin}/#{self.kind}-{self.instance}",
            "statuses_count": sum(not s.message.deleted for s in self._statuses.values()),
        }

    def _view(self, status: _Status, origin: str) -> dict[str, Any]:
        message = status.message
        url = f"{origin}/#{self.kind}-{self.instance}-{message.id}"
        return {
            "id": message.id,
            "created_at": _stamp(message.taken_at),
            "edited_at": None if status.edited_at is None else _stamp(status.edited_at),
            "in_reply_to_id": status.in_reply_to,
            "sensitive": False,
            "spoiler_text": status.spoiler_text,
            "visibility": status.visibility,
            "language": status.language,
            "uri": url,
            "url": url,
            "replies_count": 0,
            "reblogs_count": 0,
            "favourites_count": 0,
            "content": html_of(message.text),
            "reblog": None,
            "account": self._account(origin),
            "media_attachments": [self._uploads.view(id, origin) for id in status.media],
            "mentions": [],
            "tags": [],
            "emojis": [],
            "card": None,
            "poll": None,
        }

    def _instance(self) -> Answer:
        return Answer.of(
            200,
            {
                "domain": "sandbox.invalid",
                "title": "Sandbox",
                "version": "4.5.0",
                "api_versions": {"mastodon": 7},
                "configuration": {
                    "statuses": {
                        "max_characters": MAX_CHARACTERS,
                        "max_media_attachments": MAX_MEDIA,
                        "characters_reserved_per_url": CHARACTERS_PER_URL,
                    },
                    "media_attachments": {
                        "supported_mime_types": list(MEDIA_TYPES),
                        "image_size_limit": IMAGE_LIMIT,
                        "video_size_limit": VIDEO_LIMIT,
                    },
                },
            },
        )


def _public(method: str, parts: list[str]) -> bool:
    return method == "GET" and (parts[2:3] == ["statuses"] or parts[-1:] == ["statuses"])


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
