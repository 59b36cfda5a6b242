"""Processes that send: their beats, and which of them are gone; and instances on hold."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence, Set
from typing import Any

from sqlalchemy import Row, delete, insert, select

from kentongan.clock import Clock, Milliseconds, Process
from kentongan.ledger import schema
from kentongan.ledger.transaction import Read, Write

BEAT: Milliseconds = 2_000
"""How often a sender says that it is there."""

LEASE: Milliseconds = 10_000
"""How long its claims and ownership last without a beat."""


def register(write: Write, *, sender: str, role: str, process: Process, clock: Clock) -> None:
    """Puts a sender on record; `role` tells officers what it is ("service", "send", "flow").

    One that is on record already beats: its commit had been taken, and nobody came to say so.
    """
    if is_known(write, sender):
        beat(write, sender=sender, clock=clock)
        return
    write.execute(
        insert(schema.sender).values(
            id=sender,
            role=role,
            host=socket.gethostname(),
            boot_id=process.boot_id,
            namespace=process.namespace,
            pid=process.pid,
            started=process.started,
            beat=moment(write, clock),
        )
    )
    write.event("sender.started", sender=sender, role=role)


def beat(write: Write, *, sender: str, clock: Clock) -> Milliseconds:
    """Renews a sender's lease; returns this machine's boot time from which it lasts."""
    before = clock.boot()
    write.soon("UPDATE sender SET beat = :beat WHERE id = :id", {"beat": moment(write, clock), "id": sender})
    return before


def serve(write: Write, *, sender: str, channels: Sequence[str]) -> None:
    """Notes the channels that a sender sends on for others: what it is handed, and what it takes part in."""
    write.sql("UPDATE sender SET serves = :serves WHERE id = :id", {"serves": json.dumps(list(channels)), "id": sender})


def is_served(read: Read, instance: str, *, but: str, clock: Clock, process: Process) -> bool:
    """Whether a sender other than `but` is there that sends on a channel for others."""
    return server(read, {instance}, but={but}, clock=clock, process=process) is not None


def server(
    read: Read, instances: Set[str], *, but: Set[str], clock: Clock, process: Process, since: Milliseconds = 0
) -> str | None:
    """A sender that is none of `but`, is there, and sends on all of these for others; None where there is none.

    `since`: only one that has said from then on that it is there, by the clock of leases.
    """
    there = (row for row in present(read, clock=clock, process=process) if row.id not in but and row.beat >= since)
    return min(
        (row.id for row in there if row.serves is not None and instances <= set(json.loads(row.serves))), default=None
    )


def moment(read: Read, clock: Clock) -> Milliseconds:
    """The moment by the clock of leases: what all who share the ledger have in common.

    A file is shared on one machine, whose boot time never jumps; a database by machines that know only its own clock.
    """
    if not read.on_postgres:
        return clock.boot()
    return int(read.sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)").scalar_one())


def end(write: Write, *, sender: str) -> None:
    """Records that a sender has ended of its own will; what it still holds is free at once."""
    write.sql("UPDATE sender SET ended = 1 WHERE id = :id", {"id": sender})
    write.event("sender.ended", sender=sender)


def gone(read: Read, *, clock: Clock, process: Process, suspects: Sequence[str] | None = None) -> list[str]:
    """Senders that hold something and are no more: ended, silent for a lease, or no process of this machine.

    `suspects` narrows the question; without it, all that hold deliveries or dispatches are asked after.
    """
    if suspects is None:
        rows = read.sql(
            "SELECT * FROM sender WHERE id IN (SELECT sender FROM delivery WHERE sender IS NOT NULL"
            " UNION SELECT owner FROM dispatch WHERE owner IS NOT NULL)"
        ).all()
    else:
        rows = read.sql(
            "SELECT * FROM sender WHERE id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(list(suspects))}
        ).all()
    return [row.id for row, is_gone in _looked_at(read, rows, clock, process) if is_gone]


def _looked_at(read: Read, rows: Sequence[Row[Any]], clock: Clock, process: Process) -> Iterator[tuple[Row[Any], bool]]:
    """Senders' rows, each with whether its sender is no more."""
    now = moment(read, clock) if rows else 0
    for row in rows:
        there = Process(row.boot_id, row.namespace, row.pid, row.started)
        here = row.boot_id == process.boot_id
        silent = (here or read.on_postgres) and now - row.beat > LEASE
        # Of a process on another machine, only its silence tells; a file was on this one before it started anew.
        can_be_asked = here or not read.on_postgres
        yield row, bool(row.ended or silent or (can_be_asked and there.is_gone()))


def is_known(read: Read, sender: str) -> bool:
    """Whether a sender was ever put on record."""
    return read.execute(select(schema.sender.c.id).where(schema.sender.c.id == sender)).first() is not None


def present(read: Read, *, clock: Clock, process: Process, but: str = "") -> list[Row[Any]]:
    """The rows of all senders but `but` that are there now, whatever they hold."""
    rows = read.sql("SELECT * FROM sender WHERE ended = 0 AND id <> :but", {"but": but}).all()
    return [row for row, is_gone in _looked_at(read, rows, clock, process) if not is_gone]


def is_resident_there(read: Read, *, clock: Clock, process: Process, but: str = "") -> bool:
    """Whether a service or a worker other than `but` is there: where it lacks a key, it holds what it must itself."""
    return any(row.role in ("service", "worker") for row in present(read, clock=clock, process=process, but=but))


def is_attended(read: Read, owner: str | None, *, clock: Clock, process: Process) -> bool:
    """Whether anybody is there to send what `owner` took: that sender itself, or one that takes over from others."""
    there = present(read, clock=clock, process=process)
    return any(row.id == owner or row.serves is not None for row in there)


# --- Holds ---


LEDGER = "*"
"""The name by which all instances are held at once."""

NO_ADDRESSES = "people's data cannot be opened: "
"""How the reason begins of a hold that ends as soon as a sender has the key of people's data."""


def hold(write: Write, *, instance: str, reason: str) -> bool:
    """Holds an instance ("*": the ledger): its rows wait. True where it was not held before."""
    if write.execute(select(schema.hold).where(schema.hold.c.instance == instance)).first() is not None:
        return False
    write.execute(insert(schema.hold).values(instance=instance, reason=reason, since=write.now))
    write.event("instance.held", instance=instance, reason=reason)
    return True


def release_hold(write: Write, *, instance: str, by: str) -> bool:
    """Lets a held instance go on; True where it was held."""
    if not write.execute(delete(schema.hold).where(schema.hold.c.instance == instance)).rowcount:
        return False
    write.event("instance.released", instance=instance, by=by)
    return True


def held_since(read: Read) -> dict[str, Milliseconds]:
    """The held instances, with when each hold began."""
    return {row.instance: row.since for row in read.execute(select(schema.hold))}


def holds(read: Read) -> dict[str, str]:
    """The held instances, with the reason of each."""
    return {row.instance: row.reason for row in read.execute(select(schema.hold))}
