"""The token bucket of a credential, which every process that sends with it shares: time is what they lease of it.

A request costs a span of the credential's time, one over its rate. Processes lease spans ahead, no two the same, and
spend a request's span no sooner than it begins and no later than LIFE after (or its own length, where that is more). So
in any `window` seconds at most (window + LIFE) x rate + 2 requests are granted, however many processes there are and
whatever becomes of them: one that dies loses a slice, and the next lease begins behind it. All is pure; times are
seconds on one clock that never jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits, Rendered
from kentongan.words.counting import count

IDLE = 0.1
"""Seconds unused that may be spent at once later: a burst after a rest."""

LIFE = IDLE + 0.25
"""Seconds after its beginning in which leased time can be spent; it covers the time that a lease takes to come."""

SLICE = 0.5
"""Seconds that one lease is long, where a request does not take longer."""

AHEAD = 0.5
"""How far ahead leases may begin; what waits longer is not leased yet, so that a graver alert need not wait for it."""

_FAR = 600.0
"""Nobody has leased so far beyond any pause: the clock was set back since."""

WANTED: float = 3.0
"""Seconds for which a lower alert yields after a higher one has asked; a commit on a busy machine may take one."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What all processes know of a credential. `rank`: of the highest alert that has asked lately, until `wanted`.

    `throttled`: how often in a row its provider has refused for being asked too often, without saying for how long.
    """

    leased_to: float = 0.0
    paused_until: float = 0.0
    rank: int = 0
    wanted: float = 0.0
    throttled: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to spend the time from `start` to `end`; none where they are the same: then `again` says when to ask."""

    start: float
    end: float
    again: float = 0.0


def name_of(instance: str, limits: Limits) -> str:
    """The bucket that an instance draws from: that of its credential, else one of its own."""
    return limits.credential or instance


def cost_of(
    limits: Limits, rate: float, messages: Iterable[Rendered], values: Mapping[str, Mapping[str, str]]
) -> float:
    """Seconds of a credential's time that one request costs, where it takes `rate` requests a second.

    `values` are those of the messages' slots, by language. Where the provider counts the parts of short messages, the
    longest message decides.
    """
    if limits.parts is None:
        return 1 / rate
    return max(1 / rate, most_parts(messages, values) / limits.parts)


def most_parts(messages: Iterable[Rendered], values: Mapping[str, Mapping[str, str]]) -> int:
    """Parts of the longest of these short messages; a slot without a value counts as it stands."""
    longest = 1
    for message in messages:
        try:
            text = message.filled(values.get(message.language, {})).text
        except KeyError:
            text = message.text
        longest = max(longest, count(text, "sms"))
    return longest


def lease(bucket: Bucket, *, now: float, length: float, rank: int) -> tuple[Bucket, Lease]:
    """Leases `length` seconds to an alert of `rank`, unless it is paused, a higher one has asked, or it is too soon."""
    if rank < bucket.rank and now < bucket.wanted:
        return bucket, Lease(now, now, again=min(bucket.wanted, now + SLICE))
    asked = replace(bucket, rank=rank, wanted=now + WANTED)
    if now < bucket.paused_until:
        return asked, Lease(now, now, again=bucket.paused_until)
    start = max(bucket.leased_to if bucket.leased_to < now + max(_FAR, 2 * length) else 0.0, now - IDLE)
    if start > now + AHEAD:
        return asked, Lease(now, now, again=start - AHEAD)
    return replace(asked, leased_to=start + length), Lease(start, start + length)


def pause(bucket: Bucket, *, now: float, seconds: float) -> Bucket:
    """Stops all who share it for `seconds`, as the provider asks; what comes then begins without a burst."""
    until = max(bucket.paused_until, now + seconds)
    return replace(bucket, paused_until=until, leased_to=max(bucket.leased_to, until))


def throttle(bucket: Bucket, *, now: float, first: float, most: float) -> Bucket:
    """Pauses all who share it after a refusal that says not for how long: `first` seconds, twice as long each time.

    It is never longer than `most`. What was on its way when a pause began is refused by the same word and adds nothing.
    """
    if now < bucket.paused_until:
        return bucket
    paused = pause(bucket, now=now, seconds=backed_off(bucket.throttled, first=first, most=most))
    return replace(paused, throttled=bucket.throttled + 1)


def backed_off(before: int, *, first: float, most: float) -> float:
    """Seconds of the next pause after so many in a row."""
    return min(most, first * 2.0 ** min(before, 60))


def calm(bucket: Bucket, *, now: float) -> Bucket:
    """Ends the row of refusals, because a request was taken; in a pause it may have left before, and proves nothing."""
    return bucket if now < bucket.paused_until else replace(bucket, throttled=0)


class Allowance:
    """The leased time that one process holds of a bucket."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, float]] = deque()

    def add(self, lease: Lease) -> None:
        """Takes a lease in; leases come in the order in which they begin."""
        if lease.end > lease.start:
            self._spans.append((lease.start, lease.end))

    def spend(self, most: int, *, cost: float, now: float) -> int:
        """Spends the time of up to `most` requests of `cost` seconds each; returns of how many."""
        self._forget(now, max(LIFE, cost))
        granted = 0
        while granted < most and self._spans and self._spans[0][0] <= now and self._held() >= cost * (1 - 1e-9):
            self._consume(cost)
            granted += 1
        return granted

    def begins(self, cost: float) -> float | None:
        """When the next request of `cost` seconds can be made, None where what is held is not enough for one."""
        return self._spans[0][0] if self._spans and self._held() >= cost * (1 - 1e-9) else None

    def ends(self, now: float) -> float:
        """Up to when it lasts; `now` where nothing is left."""
        return max(now, self._spans[-1][1]) if self._spans else now

    def clear(self) -> None:
        """Gives everything up: a pause outlasts it."""
        self._spans.clear()

    def _held(self) -> float:
        return sum(end - start for start, end in self._spans)

    def _forget(self, now: float, life: float) -> None:
        while self._spans and self._spans[0][0] < now - life:
            _, end = self._spans.popleft()
            if end > now - life:
                self._spans.appendleft((now - life, end))

    def _consume(self, cost: float) -> None:
        while cost > 1e-12 and self._spans:
            start, end = self._spans.popleft()
            if end - start > cost:
                self._spans.appendleft((start + cost, end))
                return
            cost -= end - start
