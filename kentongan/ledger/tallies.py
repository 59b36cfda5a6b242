"""Deliveries in numbers over all alerts, for whoever watches the whole; cheap enough to be asked while alerts are sent.

Counting an alert reads each of its rows once. What has not changed since is therefore not to be counted again:
`changed` tells what has, by the commits since the last look.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Milliseconds
from kentongan.delivery import Closed, Result
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass

LATENCIES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds in seconds from dispatch to acceptance; one more count is for what took longer."""

_LOST = "orchestration.lost"

OPEN = "open"
"""The word for what has no result yet and was not given up."""

WORDS = (OPEN, *(result.value for result in Result if result is not Result.NONE), *(closed.value for closed in Closed))


@dataclass(frozen=True, slots=True)
class Tally:
    """Deliveries of one instance, or of several added up.

    `words`: by what is known of them, all of WORDS. `waiting`: in doubt, with nothing planned but an officer's word.
    `repeated`: marked as possible duplicates. `latencies`: those accepted by the bounds of LATENCIES, each counted
    once; `seconds`: the sum of what they took.
    """

    words: Mapping[str, int]
    waiting: int
    repeated: int
    latencies: tuple[int, ...]
    seconds: float

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            {word: self.words[word] + other.words[word] for word in WORDS},
            self.waiting + other.waiting,
            self.repeated + other.repeated,
            tuple(one + another for one, another in zip(self.latencies, other.latencies, strict=True)),
            self.seconds + other.seconds,
        )


NOTHING = Tally(dict.fromkeys(WORDS, 0), 0, 0, (0,) * (len(LATENCIES) + 1), 0.0)


def _columns() -> str:
    counted = [f"result = '{result.value}'" for result in Result if result is not Result.NONE]
    counted += [f"result = 'none' AND closed = '{closed.value}'" for closed in Closed]
    counted += ["stage = 'done' AND result = 'in_doubt'", "possible_duplicate = 1"]
    counted += [f"accepted_at <= :at + {round(bound * 1000)}" for bound in LATENCIES]
    return ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in counted)


# One pass along an index that already has them in order: grouping them by their words would sort a million rows.
_OF_ALERT = (
    f"SELECT instance, count(*), count(accepted_at), coalesce(sum(accepted_at - :at), 0), {_columns()} FROM delivery"
    " WHERE alert_id = :id GROUP BY instance"
)


def of_alert(read: Read, alert_id: str) -> dict[str, Tally]:
    """The tally of each instance of one alert; none for an alert that is not dispatched, or is no more."""
    at = read.sql("SELECT at FROM dispatch WHERE alert_id = :id", {"id": alert_id}).scalar()
    if at is None:
        return {}
    return {str(row[0]): _tally(row) for row in read.sql(_OF_ALERT, {"id": alert_id, "at": at})}


def _tally(row: Row[Any]) -> Tally:
    _, total, accepted, milliseconds, *counts = list(row)
    known = counts[: len(WORDS) - 1]
    waiting, repeated, *within = counts[len(WORDS) - 1 :]
    upto = [0, *within, accepted]
    return Tally(
        words=dict(zip(WORDS, (total - sum(known), *known), strict=True)),
        waiting=waiting,
        repeated=repeated,
        latencies=tuple(later - earlier for earlier, later in itertools.pairwise(upto)),
        # The clock may have been put back since the dispatch.
        seconds=max(0.0, float(milliseconds) / 1000),
    )


def dispatched(read: Read) -> list[str]:
    """Ids of all alerts that were ever dispatched."""
    return [str(id) for id in read.sql("SELECT alert_id FROM dispatch").scalars()]


@dataclass(frozen=True, slots=True)
class Changed:
    """What was committed up to `position`: the alerts it is about, and how often an orchestration was lost."""

    position: int
    alerts: frozenset[str]
    orchestrations_lost: int


def position(read: Read) -> int:
    """The place of the last commit."""
    return int(read.sql("SELECT coalesce(max(position), 0) FROM link").scalar_one())


def changed(read: Read, after: int) -> Changed:
    """What was committed after a place, whoever did."""
    last = position(read)
    chains = read.sql(
        "SELECT chain, min(seq) AS first, max(seq) AS last FROM link WHERE position > :after AND position <= :last"
        " GROUP BY chain",
        {"after": after, "last": last},
    ).all()
    alerts: set[str] = set()
    lost = 0
    for row in chains:
        part = {"chain": row.chain, "first": row.first, "last": row.last}
        of_part = "FROM event WHERE chain = :chain AND seq BETWEEN :first AND :last"
        kinds = f"SELECT DISTINCT alert_id, CASE WHEN type = '{_LOST}' THEN 1 ELSE 0 END AS lost {of_part}"
        found = read.sql(kinds, part).all()
        alerts.update(each.alert_id for each in found if each.alert_id is not None)
        if any(each.lost for each in found):
            lost += read.sql(f"SELECT count(*) {of_part} AND type = '{_LOST}'", part).scalar_one()
    return Changed(last, frozenset(alerts), lost)


@dataclass(frozen=True, slots=True)
class Due:
    """What is due of an instance and not claimed yet, and since when the oldest is (wall time)."""

    count: int
    since: Milliseconds


def standing(read: Read) -> list[str]:
    """Ids of the alerts of which messages may still be sent."""
    return [str(id) for id in read.sql("SELECT id FROM alert WHERE state = 'dispatched'").scalars()]


def due(read: Read, alert_id: str, instance: str) -> Due | None:
    """What is due of one instance of an alert; None where nothing is."""
    row = read.sql(
        "SELECT count(*) AS n, min(due_at) AS since FROM delivery INDEXED BY delivery_due WHERE alert_id = :alert"
        " AND instance = :instance AND stage = 'planned' AND due_at <= :now",
        {"alert": alert_id, "instance": instance, "now": read.now},
    ).one()
    return Due(row.n, row.since) if row.n else None


def pages_settled(read: Read) -> dict[tuple[str, str], int]:
    """Pages to officers of which the end is known, by cause and outcome."""
    rows = read.sql("SELECT cause, outcome, count(*) AS n FROM page WHERE outcome <> 'open' GROUP BY cause, outcome")
    return {(row.cause, row.outcome): row.n for row in rows}
