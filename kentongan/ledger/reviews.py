"""Reviews of broken glass in the ledger: opened with the dispatch, due, done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from kentongan.clock import Milliseconds
from kentongan.errors import BadInput, DamagedRecord
from kentongan.ledger import schema
from kentongan.ledger.chaining import canonical
from kentongan.ledger.transaction import Read, Write
from kentongan.officers import Signed, read_statement
from kentongan.quick_dataclass import dataclass
from kentongan.stored import from_json, to_json


@dataclass(frozen=True, slots=True)
class Review:
    """The review of one alert; `officer` broke the glass. Until it is done, `done_at` is None and nothing is found."""

    alert_id: str
    officer: str
    opened_at: Milliseconds
    due_at: Milliseconds
    done_at: Milliseconds | None
    done_by: str | None
    finding: str

    @property
    def is_done(self) -> bool:
        """Whether somebody has reviewed it."""
        return self.done_at is not None


def begin(write: Write, alert_id: str, *, officer: str, within: Milliseconds) -> None:
    """Opens the review of an alert that `officer` sends alone, in the transaction that sends it."""
    row = {"alert_id": alert_id, "officer": officer, "opened_at": write.now, "due_at": write.now + within}
    write.execute(insert(schema.review).values(**row))
    fresh = {"done_at": None, "done_by": None, "content": None}
    write.event("review.opened", alert=alert_id, by=officer, set={**row, **fresh})


def finish(write: Write, alert_id: str, *, signed: Signed) -> None:
    """Records the signed finding; whether this officer may give it was decided before."""
    changes = {"done_at": write.now, "done_by": signed.officer, "content": canonical(to_json(signed))}
    write.execute(update(schema.review).where(schema.review.c.alert_id == alert_id).values(**changes))
    write.event("review.done", alert=alert_id, by=signed.officer, set=changes)


def of_alert(read: Read, alert_id: str) -> Review | None:
    """The review of an alert, None where no glass was broken."""
    row = read.execute(select(schema.review).where(schema.review.c.alert_id == alert_id)).mappings().first()
    return _review(dict(row)) if row is not None else None


def open_reviews(read: Read) -> list[Review]:
    """The reviews that are not done, the one due first first."""
    table = schema.review
    rows = read.execute(select(table).where(table.c.done_at.is_(None)).order_by(table.c.due_at)).mappings()
    return [_review(dict(row)) for row in rows]


def all_reviews(read: Read) -> list[Review]:
    """Every review, the one due first first."""
    rows = read.execute(select(schema.review).order_by(schema.review.c.due_at)).mappings()
    return [_review(dict(row)) for row in rows]


def _review(row: Mapping[str, Any]) -> Review:
    finding = ""
    if row["content"] is not None:
        try:
            said = read_statement(from_json(Signed, json.loads(row["content"])).statement)
        except (BadInput, ValueError, TypeError):
            raise DamagedRecord(
                "the review of an alert is damaged in the ledger; `kentongan log verify` names what was changed"
            ) from None
        finding = str(said.fields.get("finding", ""))
    return Review(
        alert_id=row["alert_id"],
        officer=row["officer"],
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        done_at=row["done_at"],
        done_by=row["done_by"],
        finding=finding,
    )
