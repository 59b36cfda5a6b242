"""Editions of the list of people: a new one is filled while the old one is in force, and comes into force at once.

What stands on the list has the edition `since` which it holds and the one `until` which it held. An import writes with
the number of the next edition, which nobody sees; the switch dates one row. An import that is cut leaves rows of an
edition that never was: `withdraw` takes them back before the next is begun.
"""

from __future__ import annotations

from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

FOR_GOOD = 2_147_483_647
"""The `until` of what is on the list."""

CURRENT = "(SELECT coalesce(max(edition.number), 0) FROM people_edition edition WHERE edition.switched_at IS NOT NULL)"
"""The SQL expression for the edition that is in force."""

LANGUAGE = f"CASE WHEN p.since <= {CURRENT} THEN p.language ELSE p.former_language END"
"""The SQL expression for the language of person `p`."""


def listed(row: str) -> str:
    """The SQL condition that an address, a group or a region, by its name in the statement, is on the list now."""
    return f"{row}.since <= {CURRENT} AND {row}.until > {CURRENT}"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An edition that is not in force: its import goes on, or was cut; `owner` is the sender that fills it."""

    number: int
    owner: str


def unfinished(read: Read) -> Unfinished | None:
    """The edition that is being filled, or was when its import was cut; there is one at most."""
    row = read.sql("SELECT number, owner FROM people_edition WHERE switched_at IS NULL ORDER BY number LIMIT 1").first()
    return Unfinished(row.number, row.owner) if row is not None else None


def begin(write: Write, *, owner: str) -> int | None:
    """Opens the next edition and returns its number; None where another is being filled or was cut.

    What former editions left is gone by then (`settle`).
    """
    if unfinished(write) is not None:
        return None
    mark = write.sql("SELECT coalesce(max(id), 0) FROM address").scalar_one()
    row = write.sql(
        "INSERT INTO people_edition (began_at, owner, mark) VALUES (:now, :owner, :mark) RETURNING number",
        {"now": write.now, "owner": owner, "mark": mark},
    ).one()
    return int(row.number)


def began_at(read: Read, number: int, *, owner: str) -> int | None:
    """When this owner began the edition (wall time); None where it is no longer theirs to fill."""
    return read.sql(
        "SELECT began_at FROM people_edition WHERE number = :number AND owner = :owner AND switched_at IS NULL",
        {"number": number, "owner": owner},
    ).scalar()


def being_planned(read: Read) -> str | None:
    """The code of an alert whose people are just being looked up, if there is one."""
    return read.sql(
        "SELECT a.code FROM dispatch s JOIN alert a ON a.id = s.alert_id WHERE a.state = 'dispatched'"
        " AND s.expanded = 0 ORDER BY s.at LIMIT 1"
    ).scalar()


def is_sending(read: Read) -> bool:
    """Whether an alert is on its way to somebody."""
    return read.sql("SELECT 1 FROM delivery WHERE stage <> 'done' LIMIT 1").first() is not None or (
        being_planned(read) is not None
    )


def switch(write: Write, number: int) -> None:
    """Puts an edition in force."""
    write.sql(
        "UPDATE people_edition SET switched_at = :now WHERE number = :number", {"now": write.now, "number": number}
    )


def settle(write: Write, size: int) -> bool:
    """Forgets up to `size` groups and regions that people are no longer in; True while there may be more.

    Their former addresses stay: deliveries were planned to them.
    """
    done = 0
    for table, column in (("person_group", "name"), ("person_region", "code")):
        done += write.sql(
            f"DELETE FROM {table} WHERE (person_id, {column}) IN (SELECT person_id, {column} FROM {table}"
            f" WHERE until < {FOR_GOOD} AND until <= {CURRENT} LIMIT :size)",
            {"size": size},
        ).rowcount
    return done > 0


# --- An import that was cut --------------------------------------------------------------------------------

_PARTS = ("person_group", "person_region", "address", "person")


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """How far an edition is taken back: the table, and the last person in it."""

    part: int = 0
    after: str = ""


def withdraw(write: Write, number: int, place: Withdrawal, size: int) -> Withdrawal | None:
    """Takes back what the next `size` rows hold of an edition that never came into force; None when nothing is left.

    It may begin anew at any time.
    """
    edition = write.sql(
        "SELECT mark FROM people_edition WHERE number = :number AND switched_at IS NULL", {"number": number}
    ).first()
    if edition is None:
        return None
    if place.part == len(_PARTS):
        write.sql("DELETE FROM people_edition WHERE number = :number", {"number": number})
        write.event("people.import_withdrawn", edition=number)
        return None
    table = _PARTS[place.part]
    key, closed = ("id", "") if table == "person" else ("person_id", " OR until = :number")
    touched = write.sql(
        f"SELECT {key} AS person FROM {table} WHERE {key} > :after AND (since = :number{closed}) ORDER BY {key}"
        " LIMIT :size",
        {"after": place.after, "number": number, "size": size},
    ).all()
    if not touched:
        return Withdrawal(place.part + 1)
    last = touched[-1].person
    span = f"{key} > :after AND {key} <= :last"
    parameters = {"after": place.after, "last": last, "number": number, "mark": edition.mark}
    for statement in _undoing(table):
        write.sql(f"{statement} AND {span}", parameters)
    return Withdrawal(place.part, last)


def _undoing(table: str) -> tuple[str, ...]:
    """The statements that take an edition's rows of a table back, each to be narrowed to a span of people."""
    if table == "person":
        return (
            "DELETE FROM person WHERE added = :number AND erased_at IS NULL",
            # Whoever had been erased, and is on the list that was cut, is erased again.
            "UPDATE person SET key = NULL, language = NULL, former_language = NULL, added = 0, since = 0"
            " WHERE added = :number",
            "UPDATE person SET language = former_language, former_language = NULL, since = 0 WHERE since = :number",
        )
    reopened = f"UPDATE {table} SET until = {FOR_GOOD} WHERE until = :number AND since < :number"
    if table == "address":
        return (
            reopened,
            "DELETE FROM address WHERE since = :number AND id > :mark",
            # A former address that the list that was cut had again: deliveries may have been planned to it.
            "UPDATE address SET since = 0, until = 0 WHERE since = :number",
        )
    return reopened, f"DELETE FROM {table} WHERE since = :number"
