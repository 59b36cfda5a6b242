"""How fast one instance may be asked, in this process: its own rate, and what a throttle has told us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """A token bucket that holds a tenth of a second's requests, at least one; shared by all alerts of an instance.

    `now` gives seconds on a clock that never jumps.
    """

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = max(1.0, rate / 10)
        self._now = now
        self._tokens = self._burst
        self._at = now()
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """Stops all requests for `seconds`, because the provider asked for it."""
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def grant(self, most: int) -> int:
        """Takes up to `most` tokens and returns how many; 0 when none is there now."""
        now = self._now()
        if now < self._paused_until:
            return 0
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        granted = min(most, int(self._tokens))
        self._tokens -= granted
        return granted

    def wait(self) -> float:
        """Seconds until a token will be there."""
        now = self._now()
        if now < self._paused_until:
            return self._paused_until - now
        missing = 1.0 - min(self._burst, self._tokens + (now - self._at) * self._rate)
        return max(0.0, missing / self._rate)

    async def take(self, most: int, woken: asyncio.Event) -> int:
        """Waits until at least one token is there and takes up to `most`; 0 when `woken` ends the wait."""
        while not (granted := self.grant(most)):
            try:
                async with asyncio.timeout(max(0.001, min(self.wait(), 1.0))):
                    await woken.wait()
            except TimeoutError:
                continue
            return 0
        return granted
