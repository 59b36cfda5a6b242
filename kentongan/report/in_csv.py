"""The deliveries of a thread as CSV, one row each: no address, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kentongan.ledger import Ledger, Read
from kentongan.plan import PUBLIC
from kentongan.report.shapes import Part, Report
from kentongan.telling import iso

COLUMNS = (
    "alert",
    "kind",
    "mode",
    "nobody_was_warned",
    "delivery",
    "channel",
    "language",
    "recipient",
    "state",
    "attempts",
    "first_request_at",
    "accepted_at",
    "seconds_to_acceptance",
    "possible_duplicate",
    "was_in_doubt",
    "reason",
    "url",
)

_CHUNK = 2_000
_RUN = re.compile(r"\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20]")


def safe(cell: object) -> str:
    """A cell that a spreadsheet shows and never runs, on one line: what begins like a formula gets an apostrophe.

    Source: OWASP, CSV Injection.
    """
    text = "" if cell is None else str(cell)
    text = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split(" ")) if not text.isprintable() else text
    return f"'{text}" if _RUN.match(text) and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else text


def line(cells: Iterable[object]) -> str:
    """One line of CSV (RFC 4180), with its line end."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([safe(cell) for cell in cells])
    return written.getvalue()


def deliveries_csv(ledger: Ledger, report: Report) -> Iterator[str]:
    """The lines, the header first; read in chunks, so that a million deliveries hold up nobody.

    `recipient` is "everybody", or the beginning of the person's random id.
    """
    yield line(COLUMNS)
    for part in report.parts:
        last = 0
        while rows := ledger.read(lambda read, id=part.standing.alert.id, last=last: _chunk(read, id, last)):  # type: ignore[misc]
            yield from (line(_cells(part, row)) for row in rows)
            last = rows[-1].id


def _chunk(read: Read, alert_id: str, after: int) -> Sequence[Any]:
    return read.sql(
        "SELECT d.*, CASE WHEN d.result <> 'none' THEN d.result ELSE coalesce(d.closed, d.stage) END AS word,"
        " coalesce((SELECT t.reason FROM attempt t WHERE t.delivery_id = d.id ORDER BY t.number DESC LIMIT 1), '')"
        " AS reason FROM delivery d WHERE d.alert_id = :id AND d.id > :after ORDER BY d.id LIMIT :most",
        {"id": alert_id, "after": after, "most": _CHUNK},
    ).all()


def _cells(part: Part, row: Any) -> list[object]:
    standing = part.standing
    pressed = standing.dispatch.at if standing.dispatch is not None else None
    public = row.family == PUBLIC
    return [
        part.code,
        standing.alert.kind.value,
        standing.alert.mode.value,
        "yes" if standing.sandbox else "no",
        row.id,
        row.instance,
        row.language,
        # What a provider calls a message to one person may hold their number, and so its link.
        "everybody" if public else f"{str(row.person_id or '')[:8]}…",
        row.word,
        row.attempt,
        iso(row.first_intent_at),
        iso(row.accepted_at),
        (row.accepted_at - pressed) / 1000 if row.accepted_at is not None and pressed is not None else None,
        "yes" if row.possible_duplicate else "no",
        "yes" if row.doubted else "no",
        row.reason,
        row.url if public else None,
    ]
