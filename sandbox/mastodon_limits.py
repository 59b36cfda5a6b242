"""How many requests Mastodon takes in a time, and how it says so."""

from __future__ import annotations

from datetime import UTC, datetime


class Window:
    """So many requests in so many seconds, counted as Mastodon counts: from one full period to the next."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit, self.period = limit, period
        self._started = 0.0
        self._used = 0

    def use(self, now: float) -> bool:
        """Counts one request; False where it is one too many."""
        start = now - now % self.period
        if start != self._started:
            self._started, self._used = start, 0
        self._used += 1
        return not self.limit or self._used <= self.limit

    def headers(self, now: float) -> tuple[tuple[str, str], ...]:
        """What stands beside an answer; nothing where there is no limit."""
        if not self.limit:
            return ()
        return limit_headers(self.limit, max(0, self.limit - self._used), now - now % self.period + self.period)


def limit_headers(limit: int, remaining: int, reset: float) -> tuple[tuple[str, str], ...]:
    """So many requests in a period, so many left, and when it ends in Unix seconds."""
    return (
        ("x-ratelimit-limit", str(limit)),
        ("x-ratelimit-remaining", str(remaining)),
        ("x-ratelimit-reset", datetime.fromtimestamp(reset, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
    )
