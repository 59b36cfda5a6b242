"""Deliveries as outcomes change them: the row, and the same change on record.

Every change of a tracked column goes through `change` or `close`, which write the same values to the row and to the
record, so that verification can replay one from the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from kentongan.delivery import REACHED, Action, Closed, Evidence, Result, Stage, result_of
from kentongan.ledger.chaining import canonical
from kentongan.ledger.following import follow_late
from kentongan.ledger.transaction import Read, Write
from kentongan.policy import TOO_LATE, Decision


def get(read: Read, delivery: int) -> Row[Any]:
    """A delivery with the state of its alert."""
    return read.sql(
        "SELECT d.*, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.id = :id", {"id": delivery}
    ).one()


def change(write: Write, event: str, row: Row[Any], changes: Mapping[str, Any], **data: Any) -> None:
    """Changes one delivery and records the same values, with what else `data` says of why."""
    if changes:
        columns = ", ".join(f"{column} = :{column}" for column in changes)
        free = ", sender = NULL" if changes.get("stage") in (Stage.PLANNED, Stage.DONE) else ""
        write.sql(f"UPDATE delivery SET {columns}{free} WHERE id = :id", {**changes, "id": row.id})
    write.event(event, alert=row.alert_id, delivery=row.id, set=dict(changes), **data)


def close(write: Write, closed: Closed, select: str, parameters: Mapping[str, Any]) -> int:
    """Ends the deliveries that `select` finds, those without a result as `closed`; returns how many."""
    rows = write.sql(select, parameters).all()
    for alert_id in {row.alert_id for row in rows}:
        for empty in (True, False):
            ids = [row.id for row in rows if row.alert_id == alert_id and (row.result == Result.NONE) == empty]
            if not ids:
                continue
            changes: dict[str, Any] = {"stage": Stage.DONE.value}
            if empty:
                changes["closed"] = closed.value
            columns = ", ".join(f"{column} = :{column}" for column in changes)
            write.sql(
                f"UPDATE delivery SET {columns}, sender = NULL WHERE id IN (SELECT value FROM json_each(:ids))",
                {**changes, "ids": json.dumps(ids)},
            )
            write.event(f"deliveries.{closed.value}", alert=alert_id, ids=ids, set=changes)
    return len(rows)


def raise_evidence(
    write: Write,
    event: str,
    delivery: int,
    number: int,
    evidence: Evidence,
    *,
    reason: str,
    detail: str = "",
    provider_id: str = "",
    url: str = "",
    by: str = "",
) -> Row[Any]:
    """Raises one attempt's evidence and with it the delivery's result; returns the row as it then is."""
    row = get(write, delivery)
    known = write.sql("SELECT number, evidence FROM attempt WHERE delivery_id = :id", {"id": delivery}).all()
    by_number = {r.number: Evidence(r.evidence) for r in known}
    tried: dict[str, Any] = {}
    if evidence.rank >= by_number[number].rank:
        by_number[number] = evidence
        tried = {"evidence": evidence.value, "outcome_at": write.now, "reason": attempt_reason(str(reason), detail)}
    if provider_id:
        tried["provider_id"] = provider_id
    if tried:
        columns = ", ".join(f"{column} = :{column}" for column in tried)
        write.sql(
            f"UPDATE attempt SET {columns} WHERE delivery_id = :id AND number = :number",
            {**tried, "id": delivery, "number": number},
        )
    tried.pop("reason", None)  # made of the event's own `reason` and `detail`
    result = result_of(by_number.values())
    changes: dict[str, Any] = {}
    if result != row.result:
        changes["result"] = result.value
    if result is not Result.NONE and row.closed is not None:
        changes["closed"] = None
    if by_number[number] is Evidence.IN_DOUBT and not row.doubted:
        changes["doubted"] = 1
    if provider_id and provider_id != row.provider_id:
        changes["provider_id"] = provider_id
    if url and url != row.url:
        changes["url"] = url
    if result.final and result is not Result.REJECTED and row.accepted_at is None and result is not Result.UNREACHABLE:
        changes["accepted_at"] = write.now
    if result.final and row.stage in (Stage.PLANNED, Stage.CLAIMED) and row.action != Action.EDIT:
        # A repeat that was planned, or claimed but not yet intended, is no longer wanted.
        changes["stage"] = Stage.DONE.value
    change(
        write,
        event,
        row,
        changes,
        attempt=number,
        evidence=evidence,
        reason=str(reason),
        detail=detail,
        tried=tried,
        **({"by": by} if by else {}),
    )
    if "result" in changes and result in REACHED:
        follow_late(write, row)
    return get(write, delivery)


def attempt_reason(reason: str, detail: str) -> str:
    """What stands on an attempt: the named reason, and the detail where there is one."""
    return f"{reason}: {detail}" if detail else reason


def forgotten(row: Row[Any]) -> bool:
    """Whether late evidence has taken away what a delivery waited for.

    It is done although nothing of it has gone and nobody gave it up, or to be looked for although nothing is in doubt.
    """
    waits = row.stage in (Stage.PLANNED, Stage.CLAIMED) and row.action == Action.FIND
    return row.result == Result.NONE and row.closed is None and (row.stage == Stage.DONE or waits)


def move_on(write: Write, row: Row[Any], decision: Decision, handle: Mapping[str, str] | None) -> None:
    """Moves a delivery on after an attempt of ours: planned again, or done."""
    changes: dict[str, Any] = {"stage": Stage.DONE.value}
    stopped = row.state != "dispatched" and decision.action is not Action.FIND
    undecided = not Result(row.result).final
    if decision.due_at is not None and (undecided or decision.action is Action.EDIT) and not stopped:
        changes = {"stage": Stage.PLANNED.value, "action": decision.action.value, "due_at": decision.due_at}
        if handle is not None:
            changes["handle"] = canonical(dict(handle))
    elif row.result == Result.NONE:
        late = row.deliver_by <= write.now or decision.reason in TOO_LATE
        closed = Closed.EXPIRED if late else Closed.CANCELLED
        changes["closed"] = closed.value
    change(write, "delivery.next", row, changes)
