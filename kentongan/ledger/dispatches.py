"""Dispatches in the ledger: an alert begins to be sent, is owned by a sender, is stopped, and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from kentongan.alert import Kind
from kentongan.clock import Milliseconds
from kentongan.errors import Refused
from kentongan.ledger import alerts, drills, schema, steps, threads, yielding
from kentongan.ledger.chaining import digest
from kentongan.ledger.planning import plan_public
from kentongan.ledger.transaction import Read, Write
from kentongan.plan import Plan
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A dispatch as the ledger holds it."""

    alert_id: str
    at: Milliseconds
    by: str
    plan: Plan
    owner: str | None
    expanded: bool


def begin(
    write: Write, alert_id: str, *, plan: Plan, by: str, allowed: Sequence[str], proof: Mapping[str, Any]
) -> None:
    """Commits an alert to be sent: from here nothing is lost.

    `allowed`: the states it may be dispatched from; `proof`: by what right, for the record. What it follows is
    superseded first, in the same transaction. Raises Refused where another has followed since, or the thread was
    withdrawn or pruned; a correction supersedes them all. A live alert stops every drill: from this commit none begins
    a request.
    """
    if plan.mode is Mode.LIVE:
        _stop_drills(write, alert_id, by=by)
    if plan.predecessor is not None:
        threads.refuse_pruned(write, plan.predecessor)
        earlier = threads.messages(write, plan.predecessor)
        if plan.kind is not Kind.CORRECTION and earlier[-1:] != [plan.predecessor]:
            _refuse_overtaken(write, alert_id, earlier)
        state = "withdrawn" if plan.kind is Kind.CORRECTION else "superseded"
        for each in earlier:
            if alerts.get(write, each).state == "dispatched":
                stop(
                    write, each, by=by, signed=True, why=f"followed by {alerts.get(write, alert_id).code}", state=state
                )
    alerts.move(write, alert_id, allowed, "dispatched")
    content = plan.model_dump_json()
    write.execute(insert(schema.dispatch).values(alert_id=alert_id, at=write.now, by=by, plan=content))
    write.event(
        "alert.dispatched",
        alert=alert_id,
        by=by,
        plan=digest(content),
        instances=[instance.name for instance in plan.instances],
        proof=dict(proof),
        set={"state": "dispatched"},
    )
    plan_public(write, alert_id, plan)
    steps.begin(write, alert_id, plan)


def _stop_drills(write: Write, alert_id: str, *, by: str) -> None:
    why = f"live alert {alerts.get(write, alert_id).code} was sent"
    for each in yielding.to_stop(write):
        stop(write, each, by=by, signed=True, why=why)
    drills.stop_running(write, why=why)


def _refuse_overtaken(read: Read, alert_id: str, earlier: Sequence[str]) -> None:
    own = alerts.get(read, alert_id)
    if not earlier:
        assert own.predecessor is not None
        before = alerts.get(read, own.predecessor)
        raise Refused(f"alert {before.code}, which {own.code} follows, was never sent; discard it", rule="thread")
    newest = alerts.get(read, earlier[-1])
    if newest.kind is Kind.CORRECTION:
        told = f"the thread was withdrawn by {newest.code}; draft a new alert"
    else:
        told = f"{newest.code} ({newest.kind}) was sent since; draft what follows it instead"
    raise Refused(f"{own.code} can follow nothing any more: {told}", rule="thread")


def stop(write: Write, alert_id: str, *, by: str, signed: bool, why: str = "", state: str = "stopped") -> int:
    """Raises the alert's epoch: from this commit no intent of the old one can be written. Returns the new epoch.

    `state` is the one it ends in: stopped, or superseded or withdrawn by another message of its thread.
    """
    table = schema.alert
    moved = write.execute(
        update(table)
        .where(table.c.id == alert_id, table.c.state == "dispatched")
        .values(state=state, epoch=table.c.epoch + 1)
    ).rowcount
    stopped = alerts.get(write, alert_id)
    if not moved:
        code = stopped.code
        if stopped.state in ("stopped", "superseded"):
            told = f"is {stopped.state} already; `kentongan follow-up {code} --kind correction` withdraws what had left"
        elif stopped.state == "withdrawn":
            told = f"is withdrawn already; see `kentongan status {code}`"
        else:
            told = f"was not sent, so there is nothing to stop; see `kentongan status {code}`"
        raise Refused(f"alert {code} {told}", rule="state")
    write.event(
        "alert.stopped",
        alert=alert_id,
        by=by,
        signed=signed,
        why=why,
        set={"state": state, "epoch": stopped.epoch},
    )
    return stopped.epoch


def planned_and_unsent(read: Read, alert_id: str) -> tuple[int, int]:
    """How many deliveries of an alert there are, and of how many no request has begun, in a ledger of any version."""
    row = read.sql(
        "SELECT count(*) AS planned, coalesce(sum(CASE WHEN result = 'none' AND (closed = 'cancelled' OR"
        " (closed IS NULL AND stage IN ('planned', 'claimed'))) THEN 1 ELSE 0 END), 0) AS unsent"
        " FROM delivery WHERE alert_id = :id",
        {"id": alert_id},
    ).one()
    return int(row.planned), int(row.unsent)


def end_expired(write: Write) -> int:
    """Ends dispatched alerts that have expired and have nothing left to be sent."""
    rows = write.sql(
        "SELECT id FROM alert a WHERE state = 'dispatched' AND expires_at <= :now AND NOT EXISTS"
        " (SELECT 1 FROM delivery d INDEXED BY delivery_open WHERE d.alert_id = a.id AND d.stage <> 'done')"
        " AND EXISTS (SELECT 1 FROM dispatch s WHERE s.alert_id = a.id AND s.expanded = 1)",
        {"now": write.now},
    ).all()
    for row in rows:
        alerts.move(write, row.id, ("dispatched",), "ended")
        write.event("alert.ended", alert=row.id, why="expired", set={"state": "ended"})
    return len(rows)


def get(read: Read, alert_id: str) -> Dispatch | None:
    """The dispatch of an alert, None where it was not dispatched."""
    row = read.execute(select(schema.dispatch).where(schema.dispatch.c.alert_id == alert_id)).first()
    if row is None:
        return None
    with alerts.legible(read, alert_id, "its plan"):
        plan = Plan.model_validate_json(row.plan)
    return Dispatch(
        alert_id=row.alert_id, at=row.at, by=row.by, plan=plan, owner=row.owner, expanded=bool(row.expanded)
    )


def own(write: Write, alert_id: str, *, sender: str, gone: Sequence[str]) -> bool:
    """Takes a dispatch over for `sender`, where it has no owner or one of those `gone`; True where it is ours."""
    row = write.sql("SELECT owner FROM dispatch WHERE alert_id = :id", {"id": alert_id}).first()
    if row is None:
        return False
    if row.owner == sender:
        return True
    if row.owner is not None and row.owner not in gone:
        return False
    write.sql("UPDATE dispatch SET owner = :sender WHERE alert_id = :id", {"sender": sender, "id": alert_id})
    write.event("dispatch.owned", alert=alert_id, before=row.owner, set={"owner": sender})
    return True


def refuse(write: Write, alert_id: str, *, sender: str, why: str) -> None:
    """Puts on record that `sender` will not send a dispatch, and leaves one that it was handed to whoever takes it."""
    moved = write.sql(
        "UPDATE dispatch SET owner = NULL WHERE alert_id = :id AND owner = :sender", {"id": alert_id, "sender": sender}
    ).rowcount
    left: dict[str, Any] = {"set": {"owner": None}} if moved else {}
    write.event("dispatch.refused", alert=alert_id, why=why, sender=sender, **left)


def hand_on(write: Write, alert_id: str, *, sender: str, to: str) -> bool:
    """Makes `to` the owner of a dispatch that `sender` owns; False where that one does not own it any more."""
    moved = write.sql(
        "UPDATE dispatch SET owner = :to WHERE alert_id = :id AND owner = :sender",
        {"to": to, "id": alert_id, "sender": sender},
    ).rowcount
    if moved:
        write.event("dispatch.handed_on", alert=alert_id, before=sender, set={"owner": to})
    return bool(moved)
