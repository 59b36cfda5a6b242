"""Outcomes: what attempts have shown, and what is next; appended always, late or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Closed, Evidence, Phase, Result, Stage
from kentongan.ledger import deliveries
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.transaction import Write
from kentongan.policy import Decision, Reason


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
        row = deliveries.raise_evidence(
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
        if ours or deliveries.forgotten(row):
            deliveries.move_on(write, row, decision, outcome.handle)


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
        deliveries.raise_evidence(
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
    row = deliveries.get(write, claimed.id)
    if (row.stage == Stage.CLAIMED and row.sender == sender) or deliveries.forgotten(row):
        deliveries.move_on(write, row, decision, None)


def reconsider(write: Write, *, sender: str, claimed: Claimed, decision: Decision) -> None:
    """Plans something else than the repeat that was claimed, which may no longer go; no attempt is made."""
    row = deliveries.get(write, claimed.id)
    if row.stage == Stage.CLAIMED and row.sender == sender:
        if row.result != Result.IN_DOUBT:
            # Settled since the claim: it is no repeat any more.
            decision = Decision(Evidence.ABSENT, Reason.NEVER_LEFT, action=Action(row.action), due_at=write.now)
        deliveries.move_on(write, row, decision, None)


def settle_edit(write: Write, *, sender: str, claimed: Claimed, detail: str, again_at: Milliseconds | None) -> None:
    """Records whether the predecessor's message was marked as withdrawn; `again_at` plans another try."""
    row = deliveries.get(write, claimed.id)
    if row.stage != Stage.CLAIMED or row.sender != sender:
        return
    changes: dict[str, Any] = {"stage": Stage.DONE.value}
    if again_at is not None:
        changes = {"stage": Stage.PLANNED.value, "due_at": again_at}
    deliveries.change(write, "delivery.edited", row, changes, follows=row.follows, detail=detail)


def note_unsent(write: Write, *, intents: Sequence[Intent], why: str) -> None:
    """Records intents whose request was never written: the sender dropped them right before."""
    for intent in intents:
        row = deliveries.raise_evidence(
            write, "delivery.not_sent", intent.delivery, intent.attempt, Evidence.ABSENT, reason=f"not sent: {why}"
        )
        if (row.stage == Stage.SENDING and row.attempt == intent.attempt) or deliveries.forgotten(row):
            deliveries.move_on(write, row, Decision(Evidence.ABSENT, Reason.NOT_SENT, due_at=write.now), None)


# --- What else ends or moves a delivery ---


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
        moved = deliveries.raise_evidence(
            write,
            "delivery.recovered",
            row.id,
            row.attempt,
            decision.evidence,
            reason=Reason.SENDER_GONE,
            detail=str(decision.reason),
        )
        deliveries.move_on(write, moved, decision, None)
    return len(rows)


def close_overdue(write: Write, alert_id: str, instance: str, *, most: int = 1000) -> int:
    """Closes a chunk of planned deliveries that are too late; those in doubt stay in doubt, without a repeat."""
    return deliveries.close(
        write,
        Closed.EXPIRED,
        "SELECT id, alert_id, result FROM delivery WHERE alert_id = :id AND instance = :instance AND stage = 'planned'"
        " AND deliver_by <= :now AND action NOT IN ('find', 'edit') LIMIT :most",
        {"id": alert_id, "instance": instance, "now": write.now, "most": most},
    )


def cancel_stopped(write: Write, alert_id: str, *, most: int = 1000) -> int:
    """Marks a chunk of a stopped alert's deliveries that have no irreversible intent as cancelled."""
    return deliveries.close(
        write,
        Closed.CANCELLED,
        "SELECT d.id, d.alert_id, d.result FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.alert_id = :id"
        " AND a.state <> 'dispatched' AND (d.stage IN ('planned', 'claimed') AND d.action <> 'find')"
        " ORDER BY d.id LIMIT :most",
        {"id": alert_id, "most": most},
    )


def resolve(write: Write, *, delivery: int, sent: bool, again: bool, by: str) -> str:
    """Settles a doubt by an officer's word; with `again`, what was not sent is planned once more. Returns its word."""
    row = deliveries.get(write, delivery)
    numbers = write.sql(
        "SELECT number FROM attempt WHERE delivery_id = :id AND evidence = 'in_doubt' ORDER BY number",
        {"id": delivery},
    ).scalars()
    evidence = Evidence.ACCEPTED if sent else Evidence.ABSENT
    for number in numbers.all():
        row = deliveries.raise_evidence(
            write, "delivery.resolved", delivery, number, evidence, reason=Reason.BY_OFFICER, by=by
        )
    if sent or Result(row.result).final:
        if row.stage == Stage.PLANNED:
            deliveries.change(write, "delivery.next", row, {"stage": Stage.DONE.value})
    elif row.stage != Stage.SENDING:
        due = write.now if again and row.state == "dispatched" and row.deliver_by > write.now else None
        deliveries.move_on(write, row, Decision(Evidence.ABSENT, Reason.BY_OFFICER, due_at=due), None)
    row = deliveries.get(write, delivery)
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
        deliveries.change(write, "delivery.hastened", row, {"due_at": write.now}, by=by)
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
            deliveries.change(write, "delivery.hastened", row, {"due_at": due_at}, by="clock")
    return len(rows)


def record_evidence(
    write: Write, *, delivery: int, attempt: int, evidence: Evidence, reason: str, provider_id: str = ""
) -> None:
    """Records what a receipt says of an attempt."""
    deliveries.raise_evidence(
        write, "delivery.receipt", delivery, attempt, evidence, reason=reason, provider_id=provider_id
    )
