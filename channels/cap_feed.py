"""The agency's own feed: CAP files, Atom, RSS and a page an alert, written into a folder that a web server shows.

    <folder>/feed.xml (Atom), feed.rss, index.html, heads.json
    <folder>/<code>/alert.xml, index.html, entry.json

`entry.json` is written last of an alert's files and says that it is complete; the lists are made anew from all
of them. No network is used, and the same key always means the same files.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from channels import _atom, _publishing
from channels._adapter import Adapter as BaseAdapter
from channels._adapter import ChannelSettings
from channels._feed_documents import BadDocument, files_of, pictures_of, title_of
from channels._feed_folder import FILES, FeedFolder
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    Idempotent,
    InDoubt,
    Job,
    Limits,
    Outcome,
    Pictures,
    Posted,
    Readiness,
    Rejected,
    Rendered,
    Retryable,
    Traits,
    Uploaded,
    Why,
)

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_SPARE = 50_000_000
"""Bytes that must be free: what one alert with its pictures may take."""

_CODE = re.compile(r"[0-9A-Z]{4}-[A-Z]{2,8}")
_STEM = re.compile(r"[0-9A-Z]{4}(-[A-Z]{2,8})?")


class Settings(ChannelSettings):
    """One folder under a web server."""

    base_url: str = Field(description="Address at which the public reads the folder.")
    directory: Path = Field(description="Folder that the web server shows; it must be there already.")
    title: str = Field(description="Title of the feed and of its page.")
    author: str = Field(description="The agency's name, as author of the feed.")
    language: str = Field(default="en", description="Language of the title, for the page that lists all alerts.")
    entries: int = Field(default=50, ge=1, description="Most expired alerts listed; one still in force always is.")

    @model_validator(mode="after")
    def _for_all(self) -> Settings:
        if self.audience is not None:
            raise ValueError("audience must be absent: a feed publishes to everybody")
        return self

    def limits(self) -> Limits:
        """A page may be as long as it needs; the bound only keeps a fault from filling the disk."""
        return self.limited(
            "characters",
            100_000,
            rate=10.0,
            concurrency=1,
            deliver_within=86_400,
            pictures=Pictures(most=10, size=8_000_000),
        )


class Adapter(BaseAdapter):
    """Publishes in a thread, one process at a time."""

    kind: ClassVar[str] = "cap_feed"
    traits: ClassVar[Traits] = Traits(
        public=True, idempotent=Idempotent(float("inf")), find=True, edit=True, delete=True, settling=0.0, local=True
    )

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
        self._feed = FeedFolder(
            folder=settings.directory,
            base_url=settings.base_url,
            title=settings.title,
            author=settings.author,
            language=settings.language,
            most=settings.entries,
        )
        self._now = now

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        return await self._publishing(lambda: self._publish(message, job))

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        """Looks for the complete entry of this code."""
        if not _CODE.fullmatch(message.code):
            return Absent()
        try:
            entry = await asyncio.to_thread(self._feed.entry, _stem(message))
        except OSError:
            return InDoubt("the folder cannot be read")
        if entry is None:
            return Absent()
        return self._accepted(entry) if entry.key == _digest(job.key) else InDoubt("another message has this code")

    async def _edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        """Replaces page and title and takes pictures away: a map of a warning that was withdrawn must not stay.

        The CAP file stays: one CAP identifier never gets two contents.
        """
        return await self._publishing(lambda: self._replace(posted, message))

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        """Takes one alert out of the feed and its files away."""
        return await self._publishing(lambda: self._remove(posted))

    async def ready(self) -> Readiness:
        """Takes the folder's lock, which writes there and disturbs nobody, and looks for room."""
        done = await self._publishing(lambda: Accepted(""))
        if isinstance(done, Accepted):
            free = (await asyncio.to_thread(shutil.disk_usage, self._feed.folder)).free
            if free < _SPARE:
                return Readiness(False, f"Only {free // 1_000_000} MB are free below {self._feed.folder}; make room.")
            return Readiness(True, "The folder can be written.")
        told = getattr(done, "reason", "unexpected answer")
        return Readiness(False, f"The folder {self._feed.folder} cannot be used now: {told}.")

    async def publish_heads(self, document: str) -> Outcome:
        """Puts the ledger's signed heads beside the feed as `heads.json`; only cap_feed has this."""

        def act() -> Outcome:
            _publishing.publish(self._feed.folder, {"heads.json": document.encode()})
            return Accepted("heads", f"{self._base_url}/heads.json")

        return await self._publishing(act)

    async def _publishing(self, act: Callable[[], Outcome]) -> Outcome:
        def under_lock() -> Outcome:
            try:
                with _publishing.locked(self._feed.folder, self._limits.deadline / 2):
                    return act()
            except _publishing.NotPublished as fault:
                return Credential(fault.reason) if fault.misconfigured else Retryable(fault.reason)
            except BadDocument as fault:
                return Rejected(str(fault), Why.PAYLOAD)
            except Exception as error:
                logger.warning("publication broke off", extra={"fault": type(error).__name__})
                return InDoubt("the publication broke off")

        try:
            async with asyncio.timeout(self._limits.deadline):
                return await asyncio.to_thread(under_lock)
        except TimeoutError:
            return InDoubt("the disk did not answer in time")

    def _publish(self, message: Rendered, job: Job) -> Outcome:
        if not _CODE.fullmatch(message.code):
            return Rejected("the alert code cannot be a file name", Why.PAYLOAD)
        stem = _stem(message)
        entry = self._feed.entry(stem)
        if entry is not None and entry.key != _digest(job.key):
            return Rejected("another message has this code", Why.PAYLOAD)
        if entry is not None:
            self._feed.put(entry, {}, (), self._now())  # the same files; the lists may be missing from a crash
            return self._accepted(entry)
        files, facts = files_of(message)
        now = self._now()
        sent = facts.sent or now
        entry = _atom.Entry(
            stem=stem,
            code=message.code,
            key=_digest(job.key),
            title=title_of(message),
            summary=message.text,
            published=sent,
            updated=sent,
            expires=facts.expires,
            files={media_type: f"{stem}/{FILES[media_type]}" for media_type in files},
        )
        self._feed.put(entry, files, pictures_of(message), now)
        return self._accepted(entry)

    def _replace(self, posted: Posted, message: Rendered) -> Outcome:
        entry = self._feed.entry(posted.id) if _STEM.fullmatch(posted.id) else None
        if entry is None:
            return Rejected("no such alert in the feed", Why.PAYLOAD)
        files, _ = files_of(message)
        pages = {media_type: content for media_type, content in files.items() if media_type == "text/html"}
        if not pages:
            return Rejected("the message holds no page", Why.PAYLOAD)
        now = self._now()
        changed = entry.model_copy(update={"title": title_of(message), "summary": message.text, "updated": now})
        self._feed.put(changed, pages, (), now)
        self._feed.remove_pictures(posted.id)
        return self._accepted(changed)

    def _remove(self, posted: Posted) -> Outcome:
        if _STEM.fullmatch(posted.id):
            self._feed.remove(posted.id, self._now())
        return Accepted(posted.id)

    def _accepted(self, entry: _atom.Entry) -> Accepted:
        return Accepted(entry.stem, f"{self._base_url}/{entry.stem}/")


def _stem(message: Rendered) -> str:
    # All languages stand on one page, so its address needs none; it is the one that the other channels link to.
    return message.code.split("-")[0] if message.language == "mul" else message.code


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
