"""Who does not want to be written to: by address on one channel family, or wholly.

An opt-out belongs to the keyed hash of the address, so that it outlives every new list; wholly, to the person too, so
that it covers addresses they get later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

WHOLLY = "*"
"""The family of an opt-out from all that we send."""

REFERENCE = "reference"
"""The family under which an agency's own reference of a person is hashed."""

BY_ANSWER = "answer"
"""Who an opt-out is by where the person answered so."""

NOT_OPTED_OUT = (
    "NOT EXISTS (SELECT 1 FROM opt_out o WHERE o.family = a.family AND o.unique_by = a.hash)"
    " AND NOT EXISTS (SELECT 1 FROM opt_out o WHERE o.family = '*' AND o.unique_by = a.person_id)"
)
"""The SQL condition on address `a` that it may be written to."""


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody as they were named: the keyed hash of an address of `family`, or of a reference."""

    family: str
    hash: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What an opt-out or opt-in did: `people` it was for, those `unknown` to every list, and how many were new."""

    people: int
    unknown: int
    changed: int


def opt_out(write: Write, named: Sequence[Named], *, family: str | None, by: str) -> Changed:
    """Notes that these people do not want messages on `family`, or none at all (None).

    An address that stands on no list is noted too: it may stand on the next. A reference that nobody has is not.
    """
    changed = unknown = 0
    everybody: set[str] = set()
    for each in named:
        persons, addresses = _meant(write, each, family)
        unknown += not persons
        everybody |= persons
        rows = [{"family": of, "hash": hash, "at": write.now, "by": by} for of, hash in sorted(addresses)]
        if family is None:
            rows += [{"family": WHOLLY, "hash": person, "at": write.now, "by": by} for person in sorted(persons)]
        for row in rows:
            changed += write.sql(
                "INSERT INTO opt_out (family, unique_by, at, by) VALUES (:family, :hash, :at, :by)"
                " ON CONFLICT DO NOTHING",
                row,
            ).rowcount
    write.event("people.opted_out", family=family or WHOLLY, persons=sorted(everybody), changed=changed, by=by)
    return Changed(len(everybody), unknown, changed)


def opt_in(write: Write, named: Sequence[Named], *, family: str | None, by: str) -> Changed:
    """Takes opt-outs back: on `family`, or all of them (None).

    Whoever had opted out wholly and comes back on one family stays out of the others.
    """
    changed = unknown = 0
    everybody: set[str] = set()
    for each in named:
        persons, addresses = _meant(write, each, family)
        unknown += not persons
        everybody |= persons
        for of, hash in [*sorted(addresses), *((WHOLLY, person) for person in sorted(persons))]:
            changed += write.sql(
                "DELETE FROM opt_out WHERE family = :family AND unique_by = :hash", {"family": of, "hash": hash}
            ).rowcount
    write.event("people.opted_in", family=family or WHOLLY, persons=sorted(everybody), changed=changed, by=by)
    return Changed(len(everybody), unknown, changed)


def _meant(read: Read, named: Named, family: str | None) -> tuple[set[str], set[tuple[str, str]]]:
    """The ids of who is named, and the addresses of theirs on `family`, or all: the one that was named with them."""
    if named.family == REFERENCE:
        statement = "SELECT id FROM person WHERE reference = :hash"
    else:
        statement = (
            "SELECT DISTINCT person_id FROM address INDEXED BY address_hash WHERE hash = :hash AND family = :family"
        )
    persons = set(read.sql(statement, {"hash": named.hash, "family": named.family}).scalars())
    rows = read.sql(
        "SELECT family, hash FROM address WHERE person_id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(sorted(persons))},
    ).all()
    addresses = {(row.family, row.hash) for row in rows}
    if named.family != REFERENCE:
        # Of whoever shares an address, only that address is spoken for, unless they are meant wholly.
        own = {(named.family, named.hash)}
        addresses = own if family == named.family else addresses | own
    return persons, {pair for pair in addresses if family in (None, pair[0])}


def counted(read: Read) -> dict[str, int]:
    """How many addresses have opted out by family; under WHOLLY, how many people."""
    return {row.family: row.n for row in read.sql("SELECT family, count(*) AS n FROM opt_out GROUP BY family").all()}


def overridden(read: Read, alert_id: str, after: int) -> int:
    """How many of an alert's deliveries planned after the delivery `after` go to addresses that have opted out."""
    return int(
        read.sql(
            "SELECT count(*) FROM delivery d JOIN address a ON a.id = d.address_id WHERE d.alert_id = :alert"
            f" AND d.id > :after AND NOT ({NOT_OPTED_OUT})",
            {"alert": alert_id, "after": after},
        ).scalar_one()
    )
