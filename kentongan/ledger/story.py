"""The record without what it holds a thousandfold: what became of each of its deliveries."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.ledger.transaction import Read
from kentongan.ledger.views import Event, told_apart

_MANY = (
    "substr(e.type, 1, 9) = 'delivery.'"
    " OR e.type IN ('deliveries.planned', 'dispatch.advanced', 'receipt.received', 'answer.received')"
)
"""Types of which there is an event for every few deliveries."""


# Along the index that has the types: none of a million rows is read to learn that it is not wanted.
_EVENTS = "event e INDEXED BY event_alert"


def left_out(read: Read, alerts: Sequence[str], *, most: int) -> int:
    """How many events `told` leaves out, of some alerts or of all; 0 for no more than `most`, where it need not."""
    condition, asked = _of(alerts)
    many = f"FROM {_EVENTS} WHERE {condition} AND ({_MANY})"
    limited = f"SELECT count(*) FROM (SELECT 1 {many} LIMIT :most) AS found"
    if read.sql(limited, {**asked, "most": most + 1}).scalar_one() <= most:
        return 0
    return int(read.sql(f"SELECT count(*) {many}", asked).scalar_one())


def told(read: Read, alerts: Sequence[str]) -> list[Event]:
    """Everything else that happened, to some alerts or at all, in the order of record."""
    condition, asked = _of(alerts)
    join = read.either(sqlite="CROSS JOIN", postgres="JOIN")
    rows = read.sql(
        f"SELECT e.* FROM {_EVENTS} {join} link l ON l.chain = e.chain AND l.seq = e.seq"
        f" WHERE {condition} AND NOT ({_MANY}) ORDER BY l.position, e.ordinal",
        asked,
    ).all()
    return [each for row in rows for each in told_apart(row)]


def _of(alerts: Sequence[str]) -> tuple[str, dict[str, str]]:
    if not alerts:
        return "TRUE", {}
    return "e.alert_id IN (SELECT value FROM json_each(:alerts))", {"alerts": json.dumps(list(alerts))}
