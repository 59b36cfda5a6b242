"""The ledger's tables.

Times are whole milliseconds (`kentongan.clock`). Rows of `alert` (but for its last block), `rendering`, `submission`
and `approval` never change once written; events carry their digests. No table but `address`, `answer` and `pager` holds
an address, and that only encrypted. On Postgres, `alert` and `dispatch` have the column `rowid` besides, as SQLite has.
"""

from __future__ import annotations

from kentongan.ledger.schema.alerts import alert, approval, picture, rendering, review, submission
from kentongan.ledger.schema.drills import drill, drill_schedule, probe
from kentongan.ledger.schema.metadata import metadata
from kentongan.ledger.schema.officers import code_sheet, officer, page, page_acknowledgement, pager
from kentongan.ledger.schema.people import (
    address,
    answer,
    opt_out,
    people_edition,
    person,
    person_group,
    person_region,
    region,
    region_boundary,
)
from kentongan.ledger.schema.record import checkpoint, event, kept_report, link, meta, pruned
from kentongan.ledger.schema.sending import attempt, bucket, delivery, dispatch, hold, receipt, sender, step, throttle

__all__ = [
    "address",
    "alert",
    "answer",
    "approval",
    "attempt",
    "bucket",
    "checkpoint",
    "code_sheet",
    "delivery",
    "dispatch",
    "drill",
    "drill_schedule",
    "event",
    "hold",
    "kept_report",
    "link",
    "meta",
    "metadata",
    "officer",
    "opt_out",
    "page",
    "page_acknowledgement",
    "pager",
    "people_edition",
    "person",
    "person_group",
    "person_region",
    "picture",
    "probe",
    "pruned",
    "receipt",
    "region",
    "region_boundary",
    "rendering",
    "review",
    "sender",
    "step",
    "submission",
    "throttle",
]
