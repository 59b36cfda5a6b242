"""What a sender needs to see: dispatches still open, what is due, and the addresses of what it claimed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.clock import Milliseconds
from kentongan.ledger import threads
from kentongan.ledger.transaction import Read
from kentongan.plan import Plan
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class OpenDispatch:
    """A dispatch with something left to do."""

    alert_id: str
    state: str
    epoch: int
    at: Milliseconds
    owner: str | None
    expanded: bool
    plan: Plan


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is left of one instance's part: whether anything is, and when the next planned is due (wall time)."""

    open: bool
    next_due: Milliseconds | None


@dataclass(frozen=True, slots=True)
class SealedAddress:
    """An address as it is stored, with the person's wrapped key; None once the person was erased."""

    person_id: str
    ciphertext: bytes
    key: bytes | None


def open_dispatches(read: Read) -> list[OpenDispatch]:
    """Dispatches that are being sent, not expanded yet, or have deliveries that are not done."""
    rows = read.sql(
        "SELECT s.alert_id, a.state, a.epoch, s.at, s.owner, s.expanded, s.plan FROM dispatch s"
        " JOIN alert a ON a.id = s.alert_id WHERE (a.state = 'dispatched' AND s.expanded = 0)"
        " OR EXISTS (SELECT 1 FROM delivery d INDEXED BY delivery_open WHERE d.alert_id = s.alert_id"
        " AND d.stage <> 'done') ORDER BY s.at"
    ).all()
    return [
        OpenDispatch(
            alert_id=row.alert_id,
            state=row.state,
            epoch=row.epoch,
            at=row.at,
            owner=row.owner,
            expanded=bool(row.expanded),
            plan=Plan.model_validate_json(row.plan),
        )
        for row in rows
    ]


def outlook(read: Read, alert_id: str, instance: str) -> Outlook:
    """What is left of one instance's part of an alert."""
    part = {"alert": alert_id, "instance": instance}
    of_part = (
        "FROM delivery INDEXED BY delivery_open WHERE alert_id = :alert AND instance = :instance AND stage <> 'done'"
    )
    # The first alone of each: there may be a million behind it.
    is_open = read.sql(f"SELECT 1 {of_part} LIMIT 1", part).first() is not None
    due = read.sql(f"SELECT due_at {of_part} AND stage = 'planned' ORDER BY due_at LIMIT 1", part).scalar()
    return Outlook(is_open, due)


def is_due(read: Read, alert_id: str, instance: str) -> bool:
    """Whether a planned delivery of the instance is due now and may be claimed."""
    return (
        read.sql(
            "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE alert_id = :alert AND instance = :instance"
            " AND stage <> 'done' AND stage = 'planned' AND due_at <= :now LIMIT 1",
            {"alert": alert_id, "instance": instance, "now": read.now},
        ).first()
        is not None
    )


def epochs(read: Read, alerts: Sequence[str]) -> dict[str, tuple[str, int]]:
    """State and epoch of these alerts."""
    rows = read.sql(
        "SELECT id, state, epoch FROM alert WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(list(alerts))},
    ).all()
    return {row.id: (row.state, row.epoch) for row in rows}


def sealed_addresses(read: Read, ids: Sequence[int]) -> dict[int, SealedAddress]:
    """The stored addresses with these ids, without those that were erased."""
    rows = read.sql(
        "SELECT a.id, a.person_id, a.ciphertext, p.key FROM address a JOIN person p ON p.id = a.person_id"
        " WHERE a.id IN (SELECT value FROM json_each(:ids)) AND length(a.ciphertext) > 0",
        {"ids": json.dumps(list(ids))},
    ).all()
    return {row.id: SealedAddress(row.person_id, row.ciphertext, row.key) for row in rows}


def posted(read: Read, delivery: int) -> list[tuple[str, str]]:
    """Provider's id and address of each message that the same recipient has of the thread before this delivery."""
    own = read.sql("SELECT alert_id, instance, unique_by FROM delivery WHERE id = :id", {"id": delivery}).one()
    rows = read.sql(
        "SELECT provider_id, url FROM delivery WHERE alert_id IN (SELECT value FROM json_each(:thread))"
        " AND instance = :instance AND unique_by = :unique_by AND id < :id AND provider_id IS NOT NULL ORDER BY id",
        {
            "thread": json.dumps(threads.others(read, own.alert_id)),
            "instance": own.instance,
            "unique_by": own.unique_by,
            "id": delivery,
        },
    ).all()
    return [(row.provider_id, row.url or "") for row in rows]
