"""Filling the next edition of the list of people (`editions`): what of a list is new, and what changes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.keys import StateKeys
from kentongan.ledger import wrapped_keys
from kentongan.ledger.editions import FOR_GOOD, LANGUAGE
from kentongan.ledger.opt_outs import REFERENCE
from kentongan.ledger.transaction import Read, Write
from kentongan.people import Row
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address

_SHARED = 6
"""Characters that a person's id has of the keyed hash of their reference; the rest is random.

People who are written one after the other, in the order of that hash, then lie side by side in every index: with ids
that are random throughout, each person of a million would cost a page of the ledger in each of them.
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many people of a list were new, how many were known, and how many are no longer on it."""

    added: int
    updated: int
    removed: int = 0

    def __add__(self, other: Imported) -> Imported:
        return Imported(self.added + other.added, self.updated + other.updated, self.removed + other.removed)


@dataclass(frozen=True, slots=True)
class Span:
    """The references, by keyed hash, behind `after` up to and with `upto`: whoever is not listed there leaves."""

    after: str
    upto: str


@dataclass(slots=True)
class _Known:
    """A person on record and what they have; addresses by family and hash with id and whether they are in use."""

    id: str
    key: bytes | None
    language: str | None
    erased_at: Milliseconds | None
    groups: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    addresses: dict[tuple[str, str], tuple[int, bool]] = field(default_factory=dict)


@dataclass(slots=True)
class _Changes:
    """What is to be written, statement by statement."""

    edition: int
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, statement: str, **values: Any) -> None:
        values["edition"] = self.edition
        self.rows.setdefault(statement, []).append(values)

    def write(self, write: Write) -> None:
        for statement, rows in self.rows.items():
            write.sql(statement, rows)


def fill(
    write: Write,
    rows: Sequence[tuple[str, Row]],
    *,
    edition: int,
    began_at: Milliseconds,
    keys: StateKeys,
    span: Span | None = None,
) -> Imported:
    """Writes people of a list, each with the keyed hash of their reference, into an edition that is not in force yet.

    A known reference is brought up to date, its former addresses are no longer used. Whoever was erased since
    `began_at` stays away. With `span`, whoever has a reference there and is not among the rows leaves the list.
    """
    known = _known(write, [reference for reference, _ in rows], span)
    changes = _Changes(edition)
    named = wrapped_keys.named(write)
    seal = keys.sealing(named)
    added = updated = 0
    for reference, row in rows:
        person = known.pop(reference, None)
        if person is None:
            added += 1
            _add(changes, reference, row, keys, seal)
        elif person.key is not None:
            updated += 1
            _bring_up_to_date(changes, person, row, keys)
        elif person.erased_at is None or person.erased_at < began_at:
            added += 1
            _list_again(changes, person, row, keys, named)
    removed = 0
    for person in known.values() if span is not None else ():
        removed += any(used for _, used in person.addresses.values())
        _remove(changes, person)
    changes.write(write)
    return Imported(added, updated, removed)


def _known(read: Read, references: Sequence[str], span: Span | None) -> dict[str, _Known]:
    """Who of these is on record, by reference; with `span`, all who have one there."""
    which, parameters = "p.reference IN (SELECT value FROM json_each(:references))", {"references": _list(references)}
    if span is not None:
        which, parameters = "p.reference > :after AND p.reference <= :upto", {"after": span.after, "upto": span.upto}
    people = read.sql(
        f"SELECT p.id, p.reference, {LANGUAGE} AS language, p.key, p.erased_at FROM person p WHERE {which}", parameters
    ).all()
    found = {row.reference: _Known(row.id, row.key, row.language, row.erased_at) for row in people}
    by_id = {person.id: person for person in found.values()}
    ids = {"ids": _list(list(by_id))}
    those = "person_id IN (SELECT value FROM json_each(:ids))"
    if by_id:
        # No other edition is being filled, and what former ones left of these two is gone.
        for row in read.sql(f"SELECT person_id, name FROM person_group WHERE {those}", ids):
            by_id[row.person_id].groups.add(row.name)
        for row in read.sql(f"SELECT person_id, code FROM person_region WHERE {those}", ids):
            by_id[row.person_id].regions.add(row.code)
        for row in read.sql(f"SELECT id, person_id, family, hash, until FROM address WHERE {those}", ids):
            by_id[row.person_id].addresses[row.family, row.hash] = (row.id, row.until == FOR_GOOD)
    return found


def _list(values: Sequence[str]) -> str:
    return json.dumps(values)


# --- One person ---------------------------------------------------------------------------------------------

_NEW_PERSON = (
    "INSERT INTO person (id, reference, language, key, added, since)"
    " VALUES (:id, :reference, :language, :key, :edition, :edition)"
)
_NEW_GROUP = f"INSERT INTO person_group (person_id, name, since, until) VALUES (:person, :value, :edition, {FOR_GOOD})"
_NEW_REGION = (
    f"INSERT INTO person_region (person_id, code, since, until) VALUES (:person, :value, :edition, {FOR_GOOD})"
)
_NEW_ADDRESS = (
    "INSERT INTO address (person_id, family, hash, ciphertext, since, until)"
    f" VALUES (:person, :family, :hash, :ciphertext, :edition, {FOR_GOOD})"
)
_AGAIN_ADDRESS = f"UPDATE address SET ciphertext = :ciphertext, since = :edition, until = {FOR_GOOD} WHERE id = :id"
_NO_GROUP = "UPDATE person_group SET until = :edition WHERE person_id = :person AND name = :value"
_NO_REGION = "UPDATE person_region SET until = :edition WHERE person_id = :person AND code = :value"
_NO_ADDRESS = "UPDATE address SET until = :edition WHERE id = :id"
_LANGUAGE_CHANGED = (
    "UPDATE person SET former_language = language, language = :language, since = :edition WHERE id = :id"
)
_LISTED_AGAIN = (
    "UPDATE person SET key = :key, language = :language, former_language = NULL, added = :edition, since = :edition"
    " WHERE id = :id"
)

_Seal = Callable[[Sequence[Address], bytes], tuple[bytes, list[bytes]]]


def _add(changes: _Changes, reference: str, row: Row, keys: StateKeys, seal: _Seal) -> None:
    person = reference[:_SHARED] + os.urandom(8 - _SHARED // 2).hex()
    wanted = _wanted(row, keys)
    key, sealed = seal(list(wanted.values()), person.encode())
    changes.add(_NEW_PERSON, id=person, reference=reference, language=row.language, key=key)
    for name in row.groups:
        changes.add(_NEW_GROUP, person=person, value=name)
    for code in row.regions:
        changes.add(_NEW_REGION, person=person, value=code)
    for (family, hash), ciphertext in zip(wanted, sealed, strict=True):
        changes.add(_NEW_ADDRESS, person=person, family=family, hash=hash, ciphertext=ciphertext)


def _bring_up_to_date(changes: _Changes, person: _Known, row: Row, keys: StateKeys) -> None:
    if row.language != person.language:
        changes.add(_LANGUAGE_CHANGED, id=person.id, language=row.language)
    _replace(changes, person.id, person.groups, set(row.groups), _NEW_GROUP, _NO_GROUP)
    _replace(changes, person.id, person.regions, set(row.regions), _NEW_REGION, _NO_REGION)
    _addresses(changes, person, row, keys)


def _list_again(changes: _Changes, person: _Known, row: Row, keys: StateKeys, named: str | None) -> None:
    """Takes in anew who was erased: nothing of what they had is known any more."""
    person.key = keys.new_person_key(named)
    changes.add(_LISTED_AGAIN, id=person.id, language=row.language, key=person.key)
    _replace(changes, person.id, person.groups, set(row.groups), _NEW_GROUP, _NO_GROUP)
    _replace(changes, person.id, person.regions, set(row.regions), _NEW_REGION, _NO_REGION)
    _addresses(changes, person, row, keys)


def _remove(changes: _Changes, person: _Known) -> None:
    _replace(changes, person.id, person.groups, set(), _NEW_GROUP, _NO_GROUP)
    _replace(changes, person.id, person.regions, set(), _NEW_REGION, _NO_REGION)
    for address, used in person.addresses.values():
        if used:
            changes.add(_NO_ADDRESS, id=address)


def _replace(changes: _Changes, person: str, former: set[str], now: set[str], new: str, no: str) -> None:
    for value in sorted(now - former):
        changes.add(new, person=person, value=value)
    for value in sorted(former - now):
        changes.add(no, person=person, value=value)


def _addresses(changes: _Changes, person: _Known, row: Row, keys: StateKeys) -> None:
    assert person.key is not None
    wanted = _wanted(row, keys)
    new = {place: address for place, address in wanted.items() if not person.addresses.get(place, (0, False))[1]}
    if new:
        sealed = keys.encrypt_addresses(person.key, list(new.values()), aad=person.id.encode())
        for (family, hash), ciphertext in zip(new, sealed, strict=True):
            former = person.addresses.get((family, hash))
            if former is None:
                changes.add(_NEW_ADDRESS, person=person.id, family=family, hash=hash, ciphertext=ciphertext)
            else:
                changes.add(_AGAIN_ADDRESS, id=former[0], ciphertext=ciphertext)
    for place, (address_id, used) in person.addresses.items():
        if used and place not in wanted:
            changes.add(_NO_ADDRESS, id=address_id)


def _wanted(row: Row, keys: StateKeys) -> dict[tuple[str, str], Address]:
    """A row's addresses by family and keyed hash."""
    hashes = row.hashes[1:] or [keys.address_hash(each.family, each.value) for each in row.addresses]
    return {(each.family, hash): each for each, hash in zip(row.addresses, hashes, strict=True)}


def reference_of(row: Row, keys: StateKeys) -> str:
    """The keyed hash by which a person of a list is known."""
    return row.hashes[0] if row.hashes else keys.address_hash(REFERENCE, row.reference)
