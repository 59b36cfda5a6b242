"""How a drill went, where the alert was one that is measured."""

from __future__ import annotations

from kentongan.ledger import Read
from kentongan.report.shapes import DrillScore


def read_score(read: Read, alert_id: str) -> DrillScore | None:
    """The score of the drill that an alert was sent for, None where it was none."""
    return None
