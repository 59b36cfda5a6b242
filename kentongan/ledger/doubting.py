"""What may have been sent between a backup and the loss of the ledger: planned in the backup, and in doubt since."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.delivery import Evidence, Phase, Result, Stage
from kentongan.ledger.changes import Changes, attempt_reason
from kentongan.ledger.transaction import Read, Write
from kentongan.policy import Reason

SENDER = "restored"
"""Who made the attempts that may have been made since the backup."""


def doubt_waiting(write: Write, ids: Sequence[int], taken_at: Milliseconds) -> Counter[str]:
    """Brings into doubt what was planned; returns how many deliveries of each alert.

    An attempt may have been made since the backup of `taken_at`, so there is one, and it is in doubt.
    """
    attempts = []
    with Changes(write, ids) as batch:
        for standing in batch:
            number = standing.attempt + 1
            tried: dict[str, Any] = {
                "sender": SENDER,
                "phase": Phase.IRREVERSIBLE.value,
                "intent_at": taken_at,
                "evidence": Evidence.IN_DOUBT.value,
                "outcome_at": write.now,
            }
            reason = Reason.RESTORED.value
            attempts.append({**tried, "delivery": standing.id, "number": number, "reason": attempt_reason(reason, "")})
            standing.attempts[number] = Evidence.IN_DOUBT
            changes = {
                "stage": Stage.DONE.value,
                "attempt": number,
                "phase": Phase.IRREVERSIBLE.value,
                "result": Result.IN_DOUBT.value,
                "doubted": 1,
                "first_intent_at": taken_at if standing.first_intent_at is None else standing.first_intent_at,
            }
            batch.change(
                "delivery.restored",
                standing,
                changes,
                attempt=number,
                evidence=Evidence.IN_DOUBT,
                reason=reason,
                detail="",
                tried=tried,
            )
    if attempts:
        write.sql(
            "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence, reason, outcome_at)"
            " VALUES (:delivery, :number, :sender, :phase, :intent_at, :evidence, :reason, :outcome_at)",
            attempts,
        )
    return Counter(standing.alert_id for standing in batch)


def dispatched_before_restoring(read: Read, alert_id: str) -> bool:
    """Whether the ledger was restored from a backup since an alert was dispatched.

    What is planned of it then may have been planned, and sent, before the loss. By the order of commits, for clocks
    are set back.
    """
    position = "SELECT max(l.position) FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq WHERE"
    row = read.sql(
        f"SELECT ({position} e.alert_id IS NULL AND e.type = 'ledger.restored') AS restored,"
        f" ({position} e.alert_id = :alert AND e.type = 'alert.dispatched') AS dispatched",
        {"alert": alert_id},
    ).one()
    return row.restored is not None and (row.dispatched is None or row.restored > row.dispatched)


def doubt_planned(write: Write, alert_id: str, instance: str, *, after: int) -> None:
    """Brings into doubt what was planned behind the delivery `after`, of an alert from before the ledger was restored.

    It follows what turned out late to have gone; that may have been known, and followed, before the loss.
    """
    rows = write.sql(
        "SELECT id FROM delivery WHERE alert_id = :alert AND instance = :instance AND id > :after ORDER BY id",
        {"alert": alert_id, "instance": instance, "after": after},
    )
    doubt_waiting(write, [row.id for row in rows], _last_taken(write))


def _last_taken(read: Read) -> Milliseconds:
    """The moment of the backup from which the ledger was restored last."""
    data = read.sql(
        "SELECT e.data FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq"
        " WHERE e.alert_id IS NULL AND e.type = 'ledger.restored' ORDER BY l.position DESC LIMIT 1"
    ).scalar_one()
    return int(json.loads(data)["taken"])
