"""Drills yield: which live alert is in the way of one, and which messages of drills a live alert puts an end to."""

from __future__ import annotations

from kentongan.clock import Milliseconds
from kentongan.drills import YIELDS_FOR
from kentongan.ledger.transaction import Read

_UNFINISHED = "EXISTS (SELECT 1 FROM delivery d INDEXED BY delivery_open WHERE d.alert_id = a.id AND d.stage <> 'done')"
_NOTICE = "EXISTS (SELECT 1 FROM drill r WHERE r.alert_id = a.id AND r.part = 'notice')"
_APPROVED_AT = "(SELECT max(p.at) FROM approval p WHERE p.alert_id = a.id)"


def in_the_way(read: Read, *, approval_lasts: Milliseconds) -> tuple[str, str] | None:
    """The live alert for which no drill may begin, by its code, and why; None where none is in the way.

    One is while it is approved and the approval holds, while it is being sent, and for six hours from its dispatch.
    """
    row = read.sql(
        "SELECT a.code, s.at FROM alert a LEFT JOIN dispatch s ON s.alert_id = a.id WHERE a.mode = 'live'"
        f" AND (s.at > :since OR (a.state = 'approved' AND {_APPROVED_AT} > :fresh)"
        f" OR (a.state = 'dispatched' AND (s.expanded = 0 OR {_UNFINISHED}))) ORDER BY s.at DESC NULLS FIRST LIMIT 1",
        {"since": read.now - YIELDS_FOR, "fresh": read.now - approval_lasts},
    ).first()
    if row is None:
        return None
    if row.at is None:
        return row.code, "is approved and may be sent at any moment"
    return row.code, "was sent less than six hours ago" if row.at > read.now - YIELDS_FOR else "is still being sent"


def to_stop(read: Read) -> list[str]:
    """Ids of the alerts that stand and are no live ones: what a live alert puts an end to, the oldest first.

    What ends a drill goes on, and so does the announcement of a public exercise once it is out.
    """
    rows = read.sql(
        "SELECT a.id FROM alert a JOIN dispatch s ON s.alert_id = a.id WHERE a.state = 'dispatched'"
        " AND a.mode <> 'live' AND a.kind IN ('alert', 'update') AND (s.expanded = 0"
        f" OR {_UNFINISHED} OR ((a.expires_at IS NULL OR a.expires_at > :now) AND NOT {_NOTICE}))"
        " ORDER BY s.at, s.rowid",
        {"now": read.now},
    )
    return [row.id for row in rows]
