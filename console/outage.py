"""A ledger that is lost while an alert is followed: what an officer is told of it, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SOON = 2.5
"""Seconds that it may be away before that is said: what is over by then is no trouble."""

EVERY = 30.0
"""Seconds until it is said again."""


@dataclass(slots=True)
class Outage:
    """Says why the ledger cannot be used, then every EVERY seconds, and once when it is over.

    `clock` gives seconds that only rise.
    """

    say: Callable[[str], object]
    clock: Callable[[], float]
    _since: float | None = None
    _told_at: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether it is away for long enough that this was said."""
        return self._told_at is not None

    def look(self, why: str | None, then: str) -> None:
        """Takes note of what is wrong now, None where nothing is; `then` says what follows from it."""
        now = self.clock()
        if why is None:
            if self._told_at is not None:
                self.say("the ledger can be used again; the sending goes on by itself")
            self._since = self._told_at = None
            return
        if self._since is None:
            self._since = now
        if now - self._since < SOON or (self._told_at is not None and now - self._told_at < EVERY):
            return
        self._told_at = now
        self.say(f"{why}; {then}")
