"""Work over many rows in chunks, each short and with time between them, so that whoever sends waits for none of it.

The ledger has one writer at a time. What plans a campaign to 200,000 would otherwise hold it nearly always, and each
commit of an alert that is being sent, in this process or another, would wait for a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kentongan.ledger import Write

HOLD = 0.03
"""Seconds that a chunk is to hold the ledger."""

LEAST, MOST = 50, 1000
_FIRST = 200
_SHARE, _SHARE_GIVING_WAY = 1.0, 9.0
"""Seconds left to others after each second of such work; more where something graver is being sent."""

T = TypeVar("T")


@dataclass(slots=True)
class Chunks:
    """`size` is how many rows the next chunk is to have, by how long the last ones took."""

    size: int = _FIRST
    _took: float = 0.0

    def timed(self, act: Callable[[Write, int], T]) -> Callable[[Write], T]:
        """The next chunk as a piece of work for the ledger; `act` is given how many rows it may have."""

        def chunk(write: Write) -> T:
            began = time.perf_counter()
            try:
                return act(write, self.size)
            finally:
                self.took(time.perf_counter() - began)

        return chunk

    def took(self, seconds: float) -> None:
        """Notes how long a chunk took."""
        self._took = seconds
        self.size = round(min(MOST, max(LEAST, self.size * min(2.0, max(0.25, HOLD / max(seconds, 1e-6))))))

    def rest(self, *, gives_way: bool) -> float:
        """Seconds to leave to others before the next chunk."""
        return self._took * (_SHARE_GIVING_WAY if gives_way else _SHARE)
