"""Pruning in the ledger: which threads have long ended, and taking their deliveries away in small transactions.

What goes is `delivery`, `attempt`, `receipt` and their events; an officer's word on a doubt stays, as all decisions do.
Events leave their digests behind (`kentongan.ledger.pruned`), so that every link and every head verifies as before.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from kentongan.clock import Milliseconds
from kentongan.keys import StateKeys
from kentongan.ledger import alerts, drills, kept_reports, pruned, steps, tallies, threads, views
from kentongan.ledger.chaining import digest
from kentongan.ledger.pruned import Folded, Gone
from kentongan.ledger.transaction import Read, Write

RESOLVED = "delivery.resolved"
_OF_DELIVERIES = f"e.type LIKE 'deliver%' AND e.type <> '{RESOLVED}'"
_OF_CHUNK = f"(({_OF_DELIVERIES}) OR e.type = 'receipt.received')"
_OVER = ("prepared", "stopped", "superseded", "withdrawn", "ended", "discarded")


def begun(read: Read) -> list[str]:
    """The alerts whose pruning was begun and is to be gone on with."""
    return list(read.sql("SELECT alert_id FROM checkpoint WHERE finished_at IS NULL ORDER BY at, alert_id").scalars())


def sent_before(read: Read, before: Milliseconds) -> list[list[str]]:
    """The threads that began to be sent before a time and are not pruned, oldest first; each as its messages' ids."""
    ids = read.sql(
        "SELECT s.alert_id FROM dispatch s WHERE s.at < :before AND NOT EXISTS"
        " (SELECT 1 FROM checkpoint c WHERE c.alert_id = s.alert_id) ORDER BY s.at, s.alert_id",
        {"before": before},
    ).scalars()
    found: list[list[str]] = []
    seen: set[str] = set()
    for id in list(ids):
        if id not in seen:
            found.append(threads.messages(read, id))
            seen.update(found[-1])
    return found


def obstacle(read: Read, messages: Sequence[str], before: Milliseconds) -> str | None:
    """Why a thread's deliveries cannot go now, in words; None where they can.

    They go when nothing is on record of any message of the thread since `before`, and nothing more can come of them.
    """
    for id in threads.whole(read, messages[0]):
        row = read.sql("SELECT state, code, expires_at FROM alert WHERE id = :id", {"id": id}).one()
        # What takes words back does not expire: it is over once everybody has it.
        if row.state not in _OVER and not (row.state == "dispatched" and row.expires_at is None):
            told = "has not ended" if row.state == "dispatched" else f"waits to follow it ({row.state})"
            return f"{row.code} {told}"
    counts = {"ids": json.dumps(list(messages)), "before": before}
    among = "IN (SELECT value FROM json_each(:ids))"
    if any(views.is_open(read, id) or steps.waiting(read, id) is not None for id in messages):
        return "something of it is still to be sent"
    if read.sql(
        f"SELECT 1 FROM delivery WHERE alert_id {among} AND stage = 'done' AND result = 'in_doubt' LIMIT 1", counts
    ).first():
        return "some of it is in doubt; settle it with `kentongan resolve`"
    if any((run := drills.of_alert(read, id)) is not None and run.state is drills.State.RUNNING for id in messages):
        return "its drill is still running"
    if read.sql(f"SELECT 1 FROM review WHERE alert_id {among} AND done_at IS NULL LIMIT 1", counts).first():
        return "its broken glass is not reviewed; see `kentongan review`"
    if read.sql(f"SELECT 1 FROM event WHERE alert_id {among} AND at >= :before LIMIT 1", counts).first():
        return "something was recorded of it since"
    if read.sql(
        f"SELECT 1 FROM delivery WHERE alert_id {among} AND id = (SELECT max(id) FROM delivery)", counts
    ).first():
        # A number that was given away once must never name another delivery, and the next one is the highest plus one.
        return "it was the last that was sent"
    return None


def begin(
    write: Write,
    messages: Sequence[str],
    contents: Sequence[str],
    report: kept_reports.Packed,
    keys: StateKeys,
    *,
    before: Milliseconds,
    seen: int,
    by: str,
) -> bool:
    """Puts the checkpoints of a thread on record; from here its deliveries may go, and nothing can follow it any more.

    `contents`: what was counted of each message, when the last commit was at `seen`. `report`: the page that they
    name. False, and nothing written, where anything has happened to the thread since, or somebody else was first.
    """
    if tallies.changed(write, seen).alerts & set(messages) or obstacle(write, messages, before) is not None:
        return False
    if any(write.sql("SELECT 1 FROM checkpoint WHERE alert_id = :id", {"id": id}).first() for id in messages):
        return False
    kept_reports.put(write, messages[0], report)
    for id, content in zip(messages, contents, strict=True):
        signature = pruned.sign_checkpoint(keys, id, content)
        write.sql(
            "INSERT INTO checkpoint (alert_id, at, content, signature) VALUES (:id, :now, :content, :signature)",
            {"id": id, "now": write.now, "content": content, "signature": signature},
        )
        write.event("alert.pruning", alert=id, checkpoint=digest(content), signature=signature, by=by)
        if alerts.get(write, id).state == "dispatched":
            alerts.move(write, id, ("dispatched",), "ended")
            write.event("alert.ended", alert=id, why="pruned", set={"state": "ended"})
    return True


@dataclass(frozen=True, slots=True)
class Chunk:
    """What goes in one transaction: deliveries by id, and events."""

    deliveries: tuple[int, ...]
    events: tuple[Gone, ...]


def chunk(read: Read, alert_id: str, size: int) -> Chunk | None:
    """The next that is to go of an alert, `size` deliveries or events; None where nothing is left.

    What it holds never changes any more, so that it is read and digested while others write.
    """
    ids = list(
        read.sql("SELECT id FROM delivery WHERE alert_id = :id LIMIT :size", {"id": alert_id, "size": size}).scalars()
    )
    if ids:
        condition = f"e.delivery_id IN (SELECT value FROM json_each(:ids)) AND {_OF_CHUNK}"
    else:
        condition = f"e.alert_id = :id AND {_OF_DELIVERIES} LIMIT :size"
    parameters = {"id": alert_id, "size": size, "ids": json.dumps(ids)}
    events = tuple(pruned.gone(row) for row in read.sql(f"SELECT e.* FROM event e WHERE {condition}", parameters))
    return Chunk(tuple(ids), events) if ids or events else None


class Overtaken(Exception):
    """Somebody else has taken a part of this chunk; nothing of it is written."""


def take(write: Write, keys: StateKeys, alert_id: str, chunk: Chunk) -> None:
    """Takes a chunk away and leaves the digests of its events; raises Overtaken."""
    if chunk.events:
        went = _delete(write, chunk.events)
        if went != len(chunk.events):
            raise Overtaken
        pruned.keep(write, keys, alert_id, pruned.pack(chunk.events))
    if chunk.deliveries:
        ids = {"ids": json.dumps(chunk.deliveries)}
        for table, column in (("receipt", "delivery_id"), ("attempt", "delivery_id"), ("delivery", "id")):
            write.sql(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(:ids))", ids)


def _delete(write: Write, events: Sequence[Gone]) -> int:
    """Deletes events by their places; returns how many were there."""
    places = [{"chain": each.chain, "seq": each.seq, "ordinal": each.ordinal} for each in events]
    if not write.on_postgres:
        one = "DELETE FROM event WHERE chain = :chain AND seq = :seq AND ordinal = :ordinal"
        return write.sql(one, places).rowcount
    # Postgres counts the last of several alone; SQLite would look through the whole chain for these.
    return write.sql(
        "DELETE FROM event WHERE (chain, seq, ordinal) IN (SELECT value ->> 'chain',"
        " CAST(value ->> 'seq' AS bigint), CAST(value ->> 'ordinal' AS integer) FROM json_each(:events))",
        {"events": json.dumps(places)},
    ).rowcount


def foldable(read: Read, alert_id: str) -> list[Folded]:
    """The links of which an alert's pruned events were the last, in order; the end of a chain always stays."""
    seqs: dict[str, set[int]] = {}
    for row in read.sql("SELECT events FROM pruned WHERE alert_id = :id", {"id": alert_id}):
        for each in pruned.unpack(row.events):
            seqs.setdefault(each.chain, set()).add(each.seq)
    return [
        Folded(row.chain, row.seq, row.position)
        for chain, numbers in sorted(seqs.items())
        for row in read.sql(
            "SELECT l.chain, l.seq, l.position FROM link l WHERE l.chain = :chain"
            " AND l.seq IN (SELECT value FROM json_each(:seqs))"
            " AND l.seq < (SELECT max(m.seq) FROM link m WHERE m.chain = :chain) AND NOT EXISTS"
            " (SELECT 1 FROM event e WHERE e.chain = l.chain AND e.seq = l.seq) ORDER BY l.seq",
            {"chain": chain, "seqs": json.dumps(sorted(numbers))},
        )
    ]


def fold(write: Write, keys: StateKeys, alert_id: str, links: Sequence[Folded]) -> None:
    """Takes links away of which no event is left: they are computed from the digests of their events.

    Raises Overtaken.
    """
    for chain, group in itertools.groupby(links, lambda each: each.chain):
        seqs = [each.seq for each in group]
        went = write.sql(
            "DELETE FROM link WHERE chain = :chain AND seq IN (SELECT value FROM json_each(:seqs))",
            {"chain": chain, "seqs": json.dumps(seqs)},
        ).rowcount
        if went != len(seqs):
            raise Overtaken
    pruned.keep(write, keys, alert_id, pruned.pack_links(links))


def finish(write: Write, alert_id: str, *, deliveries: int, by: str) -> bool:
    """Puts on record that the last of an alert has gone; False, and nothing written, where some are there."""
    if chunk(write, alert_id, 1) is not None:
        return False
    moved = write.sql(
        "UPDATE checkpoint SET finished_at = :now WHERE alert_id = :id AND finished_at IS NULL",
        {"now": write.now, "id": alert_id},
    ).rowcount
    if moved:
        write.event("alert.pruned", alert=alert_id, deliveries=deliveries, by=by)
    return True


def strays(write: Write, before: Milliseconds, size: int) -> int:
    """Forgets up to `size` receipts that came before a time and named no message of ours; returns how many."""
    return write.sql(
        "DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE delivery_id IS NULL AND at < :before"
        " LIMIT :size)",
        {"before": before, "size": size},
    ).rowcount
