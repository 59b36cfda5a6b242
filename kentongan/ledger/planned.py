"""What was planned, on record: the columns of a delivery that are fixed then, and their digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write

STATIC = ("id", "key", "language", "person_id", "address_id", "family", "unique_by", "deliver_by", "follows")
"""Columns of a delivery that are fixed when it is planned, in the order in which their digest is made.

Where the event says so (`waved`), `wave` is the last of them.
"""

NEW_KEY = "printf('%012x', :now) || lower(hex(randomblob(10)))"
"""A delivery's key in SQL, where `:now` is the time.

It begins with that: keys without an order would each change another page of their index.
"""


def last_id(write: Write) -> int:
    """Id of the delivery that was planned last, of whatever alert."""
    return int(write.sql("SELECT coalesce(max(id), 0) FROM delivery").scalar_one())


def record_planned(write: Write, alert_id: str, instance: str, before: int) -> None:
    """Puts on record what was planned for an instance after the delivery `before`."""
    rows = planned_rows(write, alert_id, instance, before, None)
    if rows:
        write.event(
            "deliveries.planned",
            alert=alert_id,
            instance=instance,
            first=rows[0][0],
            last=rows[-1][0],
            count=len(rows),
            digest=static_digest(rows),
            waved=True,
        )


def planned_rows(read: Read, alert_id: str, instance: str, after: int, upto: int | None) -> Sequence[Row[Any]]:
    """The static columns of an instance's deliveries with `after` < id <= `upto`, in the order of ids; `wave` last."""
    return read.sql(
        f"SELECT {', '.join(STATIC)}, wave FROM delivery WHERE alert_id = :alert AND instance = :instance"
        " AND id > :after AND (:upto IS NULL OR id <= :upto) ORDER BY id",
        {"alert": alert_id, "instance": instance, "after": after, "upto": upto},
    ).all()


def static_digest(rows: Sequence[Sequence[Any]]) -> str:
    """Digest over the static columns of planned deliveries."""
    return digest(canonical([list(row) for row in rows]))
