"""Facebook: public posts on the agency's page.

Meta drops no repeats, so a lost answer is looked up among our own posts. Words come first: where Meta refuses a picture
or cannot read the page behind the link, the words are posted without it.
Source: developers.facebook.com, Pages API "Posts", Graph API "Page photos", "Debug token".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pydantic import Field, JsonValue, model_validator

from channels import _graph, _uploads
from channels._adapter import HttpAdapter, OnlineSettings
from channels._graph import Meaning
from channels._reading import Answer, Documented, readiness, reversible, unreadable
from channels._secret import Secret
from channels._visible import carries_code
from kentongan.seam import (
    Absent,
    Accepted,
    InDoubt,
    Job,
    Limits,
    Media,
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

PAGE = 100
"""Most of our own posts that one look-up returns."""

_RIGHT = "pages_manage_posts"
_WITHOUT = "without"
_LINK, _PICTURE = "link", "picture"


class Settings(OnlineSettings):
    """One page."""

    base_url: str = Field(default=_graph.HOST, description="Address of the Graph API.")
    page: str = Field(pattern=r"^[0-9]{1,32}$", description="Numeric id of the page.")
    token: SecretSource = Field(description=f"Page access token with {_RIGHT} and pages_read_engagement.")

    @model_validator(mode="after")
    def _seen_by_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: a page publishes to everybody")
        return self

    def limits(self) -> Limits:
        """Meta counts calls by the page's readers; a warning needs few."""
        return self.limited(
            "characters",
            63_206,
            rate=1.0,
            concurrency=2,
            deliver_within=21_600,
            pictures=Pictures(most=4, size=4_000_000, types=("image/jpeg", "image/png")),
        )


class Adapter(HttpAdapter):
    """Posts words with a link, or with pictures."""

    kind: ClassVar[str] = "facebook"
    traits: ClassVar[Traits] = Traits(public=True, find=True, edit=True, delete=True, upload=True, settling=10.0)

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._page = settings.page
        self._token = Secret(settings.token, name, "token")

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        return await self._publish(message, tuple(uploaded.references.values()) if uploaded else (), frozenset())

    async def _publish(self, message: Rendered, photos: Collection[str], without: frozenset[str]) -> Outcome:
        """One post: of a picture with words, of pictures that are uploaded, or of words with a link."""
        if len(message.media) == 1 and _PICTURE not in without:
            return _posted(await self._photo(message.media[0], message.text, without))
        fields: dict[str, JsonValue] = {"message": message.text}
        if photos:
            fields["attached_media"] = [{"media_fbid": photo} for photo in photos]
        elif message.link and _LINK not in without:
            fields["link"] = message.link
        return _posted(
            await self.wire.ask(
                "POST",
                f"/{_graph.VERSION}/{self._page}/feed",
                headers=self._token.bearer,
                fields=fields,
                documented=_giving_up(_LINK, Meaning.LINK, without) if "link" in fields else _graph.documented,
            )
        )

    async def _photo(self, media: Media, words: str | None, without: frozenset[str]) -> Answer | Outcome:
        """Publishes a picture with `words`; with None it only lies ready for a post."""
        form = {"caption": words} if words is not None else {"published": "false"}
        return await self.wire.ask(
            "POST",
            f"/{_graph.VERSION}/{self._page}/photos",
            headers=self._token.bearer,
            form={**form, **({"alt_text_custom": media.description} if media.description else {})},
            files={"source": (media.name, media.content, media.media_type)},
            documented=_giving_up(_PICTURE, Meaning.PICTURE, without),
        )

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Uploads the first of several pictures; `advance` takes the others. A single one is posted with its words."""
        return Uploaded({}) if len(message.media) < 2 else await self._upload_next(message, {})

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """Uploads the next picture, or posts the words without what Meta refused."""
        handle = job.handle or {}
        if _WITHOUT not in handle:
            return await self._upload_next(message, handle)
        ready = self._ready_to_leave(message, job)
        if isinstance(ready, Rejected):
            return ready
        return await self._publish(ready, (), frozenset(handle[_WITHOUT].split()))

    async def _upload_next(self, message: Rendered, handle: Mapping[str, str]) -> Uploaded | Outcome:
        media = _uploads.missing(message, handle)
        if media is None:
            return _uploads.progress(message, handle)
        asked = await self._photo(media, None, frozenset())
        if isinstance(asked, (Pending, Rejected)):
            return _uploads.progress(message, _uploads.taken(handle, media.name, ""))
        if not isinstance(asked, Answer):
            return reversible(asked)
        identifier = asked.fields.get("id")
        if not isinstance(identifier, str) or not identifier:
            return reversible(unreadable(asked))
        return _uploads.progress(message, _uploads.taken(handle, media.name, identifier))

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Reads the page's posts since the intent; absence is proven only by an answer behind which there is none."""
        earliest = job.since - timedelta(seconds=60)
        posts, after = await self._posts(earliest, {})
        found = _look(posts, message.code, earliest)
        if not isinstance(found, Absent) or after is None:
            return found
        # Meta names a next page behind a last one too.
        rest, _ = await self._posts(earliest, {"after": after})
        return Absent() if rest == [] else InDoubt("more posts since than one answer shows")

    async def _posts(self, earliest: datetime, place: Mapping[str, str]) -> tuple[JsonValue, str | None]:
        """The posts of one answer, and the place behind them where there may be more."""
        fields = {"fields": "id,message,created_time,permalink_url", "limit": str(PAGE)}
        since = {"since": str(int(earliest.timestamp()))}
        asked = await _graph.question(
            self.wire, self._token, f"/{self._page}/published_posts", {**fields, **since, **place}
        )
        if not isinstance(asked, Answer):
            return None, None
        paging = asked.fields.get("paging")
        if not isinstance(paging, dict) or "next" not in paging:
            return asked.fields.get("data"), None
        cursors = paging.get("cursors")
        return asked.fields.get("data"), str(cursors.get("after", "")) if isinstance(cursors, dict) else ""

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """New words under the old post; Meta lets nobody change its picture."""
        asked = await self._change("POST", posted, {"message": message.text})
        return Accepted(posted.id, posted.url) if asked is None else asked

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes a post away."""
        asked = await self._change("DELETE", posted, None)
        return Accepted(posted.id) if asked is None else asked

    async def _change(self, method: str, posted: Posted, fields: dict[str, JsonValue] | None) -> Outcome | None:
        """None where it was done."""
        asked = await self.wire.ask(
            method,
            f"/{_graph.VERSION}/{quote(posted.id, safe='')}",
            headers=self._token.bearer,
            fields=fields,
            repeatable=True,
            documented=_about_a_post,
        )
        if not isinstance(asked, Answer):
            return asked
        return None if asked.fields.get("success") is True else unreadable(asked)

    async def ready(self) -> Readiness:
        """Asks whose token this is, then until when it lasts and what it may do, where Meta tells us."""
        asked = await _graph.question(self.wire, self._token, "/me", {"fields": "id"})
        if not isinstance(asked, Answer):
            return readiness(asked)
        if asked.fields.get("id") != self._page:
            return Readiness(False, "The token is not of this page; put the page's own token there.")
        told = await _graph.question(
            self.wire, self._token, "/debug_token", {"input_token": self._token.get_secret_value()}
        )
        data = told.fields.get("data") if isinstance(told, Answer) else None
        return _standing(data if isinstance(data, dict) else {}, _graph.used(asked))


def _giving_up(part: str, refused: Meaning, without: frozenset[str]) -> Documented:
    """Meta's table, in which a refusal of `part` means to post again without it: nothing was published."""

    def documented(answer: Answer) -> Outcome | None:
        found = _graph.fault(answer.fields.get("error"))
        if found is not None and found.meaning is refused:
            return Pending({_WITHOUT: " ".join(sorted({*without, part}))}, 0.0, irreversible_next=True)
        return _graph.documented(answer)

    return documented


def _about_a_post(answer: Answer) -> Outcome | None:
    """Meta's table, in which an unknown object is the post: somebody took it away, and no fault of our account."""
    found = _graph.fault(answer.fields.get("error"))
    if found is not None and found.gone:
        return Rejected(f"status {answer.status}, {found.reason}: no such post of ours", Why.PAYLOAD)
    return _graph.documented(answer)


def _posted(asked: Answer | Outcome) -> Outcome:
    if not isinstance(asked, Answer):
        return asked
    # A photo has an id of its own beside that of the post which shows it.
    identifier = asked.fields.get("post_id") or asked.fields.get("id")
    if not isinstance(identifier, str) or not identifier:
        return unreadable(asked)
    return Accepted(identifier, f"https://www.facebook.com/{identifier}")


def _look(posts: JsonValue, code: str, earliest: datetime) -> Accepted | Absent | InDoubt:
    if not isinstance(posts, list):
        return InDoubt("our posts cannot be read")
    for post in posts:
        try:
            assert isinstance(post, dict)
            created = datetime.fromisoformat(str(post["created_time"]))
            identifier, url = str(post["id"]), post.get("permalink_url")
            words = str(post.get("message") or "")
        except (AssertionError, KeyError, ValueError):
            return InDoubt("a post of ours cannot be read")
        created = created if created.tzinfo is not None else created.replace(tzinfo=UTC)
        if created >= earliest and carries_code(code, words):
            return Accepted(identifier, url if isinstance(url, str) else "")
    return Absent()


def _standing(data: Mapping[str, JsonValue], used: int) -> Readiness:
    """What the token's own description says; where Meta gives none, it has passed all the same."""
    rights = data.get("scopes")
    if data.get("is_valid") is False:
        return Readiness(False, "Meta calls the token no longer valid; put a new one there.")
    if isinstance(rights, list) and _RIGHT not in rights:
        return Readiness(False, f"The token may not post; give it {_RIGHT}.")
    seconds = data.get("expires_at")
    expires = None
    if isinstance(seconds, int) and 0 < seconds < 32_503_680_000:
        expires = datetime.fromtimestamp(seconds, UTC)
    said = [
        "The provider answers and our credentials pass",
        *([f"the token ends on {expires:%Y-%m-%d %H:%M} UTC"] if expires else []),
        *([f"{used} % of the call budget is used"] if used else []),
    ]
    return Readiness(True, f"{'; '.join(said)}.", expires_at=expires)
