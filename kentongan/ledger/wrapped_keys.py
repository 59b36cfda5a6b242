"""The wrapped keys in the ledger: people's own, those of strangers who answered, and those of officers' pagers."""

from __future__ import annotations

from collections.abc import Callable

from kentongan.ledger.transaction import Write
from kentongan.quick_dataclass import dataclass

_TABLES = ("person", "answer", "pager")


@dataclass(frozen=True, slots=True)
class Place:
    """How far all of them were gone through: the table, and the last of its rows in the order of its primary key."""

    table: int = 0
    after: tuple[str, str] = ("", "")


def rewrap(
    write: Write, place: Place, *, rewrap: Callable[[bytes], bytes | None], size: int
) -> tuple[Place | None, int]:
    """Wraps up to `size` keys anew, those for which `rewrap` returns something.

    Returns the place reached, None at the end, and how many they were.
    """
    if place.table == len(_TABLES):
        return None, 0
    table = _TABLES[place.table]
    first, second, behind = "id", "id", "id > :first"
    if table == "pager":
        first, second, behind = "officer", "family", "(officer, family) > (:first, :second)"
    rows = write.sql(
        f"SELECT {first} AS first, {second} AS second, key FROM {table} WHERE {behind}"
        f" AND key IS NOT NULL ORDER BY {first}, {second} LIMIT :size",
        {"first": place.after[0], "second": place.after[1], "size": size},
    ).all()
    changed = [
        {"first": row.first, "second": row.second, "key": key}
        for row in rows
        if (key := rewrap(bytes(row.key))) is not None
    ]
    if changed:
        write.sql(f"UPDATE {table} SET key = :key WHERE {first} = :first AND {second} = :second", changed)
    if len(rows) < size:
        return Place(place.table + 1), len(changed)
    return Place(place.table, (rows[-1].first, rows[-1].second)), len(changed)
