"""What a spool tells of the one alert that was sent from it, read to be merged (`kentongan.ledger.merging`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kentongan.delivery import Evidence
from kentongan.ledger.transaction import Read
from kentongan.plan import PUBLIC
from kentongan.quick_dataclass import dataclass

MAY_HAVE_GONE = frozenset(Evidence) - {Evidence.ABSENT, Evidence.REJECTED}
"""Evidence of an attempt whose words are out, or may be."""


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery of the spool with its attempts, in their order."""

    values: Mapping[str, Any]
    tries: Sequence[Mapping[str, Any]]

    @property
    def may_have_gone(self) -> bool:
        """Whether any of them may have reached somebody."""
        return any(Evidence(each["evidence"]) in MAY_HAVE_GONE for each in self.tries)


def rows_of(read: Read, alert_id: str, public: str, after: int, *, most: int) -> list[Row]:
    """Up to `most` deliveries behind the id `after`; `public` is "=" for the public ones and "<>" for people's."""
    found = read.sql(
        f"SELECT * FROM delivery WHERE alert_id = :alert AND family {public} :public AND id > :after"
        " ORDER BY id LIMIT :most",
        {"alert": alert_id, "public": PUBLIC, "after": after, "most": most},
    ).mappings()
    rows = [dict(row) for row in found]
    tries: dict[int, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for each in read.sql(
        "SELECT * FROM attempt WHERE delivery_id IN (SELECT value FROM json_each(:ids)) ORDER BY delivery_id, number",
        {"ids": json.dumps(list(tries))},
    ).mappings():
        tries[each["delivery_id"]].append(dict(each))
    return [Row(row, tries[row["id"]]) for row in rows]


@dataclass(frozen=True, slots=True)
class Told:
    """What else is on the spool's record of its alert, rows as their columns, events as their data.

    `ends`: sequence and digest of the last link of each of its senders' chains.
    """

    dispatch: Mapping[str, Any]
    begun: Mapping[str, Any]
    stopped: Mapping[str, Any] | None
    approvals: Sequence[Mapping[str, Any]]
    review: Mapping[str, Any] | None
    senders: Sequence[Mapping[str, Any]]
    ends: Mapping[str, Sequence[Any]]

    @classmethod
    def read(cls, read: Read, alert_id: str) -> Told:
        """Reads it; the alert was dispatched there."""

        def rows(statement: str) -> list[dict[str, Any]]:
            return [dict(row) for row in read.sql(statement, {"alert": alert_id}).mappings()]

        def event(type_: str) -> Mapping[str, Any] | None:
            found = rows(
                "SELECT e.data FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq"
                f" WHERE e.alert_id = :alert AND e.type = '{type_}' ORDER BY l.position DESC LIMIT 1"
            )
            return json.loads(found[0]["data"]) if found else None

        senders = (
            "SELECT * FROM sender WHERE id IN (SELECT t.sender FROM attempt t JOIN delivery d ON d.id = t.delivery_id"
            " WHERE d.alert_id = :alert UNION SELECT sender FROM delivery WHERE alert_id = :alert)"
        )
        made_by = rows(senders)
        ends = {
            row["chain"]: (row["seq"], row["digest"])
            for row in rows(
                "SELECT l.chain, l.seq, l.digest FROM link l JOIN (SELECT chain, max(seq) AS seq FROM link"
                " GROUP BY chain) m ON m.chain = l.chain AND m.seq = l.seq"
            )
            if row["chain"] in {each["id"] for each in made_by}
        }
        return cls(
            dispatch=rows("SELECT * FROM dispatch WHERE alert_id = :alert")[0],
            begun=event("alert.dispatched") or {},
            stopped=event("alert.stopped"),
            approvals=rows("SELECT * FROM approval WHERE alert_id = :alert ORDER BY at"),
            review=next(iter(rows("SELECT * FROM review WHERE alert_id = :alert")), None),
            senders=made_by,
            ends=ends,
        )
