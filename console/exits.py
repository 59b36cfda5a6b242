"""What a command ends with, and how an alert's own end becomes an exit code.

| code | meaning                                                              |
| ---- | -------------------------------------------------------------------- |
| 0    | well                                                                 |
| 1    | a channel failed, or more addresses than policy tolerates; also a    |
|      | mistake of ours, with the place of its trace on standard error       |
| 2    | bad input or config, or a ledger that cannot be used                 |
| 3    | refused by a rule                                                    |
| 4    | something is in doubt (4 beats 1)                                    |
| 130  | detached: the command ended and the sending goes on, or can be taken |
|      | up again                                                             |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kentongan.quick_dataclass import dataclass

WELL = 0
FAILED = 1
BAD_INPUT = 2
REFUSED = 3
IN_DOUBT = 4
DETACHED = 130

_MISSED = ("rejected", "unreachable", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Part:
    """One channel's part of an alert: its deliveries by word, and whether each is one person's."""

    public: bool
    words: Mapping[str, int]


def failed(part: Part, tolerated_share: float) -> bool:
    """Whether this channel failed: a public one with any message that is not out, one to people beyond the share."""
    total = sum(part.words.values())
    missed = sum(part.words.get(word, 0) for word in _MISSED)
    if part.public:
        return missed > 0
    return total > 0 and missed / total > tolerated_share


def exit_code(parts: Iterable[Part], *, tolerated_share: float) -> int:
    """The exit code of a command that followed an alert to its end."""
    parts = list(parts)
    if any(part.words.get("in_doubt", 0) for part in parts):
        return IN_DOUBT
    return FAILED if any(failed(part, tolerated_share) for part in parts) else WELL
