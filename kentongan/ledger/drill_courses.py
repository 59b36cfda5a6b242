"""What the ledger knows of a run: how far it has come, and what it has achieved."""

from __future__ import annotations

import json
from dataclasses import replace

from kentongan.clock import Milliseconds
from kentongan.drills import Course, Measured
from kentongan.ledger import alerts, dispatches, steps, threads, views
from kentongan.ledger.drills import StoredDrill
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class _Counts:
    """The deliveries of one message; times are wall time. `unconfirmed`: accepted ones whose receipt may still come."""

    deliveries: int
    accepted: int
    first: Milliseconds | None
    last: Milliseconds | None
    receipted: int
    delivered: int
    unconfirmed: int


def course(read: Read, running: StoredDrill) -> Course:
    """Where a running drill stands."""
    assert running.alert_id is not None
    assert running.began_at is not None
    withdrawal = threads.withdrawal(read, running.alert_id)
    corrected = dispatches.get(read, withdrawal) if withdrawal is not None else None
    messages = [running.alert_id, *([withdrawal] if withdrawal is not None else [])]
    counted = [_count(read, id) for id in messages]
    # Whoever withdrew or stopped it by hand has ended it: there is nothing left to correct.
    stands = alerts.get(read, running.alert_id).state in ("dispatched", "ended")
    return Course(
        now=read.now,
        began=running.began_at,
        sending=any(views.is_open(read, id) or steps.waiting(read, id) is not None for id in messages),
        confirmed=all(each.unconfirmed == 0 for each in counted),
        last_activity=max(running.began_at, *(each.last or 0 for each in counted)),
        correct_after=running.plan.correct_after if corrected is not None or stands else None,
        corrected_at=corrected.at if corrected is not None else None,
        settle=running.plan.settle,
    )


def measure(read: Read, run: StoredDrill) -> Measured:
    """What a run has achieved by now, from its deliveries and those of its correction."""
    assert run.alert_id is not None
    dispatched = dispatches.get(read, run.alert_id)
    assert dispatched is not None
    counted = _count(read, run.alert_id)
    measured = Measured(
        deliveries=counted.deliveries,
        accepted=counted.accepted,
        first=_since(counted.first, dispatched.at),
        last=_since(counted.last, dispatched.at),
        receipted=counted.receipted,
        delivered=counted.delivered,
    )
    if run.plan.correct_after is None:
        return measured
    withdrawal = threads.withdrawal(read, run.alert_id)
    corrected = dispatches.get(read, withdrawal) if withdrawal is not None else None
    if withdrawal is None or corrected is None:
        return replace(measured, to_correct=counted.accepted)
    follow = _count(read, withdrawal)
    return replace(
        measured,
        to_correct=follow.deliveries,
        corrected=follow.accepted,
        corrected_after=_since(follow.last, corrected.at),
    )


def _since(at: Milliseconds | None, start: Milliseconds) -> Milliseconds | None:
    return max(0, at - start) if at is not None else None


def _count(read: Read, alert_id: str) -> _Counts:
    dispatched = dispatches.get(read, alert_id)
    receipted = [i.name for i in dispatched.plan.instances if i.receipts] if dispatched is not None else []
    confirmable = "instance IN (SELECT value FROM json_each(:receipted))"
    row = read.sql(
        "SELECT count(*) AS deliveries, count(accepted_at) AS accepted, min(accepted_at) AS first,"
        f" max(accepted_at) AS last, count(CASE WHEN {confirmable} THEN 1 END) AS receipted,"
        f" count(CASE WHEN {confirmable} AND result IN ('delivered', 'read') THEN 1 END) AS delivered,"
        f" count(CASE WHEN {confirmable} AND result = 'accepted' THEN 1 END) AS unconfirmed"
        " FROM delivery WHERE alert_id = :alert",
        {"alert": alert_id, "receipted": json.dumps(receipted)},
    ).one()
    return _Counts(**row._mapping)
