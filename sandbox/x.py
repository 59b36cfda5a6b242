"""An X account: API v2 as far as publishing, editing, deleting, pictures and looking up one's own posts goes.

Rules from docs.x.com: x-api/posts, x-api/media, fundamentals/rate-limits, fundamentals/edit-posts,
fundamentals/response-codes-and-errors, getting-started/pricing. Replies, quotes and polls are refused, so that nobody
takes them for kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sandbox import forms
from sandbox.stand_in import BadSetting, Call, Clock, Message, StandIn
from sandbox.wire import Answer, Request
from sandbox.x_answers import PROBLEMS, forbidden, invalid, limit_headers, problem
from sandbox.x_pictures import Pictures
from sandbox.x_signature import Keys, Signatures
from sandbox.x_text import MAX_WEIGHT, stored, weight_of

ACCOUNT = "1700000000000000001"
PRICES = {"post": 0.015, "link": 0.200, "read": 0.001, "delete": 0.010}
EDIT_WINDOW, EDITS = timedelta(minutes=30), 5
_FIELDS = frozenset(("text", "media", "reply", "reply_settings", "edit_options", "made_with_ai"))
_MAX_MEDIA = 4


def token(instance: str) -> str:
    """The user's OAuth 2 access token of a stand-in's account."""
    return "sandbox-x-token" if instance == "default" else f"sandbox-x-token-{instance}"


def keys(instance: str) -> Keys:
    """The keys by which the same user's requests may be signed (OAuth 1.0a)."""
    name = f"sandbox-x-{instance}"
    return Keys(f"{name}-consumer", f"{name}-consumer-secret", f"{name}-user", f"{name}-user-secret")


@dataclass
class _Post:
    message: Message
    at: float
    versions: list[str]
    media: list[str]


class X(StandIn):
    """One account; what it posts stands on the wall, with what it would have cost."""

    kind: ClassVar[str] = "x"
    title: ClassVar[str] = "X"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._posts: dict[str, _Post] = {}
        self._links: dict[str, str] = {}
        self._used: dict[str, tuple[float, int]] = {}
        self._last_id = 0
        self._pictures = Pictures(now, self._new_id)
        self._signatures = Signatures(keys(instance))
        self._settings: dict[str, int | float] = {"may_edit": 0, "rate_limit": 100, "media_polls": 0}
        self.charged = 0.0
        self._credit: float | None = None

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `may_edit`, `media_polls`, `rate_limit` (posts in 15 min, 0: none), `credit` (USD left, null: ever)."""
        for name, value in settings.items():
            if name not in (*self._settings, "credit"):
                raise BadSetting(f"{name!r} is no setting of x; known are {', '.join(self._settings)}, credit")
            if not (name == "credit" and value is None) and (not isinstance(value, (int, float)) or value < 0):
                raise BadSetting(f"{name} is a number from 0 on")
        for name, value in settings.items():
            if name == "credit":
                self._credit = value
            else:
                self._settings[name] = value
        self._pictures.polls = int(self._settings["media_polls"])

    def forget(self) -> None:
        """Forgets posts, uploads, charges and counted requests."""
        super().forget()
        for kept in (self._posts, self._pictures, self._links, self._used):
            kept.clear()
        self._signatures.forget()
        self.charged = 0.0

    def counts(self) -> dict[str, Any]:
        """As every stand-in's, and `charged`: what X would have charged, in US dollars."""
        return {**super().counts(), "charged": round(self.charged, 4)}

    # --- what the caller may be told instead --------------------------------------------------------------

    def throttled(self, seconds: float) -> Answer:
        """429; when it ends stands in x-rate-limit-reset, in Unix seconds."""
        headers = limit_headers(int(self._settings["rate_limit"]), 0, self.now() + seconds)
        return problem(429, "about:blank", "Too Many Requests", "Too Many Requests", headers)

    def unavailable(self) -> Answer:
        """503."""
        return problem(503, "about:blank", "Service Unavailable", "Service Unavailable")

    def broken(self) -> Answer:
        """500."""
        return problem(500, "about:blank", "Internal Server Error", "Something is broken.")

    def refused(self) -> Answer:
        """401."""
        return problem(401, "about:blank", "Unauthorized", "Unauthorized")

    # --- requests -----------------------------------------------------------------------------------------

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/2/…`."""
        try:
            form = forms.read(request)
        except forms.Unreadable:
            return Call(lambda: invalid("The request body could not be parsed."))
        act = self._route(request, path.strip("/").split("/"), form)
        if act is None:
            return Call(lambda: problem(404, "about:blank", "Not Found", "Not Found"))
        bearer = request.headers.get("authorization", "") == f"Bearer {token(self.instance)}"
        authorised = bearer or self._signatures.good(request, self.now())
        posts = request.method == "POST" and path == "/2/tweets"
        return Call(
            act if authorised else self.refused,
            recipient="public" if posts else "",
            text=form.text("text") if posts else "",
            sends=posts,
        )

    def _route(self, request: Request, parts: list[str], form: forms.Form) -> Callable[[], Answer] | None:
        json_only = request.media_type == "application/json"
        match request.method, parts:
            case "POST", ["2", "tweets"] if json_only:
                return lambda: self._limited("post", 100, lambda: self._post(form))
            case "DELETE", ["2", "tweets", id]:
                return lambda: self._limited("delete", 50, lambda: self._delete(id))
            case "GET", ["2", "users", "me"]:
                return lambda: self._charge(PRICES["read"]) or Answer.of(200, {"data": self._user()})
            case "GET", ["2", "users", id, "tweets"]:
                return lambda: self._own(id, form)
            case "POST", ["2", "media", "upload", "initialize"] if json_only:
                return lambda: self._limited("media", 500, lambda: self._pictures.initialize(form))
            case "POST", ["2", "media", "upload", id, "append"]:
                return lambda: self._pictures.append(id, form)
            case "POST", ["2", "media", "upload", id, "finalize"]:
                return lambda: self._pictures.finalize(id)
            case "GET", ["2", "media", "upload"]:
                return lambda: self._pictures.status(form.text("media_id"))
            case "POST", ["2", "media", "metadata"] if json_only:
                return lambda: self._pictures.describe(form)
            case _:
                return None

    def _limited(self, what: str, limit: int, act: Callable[[], Answer]) -> Answer:
        """Counts by X's windows of 15 minutes from the first request on, and says how many are left."""
        limit = int(self._settings["rate_limit"]) if what == "post" else limit
        now = self.now()
        began, used = self._used.get(what, (now, 0))
        if now - began >= 900:
            began, used = now, 0
        self._used[what] = (began, used + 1)
        headers = limit_headers(limit, max(0, limit - used - 1), began + 900)
        if limit and used >= limit:
            return problem(429, "about:blank", "Too Many Requests", "Too Many Requests", headers)
        answer = act()
        return Answer(answer.status, answer.body, answer.media_type, (*answer.headers, *headers))

    def _charge(self, price: float) -> Answer | None:
        if self._credit is not None and self._credit < price:
            detail = "The account's credits are used up."
            return problem(403, f"{PROBLEMS}usage-capped", "UsageCapExceeded", detail)
        if self._credit is not None:
            self._credit -= price
        self.charged += price
        return None

    # --- posts ----------------------------------------------------------------------------------------------

    def _post(self, form: forms.Form) -> Answer:
        unknown = form.values.keys() - _FIELDS
        if unknown:
            return invalid(f"[{sorted(unknown)[0]}] is not one of {sorted(_FIELDS)}")
        if "reply" in form.values:
            return invalid("This stand-in keeps no replies")
        text, media = form.values.get("text", ""), form.values.get("media")
        ids = media.get("media_ids", []) if isinstance(media, dict) else []
        fault = self._fault_of(text, ids)
        if fault:
            return invalid(fault)
        options = form.values.get("edit_options")
        previous = options.get("previous_post_id") if isinstance(options, dict) else None
        edited = self._version(str(previous)) if previous is not None else None
        if previous is not None and not self._editable(edited):
            return forbidden("You are not permitted to edit this Post.")
        if any(not post.message.deleted and post.message.text == text for post in self._posts.values()):
            return forbidden("You are not allowed to create a Tweet with duplicate content.")
        short = stored(text, self._links)
        refused = self._charge(PRICES["link"] if "https://t.co/" in short else PRICES["post"])
        if refused is not None:
            return refused
        id = self._new_id()
        if edited is not None:
            edited.message.earlier.append(edited.message.text)
            edited.message.text = text
            edited.versions.append(id)
        else:
            message = self.take(id=id, recipient="public", text=text)
            self._posts[id] = _Post(message, self.now(), [id], ids)
            message.notes.extend(self._pictures.note(one) for one in ids)
        return Answer.of(201, {"data": {"id": id, "text": short, "edit_history_tweet_ids": [id]}})

    def _fault_of(self, text: object, ids: object) -> str:
        if not isinstance(text, str) or not isinstance(ids, list):
            return "text and media.media_ids are of another type"
        if not text and not ids:
            return "text: is required where there is no media"
        if weight_of(text) > MAX_WEIGHT:
            return f"text: Your Tweet text is too long: {weight_of(text)} of {MAX_WEIGHT}"
        if len(ids) > _MAX_MEDIA or len(set(ids)) != len(ids):
            return f"media.media_ids: at most {_MAX_MEDIA}, each once"
        if any(not self._pictures.usable(one) for one in ids):
            return "Your media IDs are invalid."
        return ""

    def _version(self, id: str) -> _Post | None:
        return next((post for post in self._posts.values() if id in post.versions), None)

    def _editable(self, post: _Post | None) -> bool:
        return (
            bool(self._settings["may_edit"])
            and post is not None
            and not post.message.deleted
            and self.now() - post.at <= EDIT_WINDOW.total_seconds()
            and len(post.versions) <= EDITS
        )

    def _delete(self, id: str) -> Answer:
        post = self._version(id)
        if post is None or post.message.deleted:
            return problem(404, f"{PROBLEMS}resource-not-found", "Not Found Error", f"Could not find tweet [{id}].")
        refused = self._charge(PRICES["delete"])
        if refused is None:
            post.message.deleted = True
        return refused or Answer.of(200, {"data": {"deleted": True}})

    def _own(self, id: str, form: forms.Form) -> Answer:
        if id != ACCOUNT:
            return problem(404, f"{PROBLEMS}resource-not-found", "Not Found Error", f"Could not find user [{id}].")
        try:
            most = int(form.text("max_results", "10"))
            start = datetime.strptime(form.text("start_time", "1970-01-01T00:00:00Z"), "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return invalid("max_results is a number, start_time is YYYY-MM-DDTHH:mm:ssZ")
        if not 5 <= most <= 100:
            return invalid("The `max_results` query parameter value is not between 5 and 100.")
        earliest = start.replace(tzinfo=UTC).timestamp()
        found = [post for post in self._posts.values() if not post.message.deleted and post.at >= earliest]
        page = list(reversed(found))[:most]
        refused = self._charge(PRICES["read"] * len(page))
        if refused is not None:
            return refused
        meta: dict[str, Any] = {"result_count": len(page)}
        if len(found) > most:
            meta["next_token"] = f"{len(found) - most}"
        if not page:
            return Answer.of(200, {"meta": meta})
        shown = form.text("tweet.fields").split(",")
        return Answer.of(200, {"data": [self._view(post, shown) for post in page], "meta": meta})

    def _view(self, post: _Post, fields: list[str]) -> dict[str, Any]:
        created = datetime.fromtimestamp(post.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        view = {
            "id": post.versions[-1],
            "text": stored(post.message.text, self._links),
            "edit_history_tweet_ids": post.versions,
        }
        return {**view, "created_at": created} if "created_at" in fields else view

    def _user(self) -> dict[str, str]:
        return {"id": ACCOUNT, "name": f"{self.instance} (sandbox)", "username": f"sandbox_{self.instance}"}

    def _new_id(self) -> str:
        # As X makes them: milliseconds, then 22 bits; greater for each newer one.
        self._last_id = max(self._last_id + 1, int(self.now() * 1000 - 1_288_834_974_657) << 22)
        return str(self._last_id)
