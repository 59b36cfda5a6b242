"""What of people's data has been kept long enough: who left the list, and what was answered, before some time."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.clock import Milliseconds
from kentongan.ledger import erasing
from kentongan.ledger.editions import CURRENT
from kentongan.ledger.transaction import Read, Write

# Editions have no date from before there were any: whoever had left by then counts from the first.
_LEFT_AT = (
    "coalesce((SELECT edition.switched_at FROM people_edition edition WHERE edition.number ="
    " (SELECT max(a.until) FROM address a WHERE a.person_id = p.id)),"
    " (SELECT min(edition.switched_at) FROM people_edition edition))"
)
# What follows an alert goes to whom it reached: while it runs, nobody of it is erased.
_LEFT = (
    "p.key IS NOT NULL"
    f" AND NOT EXISTS (SELECT 1 FROM address a WHERE a.person_id = p.id AND a.until > {CURRENT})"
    f" AND {_LEFT_AT} < :before"
    " AND NOT EXISTS (SELECT 1 FROM delivery d JOIN alert l ON l.id = d.alert_id WHERE d.person_id = p.id"
    " AND l.state = 'dispatched')"
)
_OLD = (
    "w.at < :before AND length(w.ciphertext) > 0"
    " AND NOT EXISTS (SELECT 1 FROM alert l WHERE l.id = w.alert_id AND l.state = 'dispatched')"
)


def people_left(read: Read, before: Milliseconds) -> int:
    """How many people left the list before a time and are not erased yet."""
    return int(read.sql(f"SELECT count(*) FROM person p WHERE {_LEFT}", {"before": before}).scalar_one())


def answers_older(read: Read, before: Milliseconds) -> int:
    """How many answers that came before a time can still be read."""
    return int(read.sql(f"SELECT count(*) FROM answer w WHERE {_OLD}", {"before": before}).scalar_one())


def who_left(read: Read, before: Milliseconds, *, after: str, size: int) -> list[str]:
    """The ids of the next of them behind `after`."""
    return list(
        read.sql(
            f"SELECT p.id FROM person p WHERE p.id > :after AND {_LEFT} ORDER BY p.id LIMIT :size",
            {"before": before, "after": after, "size": size},
        ).scalars()
    )


def erase_left(write: Write, before: Milliseconds, ids: Sequence[str]) -> int:
    """Erases those of these people who have still left the list; returns how many."""
    still = write.sql(
        f"SELECT p.id FROM person p WHERE p.id IN (SELECT value FROM json_each(:ids)) AND {_LEFT}",
        {"before": before, "ids": json.dumps(list(ids))},
    ).scalars()
    return len(erasing.erase_people(write, list(still)))


def old_answers(read: Read, before: Milliseconds, *, after: int, size: int) -> list[int]:
    """The numbers of the next answers behind `after` that came before a time and can still be read."""
    return list(
        read.sql(
            f"SELECT w.number FROM answer w WHERE w.number > :after AND {_OLD} ORDER BY w.number LIMIT :size",
            {"before": before, "after": after, "size": size},
        ).scalars()
    )


def erase_answers(write: Write, before: Milliseconds, numbers: Sequence[int]) -> int:
    """Overwrites the words of those of these answers that are still to go; their meaning stays. Returns how many."""
    erasing.forget_for_good(write)
    return write.sql(
        "UPDATE answer SET ciphertext = :nothing, key = NULL WHERE number IN"
        f" (SELECT w.number FROM answer w WHERE w.number IN (SELECT value FROM json_each(:numbers)) AND {_OLD})",
        {"before": before, "numbers": json.dumps(list(numbers)), "nothing": b""},
    ).rowcount
