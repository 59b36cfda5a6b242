"""What people look at: counts, deliveries, attempts and events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Milliseconds
from kentongan.delivery import Result, word
from kentongan.ledger import checkpoints, counting, gathered, threads
from kentongan.ledger.transaction import EVERY, Read
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One instance's part of an alert, as the live table and the report show it.

    `words`: deliveries by the one word that officers see. `first_accepted`, `last_accepted`: wall time.
    `retries`: attempts beyond the first of each delivery; `duplicates`: deliveries marked as possible duplicates.
    """

    instance: str
    total: int
    words: Mapping[str, int]
    first_accepted: Milliseconds | None
    last_accepted: Milliseconds | None
    retries: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a delivery."""

    delivery: int
    number: int
    phase: str
    intent_at: Milliseconds
    evidence: str
    reason: str
    outcome_at: Milliseconds | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery in an officer's words; `address_id` names its address, None on public channels."""

    id: int
    key: str
    alert_id: str
    instance: str
    language: str
    family: str
    person_id: str | None
    address_id: int | None
    word: str
    stage: str
    action: str
    due_at: Milliseconds
    attempt: int
    possible_duplicate: bool
    first_intent_at: Milliseconds | None
    accepted_at: Milliseconds | None
    provider_id: str | None
    url: str | None
    reason: str


DAMAGED: Mapping[str, Any] = MappingProxyType({"damaged": True})
"""Stands for the data of an event that is not as it was written; `kentongan log verify` names its place."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `data` is what its writer put there, DAMAGED where that cannot be read."""

    chain: str
    seq: int
    ordinal: int
    at: Milliseconds
    type: str
    alert_id: str | None
    delivery_id: int | None
    data: Mapping[str, Any]


def words(read: Read, alert_id: str, instance: str) -> dict[str, int]:
    """Deliveries of one instance by word."""
    for summary in summaries(read, alert_id):
        if summary.instance == instance:
            return dict(summary.words)
    return {}


def summaries(read: Read, alert_id: str) -> list[InstanceSummary]:
    """All instances of an alert, by name; as they were counted where its deliveries were pruned."""
    kept = checkpoints.counted(read, alert_id, "summaries")
    if kept is not None:
        return [InstanceSummary(**each) for each in kept]
    return [
        InstanceSummary(
            instance=instance,
            total=found.words.total(),
            words=dict(found.words),
            first_accepted=found.first,
            last_accepted=found.last,
            retries=found.retries,
            duplicates=found.duplicates,
        )
        for instance, found in counting.of_alert(read, alert_id).items()
    ]


def people(read: Read, alert_id: str) -> int:
    """How many persons an alert's deliveries go to, each counted once on however many channels."""
    kept = checkpoints.counted(read, alert_id, "people")
    if kept is not None:
        return int(kept)
    return int(
        read.sql("SELECT count(DISTINCT person_id) FROM delivery WHERE alert_id = :id", {"id": alert_id}).scalar_one()
    )


def is_open(read: Read, alert_id: str, instance: str | None = None) -> bool:
    """Whether anything of this alert, or of one instance of it, is planned, claimed or sending, or to be planned.

    What follows a message stays open while a request of that is on its way, for its recipient may have to follow.
    """
    own = read.sql(
        "SELECT 1 FROM dispatch s JOIN alert a ON a.id = s.alert_id WHERE s.alert_id = :id"
        " AND ((a.state = 'dispatched' AND s.expanded = 0) OR EXISTS"
        " (SELECT 1 FROM delivery d INDEXED BY delivery_open WHERE d.alert_id = s.alert_id AND d.stage <> 'done'"
        " AND (:instance IS NULL OR d.instance = :instance)))",
        {"id": alert_id, "instance": instance},
    ).first()
    if own is not None:
        return True
    follows = read.sql(
        "SELECT 1 FROM alert WHERE id = :id AND state = 'dispatched' AND predecessor IS NOT NULL", {"id": alert_id}
    ).first()
    return follows is not None and threads.in_flight(read, alert_id, instance)


def refusal(read: Read, alert_id: str) -> str:
    """Why no sender may send this dispatched alert, as the last that looked found; "" where one may."""
    taken = events(read, alert_id=alert_id, types=("dispatch.refused", "dispatch.owned"))
    return str(taken[-1].data["why"]) if taken and taken[-1].type == "dispatch.refused" else ""


def refusers(read: Read, alert_id: str) -> frozenset[str]:
    """The senders that are on record as refusing to send a dispatched alert."""
    refused = events(read, alert_id=alert_id, types=("dispatch.refused",))
    return frozenset(str(event.data["sender"]) for event in refused if "sender" in event.data)


def has_kept_receipts(read: Read) -> bool:
    """Whether a receipt waits that now names a delivery."""
    return (
        read.sql(
            "SELECT 1 FROM receipt r JOIN delivery d ON d.instance = r.instance AND d.provider_id = r.provider_id"
            " WHERE r.delivery_id IS NULL AND r.provider_id <> '' LIMIT 1"
        ).first()
        is not None
    )


def has_expired(read: Read) -> bool:
    """Whether a dispatched alert has expired."""
    return (
        read.sql(
            "SELECT 1 FROM alert WHERE state = 'dispatched' AND expires_at <= :now LIMIT 1", {"now": read.now}
        ).first()
        is not None
    )


def attempts(read: Read, delivery: int) -> list[Attempt]:
    """The attempts at a delivery, in order."""
    return [_attempt(row) for row in _attempt_rows(read, "delivery_id = :id", {"id": delivery})]


def attempts_of(read: Read, alert_id: str) -> list[Attempt]:
    """The attempts at all deliveries of an alert."""
    condition = "delivery_id IN (SELECT id FROM delivery WHERE alert_id = :id)"
    return [_attempt(row) for row in _attempt_rows(read, condition, {"id": alert_id})]


def _attempt_rows(read: Read, condition: str, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    return read.sql(f"SELECT * FROM attempt WHERE {condition} ORDER BY delivery_id, number", parameters).all()


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        row.delivery_id, row.number, row.phase, row.intent_at, row.evidence, row.reason or "", row.outcome_at
    )


def deliveries(
    read: Read, alert_id: str, *, words: Sequence[str] = (), instance: str | None = None, most: int | None = None
) -> list[Delivery]:
    """Deliveries of an alert; only those that officers see as one of `words`, or of one instance, where given."""
    # Those in doubt are few, and the first of them may lie behind a million others.
    only = tuple(words) == (Result.IN_DOUBT,)
    few, these = (f"{_IN_DOUBT} CROSS JOIN ", "d.id = few.one") if only else ("", "TRUE")
    rows = read.sql(
        "SELECT d.*, coalesce((SELECT reason FROM attempt t WHERE t.delivery_id = d.id ORDER BY number DESC LIMIT 1),"
        f" '') AS reason FROM {few}delivery d WHERE {these} AND d.alert_id = :id"
        " AND (:instance IS NULL OR d.instance = :instance)"
        " AND (:all OR CASE WHEN d.result <> 'none' THEN d.result ELSE coalesce(d.closed, d.stage) END IN"
        " (SELECT value FROM json_each(:words))) ORDER BY d.id LIMIT :most",
        {
            "id": alert_id,
            "instance": instance,
            "all": not words,
            "words": json.dumps(list(words)),
            "most": EVERY if most is None else most,
        },
    ).all()
    return [_delivery(row) for row in rows]


_IN_DOUBT = (
    "(SELECT id AS one FROM delivery INDEXED BY delivery_doubt WHERE alert_id = :id AND stage = 'done'"
    " AND result = 'in_doubt' UNION ALL SELECT id FROM delivery INDEXED BY delivery_open WHERE alert_id = :id"
    " AND stage <> 'done' AND result = 'in_doubt') AS few"
)


def delivery(read: Read, id: int) -> Delivery | None:
    """The delivery with this id, if there is one."""
    row = read.sql(
        "SELECT d.*, coalesce((SELECT reason FROM attempt t WHERE t.delivery_id = d.id ORDER BY number DESC LIMIT 1),"
        " '') AS reason FROM delivery d WHERE d.id = :id",
        {"id": id},
    ).first()
    return _delivery(row) if row is not None else None


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        key=row.key,
        alert_id=row.alert_id,
        instance=row.instance,
        language=row.language,
        family=row.family,
        person_id=row.person_id,
        address_id=row.address_id,
        word=word(row.stage, row.result, row.closed),
        stage=row.stage,
        action=row.action,
        due_at=row.due_at,
        attempt=row.attempt,
        possible_duplicate=bool(row.possible_duplicate),
        first_intent_at=row.first_intent_at,
        accepted_at=row.accepted_at,
        provider_id=row.provider_id,
        url=row.url,
        reason=row.reason,
    )


def events(
    read: Read,
    *,
    alert_id: str | None = None,
    types: Sequence[str] = (),
    without: Sequence[str] = (),
    after: Milliseconds = 0,
    apart: bool = True,
) -> list[Event]:
    """What happened, in the order of record; only to one alert, of some types, or after a moment, where given.

    `without` are types that are left out. What is recorded of many deliveries at once stays so without `apart`.
    """
    asked = {
        "e.alert_id = :alert": alert_id is not None,
        "e.type IN (SELECT value FROM json_each(:types))": bool(types),
        "e.type NOT IN (SELECT value FROM json_each(:without))": bool(without),
        "e.at > :after": after > 0,
    }
    parameters = {"alert": alert_id, "types": json.dumps(list(types)), "without": json.dumps(list(without))}
    return _events(
        read, [condition for condition, wanted in asked.items() if wanted], {**parameters, "after": after}, apart
    )


def events_of_all(read: Read, types: Sequence[str], *, after: Milliseconds = 0) -> list[Event]:
    """What happened of some types after a moment that is about no one alert, in the order of record."""
    conditions = ["e.alert_id IS NULL", "e.type IN (SELECT value FROM json_each(:types))", "e.at > :after"]
    return _events(read, conditions, {"types": json.dumps(list(types)), "after": after})


def _events(read: Read, conditions: Sequence[str], parameters: Mapping[str, Any], apart: bool = True) -> list[Event]:
    # Each condition as it is, for an index is of no use behind an OR; and the events first, where they are told by
    # more than their order, for an alert has a thousand times as many as are wanted of it.
    join = read.either(sqlite="CROSS JOIN", postgres="JOIN") if conditions else "JOIN"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = read.sql(
        f"SELECT e.* FROM event e {join} link l ON l.chain = e.chain AND l.seq = e.seq{where}"
        " ORDER BY l.position, e.ordinal",
        parameters,
    ).all()
    if not apart:
        return [_event(row, row.delivery_id, _data(row.data)) for row in rows]
    return [each for row in rows for each in told_apart(row)]


def _event(row: Row[Any], delivery: int | None, data: Mapping[str, Any]) -> Event:
    return Event(row.chain, row.seq, row.ordinal, row.at, row.type, row.alert_id, delivery, data)


def told_apart(row: Row[Any]) -> list[Event]:
    """What a row of the record says: an event, or as many as it tells of deliveries."""
    data = _data(row.data)
    each: list[tuple[int | None, Mapping[str, Any]]] = [(row.delivery_id, data)]
    if "each" in data:
        try:
            each = list(gathered.apart(data))
        except (AttributeError, LookupError, TypeError, ValueError):
            each = [(row.delivery_id, DAMAGED)]
    return [_event(row, delivery, own) for delivery, own in each]


def _data(content: str) -> Mapping[str, Any]:
    try:
        data = json.loads(content)
    except ValueError:
        return DAMAGED
    return data if isinstance(data, dict) else DAMAGED
