"""WordPress: posts on the agency's own blog, with an application password.

A post's slug is the alert code with its language, so a lost answer is looked up by it before anything is repeated.
Pages behind a cache show a change only when that cache lets go of the old one.
Source: developer.wordpress.org/rest-api, reference/posts, reference/media, using-the-rest-api/authentication.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from channels import _uploads
from channels._adapter import HttpAdapter, OnlineSettings
from channels._reading import Answer, readiness, reversible, unreadable
from channels._secret import Secret
from channels._visible import carries_code, visible_text
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Job,
    Limits,
    Media,
    Mode,
    Outcome,
    Pending,
    Pictures,
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

_API = "/wp-json/wp/v2"
_DESCRIBING = "describing"
_FIELDS = "id,link,slug,status,date_gmt,modified_gmt,content"


class Settings(OnlineSettings):
    """One blog, written to as one of its users."""

    username: str = Field(min_length=1, description="The user who writes; may publish posts and upload files.")
    password: SecretSource = Field(description="An application password of that user, not the login password.")
    status: Literal["publish", "private", "draft"] = Field(
        default="publish", description="Who sees the posts; on a live instance publish, elsewhere as the drill needs."
    )
    categories: tuple[int, ...] = Field(default=(), description="Numbers of the categories the posts stand in.")
    characters: int = Field(default=20_000, ge=500, description="Most characters of a post.")

    @field_validator("username")
    @classmethod
    def _sendable(cls, value: str) -> str:
        if ":" in value or not value.isprintable():
            raise ValueError("must hold no colon and nothing unprintable")
        return value

    @model_validator(mode="after")
    def _seen_by_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: a blog is read by everybody")
        if self.mode is not Mode.DRILL and self.status != "publish":
            raise ValueError("status must be publish on a live or exercise instance, or nobody would see it")
        return self

    def limits(self) -> Limits:
        """A blog has no limits of its own; those of its host are not known."""
        return self.limited(
            "characters",
            self.characters,
            rate=2.0,
            concurrency=2,
            deliver_within=86_400,
            pictures=Pictures(most=4, size=8_000_000),
        )


class Adapter(HttpAdapter):
    """WordPress knows no idempotency key: it gives a second post of one slug another one, silently."""

    kind: ClassVar[str] = "wordpress"
    traits: ClassVar[Traits] = Traits(public=True, find=True, edit=True, delete=True, upload=True)

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._status = settings.status
        self._categories = settings.categories
        self._username = settings.username
        self._password = Secret(settings.password, name, "password")

    @property
    def _basic(self) -> Mapping[str, str]:
        pair = f"{self._username}:{self._password.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        featured, others = _pictures(message, uploaded)
        fields: dict[str, JsonValue] = {
            **_words(message, others),
            "status": self._status,
            "slug": slug(message),
            **({"categories": list(self._categories)} if self._categories else {}),
            **({"featured_media": featured} if featured else {}),
        }
        return self._posted(await self._ask("POST", "/posts", fields=fields))

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Pictures go with the old words: a map of a warning that was withdrawn must not stay."""
        if not posted.id.isdigit():
            return Rejected("the earlier post has no number", Why.PAYLOAD)
        fields: dict[str, JsonValue] = {**_words(message, ()), "featured_media": 0}
        asked = await self._ask("POST", f"/posts/{posted.id}", fields=fields, repeatable=True)
        if not isinstance(asked, Answer):
            return asked
        if asked.fields.get("status") == "trash":
            return Rejected("the earlier post is in the blog's trash", Why.PAYLOAD)
        return _accepted(asked.fields) or unreadable(asked)

    def _posted(self, asked: Answer | Outcome) -> Outcome:
        if not isinstance(asked, Answer):
            return asked
        accepted = _accepted(asked.fields)
        if accepted is None:
            return unreadable(asked)
        if asked.fields.get("status", self._status) != self._status:
            return InDoubt(f"status {asked.status}: the blog keeps the post back; let the user publish")
        return accepted

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Uploads the first picture; `advance` describes it and takes the others in turn, one request a call."""
        return await self._upload_next(message, {})

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """Gives the picture in the handle its alternative text, then uploads the next."""
        handle = dict(job.handle or {})
        name = handle.pop(_DESCRIBING, None)
        media = next((media for media in message.media if media.name == name), None)
        if media is None:
            return await self._upload_next(message, handle)
        number = _uploads.reference(handle, media.name).partition(" ")[0]
        asked = await self._ask("POST", f"/media/{number}", fields={"alt_text": media.description}, repeatable=True)
        return _uploads.progress(message, handle) if isinstance(asked, Answer) else reversible(asked)

    async def _upload_next(self, message: Rendered, handle: Mapping[str, str]) -> Uploaded | Outcome:
        media = _uploads.missing(message, handle)
        if media is None:
            return _uploads.progress(message, handle)
        asked = await self.wire.ask(
            "POST",
            f"{_API}/media",
            headers={
                **self._basic,
                "Content-Type": media.media_type,
                "Content-Disposition": f'attachment; filename="{slug(message)}-{_plain(media.name)}"',
            },
            content=media.content,
            repeatable=True,
            documented=_documented,
        )
        if not isinstance(asked, Answer):
            return reversible(asked)
        number, address = asked.fields.get("id"), asked.fields.get("source_url")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(address, str):
            return reversible(unreadable(asked))
        taken = _uploads.taken(handle, media.name, f"{number} {address}")
        if media.description:
            return Pending({**taken, _DESCRIBING: media.name}, 0.0, irreversible_next=False)
        return _uploads.progress(message, taken)

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Asks for the post of our slug in whatever status; the slug is ours alone, so an older one is not absence."""
        query = {"slug": slug(message), "status": "any", "context": "edit", "_fields": _FIELDS}
        asked = await self._ask("GET", "/posts", query=query)
        posts = asked.content if isinstance(asked, Answer) else None
        if not isinstance(posts, list):
            return InDoubt("the blog's posts cannot be read")
        return _look(posts, message, self._status, job.since - timedelta(seconds=60))

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Puts a post into the blog's trash, from where its owner can take it back."""
        if not posted.id.isdigit():
            return Rejected("the post has no number", Why.PAYLOAD)

        def documented(answer: Answer) -> Outcome | None:
            code = answer.fields.get("code")
            if code == "rest_trash_not_supported":
                # Whatever is taken away for good cannot be shown to whoever asks later what stood there.
                return Rejected(f"status {answer.status}: the blog has no trash; take the post away there", Why.PAYLOAD)
            gone = code in ("rest_post_invalid_id", "rest_already_trashed")
            return Accepted(posted.id) if gone else _documented(answer)

        asked = await self.wire.ask(
            "DELETE", f"{_API}/posts/{posted.id}", headers=self._basic, repeatable=True, documented=documented
        )
        return Accepted(posted.id) if isinstance(asked, Answer) else asked

    async def ready(self) -> Readiness:
        """Asks who we are there, and whether that user may publish."""
        asked = await self._ask("GET", "/users/me", query={"context": "edit"})
        able = asked.fields.get("capabilities") if isinstance(asked, Answer) else None
        if isinstance(asked, Answer) and not isinstance(able, dict):
            return readiness(unreadable(asked))
        for capability in ("publish_posts", "upload_files"):
            if isinstance(able, dict) and able.get(capability) is not True:
                return Readiness(False, f"The blog's user lacks the right {capability}; make it an author.")
        return readiness(asked)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, JsonValue] | None = None,
        repeatable: bool = False,
    ) -> Answer | Outcome:
        return await self.wire.ask(
            method,
            _API + path,
            headers=self._basic,
            query=query,
            fields=fields,
            repeatable=repeatable,
            documented=_documented,
        )


def slug(message: Rendered) -> str:
    """The part of a post's address that is ours alone: the alert code with its language, in small letters."""
    return message.code.lower()


def _documented(answer: Answer) -> Outcome | None:
    """WordPress's own codes; they beat the status."""
    code = answer.fields.get("code") if answer.status >= 400 else None
    if code == "rest_no_route":
        return Credential(f"status {answer.status}: no WordPress at base_url, or its REST API is off")
    if code == "rest_upload_sideload_error":
        return Rejected(f"status {answer.status}: the blog does not take this picture", Why.PAYLOAD)
    if answer.status == 401:
        # WordPress names the right that nobody has who is not logged in, not the login that failed.
        return Credential("status 401: the blog does not know the user or its application password")
    if code in ("rest_cannot_create", "rest_cannot_publish", "rest_cannot_edit", "rest_not_logged_in"):
        return Credential(f"status {answer.status}: the blog's user may not do that")
    return None


def _words(message: Rendered, pictures: tuple[str, ...]) -> dict[str, JsonValue]:
    # Without markup each paragraph of the text becomes one, so that nothing in it can be read as markup.
    paragraphs = [part for part in message.text.split("\n\n") if part.strip()]
    plain = "\n".join(f"<p>{html.escape(part, quote=False)}</p>" for part in paragraphs)
    content = "\n".join((message.html or plain, *pictures))
    return {"title": html.escape(message.title, quote=False), "content": content}


def _pictures(message: Rendered, uploaded: Uploaded | None) -> tuple[int, tuple[str, ...]]:
    """The number of the first picture, which heads the post, and the markup of the others."""
    # What is kept of a picture is its number, a space, and its public address.
    references = uploaded.references if uploaded is not None else {}
    there = [(media, references[media.name]) for media in message.media if media.name in references]
    if not there:
        return 0, ()
    return int(there[0][1].partition(" ")[0]), tuple(_figure(media, reference) for media, reference in there[1:])


def _figure(media: Media, reference: str) -> str:
    address = html.escape(reference.partition(" ")[2])
    return f'<figure><img src="{address}" alt="{html.escape(media.description)}"></figure>'


def _plain(name: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)


def _accepted(fields: Mapping[str, JsonValue]) -> Accepted | None:
    number, link = fields.get("id"), fields.get("link")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Accepted(str(number), link if isinstance(link, str) else "")


def _look(posts: list[JsonValue], message: Rendered, status: str, earliest: datetime) -> Accepted | Absent | InDoubt:
    for post in posts:
        if not isinstance(post, dict):
            return InDoubt("a post of the blog cannot be read")
        content = post.get("content")
        words = content.get("raw", content.get("rendered")) if isinstance(content, dict) else None
        accepted = _accepted(post)
        try:
            # A draft has no date of its own yet.
            created = datetime.fromisoformat(str(post.get("date_gmt") or post.get("modified_gmt"))).replace(tzinfo=UTC)
        except ValueError:
            created = None
        if accepted is None or not isinstance(words, str) or created is None:
            return InDoubt("a post of the blog cannot be read")
        if post.get("slug") != slug(message):
            continue
        if created < earliest or not carries_code(message.code, visible_text(words)):
            return InDoubt("another post has our place on the blog already")
        if post.get("status") != status:
            return InDoubt("our post is on the blog and not as it should be; look there")
        return accepted
    return Absent()
