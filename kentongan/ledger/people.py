"""People in the ledger: addresses encrypted under a key of each person's own, looked up by keyed hash."""

from __future__ import annotations

from collections.abc import Sequence

from kentongan.area.codes import Within
from kentongan.errors import BadInput
from kentongan.keys import StateKeys
from kentongan.ledger import editions
from kentongan.ledger.audience import audience_condition
from kentongan.ledger.editions import listed
from kentongan.ledger.filling import Imported, fill, reference_of
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import Read, Write
from kentongan.people import Row
from kentongan.reach import Reach
from kentongan.settings import Audience

EVERYBODY = Reach()
"""Nobody is left out but who opted out."""


def import_people(write: Write, rows: Sequence[Row], *, keys: StateKeys) -> Imported:
    """Writes a short list of people and puts it in force at once; `kentongan.importing` does so with a long one.

    A known reference is brought up to date, its former addresses are no longer used. Raises BadInput where another
    list is just being imported, or was when it was cut.
    """
    while editions.settle(write, 1_000):
        pass
    number = editions.begin(write, owner="")
    if number is None:
        raise BadInput("another list of people is being imported; wait for its end, or run that import again")
    named = [(reference_of(row, keys), row) for row in rows]
    done = fill(write, named, edition=number, began_at=write.now, keys=keys)
    put_in_force(write, number, done)
    return done


def put_in_force(write: Write, number: int, done: Imported) -> None:
    """Puts a filled edition in force, with what it changed on record."""
    editions.switch(write, number)
    write.event("people.imported", edition=number, added=done.added, updated=done.updated, removed=done.removed)


def count_people(
    read: Read, *, family: str, audience: Audience, within: Within | None = None, reach: Reach = EVERYBODY
) -> int:
    """How many different addresses of a family an audience has now; `within` an area alone, and of it the `reach`."""
    condition, parameters = audience_condition(audience, within=within)
    reachable, own = reach_condition(reach)
    return int(
        read.sql(
            "SELECT count(DISTINCT a.hash) FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE a.family = :family AND {listed('a')} AND {condition} AND {reachable}",
            {"family": family, **parameters, **own},
        ).scalar_one()
    )


def count_distinct(
    read: Read,
    wanted: Sequence[tuple[str, Audience]],
    *,
    within: Within | None = None,
    reach: Reach = EVERYBODY,
) -> int:
    """How many different persons several audiences have now, each given with the family it is written to by."""
    conditions = []
    parameters: dict[str, str] = {}
    for number, (family, audience) in enumerate(wanted):
        condition, own = audience_condition(audience, f"_{number}", within=within)
        conditions.append(f"(a.family = :family_{number} AND {condition})")
        parameters |= {**own, f"family_{number}": family}
    if not conditions:
        return 0
    reachable, own = reach_condition(reach)
    parameters |= own
    return int(
        read.sql(
            "SELECT count(DISTINCT p.id) FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE {listed('a')} AND ({' OR '.join(conditions)}) AND {reachable}",
            parameters,
        ).scalar_one()
    )


def count_listed(read: Read) -> int:
    """How many people are on the list."""
    return int(read.sql(f"SELECT count(DISTINCT a.person_id) FROM address a WHERE {listed('a')}").scalar_one())


def known_groups(read: Read) -> frozenset[str]:
    """The groups that people are in, those of a list that is not in force yet among them: the index alone has them."""
    return frozenset(read.sql("SELECT DISTINCT name FROM person_group").scalars())
