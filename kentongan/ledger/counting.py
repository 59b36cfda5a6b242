"""Where the deliveries of an alert stand, counted along indexes: to read a million rows takes officers' time.

Every delivery is in one of these parts: taken by its provider; done without that; planned and never tried; else open.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kentongan.clock import Milliseconds
from kentongan.delivery import Result, Stage, word
from kentongan.ledger.transaction import Read


@dataclass(slots=True)
class Counted:
    """One instance's part of an alert; `words`: deliveries by the one word that officers see.

    `first` and `last`: the first and the last acceptance (wall time). `retries`: attempts beyond the first of each
    delivery; `duplicates`: deliveries marked as possible duplicates.
    """

    words: Counter[str] = field(default_factory=Counter)
    first: Milliseconds | None = None
    last: Milliseconds | None = None
    retries: int = 0
    duplicates: int = 0


_TAKEN = (Result.ACCEPTED, Result.DELIVERED, Result.READ)
_BY_RESULT = ", ".join(f"count(*) FILTER (WHERE result = '{result.value}')" for result in _TAKEN)
_ACCEPTED = (
    f"SELECT instance, min(accepted_at), max(accepted_at), {_BY_RESULT} FROM delivery INDEXED BY delivery_accepted"
    " WHERE alert_id = :id AND accepted_at IS NOT NULL GROUP BY instance"
)
_AGAIN = (
    "SELECT instance, sum(CASE WHEN attempt > 1 THEN attempt - 1 ELSE 0 END), sum(possible_duplicate)"
    " FROM delivery INDEXED BY delivery_again"
    " WHERE alert_id = :id AND (attempt > 1 OR possible_duplicate = 1) GROUP BY instance"
)
_IS_OPEN = "SELECT 1 FROM delivery INDEXED BY delivery_open WHERE alert_id = :id AND stage <> 'done' LIMIT 1"
_UNTRIED = (
    "SELECT instance, count(*) FROM delivery INDEXED BY delivery_due"
    " WHERE alert_id = :id AND stage = 'planned' AND attempt = 0 GROUP BY instance"
)


def _others(index: str, condition: str) -> str:
    return (
        f"SELECT instance, stage, result, closed, count(*) FROM delivery INDEXED BY {index} WHERE alert_id = :id"
        f" AND {condition} AND result NOT IN ('accepted', 'delivered', 'read')"
        " GROUP BY instance, stage, result, closed"
    )


_MISSED = _others("delivery_missed", "stage = 'done'")
_TRIED = _others("delivery_due", "stage = 'planned' AND attempt > 0")
# Only a sender's name on it makes a delivery claimed or sending.
_BUSY = _others("delivery_sender", "sender IS NOT NULL AND stage IN ('claimed', 'sending')")


def of_alert(read: Read, alert_id: str) -> dict[str, Counted]:
    """Each instance that has deliveries of an alert, by name, with how they stand."""
    alert = {"id": alert_id}
    counted: dict[str, Counted] = {}
    for instance, first, last, *numbers in map(tuple, read.sql(_ACCEPTED, alert)):
        found = counted.setdefault(instance, Counted())
        found.first, found.last = first, last
        found.words.update({str(result): n for result, n in zip(_TAKEN, numbers, strict=True) if n})
    is_open = read.sql(_IS_OPEN, alert).first() is not None
    for statement in (_MISSED, _TRIED, _BUSY) if is_open else (_MISSED,):
        for instance, stage, result, closed, number in map(tuple, read.sql(statement, alert)):
            counted.setdefault(instance, Counted()).words[word(stage, result, closed)] += number
    for instance, number in map(tuple, read.sql(_UNTRIED, alert)) if is_open else ():
        counted.setdefault(instance, Counted()).words[str(Stage.PLANNED)] += number
    for instance, retries, duplicates in map(tuple, read.sql(_AGAIN, alert)):
        found = counted.setdefault(instance, Counted())
        found.retries, found.duplicates = retries, duplicates
    return dict(sorted(counted.items()))
