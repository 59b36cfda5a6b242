"""What became of the deliveries, counted in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kentongan.ledger import Read, checkpoints, views
from kentongan.ledger import answers as register
from kentongan.ledger.pruning import RESOLVED
from kentongan.ledger.views import Event
from kentongan.overview import Overview
from kentongan.policy import Reason
from kentongan.report.remedies import Remedy, remedy
from kentongan.report.shapes import Answers, Doubt, Failure, Receipts, Resolved, Retries

_ONE_WORD = 10_000
"""Milliseconds between two commits that may be of one word."""


def read_retries(read: Read, alert_id: str) -> tuple[Retries, ...]:
    """Attempts that were followed by another, by channel and reason, the most first."""
    kept = checkpoints.counted(read, alert_id, "retries")
    if kept is not None:
        return tuple(Retries(*each) for each in kept)
    rows = read.sql(
        "SELECT d.instance, t.reason, count(*) AS n FROM delivery d INDEXED BY delivery_again"
        " JOIN attempt t ON d.id = t.delivery_id WHERE d.alert_id = :id"
        " AND (d.attempt > 1 OR d.possible_duplicate = 1) AND t.number < d.attempt GROUP BY d.instance, t.reason"
        " ORDER BY n DESC, d.instance, t.reason",
        {"id": alert_id},
    ).all()
    return tuple(Retries(row.instance, row.reason or "", row.n) for row in rows)


def failures(standing: Overview) -> tuple[Failure, ...]:
    """What reached nobody, by what to do about it: what calls for somebody's hand first."""
    grouped: dict[Remedy, list[int]] = {}
    for number, cause in enumerate(standing.causes):
        grouped.setdefault(remedy(cause), []).append(number)
    order = list(Remedy)
    return tuple(
        Failure(found, tuple(standing.causes[number] for number in grouped[found]))
        for found in sorted(grouped, key=order.index)
    )


_DOUBTS = (
    "SELECT d.instance, CASE"
    " WHEN d.id IN (SELECT value FROM json_each(:resolved))"
    " THEN 'an officer settled it'"
    " WHEN d.result = 'in_doubt' THEN 'not resolved'"
    " WHEN d.possible_duplicate = 1 THEN 'sent once more, marked as a possible duplicate'"
    " WHEN EXISTS (SELECT 1 FROM attempt t WHERE t.delivery_id = d.id AND t.reason LIKE :found || '%')"
    " THEN 'found on our own account'"
    " WHEN EXISTS (SELECT 1 FROM attempt t WHERE t.delivery_id = d.id AND t.reason LIKE :absent || '%')"
    " THEN 'looked up and not there, so that it could be sent again'"
    " WHEN EXISTS (SELECT 1 FROM attempt t WHERE t.delivery_id = d.id AND t.reason LIKE 'receipt%')"
    " THEN 'a receipt settled it'"
    " WHEN d.attempt > 1 THEN 'repeated under the same key, of which the provider keeps one'"
    " ELSE 'a later answer settled it' END AS how,"
    " CASE WHEN d.result <> 'none' THEN d.result ELSE coalesce(d.closed, d.stage) END AS word, count(*) AS n"
    " FROM delivery d WHERE d.alert_id = :id AND d.doubted = 1 GROUP BY d.instance, how, word"
    " ORDER BY d.instance, how, word"
)


def read_doubts(read: Read, alert_id: str) -> tuple[Doubt, ...]:
    """Everything that was ever in doubt."""
    kept = checkpoints.counted(read, alert_id, "doubts")
    if kept is not None:
        return tuple(Doubt(*each) for each in kept)
    by_officers = resolved(views.events(read, alert_id=alert_id, types=(RESOLVED,), apart=False))
    found = {
        "id": alert_id,
        "found": Reason.FOUND.value,
        "absent": Reason.NOT_FOUND.value,
        "resolved": json.dumps([id for each in by_officers.values() for id in each.deliveries]),
    }
    rows = read.sql(_DOUBTS, found).all()
    return tuple(Doubt(row.instance, row.how, row.word, row.n) for row in rows)


def resolved(events: Iterable[Event]) -> dict[int, Resolved]:
    """What officers settled, a word at a time, by the place of the first event of each; they need not be told apart.

    Many are settled in several commits, one right after the other.
    """
    found: dict[int, tuple[Event, list[int]]] = {}
    latest: Event | None = None
    for place, event in enumerate(events):
        if event.type != RESOLVED:
            continue
        named = event.data.get("deliveries", [event.delivery_id])
        ids = [id for id in named if isinstance(id, int)] if isinstance(named, list) else []
        if latest is not None and _said(latest) == _said(event) and 0 <= event.at - latest.at <= _ONE_WORD:
            found[next(reversed(found))][1].extend(ids)
        else:
            found[place] = (event, ids)
        latest = event
    return {
        # A delivery of which several attempts were in doubt has several events.
        place: Resolved(event.at, tuple(dict.fromkeys(ids)), *_said(event))
        for place, (event, ids) in found.items()
    }


def _said(event: Event) -> tuple[str, str]:
    return str(event.data.get("by", "")), str(event.data.get("evidence", ""))


def read_receipts(read: Read, alert_id: str) -> tuple[Receipts, ...]:
    """The receipts that named a message of this alert."""
    kept = checkpoints.counted(read, alert_id, "receipts")
    if kept is not None:
        return tuple(Receipts(*each) for each in kept)
    rows = read.sql(
        "SELECT r.instance, r.confirmed, count(*) AS n FROM receipt r JOIN delivery d ON d.id = r.delivery_id"
        " WHERE d.alert_id = :id GROUP BY r.instance, r.confirmed ORDER BY r.instance, r.confirmed",
        {"id": alert_id},
    ).all()
    return tuple(Receipts(row.instance, row.confirmed, row.n) for row in rows)


def read_answers(read: Read, alert_id: str) -> Answers:
    """How many people answered, and what."""
    found = register.summary(read, alert_id)
    return Answers(found.asked, found.answered, dict(found.counts))
