"""Token buckets in the ledger, by which all processes share the rate of a credential (`kentongan.bucket`).

Times are seconds of boot time: they mean nothing after the machine was started anew, so a row of another start counts
as none. They are no record of what was sent: what they led to, deliveries and attempts tell.
"""

from __future__ import annotations

from collections.abc import Iterable

from kentongan import bucket
from kentongan.bucket import Bucket, Lease
from kentongan.ledger.transaction import Read, Write

_FIELDS = "leased_to, paused_until, rank, wanted"


def get(read: Read, name: str, *, boot_id: str) -> Bucket:
    """What is known of a bucket now; an unused one where nobody has asked since the machine started."""
    row = read.sql(
        f"SELECT {_FIELDS} FROM bucket WHERE name = :name AND boot_id = :boot", {"name": name, "boot": boot_id}
    ).first()
    return Bucket(row.leased_to, row.paused_until, row.rank, row.wanted) if row is not None else Bucket()


def lease(write: Write, name: str, *, boot_id: str, now: float, length: float, rank: int) -> tuple[Bucket, Lease]:
    """Leases `length` seconds of a bucket's time, or says when to ask again; returns also how the bucket stands."""
    found, leave = bucket.lease(get(write, name, boot_id=boot_id), now=now, length=length, rank=rank)
    _put(write, name, boot_id, found)
    return found, leave


def pause(write: Write, name: str, *, boot_id: str, now: float, seconds: float) -> Bucket:
    """Stops all who share a bucket for `seconds` from `now` on."""
    found = bucket.pause(get(write, name, boot_id=boot_id), now=now, seconds=seconds)
    _put(write, name, boot_id, found)
    return found


def resume(write: Write, names: Iterable[str]) -> None:
    """Ends the pauses of these buckets, at an officer's word; their rate holds on."""
    for name in names:
        write.sql("DELETE FROM bucket WHERE name = :name", {"name": name})


def paused(read: Read, *, boot_id: str, now: float) -> dict[str, float]:
    """The buckets that are paused, with the seconds that are left."""
    rows = read.sql(
        "SELECT name, paused_until FROM bucket WHERE boot_id = :boot AND paused_until > :now",
        {"boot": boot_id, "now": now},
    ).all()
    return {row.name: row.paused_until - now for row in rows}


def _put(write: Write, name: str, boot_id: str, found: Bucket) -> None:
    write.sql(
        f"INSERT INTO bucket (name, boot_id, {_FIELDS})"
        " VALUES (:name, :boot, :leased_to, :paused_until, :rank, :wanted)"
        " ON CONFLICT (name) DO UPDATE SET boot_id = excluded.boot_id, leased_to = excluded.leased_to,"
        " paused_until = excluded.paused_until, rank = excluded.rank, wanted = excluded.wanted",
        {
            "name": name,
            "boot": boot_id,
            "leased_to": found.leased_to,
            "paused_until": found.paused_until,
            "rank": found.rank,
            "wanted": found.wanted,
        },
    )
