"""X (API v2): public posts on an account of the agency, each of them charged, one with a link far more. Give it the
app's consumer key and secret and the user's token with its secret (OAuth 1.0a), which never expire.

X ends an OAuth 2 token after two hours; one needs a file in which another program keeps a fresh token. Either is a
user's own and may write (OAuth 2: tweet.read, tweet.write, users.read, media.write); an app-only token may not post.
Source: docs.x.com, x-api/posts, x-api/media, fundamentals/authentication, fundamentals/rate-limits,
fundamentals/response-codes-and-errors.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pydantic import Field, JsonValue, model_validator

from channels import _oauth1
from channels._adapter import HttpAdapter, OnlineSettings
from channels._reading import Answer, readiness, unreadable
from channels._secret import Secret
from channels._visible import carries_code
from channels._x_pictures import PicturesOnTheirWay, data
from kentongan.seam import (
    Absent,
    Accepted,
    Cost,
    Credential,
    InDoubt,
    Job,
    Limits,
    Outcome,
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
"""Most of our own posts that one look-up returns, and is charged for."""


class Settings(OnlineSettings):
    """One X account."""

    base_url: str = Field(default="https://api.x.com", description="Address of the API.")
    token: SecretSource = Field(description="Access token of the account's user.")
    token_secret: SecretSource | None = Field(
        default=None, description="Secret of that token (OAuth 1.0a); absent: the token is one of OAuth 2."
    )
    consumer_key: SecretSource | None = Field(default=None, description="Consumer key of the app (OAuth 1.0a).")
    consumer_secret: SecretSource | None = Field(default=None, description="Secret of that consumer key.")
    account: str | None = Field(
        default=None,
        pattern="^[0-9]{1,19}$",
        description="The account's numeric id; absent: asked at each look-up.",
    )
    may_edit: bool = Field(default=False, description="Whether the account may edit its posts (X Premium).")
    price: float = Field(default=0.015, ge=0, description="What X charges for a post, in US dollars.")
    price_with_link: float = Field(default=0.20, ge=0, description="What X charges for a post with a link.")
    price_of_look_up: float = Field(default=0.001, ge=0, description="What X charges for each post of ours looked at.")

    @model_validator(mode="after")
    def _seen_by_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: X publishes to everybody")
        given = [each is not None for each in (self.token_secret, self.consumer_key, self.consumer_secret)]
        if any(given) and not all(given):
            raise ValueError("token_secret, consumer_key and consumer_secret stand together or not at all")
        return self

    def limits(self) -> Limits:
        """100 posts in 15 minutes are allowed a user."""
        return self.limited(
            "x",
            280,
            # 100 posts in 15 minutes are allowed in any rhythm; an alert is a handful, and must not wait for itself.
            rate=1.0,
            concurrency=1,
            deliver_within=21_600,
            cost=Cost("USD", self.price, self.price_with_link, self.price_of_look_up),
            pictures=Pictures(most=4, size=5_000_000, description=1_000),
        )


class Adapter(HttpAdapter):
    """X knows no idempotency key; it refuses the same words again, which says that they may be out."""

    kind: ClassVar[str] = "x"
    traits: ClassVar[Traits] = Traits(public=True, find=True, edit=True, delete=True, upload=True, settling=30.0)

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(name, settings, transport=transport)
        self._base_url = settings.base_url
        self._now = now
        self._account = settings.account
        self._may_edit = settings.may_edit
        self._token = Secret(settings.token, name, "token")
        fields = ("consumer_key", "consumer_secret", "token_secret")
        self._keys = {
            field: Secret(source, name, field) for field in fields if (source := getattr(settings, field)) is not None
        }
        self._pictures = PicturesOnTheirWay(self._ask)

    def _headers(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """What says who asks: signed for this one request, or the bearer of a token."""
        token = self._token.get_secret_value()
        if not self._keys:
            return {"Authorization": f"Bearer {token}"}
        keys = {field: secret.get_secret_value() for field, secret in self._keys.items()}
        signed = _oauth1.authorization(
            method,
            self._base_url + path,
            query or {},
            _oauth1.Credentials(token=token, **keys),
            nonce=secrets.token_hex(16),
            now=self._now(),
        )
        return {"Authorization": signed}

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        media: list[JsonValue] = list(uploaded.references.values()) if uploaded else []
        return await self._post({"text": message.text, **({"media": {"media_ids": media}} if media else {})})

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Each edit has a new id. Pictures go with the old words."""
        if not self._may_edit:
            return Rejected("this account may not edit", Why.PAYLOAD)
        return await self._post({"text": message.text, "edit_options": {"previous_post_id": posted.id}})

    async def _post(self, fields: dict[str, JsonValue]) -> Outcome:
        headers = self._headers("POST", "/2/tweets")
        asked = await self.wire.ask("POST", "/2/tweets", headers=headers, fields=fields, documented=self._documented)
        if not isinstance(asked, Answer):
            return asked
        identifier = data(asked).get("id")
        return Accepted(identifier, _address(identifier)) if isinstance(identifier, str) else unreadable(asked)

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        """Begins with the first picture; `advance` takes the further steps and pictures in turn."""
        return await self._pictures.begin(message)

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        """Takes the next step of the picture that the handle names."""
        return await self._pictures.advance(message, job.handle or {})

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, JsonValue] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Answer | Outcome:
        """Asks what may be asked again without harm."""
        return await self.wire.ask(
            method,
            path,
            headers=self._headers(method, path, query),
            query=query,
            fields=fields,
            form=form,
            files=files,
            repeatable=True,
            documented=self._documented,
        )

    def _documented(self, answer: Answer) -> Outcome | None:
        """X's table, in which a refusal of our keys says what to look at."""
        if answer.status != 401:
            return _documented(answer)
        signed = "the keys are refused, or the clock of this machine is off"
        bearer = "the token is refused; one of OAuth 2 ends after two hours"
        return Credential(f"status 401: {signed if self._keys else bearer}")

    # --- Looking up, taking away ---

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Reads our own posts since the intent; each that comes back is charged."""
        account = self._account
        if account is None:
            asked = await self._ask("GET", "/2/users/me")
            identifier = data(asked).get("id") if isinstance(asked, Answer) else None
            if not isinstance(identifier, str) or not identifier.isalnum():
                return InDoubt("our account cannot be read")
            account = identifier
        earliest = job.since - timedelta(seconds=60)
        query = {
            "max_results": str(PAGE),
            "start_time": earliest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        page = await self._ask("GET", f"/2/users/{account}/tweets", query=query)
        return _look(page.fields, message.code, earliest) if isinstance(page, Answer) else _UNSEEN

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes a post away, and with it every version of it that was edited."""
        path = f"/2/tweets/{quote(posted.id, safe='')}"
        asked = await self.wire.ask(
            "DELETE",
            path,
            headers=self._headers("DELETE", path),
            repeatable=True,
            documented=lambda answer: Accepted(posted.id) if answer.status == 404 else self._documented(answer),
        )
        if not isinstance(asked, Answer):
            return asked
        return Accepted(posted.id) if data(asked).get("deleted") is True else unreadable(asked)

    async def ready(self) -> Readiness:
        """Asks whose token this is."""
        asked = await self._ask("GET", "/2/users/me")
        if isinstance(asked, Answer) and not isinstance(data(asked).get("id"), str):
            return readiness(unreadable(asked))
        return readiness(asked)


_UNSEEN = InDoubt("our posts cannot be read")


def _address(identifier: str) -> str:
    return f"https://x.com/i/web/status/{identifier}"


def _documented(answer: Answer) -> Outcome | None:
    """X's own words in a refusal; they beat the status."""
    if answer.status not in (402, 403, 429):
        return None
    told = " ".join(str(answer.fields.get(name, "")) for name in ("type", "title", "detail")).lower()
    if answer.status == 403 and "duplicate content" in told:
        # These very words stand on the account already: an earlier attempt may have put them there.
        return InDoubt("status 403: the same words are out already")
    if answer.status == 402 or "usage-capped" in told or "credits" in told:
        return Credential(f"status {answer.status}: the account's credits are used up")
    return None


def _created(identifier: str) -> datetime:
    """When a post was made: its id holds the milliseconds since November 2010 (docs.x.com, fundamentals/x-ids).

    Asking for the time itself goes by a parameter that X has renamed from `tweet.fields` to `post.fields`.
    """
    return datetime.fromtimestamp(((int(identifier) >> 22) + 1_288_834_974_657) / 1000, UTC)


def _look(page: Mapping[str, JsonValue], code: str, earliest: datetime) -> Accepted | Absent | InDoubt:
    meta, posts = page.get("meta"), page.get("data", [])
    if not isinstance(meta, dict) or not isinstance(posts, list) or page.get("errors"):
        return _UNSEEN
    for post in posts:
        try:
            assert isinstance(post, dict)
            words, identifier = html.unescape(str(post["text"])), str(post["id"])
            created = _created(identifier)
        except (AssertionError, KeyError, ValueError, OverflowError):
            return InDoubt("a post of ours cannot be read")
        if created >= earliest and carries_code(code, words):
            return Accepted(identifier, _address(identifier))
    if "next_token" in meta or meta.get("result_count") != len(posts):
        return InDoubt("more posts since than one page shows")
    return Absent()
