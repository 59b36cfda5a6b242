"""Threads in the ledger: an alert and all that followed it. Only what was dispatched counts."""

from __future__ import annotations

from kentongan.clock import to_datetime
from kentongan.delivery import REACHED
from kentongan.errors import Refused
from kentongan.ledger import checkpoints
from kentongan.ledger.transaction import Read

REACHED_SQL = ", ".join(f"'{result}'" for result in REACHED)

_WHOLE = (
    "WITH RECURSIVE back(id) AS (SELECT :id UNION SELECT a.predecessor FROM alert a JOIN back ON a.id = back.id"
    " WHERE a.predecessor IS NOT NULL), whole(id) AS (SELECT id FROM back UNION SELECT a.id FROM alert a"
    " JOIN whole ON a.predecessor = whole.id)"
)
_MESSAGES = (
    f"{_WHOLE} SELECT s.alert_id, s.at, a.kind FROM whole JOIN dispatch s ON s.alert_id = whole.id"
    " JOIN alert a ON a.id = whole.id"
)


def messages(read: Read, alert_id: str) -> list[str]:
    """Ids of all messages of the thread that `alert_id` stands in and that were dispatched, oldest first.

    In the order of their commits: the clock may have been put back between two of them.
    """
    return [row.alert_id for row in read.sql(f"{_MESSAGES} ORDER BY s.rowid", {"id": alert_id}).all()]


def whole(read: Read, alert_id: str) -> list[str]:
    """Ids of all alerts of the thread: those that were dispatched, oldest first, then all that never were."""
    rows = read.sql(
        f"{_WHOLE} SELECT a.id FROM whole JOIN alert a ON a.id = whole.id LEFT JOIN dispatch s ON s.alert_id = a.id"
        " ORDER BY s.at IS NULL, s.rowid, a.created_at, a.rowid",
        {"id": alert_id},
    )
    return [row.id for row in rows.all()]


def others(read: Read, alert_id: str) -> list[str]:
    """The same without itself: what a message follows, directly or by way of others, and what it supersedes."""
    return [id for id in messages(read, alert_id) if id != alert_id]


def in_flight(read: Read, alert_id: str, instance: str | None = None) -> bool:
    """Whether a request of another message of the thread is still on its way, whose recipient may have to follow."""
    return (
        read.sql(
            f"SELECT 1 FROM ({_MESSAGES}) m JOIN delivery d ON d.alert_id = m.alert_id WHERE d.stage = 'sending'"
            " AND m.alert_id <> :id AND (:instance IS NULL OR d.instance = :instance) LIMIT 1",
            {"id": alert_id, "instance": instance},
        ).first()
        is not None
    )


def withdrawal(read: Read, alert_id: str) -> str | None:
    """Id of the correction by which the thread was withdrawn; None where it was not."""
    return read.sql(
        f"SELECT alert_id FROM ({_MESSAGES}) m WHERE kind = 'correction' ORDER BY at DESC LIMIT 1", {"id": alert_id}
    ).scalar()


def reached(read: Read, alert_id: str) -> tuple[int, dict[str, int]]:
    """How many persons the thread has reached or may have reached so far, each once, and by instance."""
    kept = checkpoints.counted(read, alert_id, "reached")
    if kept is not None:
        return int(kept[0]), dict(kept[1])
    found = f"FROM ({_MESSAGES}) m JOIN delivery d ON d.alert_id = m.alert_id WHERE d.person_id IS NOT NULL" + (
        f" AND d.result IN ({REACHED_SQL})"
    )
    total = read.sql(f"SELECT count(DISTINCT d.person_id) {found}", {"id": alert_id}).scalar_one()
    rows = read.sql(
        f"SELECT d.instance, count(DISTINCT d.person_id) AS n {found} GROUP BY d.instance", {"id": alert_id}
    ).all()
    return int(total), {row.instance: row.n for row in rows}


def refuse_pruned(read: Read, alert_id: str) -> None:
    """Raises Refused where deliveries of the thread were pruned: what followed could not reach those who had them."""
    row = read.sql(
        f"SELECT c.at, a.code FROM ({_MESSAGES}) m JOIN checkpoint c ON c.alert_id = m.alert_id"
        " JOIN alert a ON a.id = m.alert_id ORDER BY c.at DESC LIMIT 1",
        {"id": alert_id},
    ).first()
    if row is not None:
        raise Refused(
            f"whom alert {row.code} reached was pruned from the record on {to_datetime(row.at):%Y-%m-%d}, so nothing"
            " can follow it; send a new alert",
            rule="pruned",
        )
