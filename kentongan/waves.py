"""Which alert goes before which on a credential that they share. It is pure; every process comes to the same."""

from __future__ import annotations

from collections.abc import Sequence

from kentongan.alert import Draft, life_at_stake, worst_severity
from kentongan.cap.model import Severity
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
