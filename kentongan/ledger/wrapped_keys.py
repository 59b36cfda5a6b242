"""The wrapped keys in the ledger: people's own, those of strangers who answered, and those of officers' pagers.

From its first rotation on the ledger names the key that wraps them, by its fingerprint. Who writes one goes by that
name in the same transaction; `name` is written while nobody else writes. So behind it none is wrapped with another key,
whatever a process has at hand, and all that are lie before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row

from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

_TABLES = ("person", "answer", "pager")
_NAMED = "people key"
_MANY = 1000  # rows read at a time


@dataclass(frozen=True, slots=True)
class Place:
    """How far all of them were gone through: the table, and the last of its rows in the order of its primary key."""

    table: int = 0
    after: tuple[str, str] = ("", "")


def named(read: Read) -> str | None:
    """The fingerprint of the key that wraps them; None before the first rotation."""
    value = read.sql("SELECT value FROM meta WHERE name = :name", {"name": _NAMED}).scalar()
    return None if value is None else str(value)


def name(write: Write, fingerprint: str) -> None:
    """Has none wrapped any more but with that key; in a transaction beside which nobody writes."""
    write.sql(
        "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value",
        {"name": _NAMED, "value": fingerprint},
    )


def left(read: Read, *, rewrap: Callable[[bytes], bytes | None]) -> bool:
    """Whether there is one for which `rewrap` returns something."""
    place = Place()
    while place.table < len(_TABLES):
        rows, place = _rows(read, place, _MANY)
        if any(rewrap(bytes(row.key)) is not None for row in rows):
            return True
    return False


def rewrap(
    write: Write, place: Place, *, rewrap: Callable[[bytes], bytes | None], size: int
) -> tuple[Place | None, int]:
    """Wraps up to `size` keys anew, those for which `rewrap` returns something.

    Returns the place reached, None at the end, and how many they were.
    """
    if place.table == len(_TABLES):
        return None, 0
    rows, reached = _rows(write, place, size)
    changed = [
        {"first": row.first, "second": row.second, "key": key}
        for row in rows
        if (key := rewrap(bytes(row.key))) is not None
    ]
    if changed:
        table, first, second, _ = _columns(place)
        write.sql(f"UPDATE {table} SET key = :key WHERE {first} = :first AND {second} = :second", changed)
    return reached, len(changed)


def _rows(read: Read, place: Place, size: int) -> tuple[Sequence[Row[Any]], Place]:
    """The next of them, and the place reached."""
    table, first, second, behind = _columns(place)
    rows = read.sql(
        f"SELECT {first} AS first, {second} AS second, key FROM {table} WHERE {behind}"
        f" AND key IS NOT NULL ORDER BY {first}, {second} LIMIT :size",
        {"first": place.after[0], "second": place.after[1], "size": size},
    ).all()
    if len(rows) < size:
        return rows, Place(place.table + 1)
    return rows, Place(place.table, (rows[-1].first, rows[-1].second))


def _columns(place: Place) -> tuple[str, str, str, str]:
    """The table, the one or two columns of its primary key, and what picks those behind the place."""
    table = _TABLES[place.table]
    if table == "pager":
        return table, "officer", "family", "(officer, family) > (:first, :second)"
    return table, "id", "id", "id > :first"
