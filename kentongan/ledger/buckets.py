"""Token buckets in the ledger, by which all processes share the rate of a credential (`kentongan.bucket`).

They are kept by the clock of leases (`senders.moment`), and told by this machine's boot time in seconds. In a file, a
row of before the machine was started anew counts as none. They are no record of what was sent: what they led to,
deliveries and attempts tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kentongan import bucket
from kentongan.bucket import Bucket, Lease
from kentongan.clock import Clock
from kentongan.ledger import senders
from kentongan.ledger.transaction import Read, Write

_FIELDS = "leased_to, paused_until, rank, wanted"
_DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Here:
    """This machine, as buckets know it: its clock, and the start that its boot time counts from."""

    clock: Clock
    boot_id: str


@dataclass(frozen=True, slots=True)
class _Time:
    """The clock of leases now: whose it is, what it says, and how far our boot time is ahead of it."""

    of: str
    now: float
    ahead: float


def _time(read: Read, here: Here) -> _Time:
    now = senders.moment(read, here.clock) / 1000
    if not read.on_postgres:
        return _Time(here.boot_id, now, 0.0)
    return _Time(_DATABASE, now, here.clock.boot() / 1000 - now)


def get(read: Read, name: str, here: Here) -> Bucket:
    """What is known of a bucket now; an unused one where nobody has asked since the machine started."""
    time = _time(read, here)
    return _told(_get(read, name, time), time)


def lease(write: Write, name: str, here: Here, *, length: float, rank: int) -> tuple[Bucket, Lease]:
    """Leases `length` seconds of a bucket's time, or says when to ask again; returns also how the bucket stands."""
    time = _locked(write, name, here)
    found, leave = bucket.lease(_get(write, name, time), now=time.now, length=length, rank=rank)
    _put(write, name, time, found)
    ahead = time.ahead
    return _told(found, time), Lease(
        leave.start + ahead, leave.end + ahead, leave.again + ahead if leave.again else 0.0
    )


def pause(write: Write, name: str, here: Here, *, seconds: float) -> Bucket:
    """Stops all who share a bucket for `seconds` from now on."""
    time = _locked(write, name, here)
    found = bucket.pause(_get(write, name, time), now=time.now, seconds=seconds)
    _put(write, name, time, found)
    return _told(found, time)


def resume(write: Write, names: Iterable[str]) -> None:
    """Ends the pauses of these buckets, at an officer's word; their rate holds on."""
    for name in names:
        write.sql("DELETE FROM bucket WHERE name = :name", {"name": name})


def paused(read: Read, here: Here) -> dict[str, float]:
    """The buckets that are paused, with the seconds that are left."""
    time = _time(read, here)
    rows = read.sql(
        "SELECT name, paused_until FROM bucket WHERE boot_id = :boot AND paused_until > :now",
        {"boot": time.of, "now": time.now},
    ).all()
    return {row.name: row.paused_until - time.now for row in rows}


def _told(found: Bucket, time: _Time) -> Bucket:
    return replace(
        found,
        leased_to=found.leased_to + time.ahead,
        paused_until=found.paused_until + time.ahead,
        wanted=found.wanted + time.ahead,
    )


def _locked(write: Write, name: str, here: Here) -> _Time:
    """The time at which this transaction has the row for itself; a file's writer is alone anyway."""
    if write.on_postgres:
        write.sql(
            f"INSERT INTO bucket (name, boot_id, {_FIELDS}) VALUES (:name, :of, 0, 0, 0, 0)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name",
            {"name": name, "of": _DATABASE},
        )
    return _time(write, here)


def _get(read: Read, name: str, time: _Time) -> Bucket:
    row = read.sql(
        f"SELECT {_FIELDS} FROM bucket WHERE name = :name AND boot_id = :boot", {"name": name, "boot": time.of}
    ).first()
    return Bucket(row.leased_to, row.paused_until, row.rank, row.wanted) if row is not None else Bucket()


def _put(write: Write, name: str, time: _Time, found: Bucket) -> None:
    write.sql(
        f"INSERT INTO bucket (name, boot_id, {_FIELDS})"
        " VALUES (:name, :boot, :leased_to, :paused_until, :rank, :wanted)"
        " ON CONFLICT (name) DO UPDATE SET boot_id = excluded.boot_id, leased_to = excluded.leased_to,"
        " paused_until = excluded.paused_until, rank = excluded.rank, wanted = excluded.wanted",
        {
            "name": name,
            "boot": time.of,
            "leased_to": found.leased_to,
            "paused_until": found.paused_until,
            "rank": found.rank,
            "wanted": found.wanted,
        },
    )
