"""Erasing people: their own key is destroyed, and with it all that was encrypted under it.

Ids and keyed hashes stay, so that the record holds and an opt-out outlives every new list. A delivery that is still to
be sent to them finds no address.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from kentongan.ledger.editions import listed
from kentongan.ledger.ledger import Ledger
from kentongan.ledger.opt_outs import REFERENCE, Named
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, who had been before, by their ids; and how many of those named are on no record."""

    people: frozenset[str]
    before: frozenset[str]
    unknown: int


def owners(read: Read, named: Named) -> list[str]:
    """The ids of the people meant: by a reference one at most; by an address those who have it, else who had it."""
    if named.family == REFERENCE:
        return list(read.sql("SELECT id FROM person WHERE reference = :hash", {"hash": named.hash}).scalars())
    rows = read.sql(
        f"SELECT DISTINCT a.person_id, CASE WHEN {listed('a')} THEN 1 ELSE 0 END AS now"
        " FROM address a INDEXED BY address_hash WHERE a.hash = :hash AND a.family = :family ORDER BY a.person_id",
        {"hash": named.hash, "family": named.family},
    ).all()
    return [row.person_id for row in rows if row.now] or [row.person_id for row in rows]


def erase(write: Write, named: Sequence[Named], *, by: str) -> Erased:
    """Erases people for good, and what was written from an address that is named; whoever was before stays so."""
    forget_for_good(write)
    people: dict[str, None] = {}
    unknown = 0
    for each in named:
        found = owners(write, each)
        unknown += not found
        people |= dict.fromkeys(found)
        write.sql(
            "UPDATE answer SET ciphertext = :nothing, key = NULL WHERE family = :family AND unique_by = :hash",
            {"family": each.family, "hash": each.hash, "nothing": b""},
        )
    erased = erase_people(write, list(people))
    write.event("people.erased", persons=sorted(erased), by=by)
    return Erased(frozenset(erased), frozenset(people) - frozenset(erased), unknown)


def erase_people(write: Write, ids: Sequence[str]) -> list[str]:
    """Erases the people with these ids; returns those who had not been erased before."""
    forget_for_good(write)
    these = {"ids": json.dumps(list(ids)), "now": write.now, "nothing": b""}
    among = "IN (SELECT value FROM json_each(:ids))"
    erased = list(write.sql(f"SELECT id FROM person WHERE id {among} AND key IS NOT NULL ORDER BY id", these).scalars())
    write.sql(
        "UPDATE person SET key = NULL, language = NULL, former_language = NULL, erased_at = :now"
        f" WHERE id {among} AND key IS NOT NULL",
        these,
    )
    # What had its own key is a stranger's, who was listed later; the rest could no longer be read anyway.
    write.sql(
        "UPDATE answer SET ciphertext = :nothing, key = NULL WHERE (unique_by, family) IN"
        f" (SELECT a.hash, a.family FROM address a WHERE a.person_id {among})",
        these,
    )
    write.sql(f"UPDATE answer SET ciphertext = :nothing, key = NULL WHERE person_id {among}", these)
    write.sql(f"UPDATE address SET ciphertext = :nothing, until = 0 WHERE person_id {among}", these)
    for table in ("person_group", "person_region"):
        write.sql(f"DELETE FROM {table} WHERE person_id {among}", these)
    return erased


def forget_for_good(write: Write) -> None:
    """Has SQLite overwrite what is taken from its file, where it would otherwise lie until its place is needed."""
    if write.connection.dialect.name == "sqlite":
        write.sql("PRAGMA secure_delete = ON")


def clear_journal(ledger: Ledger) -> bool:
    """Writes the ledger's journal into its file and empties it: it may hold what was erased. False where it is in use.

    Raises nothing: what is erased stays so, and the journal is emptied when the last process has closed the ledger.
    """
    if not isinstance(ledger.path, Path):
        return True
    try:
        connection = sqlite3.connect(ledger.path, timeout=_PATIENCE, isolation_level=None)
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return False
    return not busy
