"""What is put up for approval, and what officers signed of it; and what is sent back or given up instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from kentongan.clock import Milliseconds
from kentongan.ledger import alerts, schema
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Submission:
    """What an officer put up for approval: `subject` is the JSON that approvals sign over."""

    id: str
    officer: str
    at: Milliseconds
    subject: Mapping[str, Any]
    digest: str


def submit(write: Write, alert_id: str, *, officer: str, subject: Mapping[str, Any], id: str) -> None:
    """Puts an alert up for approval; `subject` is what approvals will sign. Earlier approvals no longer count."""
    alerts.move(write, alert_id, ("draft", "submitted", "approved"), "submitted")
    before = write.sql("SELECT max(number) FROM submission WHERE alert_id = :id", {"id": alert_id}).scalar_one()
    row = {
        "id": id,
        "alert_id": alert_id,
        "number": (before or 0) + 1,
        "officer": officer,
        "at": write.now,
        "subject": canonical(subject),
    }
    fixed = signed_digest(row)
    write.execute(insert(schema.submission).values(**row, digest=fixed))
    write.event("alert.submitted", alert=alert_id, by=officer, submission=id, digest=fixed, set={"state": "submitted"})


def latest(read: Read, alert_id: str) -> Submission | None:
    """The latest submission of an alert."""
    table = schema.submission
    row = read.execute(
        select(table).where(table.c.alert_id == alert_id).order_by(table.c.number.desc()).limit(1)
    ).first()
    if row is None:
        return None
    with alerts.legible(read, alert_id, "what was submitted for approval"):
        return Submission(row.id, row.officer, row.at, json.loads(row.subject), row.digest)


def signed_digest(row: Mapping[str, Any]) -> str:
    """Digest of a submission or approval row: all its columns but the digest itself."""
    return digest(canonical({name: value for name, value in row.items() if name != "digest"}))


def approve(
    write: Write, alert_id: str, *, officer: str, content: Mapping[str, Any], id: str, taken_by: str | None = None
) -> None:
    """Records one officer's signed approval, by which the alert becomes approved.

    `taken_by`: who took it down, where the officer said a one-time code and signed nothing.
    """
    alerts.move(write, alert_id, ("submitted", "approved"), "approved")
    moved = {"state": "approved"}
    record_approval(write, alert_id, officer=officer, content=content, id=id, set=moved, taken_by=taken_by)


def record_approval(
    write: Write,
    alert_id: str,
    *,
    officer: str,
    content: Mapping[str, Any],
    id: str,
    set: Mapping[str, Any] | None = None,
    taken_by: str | None = None,
) -> None:
    """Records an officer's signed word; `set` is what it has moved in the alert's row, for the record."""
    about = latest(write, alert_id)
    row = {
        "id": id,
        "alert_id": alert_id,
        "submission": about.id if about else None,
        "officer": officer,
        "at": write.now,
        "content": canonical(content),
    }
    fixed = signed_digest(row)
    write.execute(insert(schema.approval).values(**row, digest=fixed))
    taken: dict[str, Any] = {"taken_by": taken_by} if taken_by is not None else {}
    write.event("alert.approved", alert=alert_id, by=officer, approval=id, digest=fixed, set=dict(set or {}), **taken)


def approvals(read: Read, alert_id: str) -> list[Mapping[str, Any]]:
    """The signed approvals of an alert's latest submission, oldest first; those of earlier ones no longer count."""
    table = schema.approval
    about = latest(read, alert_id)
    rows = read.execute(
        select(table.c.content)
        .where(table.c.alert_id == alert_id, table.c.submission == (about.id if about else None))
        .order_by(table.c.at)
    )
    return [json.loads(row.content) for row in rows]


def signed_words(read: Read, alert_id: str) -> list[tuple[str, str | None]]:
    """What officers signed of an alert, as JSON by the id of its row: at submission and of it; None for damage."""
    rows = read.sql(
        "SELECT id, content FROM approval WHERE alert_id = :id"
        f" UNION ALL SELECT id, {read.in_json('subject', 'signed')} FROM submission WHERE alert_id = :id",
        {"id": alert_id},
    ).all()
    return [(row.id, row.content) for row in rows]


def send_back(write: Write, alert_id: str, *, by: str, reason: str) -> None:
    """Makes an alert that was put up for approval a draft again; what officers signed of it no longer counts."""
    alerts.move(write, alert_id, ("submitted", "approved"), "draft")
    write.event("alert.returned", alert=alert_id, by=by, reason=reason, set={"state": "draft"})


def discard(write: Write, alert_id: str, *, by: str, reason: str) -> None:
    """Gives an alert up for good that was never sent; it stays on record."""
    alerts.move(write, alert_id, ("draft", "submitted", "approved"), "discarded")
    write.event("alert.discarded", alert=alert_id, by=by, reason=reason, set={"state": "discarded"})
