"""Receipts: kept as they come, matched when they can be, in any order and any number of times."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import select

from kentongan.delivery import Evidence
from kentongan.ledger import schema
from kentongan.ledger.outcomes import record_evidence
from kentongan.ledger.transaction import Read, Write
from kentongan.seam import Receipt


def record(write: Write, *, instance: str, receipts: Sequence[Receipt]) -> int:
    """Keeps receipts and matches those it can; returns how many matched. A repeated one changes nothing."""
    matched = 0
    for receipt in receipts:
        id = secrets.token_hex(8)
        new = write.sql(
            "INSERT INTO receipt (id, instance, at, key, provider_id, confirmed, reason)"
            " VALUES (:id, :instance, :now, :key, :provider_id, :confirmed, :reason) ON CONFLICT DO NOTHING",
            {
                "id": id,
                "instance": instance,
                "now": write.now,
                "key": receipt.key,
                "provider_id": receipt.provider_id,
                "confirmed": receipt.confirmed.value,
                "reason": receipt.reason,
            },
        ).rowcount
        if not new:
            continue
        delivery = _match(write, instance, receipt)
        write.event("receipt.received", delivery=delivery, receipt=id, instance=instance, confirmed=receipt.confirmed)
        if delivery is not None:
            _apply(write, id, delivery, receipt)
            matched += 1
    return matched


def match_kept(write: Write, *, most: int = 500) -> int:
    """Matches receipts that came before the outcome which names their message; returns how many."""
    return _match_kept(write, "provider_id", most)


def match_merged(write: Write, *, most: int = 500) -> int:
    """Matches receipts that came, by our own key, before a delivery that was sent from elsewhere; returns how many."""
    return _match_kept(write, "key", most)


def _match_kept(write: Write, column: str, most: int) -> int:
    rows = write.sql(
        "SELECT r.id AS receipt, r.key, r.provider_id, r.confirmed, r.reason, d.id FROM receipt r JOIN delivery d"
        f" ON d.instance = r.instance AND d.{column} = r.{column} WHERE r.delivery_id IS NULL"
        f" AND r.{column} <> '' LIMIT :most",
        {"most": most},
    ).all()
    for row in rows:
        _apply(write, row.receipt, row.id, Receipt(row.confirmed, row.key, row.provider_id, row.reason))
    return len(rows)


def unmatched(read: Read) -> int:
    """How many receipts name no message of ours."""
    return len(read.execute(select(schema.receipt.c.id).where(schema.receipt.c.delivery_id.is_(None))).all())


def _match(write: Write, instance: str, receipt: Receipt) -> int | None:
    if receipt.key:
        row = write.sql(
            "SELECT id FROM delivery WHERE key = :key AND instance = :instance",
            {"key": receipt.key, "instance": instance},
        ).first()
        if row is not None:
            return int(row.id)
    if receipt.provider_id:
        row = write.sql(
            "SELECT id FROM delivery WHERE instance = :instance AND provider_id = :id",
            {"instance": instance, "id": receipt.provider_id},
        ).first()
        if row is not None:
            return int(row.id)
    return None


def _apply(write: Write, id: str, delivery: int, receipt: Receipt) -> None:
    """Credits the receipt to the attempt it can only mean, else to the oldest in doubt, else to the last."""
    if write.locking:
        # Which attempt it can only mean is not to change meanwhile.
        write.sql(f"SELECT d.id FROM delivery d WHERE d.id = :id{write.locking}", {"id": delivery})
    attempts = write.sql(
        "SELECT number, evidence, provider_id FROM attempt WHERE delivery_id = :id ORDER BY number", {"id": delivery}
    ).all()
    write.sql("UPDATE receipt SET delivery_id = :delivery WHERE id = :id", {"delivery": delivery, "id": id})
    if not attempts:
        return
    named = [row.number for row in attempts if receipt.provider_id and row.provider_id == receipt.provider_id]
    waiting = [row.number for row in attempts if row.evidence in (Evidence.OPEN, Evidence.IN_DOUBT)]
    number = next(iter([*named, *waiting]), attempts[-1].number)
    reason = f"receipt: {receipt.reason}" if receipt.reason else "receipt"
    record_evidence(
        write,
        delivery=delivery,
        attempt=number,
        evidence=Evidence(receipt.confirmed),
        reason=reason,
        provider_id=receipt.provider_id,
    )
