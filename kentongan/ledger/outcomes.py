"""Outcomes: what attempts have shown, and what is next; appended always, late or not."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Closed, Evidence, Phase, Result, Stage, word
from kentongan.ledger import deliveries
from kentongan.ledger.changes import Standing
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.deliveries import Deliveries
from kentongan.ledger.following import follow_late
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.transaction import Read, Write
from kentongan.policy import Decision, Reason
from kentongan.quick_dataclass import dataclass


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
    times = Counter(outcome.delivery for outcome in outcomes)
    simple = [outcome for outcome in outcomes if times[outcome.delivery] == 1 and _ends_as_accepted(outcome)]
    settled = _settle_taken(write, sender, simple) if len(simple) > 1 else frozenset()
    left = [outcome for outcome in outcomes if outcome.delivery not in settled]
    with Deliveries(write, [outcome.delivery for outcome in left]) as batch:
        for outcome in left:
            decision, standing = outcome.decision, batch[outcome.delivery]
            ours = _is_ours(standing, sender, outcome.attempt)
            batch.raise_evidence(
                "delivery.settled",
                standing,
                outcome.attempt,
                decision.evidence,
                reason=decision.reason,
                detail=decision.detail,
                provider_id=outcome.provider_id,
                url=outcome.url,
                ends=ours and decision.due_at is None,
            )
            if _is_ours(standing, sender, outcome.attempt) or standing.forgotten:
                batch.move_on(standing, decision, outcome.handle)


def _ends_as_accepted(outcome: Settled) -> bool:
    """Whether nothing more is to come of the delivery."""
    return outcome.decision.evidence is Evidence.ACCEPTED and outcome.decision.due_at is None


# The ordinary end of an ordinary delivery: nobody has taken it from us, and of no attempt at it is anything known.
# `coalesce` keeps SQLite from looking through all that a sender holds, instead of for these.
_UNTOUCHED = (
    ["d.id", "d.alert_id", "d.instance", "d.attempt"],
    "delivery d JOIN attempt t ON t.delivery_id = d.id AND t.number = d.attempt",
    "d.id IN (SELECT value FROM json_each(:ids)) AND coalesce(d.sender, '') = :sender AND d.stage = 'sending'"
    " AND d.result = 'none' AND d.closed IS NULL AND d.doubted = 0 AND d.provider_id IS NULL AND d.url IS NULL"
    " AND t.evidence = 'open'",
)


def _settle_taken(write: Write, sender: str, outcomes: Sequence[Settled]) -> frozenset[int]:
    """Settles what was accepted as it mostly is, all at once; returns the deliveries it has settled.

    It writes what `Deliveries` would, without looking at each of them: most of what a sender does is this.
    """
    columns, tables, condition = _UNTOUCHED
    these = {"ids": json.dumps([outcome.delivery for outcome in outcomes]), "sender": sender}
    found = {(row[0], row[3]): row for row in write.at_once(columns, tables, condition + write.locking, these)}
    alike: dict[tuple[Any, ...], list[Settled]] = {}
    for outcome in outcomes:
        if (row := found.get((outcome.delivery, outcome.attempt))) is not None:
            decision = outcome.decision
            key = (row[1], row[2], decision.reason, decision.detail, outcome.provider_id != "", outcome.url != "")
            alike.setdefault(key, []).append(outcome)
    gathering = Gathering()
    for (alert_id, instance, reason, detail, *_), taken in alike.items():
        ids = [each.delivery for each in taken]
        deliveries.accept_all(
            write,
            gathering,
            alert_id,
            ids,
            [each.attempt for each in taken],
            provider_ids=[each.provider_id for each in taken if each.provider_id],
            urls=[each.url for each in taken if each.url],
            reason=str(reason),
            detail=detail,
        )
        follow_late(write, alert_id, instance, ids)
    gathering.record(write)
    return frozenset(outcome.delivery for taken in alike.values() for outcome in taken)


def _is_ours(standing: Standing, sender: str, attempt: int) -> bool:
    """Whether `sender` is still at this attempt, and nobody has taken the delivery from it."""
    return standing.stage == Stage.SENDING and standing.sender == sender and standing.attempt == attempt


def settle_find(
    write: Write, *, sender: str, claimed: Claimed, decision: Decision, provider_id: str = "", url: str = ""
) -> None:
    """Records what a look-up has shown of the doubtful attempts that were made before it was claimed.

    Whoever looked may have slept meanwhile, and another sender repeated: of that attempt the look-up says nothing.
    """
    with Deliveries(write, [claimed.id]) as batch:
        standing = batch[claimed.id]
        for number in standing.doubtful:
            if number <= claimed.attempt:
                batch.raise_evidence(
                    "delivery.looked_up",
                    standing,
                    number,
                    decision.evidence,
                    reason=decision.reason,
                    detail=decision.detail,
                    provider_id=provider_id,
                    url=url,
                )
        if (standing.stage == Stage.CLAIMED and standing.sender == sender) or standing.forgotten:
            batch.move_on(standing, decision)


def reconsider(write: Write, *, sender: str, instead: Sequence[tuple[Claimed, Decision]]) -> None:
    """Plans something else than the repeats that were claimed, which may no longer go; no attempt is made."""
    with Deliveries(write, [claimed.id for claimed, _ in instead]) as batch:
        for claimed, decision in instead:
            standing = batch[claimed.id]
            if standing.stage != Stage.CLAIMED or standing.sender != sender:
                continue
            if standing.result != Result.IN_DOUBT:
                # Settled since the claim: it is no repeat any more.
                action = Action(standing.action)
                decision = Decision(Evidence.ABSENT, Reason.NEVER_LEFT, action=action, due_at=write.now)
            batch.move_on(standing, decision)


def settle_edit(write: Write, *, sender: str, claimed: Claimed, detail: str, again_at: Milliseconds | None) -> None:
    """Records whether the predecessor's message was marked as withdrawn; `again_at` plans another try."""
    with Deliveries(write, [claimed.id]) as batch:
        standing = batch[claimed.id]
        if standing.stage != Stage.CLAIMED or standing.sender != sender:
            return
        changes: dict[str, Any] = {"stage": Stage.DONE.value}
        if again_at is not None:
            changes = {"stage": Stage.PLANNED.value, "due_at": again_at}
        batch.change("delivery.edited", standing, changes, follows=standing.follows, detail=detail)


def note_unsent(write: Write, *, intents: Sequence[Intent], why: str) -> None:
    """Records intents whose request was never written: the sender dropped them right before."""
    with Deliveries(write, [intent.delivery for intent in intents]) as batch:
        for intent in intents:
            standing = batch[intent.delivery]
            batch.raise_evidence(
                "delivery.not_sent", standing, intent.attempt, Evidence.ABSENT, reason=f"not sent: {why}"
            )
            ours = standing.stage == Stage.SENDING and standing.attempt == intent.attempt
            if ours or standing.forgotten:
                batch.move_on(standing, Decision(Evidence.ABSENT, Reason.NOT_SENT, due_at=write.now))


# --- What else ends or moves a delivery ---


def recover(
    write: Write,
    *,
    gone: Sequence[str],
    after_doubt: Callable[[Standing], Decision],
    within: tuple[str, Sequence[str]] | None = None,
    most: int = 500,
) -> int:
    """Takes back what senders that have ended still held; returns how many rows it moved.

    What was claimed, or intended reversibly, is planned again. What was intended irreversibly is in doubt, and
    `after_doubt` decides what then. `within`: an alert and those of its instances that it is to be done for; None: all.
    """
    these: dict[str, object] = {"gone": json.dumps(list(gone)), "most": most}
    only = ""
    if within is not None:
        only = " AND alert_id = :id AND instance IN (SELECT value FROM json_each(:instances))"
        these |= {"id": within[0], "instances": json.dumps(list(within[1]))}
    held = write.sql(
        "SELECT id FROM delivery WHERE sender IN (SELECT value FROM json_each(:gone))"
        f" AND stage IN ('claimed', 'sending'){only} ORDER BY id LIMIT :most",
        these,
    ).scalars()
    ids = held.all()
    with Deliveries(write, ids) as batch:
        for standing in batch:
            if standing.stage == Stage.CLAIMED:
                batch.release(standing)
                continue
            if standing.phase == Phase.REVERSIBLE:
                action = Action(standing.action)
                decision = Decision(Evidence.ABSENT, Reason.SENDER_GONE, action=action, due_at=write.now)
            else:
                decision = after_doubt(standing)
            batch.raise_evidence(
                "delivery.recovered",
                standing,
                standing.attempt,
                decision.evidence,
                reason=Reason.SENDER_GONE,
                detail=str(decision.reason),
            )
            batch.move_on(standing, decision)
    return len(ids)


def close_overdue(write: Write, alert_id: str, instance: str, *, most: int = 1000) -> int:
    """Closes a chunk of planned deliveries that are too late; those in doubt stay in doubt, without a repeat."""
    return deliveries.close(
        write,
        Closed.EXPIRED,
        "SELECT id, alert_id, result FROM delivery INDEXED BY delivery_due"
        " WHERE alert_id = :id AND instance = :instance AND stage = 'planned' AND deliver_by <= :now"
        " AND action NOT IN ('find', 'edit') LIMIT :most",
        {"id": alert_id, "instance": instance, "now": write.now, "most": most},
    )


def cancel_stopped(write: Write, alert_id: str, *, most: int = 1000) -> int:
    """Marks a chunk of a stopped alert's deliveries that have no irreversible intent as cancelled."""
    return deliveries.close(
        write,
        Closed.CANCELLED,
        "SELECT d.id, d.alert_id, d.result FROM delivery d INDEXED BY delivery_open JOIN alert a ON a.id = d.alert_id"
        " WHERE d.alert_id = :id AND a.state <> 'dispatched' AND d.stage <> 'done'"
        " AND d.stage IN ('planned', 'claimed') AND d.action <> 'find' LIMIT :most",
        {"id": alert_id, "most": most},
    )


def resolve(write: Write, *, deliveries: Sequence[int], sent: bool, again: bool, by: str) -> dict[int, str]:
    """Settles doubts by an officer's word; with `again`, what was not sent is planned once more.

    Returns the word of each delivery.
    """
    evidence = Evidence.ACCEPTED if sent else Evidence.ABSENT
    with Deliveries(write, deliveries) as batch:
        for standing in batch:
            for number in standing.doubtful:
                batch.raise_evidence("delivery.resolved", standing, number, evidence, reason=Reason.BY_OFFICER, by=by)
            if sent or Result(standing.result).final:
                if standing.stage == Stage.PLANNED:
                    batch.change("delivery.next", standing, {"stage": Stage.DONE.value})
            elif standing.stage != Stage.SENDING:
                due = again and standing.state == "dispatched" and standing.deliver_by > write.now
                decision = Decision(Evidence.ABSENT, Reason.BY_OFFICER, due_at=write.now if due else None)
                batch.move_on(standing, decision)
        return {each.id: word(each.stage, each.result, each.closed) for each in batch}


_WAITS = "stage = 'planned' AND due_at > :now AND result <> 'in_doubt'"


def waiting(read: Read, *, alert_id: str, instances: Sequence[str]) -> array[int]:
    """The deliveries of these instances that wait for a time to come, eight bytes each, for there may be a million.

    Those in doubt are none of them: a look-up before its time would be believed too early, and a doubt is `resolve`d.
    """
    rows = read.sql(
        "SELECT id FROM delivery INDEXED BY delivery_due WHERE alert_id = :id AND instance"
        f" IN (SELECT value FROM json_each(:instances)) AND {_WAITS}",
        {"id": alert_id, "instances": json.dumps(list(instances)), "now": read.now},
    )
    return array("q", rows.scalars())


def hasten(write: Write, *, alert_id: str, deliveries: Sequence[int], by: str) -> int:
    """Makes those of an alert's deliveries that still wait due now; returns how many."""
    these = {"ids": json.dumps(list(deliveries)), "id": alert_id, "now": write.now}
    condition = f"id IN (SELECT value FROM json_each(:ids)) AND alert_id = :id AND {_WAITS}"
    # By their ids alone: an index would lead through all of the alert.
    ids = sorted(row[0] for row in write.at_once(["id"], "delivery NOT INDEXED", condition, these))
    if ids:
        write.sql(
            "UPDATE delivery SET due_at = :now WHERE id IN (SELECT value FROM json_each(:ids))",
            {"now": write.now, "ids": json.dumps(ids)},
        )
        gathering = Gathering()
        gathering.add_all("delivery.hastened", alert_id, ids, {"set": {"due_at": write.now}, "by": by}, {})
        gathering.record(write)
    return len(ids)


def clock_set_back(write: Write, *, alert_id: str, dispatched_at: Milliseconds, most: int = 1000) -> int:
    """Makes a chunk of what was planned by a clock that has been set back since due by the clock as it is now.

    Only for a dispatch that lies ahead of the clock. What is not in doubt is due at once; the rest keeps its distance
    from the dispatch, which is no less than it had still to wait. Returns how many rows it moved.
    """
    rows = write.sql(
        "SELECT id, result FROM delivery INDEXED BY delivery_due WHERE alert_id = :id"
        " AND stage = 'planned' AND due_at >= :at AND :at > :now LIMIT :most",
        {"id": alert_id, "at": dispatched_at, "now": write.now, "most": most},
    ).all()
    clear = [row.id for row in rows if row.result != Result.IN_DOUBT]
    if clear:
        write.sql(
            "UPDATE delivery SET due_at = :now WHERE id IN (SELECT value FROM json_each(:ids))",
            {"now": write.now, "ids": json.dumps(clear)},
        )
        write.event("deliveries.hastened", alert=alert_id, ids=clear, set={"due_at": write.now}, by="clock")
    with Deliveries(write, [row.id for row in rows if row.result == Result.IN_DOUBT]) as batch:
        for standing in batch:
            due_at = min(write.now + standing.due_at - dispatched_at, dispatched_at - 1)
            batch.change("delivery.hastened", standing, {"due_at": due_at}, by="clock")
    return len(rows)


def record_evidence(
    write: Write, *, delivery: int, attempt: int, evidence: Evidence, reason: str, provider_id: str = ""
) -> None:
    """Records what a receipt says of an attempt."""
    with Deliveries(write, [delivery]) as batch:
        batch.raise_evidence(
            "delivery.receipt", batch[delivery], attempt, evidence, reason=reason, provider_id=provider_id
        )
