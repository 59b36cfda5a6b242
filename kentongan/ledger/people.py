"""People in the ledger: addresses encrypted under a key of each person's own, looked up by keyed hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from kentongan.keys import StateKeys
from kentongan.ledger import schema
from kentongan.ledger.ledger import Read, Write
from kentongan.ledger.planning import audience_condition
from kentongan.people import Row
from kentongan.settings import Audience


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people of a list were new, and how many known ones were brought up to date."""

    added: int
    updated: int


def import_people(write: Write, rows: Sequence[Row], *, keys: StateKeys) -> Imported:
    """Writes a list of people; a known reference is brought up to date, its former addresses are no longer used."""
    added = updated = 0
    for row in rows:
        reference = keys.address_hash("reference", row.reference)
        table = schema.person
        found = write.execute(select(table).where(table.c.reference == reference)).first()
        if found is None or found.key is None:
            person, key = secrets.token_hex(8) if found is None else found.id, keys.new_person_key()
            if found is None:
                write.execute(insert(table).values(id=person, reference=reference, language=row.language, key=key))
            else:
                write.execute(update(table).where(table.c.id == person).values(language=row.language, key=key))
            added += 1
        else:
            person, key = found.id, found.key
            write.execute(update(table).where(table.c.id == person).values(language=row.language))
            updated += 1
        for names, side in ((row.groups, schema.person_group), (row.regions, schema.person_region)):
            write.execute(delete(side).where(side.c.person_id == person))
            column = "name" if side is schema.person_group else "code"
            if names:
                write.execute(insert(side).values([{"person_id": person, column: name} for name in names]))
        _put_addresses(write, person, key, row, keys)
    write.event("people.imported", added=added, updated=updated)
    return Imported(added, updated)


def _put_addresses(write: Write, person: str, key: bytes, row: Row, keys: StateKeys) -> None:
    table = schema.address
    hashes = {keys.address_hash(address.family, address.value): address for address in row.addresses}
    write.execute(update(table).where(table.c.person_id == person, table.c.hash.not_in(list(hashes))).values(active=0))
    for hash_, address in hashes.items():
        ciphertext = keys.encrypt_address(key, address, aad=person.encode())
        write.execute(
            upsert(table)
            .values(person_id=person, family=address.family, hash=hash_, ciphertext=ciphertext, active=1)
            .on_conflict_do_update(
                index_elements=["person_id", "family", "hash"], set_={"active": 1, "ciphertext": ciphertext}
            )
        )


def count_people(read: Read, *, family: str, audience: Audience) -> int:
    """How many different addresses of a family an audience has now."""
    condition, parameters = audience_condition(audience)
    return int(
        read.sql(
            "SELECT count(DISTINCT a.hash) FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE a.family = :family AND a.active = 1 AND {condition}",
            {"family": family, **parameters},
        ).scalar_one()
    )


def known_groups(read: Read) -> frozenset[str]:
    """The groups that people are in."""
    return frozenset(read.sql("SELECT DISTINCT name FROM person_group").scalars())
