"""What became of single deliveries, step by step: for whoever asks about one recipient among a million.

It reads rows by their keys alone. `kentongan log verify` compares these rows with the record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.clock import Milliseconds
from kentongan.ledger import views
from kentongan.ledger.opt_outs import REFERENCE, Named
from kentongan.ledger.transaction import Read
from kentongan.ledger.views import Attempt, Delivery
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Came:
    """One receipt as it was kept: what the provider says of the message, and why."""

    at: Milliseconds
    confirmed: str
    reason: str


@dataclass(frozen=True, slots=True)
class Course:
    """One delivery with its attempts and receipts, each in order."""

    delivery: Delivery
    attempts: tuple[Attempt, ...]
    receipts: tuple[Came, ...]


def course(read: Read, delivery: int) -> Course | None:
    """The course of the delivery with this number; None where there is none."""
    found = views.delivery(read, delivery)
    if found is None:
        return None
    rows = read.sql(
        "SELECT at, confirmed, reason FROM receipt WHERE delivery_id = :id AND delivery_id IS NOT NULL ORDER BY at, id",
        {"id": delivery},
    ).all()
    came = tuple(Came(row.at, row.confirmed, row.reason) for row in rows)
    return Course(found, tuple(views.attempts(read, delivery)), came)


def deliveries_to(read: Read, named: Sequence[Named], alerts: Sequence[str]) -> list[int]:
    """The deliveries to people or addresses that were named, of some alerts, in the order of planning."""
    found: set[int] = set()
    parameters = {"alerts": json.dumps(list(alerts))}
    of_alerts = "SELECT id FROM delivery WHERE alert_id IN (SELECT value FROM json_each(:alerts))"
    for one in named:
        condition = "family = :family AND unique_by = :hash"
        if one.family == REFERENCE:
            condition = "person_id IS NOT NULL AND person_id = (SELECT id FROM person WHERE reference = :hash)"
        own = {"hash": one.hash} if one.family == REFERENCE else {"hash": one.hash, "family": one.family}
        found.update(read.sql(f"{of_alerts} AND {condition}", {**parameters, **own}).scalars())
    return sorted(found)
