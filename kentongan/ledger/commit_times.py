"""How long this process's commits take, counted as they happen, for whoever watches the service."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds; the last of `counts` is for what took longer."""


@dataclass(slots=True)
class CommitTimes:
    """Commits by how long each took, from its begin to the disk. One thread counts, and any may read."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0
    failed: int = 0

    def took(self, seconds: float) -> None:
        """Counts one that is on disk."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
