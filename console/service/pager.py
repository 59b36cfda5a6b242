"""The pager of the service: calls officers over the agency's own channels, beside alerts and never before them.

It has connections of its own, so that no alert waits for a page, and a page that cannot be sent is tried again. A page
that the ledger does not take goes out all the same, and is recorded once it does.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime

from console.service.asked import Asked
from console.service.looking import Looking
from flows.house import House
from kentongan import concerns as reading
from kentongan.cap.model import Status
from kentongan.clock import Milliseconds
from kentongan.data import data_path
from kentongan.errors import BadConfig, KentonganError, LedgerUnavailable
from kentongan.ledger import Read, Write, pages
from kentongan.ledger import officers as register
from kentongan.paging import Cause, Concern, Page, Pager, Past, due
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Accepted, Address, Channel, Credential, InDoubt, Job, Mode, Outcome, Rejected, Retryable
from kentongan.words import pages as words
from kentongan.words.composing import TemplateFault

_log = logging.getLogger(__name__)

_LOOK = 2.0
"""Seconds between two looks at the ledger."""

_KEY_EVERY: Milliseconds = 30_000
"""Between two looks whether the key of people's data lies where a process that starts would look for it."""

_KEY_PATIENCE = 5.0
"""Seconds for which pages wait for that."""

_KEY_SILENT = "whether it can be used was not found out in time; see the disk that it lies on, and the ledger"

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


@dataclass(slots=True)
class Known:
    """What was last read of whom to page, for the time in which nothing can be read or recorded.

    `reached`: the officers who count, with the families of their addresses. `unrecorded`: pages by id that are not on
    record, or of which the outcome is not.
    """

    sealed: Sequence[pages.Sealed] = ()
    reached: Mapping[str, set[str]] = field(default_factory=dict)
    unrecorded: dict[str, Past] = field(default_factory=dict)


class Paging:
    """Pages officers while it runs: `start`, then `stop`. Use it from one event loop.

    `silent`: whether the ledger has taken nothing of this process for so long that somebody should look.
    """

    def __init__(self, house: House, *, silent: Callable[[], bool] = lambda: False) -> None:
        self._house = house
        self._silent = silent
        self._silent_since: int | None = None
        self._key_seen_at: Milliseconds | None = None
        self._key: Concern | None = None
        self._key_asked = Asked(lambda: self._key_fault(), patience=_KEY_PATIENCE, silent=_KEY_SILENT)
        self._known = Known()
        self._channels: dict[str, Channel] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._fresh = True
        self._told_away = False
        self._looking = Looking("pager", self._look, every=_LOOK)

    async def start(self) -> None:
        """Begins to look, where paging.yaml names a channel; one that cannot be opened stops nothing else."""
        try:
            self._channels = opened_pagers(self._house)
        except BadConfig:
            _log.error("pagers not opened")
        if not self._channels:
            return
        self._looking.start()

    async def stop(self) -> None:
        """Lets pages in flight end and closes the connections."""
        await self._looking.stop()
        if self._sending:
            await asyncio.wait(self._sending, timeout=_OVERTIME)
        for channel in self._channels.values():
            await channel.close()

    async def _look(self) -> None:
        if self._fresh:
            self._fresh = not await self._settle_lost()
        await self.look()

    async def _settle_lost(self) -> bool:
        """Calls in doubt what was open before; False where the ledger does not take it now."""
        try:
            await self._house.ledger.write_soon(pages.settle_lost)
        except LedgerUnavailable:
            return False
        return True

    async def look(self) -> int:
        """Begins every page that is due now; returns how many. Raises LedgerUnavailable."""
        trouble = await self._trouble()
        await self._look_for_key()
        try:
            wanted = await asyncio.to_thread(self._house.ledger.read, self._due)
        except LedgerUnavailable:
            if trouble is None:
                raise
            wanted = []
        if trouble is not None:
            wanted = [*self._due_on_trouble(trouble), *wanted]
        if not wanted:
            return 0
        begun = {secrets.token_hex(8): page for page in wanted}
        recorded = trouble is None and await self._begin(begun)
        for id, page in begun.items():
            task = asyncio.create_task(self._send(id, page, recorded=recorded))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(wanted)

    async def _trouble(self) -> Concern | None:
        """What officers are to know of a ledger that takes nothing; None where it does."""
        fault: LedgerUnavailable | None = None
        if self._silent():
            try:
                await self._house.ledger.write_soon(pages.try_to_write)
            except LedgerUnavailable as error:
                fault = error
        if fault is None:
            self._silent_since = None
            return None
        now = self._house.clock.wall()
        since = self._silent_since = self._silent_since or now
        reason = str(fault).removeprefix(f"ledger {self._house.ledger.path} ")
        return Concern(f"ledger:{since}", Cause.LEDGER, None, Status.ACTUAL, {"reason": reason})

    async def _look_for_key(self) -> None:
        """Takes note of a key that this process has and that lies nowhere any more: by it officers can be reached."""
        now = self._house.clock.wall()
        if self._key_seen_at is not None and 0 <= now - self._key_seen_at < _KEY_EVERY:
            return
        self._key_seen_at = now
        fault = await self._key_asked.answer()
        if fault is None:
            self._key = None
        elif self._key is None:
            self._key = Concern(f"key:{now}", Cause.KEY, None, Status.ACTUAL, {"reason": fault})

    def _key_fault(self) -> str | None:
        """What is wrong with the key of people's data where this process has it; without it nobody could be paged."""
        keys = self._house.keys
        return None if keys.people_key_away() is not None else keys.people_fault()

    def _due_on_trouble(self, trouble: Concern) -> list[Page]:
        settings = self._house.settings
        assert settings is not None
        return due(
            [trouble],
            officers=self._known.reached,
            pagers=pagers_of(self._house, self._channels),
            past=list(self._known.unrecorded.values()),
            acknowledged=(),
            now=self._house.clock.wall(),
            paging=settings.paging,
        )

    async def _begin(self, begun: Mapping[str, Page]) -> bool:
        """Puts pages on record before they are sent; False where the ledger does not take them now."""

        def begin(write: Write) -> None:
            for id, page in begun.items():
                pages.begin(write, id, page)

        try:
            await self._house.ledger.write_soon(begin)
        except LedgerUnavailable:
            _log.warning("pages go out before they are on record")
            return False
        return True

    def _due(self, read: Read) -> list[Page]:
        settings = self._house.settings
        assert settings is not None
        away = self._house.keys.people_key_away()
        if away is not None:
            # A try for each page would use up how often one is tried.
            if not self._told_away:
                _log.error("officers cannot be paged", extra={"why": away})
            self._told_away = True
            return []
        self._told_away = False
        sealed = pages.pagers(read)
        now = datetime.fromtimestamp(read.now / 1000, UTC)
        reached: dict[str, set[str]] = {
            name: set() for name, officer in register.officers(read).items() if officer.active(now)
        }
        for each in sealed:
            if each.officer in reached:
                reached[each.officer].add(each.family)
        self._known.sealed, self._known.reached = sealed, reached
        modes = {name: instance.mode for name, instance in settings.channels.items()}
        found = reading.concerns(read, paging=settings.paging, modes=modes)
        if self._key is not None:
            found.append(self._key)
        if not found:
            return []
        recorded = pages.past(read, {concern.about for concern in found}, since=read.now - _HOUR)
        return due(
            found,
            officers=reached,
            pagers=pagers_of(self._house, self._channels),
            past=[*recorded, *list(self._known.unrecorded.values())],
            acknowledged=pages.acknowledged(read),
            now=read.now,
            paging=settings.paging,
        )

    async def _send(self, id: str, page: Page, *, recorded: bool) -> None:
        unrecorded, at = self._known.unrecorded, self._house.clock.wall()

        def note(outcome: str) -> None:
            unrecorded[id] = Past(page.concern.about, page.officer, page.instance, at, outcome)

        def record(write: Write) -> None:
            if not recorded:
                pages.begin(write, id, page, at=at)
            pages.settle(write, id, outcome=paged.outcome, reason=paged.reason)

        if not recorded:
            note("open")
        try:
            async with self._gate:
                paged = await attempt(self._house, self._channels[page.instance], id, page, known=self._known.sealed)
            note(paged.outcome)
            await self._house.ledger.write_soon(record, must=True)
        except LedgerUnavailable:
            # This process ends, and the ledger with it.
            _log.warning("page not recorded", extra={"page": id})
        finally:
            unrecorded.pop(id, None)


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
    paged = await attempt(house, channel, id, page)
    await house.ledger.write_soon(
        lambda write: pages.settle(write, id, outcome=paged.outcome, reason=paged.reason), must=True
    )
    return paged


async def attempt(house: House, channel: Channel, id: str, page: Page, *, known: Sequence[pages.Sealed] = ()) -> Paged:
    """Sends one page, once, and records nothing; `known`: where officers are, for when the ledger cannot be read."""
    outcome: Outcome
    try:
        outcome = await _attempt(house, channel, id, page, known)
    except (KentonganError, TemplateFault) as error:
        outcome = Retryable(f"not made: {type(error).__name__}")
    except Exception as error:
        _log.exception("page not sent")
        outcome = InDoubt(type(error).__name__)
    word, reason = _told(outcome)
    if word != "accepted":
        _log.warning("page not accepted", extra={"instance": channel.name, "outcome": word, "why": reason})
    return Paged(page, word, reason)


async def _attempt(house: House, channel: Channel, id: str, page: Page, known: Sequence[pages.Sealed]) -> Outcome:
    settings = house.settings
    assert settings is not None
    address = await asyncio.to_thread(_address, house, page.officer, channel, known)
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
        zone=house.zone,
        values=values,
    )
    job = Job(key=f"page-{id}", to=address, since=datetime.now(UTC), values=_VALIDITY)
    try:
        async with asyncio.timeout(channel.limits.deadline + _OVERTIME):
            (outcome,) = await channel.send(message, [job], None)
    except TimeoutError:
        return InDoubt("no answer in time")
    return outcome


def _address(house: House, officer: str, channel: Channel, known: Sequence[pages.Sealed]) -> Address | None:
    try:
        known = house.ledger.read(pages.pagers)
    except LedgerUnavailable:
        _log.warning("page goes to where the officer was last known to be")
    for sealed in known:
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
