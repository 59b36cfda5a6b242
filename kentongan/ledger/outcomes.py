"""Outcomes: what attempts have shown, and what is next; appended always, late or not.

Every change of a tracked column goes through `_change` or `_close`, which write the same values to the row and to the
record, so that verification can replay one from the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Milliseconds
from kentongan.delivery import REACHED, Action, Closed, Evidence, Phase, Result, Stage, result_of
from kentongan.ledger.chaining import canonical
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.planning import follow_late
from kentongan.ledger.transaction import Read, Write
from kentongan.policy import TOO_LATE, Decision, Reason


@dataclass(frozen=True, slots=True)
class Settled:
    """What one attempt has shown, and what is next; `provider_id`, `url` and `handle` where the provider gave them."""

    delivery: int
    attempt: int
    decision: Decision
    provider_id: str = ""
    url: str = ""
    handle: Mapping[str, str] | None = None


def settle(write: Write, *, sender: str, outcomes: Sequence[Settled]) -> None:
    """Appends what attempts have shown and plans what is next; never fenced, late or not."""
    for outcome in outcomes:
        decision = outcome.decision
        row = _raise_evidence(
            write,
            "delivery.settled",
            outcome.delivery,
            outcome.attempt,
            decision.evidence,
            reason=decision.reason,
            detail=decision.detail,
            provider_id=outcome.provider_id,
            url=outcome.url,
        )
        ours = row.stage == Stage.SENDING and row.sender == sender and row.attempt == outcome.attempt
        if ours or _forgotten(row):
            _next(write, row, decision, outcome.handle)


def settle_find(
    write: Write, *, sender: str, claimed: Claimed, decision: Decision, provider_id: str = "", url: str = ""
) -> None:
    """Records what a look-up has shown of the doubtful attempts that were made before it was claimed.

    Whoever looked may have slept meanwhile, and another sender repeated: of that attempt the look-up says nothing.
    """
    doubtful = write.sql(
        "SELECT number FROM attempt WHERE delivery_id = :id AND evidence = 'in_doubt' AND number <= :last"
        " ORDER BY number",
        {"id": claimed.id, "last": claimed.attempt},
    ).scalars()
    for number in doubtful.all():
        _raise_evidence(
            write,
            "delivery.looked_up",
            claimed.id,
            number,
            decision.evidence,
            reason=decision.reason,
            detail=decision.detail,
            provider_id=provider_id,
            url=url,
        )
    row = _row(write, claimed.id)
    if (row.stage == Stage.CLAIMED and row.sender == sender) or _forgotten(row):
        _next(write, row, decision, None)


def reconsider(write: Write, *, sender: str, claimed: Claimed, decision: Decision) -> None:
    """Plans something else than the repeat that was claimed, which may no longer go; no attempt is made."""
    row = _row(write, claimed.id)
    if row.stage == Stage.CLAIMED and row.sender == sender:
        if row.result != Result.IN_DOUBT:
            # Settled since the claim: it is no repeat any more.
            decision = Decision(Evidence.ABSENT, Reason.NEVER_LEFT, action=Action(row.action), due_at=write.now)
        _next(write, row, decision, None)


def settle_edit(write: Write, *, sender: str, claimed: Claimed, detail: str, again_at: Milliseconds | None) -> None:
    """Records whether the predecessor's message was marked as withdrawn; `again_at` plans another try."""
    row = _row(write, claimed.id)
    if row.stage != Stage.CLAIMED or row.sender != sender:
        return
    changes: dict[str, Any] = {"stage": Stage.DONE.value}
    if again_at is not None:
        changes = {"stage": Stage.PLANNED.value, "due_at": again_at}
    _change(write, "delivery.edited", row, changes, follows=row.follows, detail=detail)


def note_unsent(write: Write, *, intents: Sequence[Intent], why: str) -> None:
    """Records intents whose request was never written: the sender dropped them right before."""
    for intent in intents:
        row = _raise_evidence(
            write, "delivery.not_sent", intent.delivery, intent.attempt, Evidence.ABSENT, reason=f"not sent: {why}"
        )
        if (row.stage == Stage.SENDING and row.attempt == intent.attempt) or _forgotten(row):
            _next(write, row, Decision(Evidence.ABSENT, Reason.NOT_SENT, due_at=write.now), None)


def _raise_evidence(
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
    row = _row(write, delivery)
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
    _change(
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
    return _row(write, delivery)


def attempt_reason(reason: str, detail: str) -> str:
    """What stands on an attempt: the named reason, and the detail where there is one."""
    return f"{reason}: {detail}" if detail else reason


def _forgotten(row: Row[Any]) -> bool:
    """Whether late evidence has taken away what a delivery waited for.

    It is done although nothing of it has gone and nobody gave it up, or to be looked for although nothing is in doubt.
    """
    waits = row.stage in (Stage.PLANNED, Stage.CLAIMED) and row.action == Action.FIND
    return row.result == Result.NONE and row.closed is None and (row.stage == Stage.DONE or waits)


def _next(write: Write, row: Row[Any], decision: Decision, handle: Mapping[str, str] | None) -> None:
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
    _change(write, "delivery.next", row, changes)


def _row(read: Read, delivery: int) -> Row[Any]:
    return read.sql(
        "SELECT d.*, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.id = :id", {"id": delivery}
    ).one()


def _change(write: Write, event: str, row: Row[Any], changes: Mapping[str, Any], **data: Any) -> None:
    if changes:
        columns = ", ".join(f"{column} = :{column}" for column in changes)
        free = ", sender = NULL" if changes.get("stage") in (Stage.PLANNED, Stage.DONE) else ""
        write.sql(f"UPDATE delivery SET {columns}{free} WHERE id = :id", {**changes, "id": row.id})
    write.event(event, alert=row.alert_id, delivery=row.id, set=dict(changes), **data)


# --- What else ends or moves a delivery ------------------------------------------------------------------


def recover(write: Write, *, gone: Sequence[str], after_doubt: Callable[[Row[Any]], Decision], most: int = 500) -> int:
    """Takes back what senders that have ended still held; returns how many rows it moved.

    What was claimed, or intended reversibly, is planned again. What was intended irreversibly is in doubt, and
    `after_doubt` decides what then.
    """
    rows = write.sql(
        "SELECT d.*, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.sender IN"
        " (SELECT value FROM json_each(:gone)) AND d.stage IN ('claimed', 'sending') ORDER BY d.id LIMIT :most",
        {"gone": json.dumps(list(gone)), "most": most},
    ).all()
    for row in rows:
        if row.stage == Stage.CLAIMED:
            write.sql("UPDATE delivery SET stage = 'planned', sender = NULL WHERE id = :id", {"id": row.id})
            continue
        if row.phase == Phase.REVERSIBLE:
            decision = Decision(Evidence.ABSENT, Reason.SENDER_GONE, action=Action(row.action), due_at=write.now)
        else:
            decision = after_doubt(row)
        moved = _raise_evidence(
            write,
            "delivery.recovered",
            row.id,
            row.attempt,
            decision.evidence,
            reason=Reason.SENDER_GONE,
            detail=str(decision.reason),
        )
        _next(write, moved, decision, None)
    return len(rows)


def close_overdue(write: Write, alert_id: str, instance: str, *, most: int = 1000) -> int:
    """Closes a chunk of planned deliveries that are too late; those in doubt stay in doubt, without a repeat."""
    return _close(
        write,
        Closed.EXPIRED,
        "SELECT id, alert_id, result FROM delivery WHERE alert_id = :id AND instance = :instance AND stage = 'planned'"
        " AND deliver_by <= :now AND action NOT IN ('find', 'edit') LIMIT :most",
        {"id": alert_id, "instance": instance, "now": write.now, "most": most},
    )


def cancel_stopped(write: Write, alert_id: str, *, most: int = 1000) -> int:
    """Marks a chunk of a stopped alert's deliveries that have no irreversible intent as cancelled."""
    return _close(
        write,
        Closed.CANCELLED,
        "SELECT d.id, d.alert_id, d.result FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.alert_id = :id"
        " AND a.state <> 'dispatched' AND (d.stage IN ('planned', 'claimed') AND d.action <> 'find')"
        " ORDER BY d.id LIMIT :most",
        {"id": alert_id, "most": most},
    )


def _close(write: Write, closed: Closed, select: str, parameters: Mapping[str, Any]) -> int:
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


def resolve(write: Write, *, delivery: int, sent: bool, again: bool, by: str) -> str:
    """Settles a doubt by an officer's word; with `again`, what was not sent is planned once more. Returns its word."""
    row = _row(write, delivery)
    numbers = write.sql(
        "SELECT number FROM attempt WHERE delivery_id = :id AND evidence = 'in_doubt' ORDER BY number",
        {"id": delivery},
    ).scalars()
    evidence = Evidence.ACCEPTED if sent else Evidence.ABSENT
    for number in numbers.all():
        row = _raise_evidence(write, "delivery.resolved", delivery, number, evidence, reason=Reason.BY_OFFICER, by=by)
    if sent or Result(row.result).final:
        if row.stage == Stage.PLANNED:
            _change(write, "delivery.next", row, {"stage": Stage.DONE.value})
    elif row.stage != Stage.SENDING:
        due = write.now if again and row.state == "dispatched" and row.deliver_by > write.now else None
        _next(write, row, Decision(Evidence.ABSENT, Reason.BY_OFFICER, due_at=due), None)
    row = _row(write, delivery)
    return str(row.result if row.result != Result.NONE else row.closed or row.stage)


def hasten(write: Write, *, alert_id: str, instances: Sequence[str], by: str) -> int:
    """Makes planned deliveries of these instances due now; returns how many.

    Those in doubt keep their time: a look-up before it would be believed too early, and a doubt is `resolve`d.
    """
    rows = write.sql(
        "SELECT d.*, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.alert_id = :id AND d.instance"
        " IN (SELECT value FROM json_each(:instances)) AND d.stage = 'planned' AND d.due_at > :now"
        " AND d.result <> 'in_doubt'",
        {"id": alert_id, "instances": json.dumps(list(instances)), "now": write.now},
    ).all()
    for row in rows:
        _change(write, "delivery.hastened", row, {"due_at": write.now}, by=by)
    return len(rows)


def clock_set_back(write: Write, *, alert_id: str, dispatched_at: Milliseconds, most: int = 1000) -> int:
    """Makes a chunk of what was planned by a clock that has been set back since due by the clock as it is now.

    Only for a dispatch that lies ahead of the clock. What is not in doubt is due at once; the rest keeps its distance
    from the dispatch, which is no less than it had still to wait. Returns how many rows it moved.
    """
    rows = write.sql(
        "SELECT d.*, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.alert_id = :id"
        " AND d.stage = 'planned' AND d.due_at >= :at AND :at > :now LIMIT :most",
        {"id": alert_id, "at": dispatched_at, "now": write.now, "most": most},
    ).all()
    clear = [row.id for row in rows if row.result != Result.IN_DOUBT]
    if clear:
        write.sql(
            "UPDATE delivery SET due_at = :now WHERE id IN (SELECT value FROM json_each(:ids))",
            {"now": write.now, "ids": json.dumps(clear)},
        )
        write.event("deliveries.hastened", alert=alert_id, ids=clear, set={"due_at": write.now}, by="clock")
    for row in rows:
        if row.result == Result.IN_DOUBT:
            due_at = min(write.now + row.due_at - dispatched_at, dispatched_at - 1)
            _change(write, "delivery.hastened", row, {"due_at": due_at}, by="clock")
    return len(rows)


def record_evidence(
    write: Write, *, delivery: int, attempt: int, evidence: Evidence, reason: str, provider_id: str = ""
) -> None:
    """Records what a receipt says of an attempt."""
    _raise_evidence(write, "delivery.receipt", delivery, attempt, evidence, reason=reason, provider_id=provider_id)
