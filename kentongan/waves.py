"""Which comes first: which alert on a credential that several share, and which channels of an alert.

It is pure; every process comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kentongan.alert import Draft, life_at_stake, worst_severity
from kentongan.cap.model import Severity
from kentongan.plan import PUBLIC, PlannedInstance
from kentongan.seam import Mode

_GRAVEST_LAST: Sequence[Severity] = (
    Severity.UNKNOWN,
    Severity.MINOR,
    Severity.MODERATE,
    Severity.SEVERE,
    Severity.EXTREME,
)
_LIVE = 10


def rank(draft: Draft) -> int:
    """How an alert ranks: live before any drill, then by severity, then what is immediate or expected; 0 is lowest."""
    live = _LIVE if draft.mode is Mode.LIVE else 0
    return live + 2 * _GRAVEST_LAST.index(worst_severity(draft.cap)) + int(life_at_stake(draft.cap))


def place(alert_rank: int, *, public: bool) -> int:
    """How one channel's part of an alert ranks on its credential: alerts by their rank, and its posts before people.

    A post is one request and reaches everybody.
    """
    return 2 * alert_rank + int(public)


def ordered(instances: Sequence[PlannedInstance]) -> list[PlannedInstance]:
    """The channels of an alert in the order in which they begin: those that publish first, else as they are planned."""
    return sorted(instances, key=lambda instance: instance.family != PUBLIC)


DONE = "done"
"""The place of a part of which everybody is planned."""

Place = Sequence[int | str]
"""How far the planning of a part has come: the wave it is in, how many it has looked at there, and where it goes on."""


def next_part(cursor: Mapping[str, Place], parts: Sequence[str]) -> str | None:
    """Which of these parts of a plan is filled up next: the one that has come least far, of several the first.

    So no channel has its second wave before all have their first, and every channel has its first people at once,
    however many another has. None where all are DONE. `cursor` holds the place of each; one that is not there has not
    begun.
    """
    left = [(tuple(cursor.get(part, (0, 0)))[:2], part) for part in parts if cursor.get(part) != DONE]
    return min(left, key=lambda each: each[0])[1] if left else None
