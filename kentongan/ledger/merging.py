"""Bringing what was sent from a spool into the ledger: every delivery and attempt of its alert, marked as merged.

People's deliveries come first, in chunks, while the alert cannot be sent by anybody here; then one transaction, dated
when the spool dispatched it, dispatches the alert and brings the public ones. How far it is stands in the same
transactions, so that one that is cut off goes on, and one that is done adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select

from kentongan.delivery import Evidence, Stage
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, dispatches, receipts, reviews, schema, submissions
from kentongan.ledger.changes import attempt_reason
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.ledger import Ledger
from kentongan.ledger.merged import MOVED, RECORDED, as_there, attempt_here, record, together
from kentongan.ledger.planned import last_id, record_planned
from kentongan.ledger.replay import Difference, Part, check_deliveries
from kentongan.ledger.spooled import MAY_HAVE_GONE, Row, Told, rows_of
from kentongan.ledger.transaction import EVERY, Read, Write
from kentongan.plan import Plan
from kentongan.quick_dataclass import dataclass

_CHUNK = 500
_SENDABLE = ("draft", "submitted", "approved", "discarded")

_FIXED = (
    "key",
    "alert_id",
    "instance",
    "language",
    "family",
    "unique_by",
    "person_id",
    "address_id",
    "deliver_by",
    "follows",
    "wave",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge brought; `twice` counts the deliveries that were sent from here too, and are marked."""

    deliveries: int
    attempts: int
    twice: int


def merge(ledger: Ledger, spool: Ledger, *, name: str, alert_id: str) -> Merged | None:
    """Brings the deliveries of an alert from `spool`, where nobody sends any more; None where it was never sent there.

    `ledger` serves nobody else meanwhile. Raises BadInput where the ledger does not know the alert, Refused where it is
    being sent from both, or where the spool's rows are not what its record says, LedgerUnavailable; what was brought
    before that is not brought again.
    """
    sent = spool.read(lambda read: dispatches.get(read, alert_id))
    if sent is None:
        return None
    if (
        ledger.read(lambda read: read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).first())
        is None
    ):
        raise BadInput(
            "the ledger does not know the alert that was sent from this spool; it was restored from an older backup, so"
            " keep the spool and its record"
        )
    differences: list[Difference] = []
    spool.read(lambda read: check_deliveries(read, differences, of=Part(alert=alert_id)))
    if differences:
        first = differences[0]
        raise Refused(
            f"the spool is not as it was written ({first.place}: {first.sentence}); nothing of it was merged, so keep"
            " it",
            rule="spare",
        )
    while True:
        progress = ledger.read(lambda read: _progress(read, name))
        if progress.get("done"):
            merged = Merged(progress["deliveries"], progress["attempts"], progress["twice"])
            break
        after = progress.get("after", 0)
        rows = spool.read(lambda read, after=after: rows_of(read, alert_id, "<>", after, most=_CHUNK))  # type: ignore[misc]
        if rows:
            ledger.write(lambda write, rows=rows: _bring(write, name, rows))  # type: ignore[misc]
            continue
        merged = _end(ledger, spool, name, alert_id)
        break
    while ledger.write(receipts.match_merged):
        # They came here, while the ledger knew of no such delivery.
        pass
    return merged


def _end(ledger: Ledger, spool: Ledger, name: str, alert_id: str) -> Merged:
    public = spool.read(lambda read: rows_of(read, alert_id, "=", 0, most=EVERY))
    told = spool.read(lambda read: Told.read(read, alert_id))
    return ledger.write(lambda write: _finish(write, name, alert_id, public, told))


# --- What comes into the ledger ---


def _bring(write: Write, name: str, rows: Sequence[Row]) -> None:
    """Brings a chunk of people's deliveries, planned as they were; those planned here too get their attempts."""
    alert_id = rows[0].values["alert_id"]
    before = last_id(write)
    write.sql(
        f"INSERT INTO delivery ({', '.join(_FIXED)}, stage, action, due_at)"
        f" VALUES ({', '.join(f':{column}' for column in _FIXED)}, 'planned', 'send', {write.now})"
        " ON CONFLICT DO NOTHING",
        [{column: row.values[column] for column in _FIXED} for row in rows],
    )
    for instance in sorted({row.values["instance"] for row in rows}):
        record_planned(write, alert_id, instance, before)
    _settle(write, name, alert_id, rows, after=rows[-1].values["id"])


def _settle(write: Write, name: str, alert_id: str, rows: Sequence[Row], *, after: int) -> None:
    here = _here(write, alert_id, rows)
    gathering = Gathering()
    attempts, twice = 0, 0
    changed: list[dict[str, Any]] = []
    tried: list[dict[str, Any]] = []
    for row in rows:
        own, evidence = here[row.values["family"], row.values["unique_by"]]
        if own["stage"] == Stage.SENDING and row.tries:
            raise Refused("this alert is being sent from the ledger too at this moment; merge again", rule="spare")
        both = row.may_have_gone and any(each in MAY_HAVE_GONE for each in evidence)
        untouched = own["attempt"] == 0 and own["closed"] is None
        moved = as_there(row) if untouched else together(own, evidence, row, both=both)
        tries = [attempt_here(each, open_=untouched) for each in row.tries]
        numbered = list(enumerate(tries, own["attempt"] + 1))
        twice += both
        attempts += len(tries)
        in_flight = untouched and moved["stage"] == Stage.SENDING
        changed.append({**moved, "id": own["id"], "sender": row.values["sender"] if in_flight else None})
        record(gathering, name, own, moved, numbered)
        tried += [
            {**each, "reason": attempt_reason(each["reason"], RECORDED), "delivery": own["id"], "number": number}
            for number, each in numbered
        ]
    if tried:
        write.sql(
            "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence, reason, outcome_at,"
            " provider_id) VALUES (:delivery, :number, :sender, :phase, :intent_at, :evidence, :reason, :outcome_at,"
            " :provider_id)",
            tried,
        )
    if changed:
        columns = ", ".join(f"{column} = :{column}" for column in (*MOVED, "sender"))
        write.sql(f"UPDATE delivery SET {columns} WHERE id = :id", changed)
    gathering.record(write)
    known = _progress(write, name)
    _note(
        write,
        name,
        after=after,
        deliveries=known.get("deliveries", 0) + len(rows),
        attempts=known.get("attempts", 0) + attempts,
        twice=known.get("twice", 0) + twice,
    )


def _here(
    read: Read, alert_id: str, rows: Iterable[Row]
) -> dict[tuple[str, str], tuple[dict[str, Any], list[Evidence]]]:
    """The ledger's own rows for the spool's, by family and hash, each with the evidence of its attempts."""
    found = read.sql(
        "SELECT * FROM delivery WHERE alert_id = :alert AND unique_by IN (SELECT value FROM json_each(:these))",
        {"alert": alert_id, "these": json.dumps([row.values["unique_by"] for row in rows])},
    ).mappings()
    own = {row["id"]: dict(row) for row in found}
    evidence: dict[int, list[Evidence]] = {id: [] for id in own}
    for each in read.sql(
        "SELECT delivery_id, evidence FROM attempt WHERE delivery_id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(list(own))},
    ):
        evidence[each.delivery_id].append(Evidence(each.evidence))
    return {(row["family"], row["unique_by"]): (row, evidence[id]) for id, row in own.items()}


def _finish(write: Write, name: str, alert_id: str, public: Sequence[Row], told: Told) -> Merged:
    """Dispatches the alert here as it was there, unless it was, and brings its public deliveries."""
    # All of it is of that time: by it approvals are looked at, and what waits falls due.
    now, write.now = write.now, told.dispatch["at"]
    if dispatches.get(write, alert_id) is None:
        _approve(write, alert_id, told)
        dispatches.begin(
            write,
            alert_id,
            plan=Plan.model_validate_json(told.dispatch["plan"]),
            by=told.dispatch["by"],
            allowed=_SENDABLE,
            proof={**told.begun.get("proof", {}), "spool": name},
        )
    for each in told.senders:
        there = write.execute(select(schema.sender.c.id).where(schema.sender.c.id == each["id"])).first()
        if there is None:
            # None of them sends any more; what one was in the middle of is taken back from it.
            write.execute(insert(schema.sender).values(**{**each, "ended": 1}))
    _settle(write, name, alert_id, public, after=0)
    if told.stopped is not None and alerts.get(write, alert_id).state == "dispatched":
        stopped = told.stopped
        dispatches.stop(write, alert_id, by=stopped["by"], signed=stopped["signed"], why=stopped["why"])
    known = _progress(write, name)
    merged = Merged(known["deliveries"], known["attempts"], known["twice"])
    write.event(
        "spool.merged",
        alert=alert_id,
        spool=name,
        at=now,
        deliveries=merged.deliveries,
        attempts=merged.attempts,
        twice=merged.twice,
        ends={chain: list(end) for chain, end in told.ends.items()},
    )
    _note(write, name, **{**known, "done": 1})
    return merged


def _approve(write: Write, alert_id: str, told: Told) -> None:
    """Brings what an officer signed with the sending itself, as with a broken glass."""
    table = schema.approval
    for row in told.approvals:
        if write.execute(select(table.c.id).where(table.c.id == row["id"])).first() is None:
            content = json.loads(row["content"])
            submissions.record_approval(write, alert_id, officer=row["officer"], content=content, id=row["id"])
    there = write.execute(select(schema.review.c.alert_id).where(schema.review.c.alert_id == alert_id)).first()
    if told.review is not None and there is None:
        within = told.review["due_at"] - told.review["opened_at"]
        reviews.begin(write, alert_id, officer=told.review["officer"], within=within)


# --- How far it is ---


def _progress(read: Read, name: str) -> dict[str, Any]:
    value = read.execute(select(schema.meta.c.value).where(schema.meta.c.name == f"spool {name}")).scalar()
    return json.loads(value) if value is not None else {}


def _note(write: Write, name: str, **progress: Any) -> None:
    write.sql(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value",
        {"name": f"spool {name}", "value": json.dumps(progress, sort_keys=True)},
    )
