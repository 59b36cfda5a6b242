"""People in the ledger: addresses encrypted under a key of each person's own, looked up by keyed hash."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from kentongan.area.codes import Within
from kentongan.keys import StateKeys
from kentongan.ledger import schema
from kentongan.ledger.audience import audience_condition
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import Read, Write
from kentongan.people import Row
from kentongan.reach import Reach
from kentongan.settings import Audience

EVERYBODY = Reach()
"""Nobody is left out but who opted out."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people of a list were new, and how many known ones were brought up to date."""

    added: int
    updated: int


def import_people(write: Write, rows: Sequence[Row], *, keys: StateKeys) -> Imported:
    """Writes a list of people; a known reference is brought up to date, its former addresses are no longer used.

    Some hundreds at a time keep the ledger free for what is being sent meanwhile.
    """
    references = [keys.address_hash("reference", row.reference) for row in rows]
    table = schema.person
    known = {found.reference: found for found in write.execute(select(table).where(table.c.reference.in_(references)))}
    people: list[dict[str, object]] = []
    groups: list[dict[str, object]] = []
    regions: list[dict[str, object]] = []
    addresses: list[dict[str, object]] = []
    for row, reference in zip(rows, references, strict=True):
        found = known.get(reference)
        person = found.id if found is not None else secrets.token_hex(8)
        key = found.key if found is not None and found.key is not None else keys.new_person_key()
        people.append({"id": person, "reference": reference, "language": row.language, "key": key})
        groups.extend({"person_id": person, "name": name} for name in row.groups)
        regions.extend({"person_id": person, "code": code} for code in row.regions)
        addresses.extend(
            {
                "person_id": person,
                "family": address.family,
                "hash": keys.address_hash(address.family, address.value),
                "ciphertext": keys.encrypt_address(key, address, aad=person.encode()),
            }
            for address in row.addresses
        )
    ids = json.dumps([each["id"] for each in people])
    for side in ("person_group", "person_region"):
        write.sql(f"DELETE FROM {side} WHERE person_id IN (SELECT value FROM json_each(:ids))", {"ids": ids})
    write.sql("UPDATE address SET active = 0 WHERE person_id IN (SELECT value FROM json_each(:ids))", {"ids": ids})
    _many(
        write,
        "INSERT INTO person (id, reference, language, key) VALUES (:id, :reference, :language, :key)"
        " ON CONFLICT (id) DO UPDATE SET language = excluded.language, key = excluded.key",
        people,
    )
    _many(write, "INSERT INTO person_group (person_id, name) VALUES (:person_id, :name)", groups)
    _many(write, "INSERT INTO person_region (person_id, code) VALUES (:person_id, :code)", regions)
    _many(
        write,
        "INSERT INTO address (person_id, family, hash, ciphertext, active)"
        " VALUES (:person_id, :family, :hash, :ciphertext, 1)"
        " ON CONFLICT (person_id, family, hash) DO UPDATE SET active = 1, ciphertext = excluded.ciphertext",
        addresses,
    )
    updated = sum(1 for found in known.values() if found.key is not None)
    write.event("people.imported", added=len(people) - updated, updated=updated)
    return Imported(len(people) - updated, updated)


def _many(write: Write, statement: str, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        write.sql(statement, rows)


def count_people(
    read: Read, *, family: str, audience: Audience, within: Within | None = None, reach: Reach = EVERYBODY
) -> int:
    """How many different addresses of a family an audience has now; `within` an area alone, and of it the `reach`."""
    condition, parameters = audience_condition(audience, within=within)
    reachable, own = reach_condition(reach)
    return int(
        read.sql(
            "SELECT count(DISTINCT a.hash) FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE a.family = :family AND a.active = 1 AND {condition} AND {reachable}",
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
            f" WHERE a.active = 1 AND ({' OR '.join(conditions)}) AND {reachable}",
            parameters,
        ).scalar_one()
    )


def known_groups(read: Read) -> frozenset[str]:
    """The groups that people are in."""
    return frozenset(read.sql("SELECT DISTINCT name FROM person_group").scalars())
