"""How fast a credential may be asked: every process spends what it has leased of the credential's time.

The rules are `kentongan.bucket`'s, the leases lie in the ledger. One lease is a write a half second, together with
whatever else is written then, and not one a message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from kentongan.bucket import IDLE, SLICE, WANTED, Allowance, Bucket, Lease, backed_off
from kentongan.errors import KentonganError
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)

_FRESH = 0.25
"""Seconds after which it is looked anew whether somebody else was told to pause."""

_AHEAD = SLICE / 2
"""With less left than so many seconds more is leased, where requests come in a stream."""

_AGAIN = 0.25
_MOST_PAUSE = 30 * 86_400.0


class Shared(Protocol):
    """A bucket as all processes see it; every method may raise LedgerUnavailable."""

    def look(self) -> Bucket:
        """How it stands."""

    def lease(self, length: float, rank: int) -> Awaitable[tuple[Bucket, Lease]]:
        """Leases `length` seconds of it to an alert of `rank`."""

    def pause(self, seconds: float) -> Awaitable[Bucket]:
        """Stops everybody for `seconds`."""

    def throttle(self, first: float, most: float) -> Awaitable[Bucket]:
        """Stops everybody after one more refusal in a row that says not for how long (`kentongan.bucket.throttle`)."""

    def calm(self) -> Awaitable[Bucket]:
        """Ends the row of such refusals."""


class Credential:
    """This process's part in the bucket of one credential, for all alerts and instances that send with it.

    `now` gives seconds on the clock of the bucket. Use it from one event loop.
    """

    def __init__(self, shared: Shared, now: Callable[[], float]) -> None:
        self._shared = shared
        self._now = now
        self._held = Allowance()
        self._known = Bucket()
        self._looked_at: float | None = None
        self._own_pause = 0.0
        self._again = 0.0
        self._wanted: dict[int, float] = {}
        self._leasing: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def grant(self, most: int, *, cost: float, rank: int) -> int:
        """Spends the time of up to `most` requests of `cost` seconds; 0 while it is paused or a higher alert wants it.

        Raises LedgerUnavailable where the ledger cannot say whether it is paused.
        """
        now = self._now()
        self._wanted[rank] = now
        if self._looked_at is None or not 0 <= now - self._looked_at <= _FRESH:
            self._know(self._shared.look())
        if now < self._paused_until():
            self._held.clear()
            return 0
        if self._yields(rank, now):
            return 0
        return self._held.spend(most, cost=cost, now=now)

    def wait(self, *, cost: float, rank: int) -> float:
        """Seconds until it is worth asking again."""
        now = self._now()
        if now < self._paused_until():
            return self._paused_until() - now
        if self._yields(rank, now):
            return _AGAIN
        begins = self._held.begins(cost)
        return max(0.0, (begins if begins is not None else self._again) - now)

    def paused(self) -> float:
        """Seconds for which the provider lets everybody wait."""
        return max(0.0, self._paused_until() - self._now())

    def lease(self, *, cost: float, rank: int) -> asyncio.Task[None] | None:
        """Leases more where there is not enough, or soon will not be; returns the task that does, None where none."""
        if self._leasing is not None and not self._leasing.done():
            return self._leasing
        now = self._now()
        stream = cost < _AHEAD
        enough = self._held.begins(cost) is not None and not (stream and self._held.ends(now) - now < _AHEAD)
        if enough or now < max(self._again, self._paused_until()) or self._yields(rank, now):
            return None
        self._leasing = asyncio.create_task(self._lease(max(SLICE if stream else 0.0, cost), rank))
        return self._leasing

    def pause(self, seconds: float) -> None:
        """Stops all requests with this credential, here at once and everywhere at their next look."""
        # Every request in flight is told the same.
        if self._now() + seconds > self._paused_until() + _FRESH:
            self._stop(seconds, self._shared.pause(seconds))

    def throttled(self, first: float, most: float) -> float:
        """Stops them after a refusal that says not for how long: the longer, the more there were in a row.

        Returns the seconds from now.
        """
        if self._now() >= self._paused_until():
            seconds = backed_off(self._known.throttled, first=first, most=most)
            self._stop(seconds, self._shared.throttle(first, most))
        return self.paused()

    def accepted(self) -> None:
        """Notes that a request was taken: where there were such refusals, their row has ended."""
        if self._known.throttled and self._now() >= self._paused_until() and not self._telling:
            self._tell(self._shared.calm())

    def _stop(self, seconds: float, shared: Awaitable[Bucket]) -> None:
        self._own_pause = self._now() + seconds
        self._held.clear()
        self._tell(shared, self._own_pause)

    async def close(self) -> None:
        """Lets what is being written to the ledger end."""
        tasks = [*self._telling, *([self._leasing] if self._leasing is not None else [])]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _paused_until(self) -> float:
        return max(self._known.paused_until, self._own_pause)

    def _yields(self, rank: int, now: float) -> bool:
        """Whether a higher alert has asked lately, in this process or another."""
        if rank < self._known.rank and now < self._known.wanted:
            return True
        return any(other > rank and now - at < WANTED for other, at in self._wanted.items())

    def _know(self, found: Bucket) -> None:
        self._known = found
        self._looked_at = self._now()

    async def _lease(self, length: float, rank: int) -> None:
        try:
            found, lease = await self._shared.lease(length, rank)
        except KentonganError:
            _log.warning("lease waits for the ledger")
            self._again = self._now() + _AGAIN
            return
        self._know(found)
        if self._now() < self._paused_until():
            # It is looked at again and again, since an officer may end it.
            self._again = 0.0
            return
        self._again = lease.again
        self._held.add(lease)

    def _tell(self, shared: Awaitable[Bucket], pause: float | None = None) -> None:
        task = asyncio.create_task(self._told(shared, pause))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _told(self, shared: Awaitable[Bucket], pause: float | None) -> None:
        try:
            self._know(await shared)
        except KentonganError:
            _log.warning("pause not shared")
            return
        # From here the ledger's word holds, so that an officer can end it.
        if self._own_pause == pause:
            self._own_pause = 0.0


class Spacing:
    """What an instance keeps to by itself in this process, where it is slower than its credential."""

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * IDLE)
        self._now = now
        self._tokens = self._burst
        self._at = now()

    def room(self) -> int:
        """How many requests may be made now."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def spend(self, requests: int) -> None:
        """Notes requests that are made, of those for which there was room."""
        self._tokens -= requests


@dataclass(frozen=True, slots=True)
class Pace:
    """One run's access to its credential: seconds that a request costs, and how its alert ranks.

    `told` is called with the seconds of every pause that keeps it waiting, whoever was asked for it. `backoff`: seconds
    of the first pause that a provider asks for without saying how long, and of the longest.
    """

    credential: Credential
    cost: float
    rank: int = 0
    spacing: Spacing | None = None
    told: Callable[[float], None] = lambda seconds: None
    backoff: tuple[float, float] = (1.0, 60.0)

    def pause(self, seconds: float) -> None:
        """Stops all requests with the credential for `seconds`, because the provider asked for it; 30 days at most."""
        seconds = min(seconds, _MOST_PAUSE)
        self.credential.pause(seconds)
        self.told(seconds)

    def throttled(self, after: float | None) -> None:
        """Stops all requests with the credential because the provider refuses more of them, for as long as it says."""
        # "After 0 seconds" says no more than nothing does.
        if not after:
            self.told(self.credential.throttled(*self.backoff))
        else:
            self.pause(after)

    def accepted(self) -> None:
        """Notes that the provider takes requests."""
        self.credential.accepted()

    @property
    def paused(self) -> bool:
        """Whether no request may be made now, though its intent was committed."""
        return self.credential.paused() > 0

    def prepare(self) -> None:
        """Leases what the first requests need, together with what is written at this moment."""
        self.credential.lease(cost=self.cost, rank=self.rank)

    async def take(self, most: int, woken: asyncio.Event) -> int:
        """Waits until at least one request may be made and returns of how many, up to `most`.

        0 when `woken` ends the wait. Raises LedgerUnavailable.
        """
        while True:
            room = most if self.spacing is None else min(most, self.spacing.room())
            if room:
                granted = self.credential.grant(room, cost=self.cost, rank=self.rank)
                leasing = self.credential.lease(cost=self.cost, rank=self.rank)
                if granted and self.spacing is not None:
                    self.spacing.spend(granted)
                if granted:
                    return granted
                wait = self.credential.wait(cost=self.cost, rank=self.rank)
                if (paused := self.credential.paused()) > 0:
                    self.told(paused)
            else:
                leasing, wait = None, 0.02
            if await _woken(woken, leasing, max(0.001, min(wait, _AGAIN))):
                return 0


async def _woken(woken: asyncio.Event, leasing: asyncio.Task[None] | None, seconds: float) -> bool:
    """Waits for `woken`, but no longer than for `leasing` where something is being leased, else `seconds`."""
    if woken.is_set():
        return True
    waiting = asyncio.create_task(woken.wait())
    try:
        if leasing is None:
            done, _ = await asyncio.wait([waiting], timeout=seconds)
        else:
            both: list[asyncio.Task[Any]] = [waiting, leasing]
            done, _ = await asyncio.wait(both, timeout=_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        return waiting in done
    finally:
        waiting.cancel()
