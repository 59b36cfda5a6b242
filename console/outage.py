"""A ledger that is lost while an alert is followed: what an officer is told of it, and how often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

SOON = 2.5
"""Seconds that it may be away before that is said: what is over by then is no trouble."""

EVERY = 30.0
"""Seconds until it is said again."""

SILENT = 5.0
"""Seconds without an answer of the ledger after which that is said."""


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


class Silence:
    """Says that a ledger does not answer at all, from a thread: whoever asked it may wait for the answer for ever.

    Use it as a context, and tell it after each answer by when the next is to be `expected`.
    """

    def __init__(self, say: Callable[[str], object], ledger: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._ledger = ledger
        self._clock = clock
        self._due = clock()
        self._told_at: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="silence", daemon=True)

    def __enter__(self) -> Silence:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def expected(self, seconds: float) -> None:
        """It has answered; it will be asked again after so many seconds."""
        self._due = self._clock() + seconds

    def look(self) -> None:
        """One look of the thread."""
        now = self._clock()
        if now - self._due < SILENT:
            if self._told_at is not None:
                self._say("the ledger answers again; the sending goes on by itself")
            self._told_at = None
        elif self._told_at is None or now - self._told_at >= EVERY:
            self._told_at = now
            self._say(
                f"ledger {self._ledger} has not answered for {now - self._due:.0f} s; nothing is begun until it does,"
                " then this command goes on by itself; see that its server runs"
            )

    def _run(self) -> None:
        while not self._over.wait(1.0):
            self.look()
