"""Mastodon (server 4.x): public posts on an account of the agency.

Source: docs.joinmastodon.org, methods/statuses, methods/media, methods/accounts, api/rate-limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, JsonValue, model_validator

from channels import _uploads
from channels._adapter import HttpAdapter, OnlineSettings
from channels._reading import Answer, readiness, reversible, unreadable
from channels._secret import Secret
from channels._visible import carries_code, visible_text
from kentongan.seam import (
    Absent,
    Accepted,
    Idempotent,
    InDoubt,
    Job,
    Limits,
    Mode,
    Outcome,
    Pending,
    Pictures,
    Posted,
    Readiness,
    Rendered,
    Traits,
    Uploaded,
)
from kentongan.settings import SecretSource

if TYPE_CHECKING:
    import httpx

PAGE = 40
"""Most of our own posts that one look-up returns."""

POLL = 1.0
"""Seconds between two questions whether a medium is ready."""

_WAITING = "waiting"


class Settings(OnlineSettings):
    """One Mastodon account."""

    token: SecretSource = Field(description="Access token with read and write scopes for statuses and media.")
    visibility: Literal["public", "unlisted", "private", "direct"] = Field(
        default="public", description="Who sees the posts; on a live instance public, elsewhere as the drill needs."
    )
    characters: int = Field(default=500, ge=1, description="Most characters of a post on this server.")

    @model_validator(mode="after")
    def _seen_by_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: Mastodon publishes to everybody")
        if self.mode is not Mode.DRILL and self.visibility != "public":
            raise ValueError("visibility must be public on a live or exercise instance, or nobody would see it")
        return self

    def limits(self) -> Limits:
        """300 requests in 5 minutes are allowed an account."""
        return self.limited(
            "mastodon",
            self.characters,
            rate=1.0,
            concurrency=2,
            deliver_within=21_600,
            pictures=Pictures(most=4, size=8_000_000),
        )


class Adapter(HttpAdapter):
    """Posts with an Idempotency-Key, which the server remembers for an hour."""

    kind: ClassVar[str] = "mastodon"
    traits: ClassVar[Traits] = Traits(
        public=True, idempotent=Idempotent(3600), find=True, edit=True, delete=True, upload=True
    )

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._visibility = settings.visibility
        self._token = Secret(settings.token, name, "token")

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        media = tuple(uploaded.references.values()) if uploaded else ()
        fields: dict[str, JsonValue] = {
            "status": message.text,
            "visibility": self._visibility,
            "language": _language(message),
            **({"media_ids": list(media)} if media else {}),
        }
        headers = {**self._token.bearer, "Idempotency-Key": job.key}
        return _posted(await self.wire.ask("POST", "/api/v1/statuses", headers=headers, fields=fields, repeatable=True))

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Uploads the first medium; `advance` waits for it and takes the others in turn, one request a call."""
        return await self._upload_next(message, {})

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """Asks whether the medium in the handle is ready (206: not yet), then uploads the next."""
        handle = dict(job.handle or {})
        waiting = handle.pop(_WAITING, None)
        if waiting is None:
            return await self._upload_next(message, handle)
        asked = await self.wire.ask(
            "GET", f"/api/v1/media/{_uploads.reference(handle, waiting)}", headers=self._token.bearer, repeatable=True
        )
        if not isinstance(asked, Answer):
            return reversible(asked)
        if asked.status != 200:
            return Pending({**handle, _WAITING: waiting}, POLL, irreversible_next=False)
        return _uploads.progress(message, handle)

    async def _upload_next(self, message: Rendered, handle: Mapping[str, str]) -> Uploaded | Outcome:
        media = _uploads.missing(message, handle)
        if media is None:
            return _uploads.progress(message, handle)
        asked = await self.wire.ask(
            "POST",
            "/api/v2/media",
            headers=self._token.bearer,
            form={"description": media.description},
            files={"file": (media.name, media.content, media.media_type)},
            repeatable=True,
        )
        if not isinstance(asked, Answer):
            return reversible(asked)
        identifier = asked.fields.get("id")
        if not isinstance(identifier, str):
            return reversible(unreadable(asked))
        taken = _uploads.taken(handle, media.name, identifier)
        if asked.status == 202:
            return Pending({**taken, _WAITING: media.name}, POLL, irreversible_next=False)
        return _uploads.progress(message, taken)

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Reads the newest page of our own posts; where all of it is newer than the intent, absence is not proven."""
        asked = await self.wire.ask("GET", "/api/v1/accounts/verify_credentials", headers=self._token.bearer)
        account = asked.fields.get("id") if isinstance(asked, Answer) else None
        if not isinstance(account, str):
            return InDoubt("our account cannot be read")
        page = await self.wire.ask(
            "GET", f"/api/v1/accounts/{account}/statuses", headers=self._token.bearer, query={"limit": str(PAGE)}
        )
        posts = page.content if isinstance(page, Answer) else None
        if not isinstance(posts, list):
            return InDoubt("our posts cannot be read")
        return _look(posts, message.code, job.since - timedelta(seconds=60))

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Pictures go with the old words: a map of a warning that was withdrawn must not stay."""
        return _posted(
            await self.wire.ask(
                "PUT",
                f"/api/v1/statuses/{posted.id}",
                headers=self._token.bearer,
                # No media by name: a server that keeps those which are not named would keep the map.
                fields={"status": message.text, "language": _language(message), "media_ids": []},
                repeatable=True,
            )
        )

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes a post away here; other servers follow as they will."""
        asked = await self.wire.ask(
            "DELETE",
            f"/api/v1/statuses/{posted.id}",
            headers=self._token.bearer,
            repeatable=True,
            documented=lambda answer: Accepted(posted.id) if answer.status == 404 else None,
        )
        return Accepted(posted.id) if isinstance(asked, Answer) else asked

    async def ready(self) -> Readiness:
        """Asks whose token this is."""
        return readiness(await self.wire.ask("GET", "/api/v1/accounts/verify_credentials", headers=self._token.bearer))


def _language(message: Rendered) -> str:
    return message.language.split("-")[0].lower()


def _posted(asked: Answer | Outcome) -> Outcome:
    if not isinstance(asked, Answer):
        return asked
    identifier, url = asked.fields.get("id"), asked.fields.get("url")
    if not isinstance(identifier, str):
        return unreadable(asked)
    return Accepted(identifier, url if isinstance(url, str) else "")


def _look(posts: list[JsonValue], code: str, earliest: datetime) -> Accepted | Absent | InDoubt:
    reached_back = len(posts) < PAGE
    for post in posts:
        try:
            assert isinstance(post, dict)
            created = datetime.fromisoformat(str(post["created_at"]))
            words = visible_text(str(post["content"]))
            identifier, url = str(post["id"]), post.get("url")
        except (AssertionError, KeyError, ValueError):
            return InDoubt("a post of ours cannot be read")
        if (created if created.tzinfo is not None else created.replace(tzinfo=UTC)) < earliest:
            reached_back = True
        elif carries_code(code, words):
            return Accepted(identifier, url if isinstance(url, str) else "")
    return Absent() if reached_back else InDoubt("more posts since than one page shows")
