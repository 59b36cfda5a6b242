"""What became of deliveries, in the words and order in which officers read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kentongan.delivery import told

MOST_TASKS = 28
"""Task runs of one flow; a burst of many makes Prefect's SQLite server refuse the flow that comes next."""

_WELL = frozenset(("read", "delivered", "accepted", "cancelled"))


def sentence(words: Mapping[str, int]) -> str:
    """Counts by word as one line, such as "3,120 accepted, 2 in doubt"."""
    return told(words) or "nobody to reach"


def total(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of several counts."""
    summed: dict[str, int] = {}
    for part in parts:
        for word, count in part.items():
            summed[word] = summed.get(word, 0) + count
    return summed


def failed(words: Mapping[str, int]) -> bool:
    """Whether there was somebody to reach and nothing at all went well."""
    return any(words.values()) and not any(words.get(word) for word in _WELL)


def shares(instances: Sequence[str], most: int = MOST_TASKS) -> list[tuple[str, ...]]:
    """Divides instances into at most `most` groups, single ones as long as there is room, none left out."""
    if len(instances) <= most:
        return [(instance,) for instance in instances]
    return [*((instance,) for instance in instances[: most - 1]), tuple(instances[most - 1 :])]


def name(share: Sequence[str]) -> str:
    """What a group is called in Prefect: its instance, or the first of them and how many more."""
    return share[0] if len(share) == 1 else f"{share[0]} and {len(share) - 1} others"
