"""Token buckets in the ledger, by which all processes share the rate of a credential (`kentongan.bucket`).

They are kept by the clock of leases (`senders.moment`), and told by this machine's boot time in seconds. In a file, a
row of before the machine was started anew counts as none. They are no record of what was sent: what they led to,
deliveries and attempts tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from kentongan import bucket
from kentongan.bucket import Bucket, Lease
from kentongan.clock import Clock
from kentongan.ledger import senders
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

_FIELDS = "leased_to, paused_until, rank, wanted, throttled"
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
    return _moved(write, name, here, lambda found, now: bucket.pause(found, now=now, seconds=seconds))


def _moved(write: Write, name: str, here: Here, move: Callable[[Bucket, float], Bucket]) -> Bucket:
    time = _locked(write, name, here)
    found = move(_get(write, name, time), time.now)
    _put(write, name, time, found)
    return _told(found, time)


def throttle(write: Write, name: str, here: Here, *, first: float, most: float) -> Bucket:
    """Stops all who share a bucket after one more refusal in a row that says not for how long (`bucket.throttle`)."""
    return _moved(write, name, here, lambda found, now: bucket.throttle(found, now=now, first=first, most=most))


def calm(write: Write, name: str, here: Here) -> Bucket:
    """Ends the row of such refusals, because a request was taken."""
    return _moved(write, name, here, lambda found, now: bucket.calm(found, now=now))


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
        write.soon(
            f"INSERT INTO bucket (name, boot_id, {_FIELDS}) VALUES (:name, :of, 0, 0, 0, 0, 0)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name",
            {"name": name, "of": _DATABASE},
        )
    return _time(write, here)


def _get(read: Read, name: str, time: _Time) -> Bucket:
    row = read.sql(
        f"SELECT {_FIELDS} FROM bucket WHERE name = :name AND boot_id = :boot", {"name": name, "boot": time.of}
    ).first()
    return Bucket(*row) if row is not None else Bucket()


def _put(write: Write, name: str, time: _Time, found: Bucket) -> None:
    write.soon(
        f"INSERT INTO bucket (name, boot_id, {_FIELDS})"
        " VALUES (:name, :boot, :leased_to, :paused_until, :rank, :wanted, :throttled)"
        " ON CONFLICT (name) DO UPDATE SET boot_id = excluded.boot_id, leased_to = excluded.leased_to,"
        " paused_until = excluded.paused_until, rank = excluded.rank, wanted = excluded.wanted,"
        " throttled = excluded.throttled",
        {
            "name": name,
            "boot": time.of,
            "leased_to": found.leased_to,
            "paused_until": found.paused_until,
            "rank": found.rank,
            "wanted": found.wanted,
            "throttled": found.throttled,
        },
    )
