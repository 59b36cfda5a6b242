"""Waiting only so long for what may hang: a disk or a mount that has gone keeps whoever reads it for ever."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")

FEW_BYTES = 1.5
"""Seconds in which a file of a few bytes is read, or seen not to be there, on whatever it may lie."""

_SELDOM = 300.0
"""Seconds after which what still hangs is tried anew at the latest."""


class Patience:
    """Does what may hang beside whoever asks, and gives it up after `seconds`, else FEW_BYTES; thread-safe.

    What was given up goes on in a thread that keeps no process from its end. Until it has ended it is tried anew ever
    more seldom, for a mount that was taken away never lets go who waits for it: so what hangs costs few waits and
    threads, however often it is asked for.
    """

    def __init__(self, seconds: float | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = FEW_BYTES if seconds is None else seconds
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._under_way: dict[threading.Thread, float] = {}

    def ask(self, act: Callable[[], _T]) -> _T:
        """What `act` returns or raises; raises TimeoutError, an OSError with its `strerror`, where it does not end."""
        answer: Future[_T] = Future()

        def do() -> None:
            try:
                answer.set_result(act())
            except BaseException as error:
                answer.set_exception(error)

        thread = threading.Thread(target=do, name="patience", daemon=True)
        with self._guard:
            now = self._monotonic()
            self._under_way = {each: since for each, since in self._under_way.items() if each.is_alive()}
            if not self._may_try(now):
                raise self._given_up()
            self._under_way[thread] = now
            thread.start()
        try:
            return answer.result(self.seconds)
        except TimeoutError:
            if answer.done():
                raise
            raise self._given_up() from None

    def _may_try(self, now: float) -> bool:
        since = self._under_way.values()
        if not since or now - min(since) < self.seconds:
            return True
        # As long again as it has hung.
        return now - max(since) >= min(max(since) - min(since) + 2 * self.seconds, _SELDOM)

    @staticmethod
    def _given_up() -> TimeoutError:
        return TimeoutError(errno.ETIMEDOUT, "what it lies on does not answer; see its disk or mount")
