"""What is left of an alert's deliveries once they were pruned: what was counted of them before, signed.

Whoever counts deliveries, attempts, receipts or their events of an alert asks here first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.errors import DamagedRecord
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was counted at `at`. `finished_at`: when the last of the deliveries went, None while some are there.

    `content` holds what each of those who count would find, under a name of theirs (`kentongan.pruning`).
    """

    at: Milliseconds
    content: Mapping[str, Any]
    finished_at: Milliseconds | None


def of(read: Read, alert_id: str) -> Checkpoint | None:
    """An alert's checkpoint; None where its deliveries are all there. Raises DamagedRecord."""
    row = read.sql("SELECT at, content, finished_at FROM checkpoint WHERE alert_id = :id", {"id": alert_id}).first()
    if row is None:
        return None
    try:
        content = json.loads(row.content)
        if not isinstance(content, dict):
            raise ValueError(content)
        return Checkpoint(int(row.at), content, row.finished_at)
    except (TypeError, ValueError):
        raise DamagedRecord(
            f"what was counted of alert {alert_id} before its deliveries were pruned is damaged; run"
            " `kentongan log verify` and restore the ledger from its backup"
        ) from None


def counted(read: Read, alert_id: str, what: str) -> Any:
    """What was counted under a name before the deliveries went; None where they are there. Raises DamagedRecord."""
    found = of(read, alert_id)
    if found is None:
        return None
    if what not in found.content:
        raise _lacks(alert_id, what)
    return found.content[what]


def report(read: Read, alert_id: str) -> Mapping[str, str] | None:
    """Where the report lies that was written before the deliveries went, and its `sha256`; None where they are there.

    It lies in the ledger, kept for the alert `of`, or, up to version 0017, in a `file`. Raises DamagedRecord.
    """
    said = counted(read, alert_id, "report")
    if said is None:
        return None
    if not isinstance(said, dict) or "sha256" not in said or said.keys().isdisjoint(("of", "file")):
        raise _lacks(alert_id, "report")
    return {name: str(value) for name, value in said.items()}


def _lacks(alert_id: str, what: str) -> DamagedRecord:
    return DamagedRecord(
        f"what was counted of alert {alert_id} before its deliveries were pruned lacks {what}; run"
        " `kentongan log verify` and restore the ledger from its backup"
    )


def reports(read: Read) -> list[tuple[str, str]]:
    """File and SHA-256 of every report that was written before its deliveries went; one for all of a thread."""
    file, digest = read.in_json("content", "report", "file"), read.in_json("content", "report", "sha256")
    rows = read.sql(f"SELECT DISTINCT {file} AS file, {digest} AS digest FROM checkpoint ORDER BY file")
    return [(row.file, row.digest) for row in rows if row.file and row.digest]
