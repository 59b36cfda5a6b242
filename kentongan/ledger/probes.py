"""Looks at the channels in the ledger: when each was asked, and what was seen. The last KEPT of each are kept."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, func, insert, select, update

from kentongan.clock import Milliseconds, to_datetime, to_milliseconds
from kentongan.ledger import schema
from kentongan.ledger.transaction import Read, Write
from kentongan.readiness import LOST, Probe, Standing, is_due
from kentongan.seam import Readiness

KEPT = 50


def begin(write: Write, instance: str, *, every: Milliseconds) -> str | None:
    """Puts a look on record before it is made, and returns its id; None where it is not due, or another is under way.

    So processes that ask side by side, whatever they are, ask once.
    """
    table = schema.probe
    rows = write.execute(
        select(table.c.id, table.c.at, table.c.outcome)
        .where(table.c.instance == instance)
        .order_by(table.c.at.desc(), table.c.id)
    ).all()
    for row in rows[:1]:
        under_way = row.outcome == "open" and 0 <= write.now - row.at < LOST
        if not is_due(row.at, now=write.now, every=every) or (under_way and every > 0):
            return None
    id = secrets.token_hex(8)
    # One that was dated ahead of a clock that was set back must not hide what is seen from now on.
    past = [row.id for row in rows[KEPT - 1 :]] + [row.id for row in rows if row.at > write.now]
    write.execute(delete(table).where(table.c.id.in_(past)))
    write.execute(insert(table).values(id=id, instance=instance, at=write.now, outcome="open"))
    return id


def settle(write: Write, id: str, seen: Readiness, *, took: Milliseconds) -> None:
    """Records what was seen; an event says so where that is another thing than before."""
    table = schema.probe
    row = write.execute(select(table.c.instance, table.c.at).where(table.c.id == id)).one_or_none()
    if row is None:
        return
    before = write.execute(
        select(table)
        .where(table.c.instance == row.instance, table.c.outcome != "open", table.c.id != id)
        .order_by(table.c.at.desc(), table.c.id)
        .limit(1)
    ).one_or_none()
    outcome = "ready" if seen.ready else "unready"
    goes_on = before is not None and before.outcome == outcome
    write.execute(
        update(table)
        .where(table.c.id == id)
        .values(
            outcome=outcome,
            detail=seen.detail,
            expires_at=to_milliseconds(seen.expires_at) if seen.expires_at is not None else None,
            quota_left=seen.quota_left,
            took=took,
            since=before.since if before is not None and goes_on else row.at,
            times=before.times + 1 if before is not None and goes_on else 1,
        )
    )
    if not goes_on and (before is not None or not seen.ready):
        write.event(f"instance.{outcome}", instance=row.instance, detail=seen.detail)


def last_begun(read: Read) -> dict[str, Milliseconds]:
    """When the last look at each instance began."""
    return {row.instance: row.at for row in read.sql("SELECT instance, max(at) AS at FROM probe GROUP BY instance")}


def standings(read: Read) -> dict[str, Standing]:
    """How every instance stands that was ever asked, by name."""
    found: dict[str, Standing] = {}
    table = schema.probe
    newest = (
        select(table.c.instance, func.max(table.c.at).label("at"))
        .where(table.c.outcome != "open")
        .group_by(table.c.instance)
        .subquery()
    )
    rows = read.execute(
        select(table)
        .join(newest, (table.c.instance == newest.c.instance) & (table.c.at == newest.c.at))
        .where(table.c.outcome != "open")
        .order_by(table.c.id)
    )
    for row in rows:
        ready = row.outcome == "ready"
        ends = to_datetime(row.expires_at) if row.expires_at is not None else None
        last = Probe(
            row.instance,
            row.at,
            Readiness(ready, row.detail, expires_at=ends, quota_left=row.quota_left),
            row.took or 0,
        )
        found[row.instance] = Standing(last) if ready else Standing(last, row.times, row.since)
    return found
