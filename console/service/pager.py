"""The pager of the service: calls officers over the agency's own channels, beside alerts and never before them.

It has connections of its own, so that no alert waits for a page, and a page that cannot be sent is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flows.house import House
from kentongan import concerns as reading
from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.errors import BadConfig, KentonganError
from kentongan.ledger import Read, Write, pages
from kentongan.ledger import officers as register
from kentongan.paging import Cause, Concern, Page, Pager, due
from kentongan.seam import Accepted, Address, Channel, Credential, InDoubt, Job, Mode, Outcome, Rejected, Retryable
from kentongan.words import pages as words
from kentongan.words.composing import TemplateFault

_log = logging.getLogger(__name__)

_LOOK = 2.0
"""Seconds between two looks at the ledger."""

_AT_ONCE = 4
_OVERTIME = 5.0
_HOUR = 3_600_000
_VALIDITY = {"validity_minutes": "60"}


@dataclass(frozen=True, slots=True)
class Paged:
    """What became of one page."""

    page: Page
    outcome: str
    reason: str


def opened_pagers(house: House) -> dict[str, Channel]:
    """The channels named in paging.yaml, with connections of their own; raises BadConfig."""
    assert house.settings is not None
    named = house.settings.paging.instances
    return house.open_channels(list(named)) if named else {}


class Paging:
    """Pages officers while it runs: `start`, then `stop`. Use it from one event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._channels: dict[str, Channel] = {}
        self._sending: set[asyncio.Task[Paged]] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look, where paging.yaml names a channel; one that cannot be opened stops nothing else."""
        try:
            self._channels = opened_pagers(self._house)
        except BadConfig:
            _log.error("pagers not opened")
        if not self._channels:
            return
        self._loop = asyncio.create_task(self._for_ever(), name="pager")

    async def stop(self) -> None:
        """Lets pages in flight end and closes the connections."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending, timeout=_OVERTIME)
        for channel in self._channels.values():
            await channel.close()

    async def _for_ever(self) -> None:
        fresh = True
        while True:
            try:
                if fresh:
                    await self._house.ledger.write_soon(pages.settle_lost)
                    fresh = False
                await self.look()
            except KentonganError:
                _log.warning("pages wait for the ledger")
            except Exception:
                # Whatever is wrong with a page must not end the pager, and never the service.
                _log.exception("pages not looked for")
            await asyncio.sleep(_LOOK)

    async def look(self) -> int:
        """Begins every page that is due now; returns how many. Raises LedgerUnavailable."""
        wanted = await asyncio.to_thread(self._house.ledger.read, self._due)
        if not wanted:
            return 0
        ids = [secrets.token_hex(8) for _ in wanted]

        def begin(write: Write) -> None:
            for id, page in zip(ids, wanted, strict=True):
                pages.begin(write, id, page)

        await self._house.ledger.write_soon(begin)
        for id, page in zip(ids, wanted, strict=True):
            task = asyncio.create_task(self._send(id, page))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(wanted)

    def _due(self, read: Read) -> list[Page]:
        settings = self._house.settings
        assert settings is not None
        modes = {name: instance.mode for name, instance in settings.channels.items()}
        found = reading.concerns(read, paging=settings.paging, modes=modes)
        if not found:
            return []
        now = datetime.fromtimestamp(read.now / 1000, UTC)
        counted = {name for name, officer in register.officers(read).items() if officer.active(now)}
        reached: dict[str, set[str]] = {name: set() for name in counted}
        for sealed in pages.pagers(read):
            if sealed.officer in counted:
                reached[sealed.officer].add(sealed.family)
        return due(
            found,
            officers=reached,
            pagers=pagers_of(self._house, self._channels),
            past=pages.past(read, {concern.about for concern in found}, since=read.now - _HOUR),
            acknowledged=pages.acknowledged(read),
            now=read.now,
            paging=settings.paging,
        )

    async def _send(self, id: str, page: Page) -> Paged:
        async with self._gate:
            return await send(self._house, self._channels[page.instance], id, page)


def pagers_of(house: House, opened: Mapping[str, Channel]) -> Sequence[Pager]:
    """The opened channels as pagers."""
    assert house.settings is not None
    result = []
    for name, channel in opened.items():
        family = channel.traits.family
        if family is not None:
            result.append(Pager(name, family, channel.mode, house.settings.paging.causes(name)))
    return result


async def send(house: House, channel: Channel, id: str, page: Page) -> Paged:
    """Sends one page that is on record, once, and records what became of it; nothing but a mistake of ours raises."""
    outcome: Outcome
    try:
        outcome = await _attempt(house, channel, id, page)
    except (KentonganError, TemplateFault) as error:
        outcome = Retryable(f"not made: {type(error).__name__}")
    except Exception as error:
        _log.exception("page not sent")
        outcome = InDoubt(type(error).__name__)
    word, reason = _told(outcome)
    await house.ledger.write_soon(lambda write: pages.settle(write, id, outcome=word, reason=reason), must=True)
    if word != "accepted":
        _log.warning("page not accepted", extra={"instance": channel.name, "outcome": word, "why": reason})
    return Paged(page, word, reason)


async def _attempt(house: House, channel: Channel, id: str, page: Page) -> Outcome:
    settings = house.settings
    assert settings is not None
    address = await asyncio.to_thread(_address, house, page.officer, channel)
    if address is None:
        return Retryable("the officer has no such address any more")
    values = {"officer": page.officer} if page.concern.cause is Cause.TEST else {}
    if page.concern.digest:
        values["check"] = house.keys.page_check(page.officer, page.concern.digest)
    message = await asyncio.to_thread(
        words.page,
        page.concern,
        templates=data_path("templates"),
        language=settings.paging.language or settings.agency.languages[0],
        instance=channel.name,
        mode=channel.mode,
        limits=channel.limits,
        values=values,
    )
    job = Job(key=f"page-{id}", to=address, since=datetime.now(UTC), values=_VALIDITY)
    try:
        async with asyncio.timeout(channel.limits.deadline + _OVERTIME):
            (outcome,) = await channel.send(message, [job], None)
    except TimeoutError:
        return InDoubt("no answer in time")
    return outcome


def _address(house: House, officer: str, channel: Channel) -> Address | None:
    for sealed in house.ledger.read(pages.pagers):
        if sealed.officer == officer and sealed.family == channel.traits.family:
            return pages.open_pager(sealed, house.keys)
    return None


def _told(outcome: Outcome) -> tuple[str, str]:
    match outcome:
        case Accepted():
            return "accepted", ""
        case InDoubt(reason=reason):
            return "in_doubt", reason
        case Retryable(reason=reason) | Credential(reason=reason) | Rejected(reason=reason):
            return "failed", reason
        case _:
            return "failed", "this channel takes more than one step and cannot page"


def trial(channel: Channel) -> Concern:
    """A page that only tries whether an officer can be reached; by a drill channel it is marked as a test."""
    status = Status.ACTUAL if channel.mode is Mode.LIVE else Status.TEST
    return Concern(f"test:{secrets.token_hex(8)}", Cause.TEST, None, status)
