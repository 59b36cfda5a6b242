"""Whether the key of people's data at hand is the one that this ledger was written with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from kentongan.errors import BadInput
from kentongan.keys import StateKeys
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """An address as it is stored, with its owner and their wrapped key, and the keyed hash by which it is found."""

    person_id: str
    ciphertext: bytes
    key: bytes
    hash: str

    def open(self, keys: StateKeys) -> None:
        """Reads it and finds it by its hash; raises BadInput where these are other keys."""
        address = keys.decrypt_address(self.key, self.ciphertext, aad=self.person_id.encode())
        if keys.address_hash(address.family, address.value) != self.hash:
            raise BadInput("an address is not found by its own hash")


def some_addresses(read: Read) -> list[Sample]:
    """The first address and the last whose owner was not erased: enough to see whether the keys at hand open them."""
    # One walk from each end: asked for both at once, the database would go through everybody.
    rows = {
        row.id: row
        for order in ("ASC", "DESC")
        for row in read.sql(
            "SELECT a.id, a.person_id, a.hash, a.ciphertext, p.key FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE p.key IS NOT NULL ORDER BY a.id {order} LIMIT 1"
        )
    }
    return [Sample(row.person_id, row.ciphertext, row.key, row.hash) for row in rows.values()]


def open_some(read: Read, keys: StateKeys) -> None:
    """Opens the first address, the last, and an officer's; raises BadInput where one cannot be."""
    for error in _tried([*_people(read, keys), *_officers(read, keys)]):
        if error is not None:
            raise error


def fault(read: Read, keys: StateKeys) -> str | None:
    """Why these are not the keys of this ledger's people, in a sentence; None where they are, or there is nobody yet.

    One row alone that cannot be read is no reason: it may be damaged.
    """
    tried = list(_tried(_people(read, keys) or _officers(read, keys)))
    if not tried or None in tried:
        return None
    told = " or ".join(keys.people_fingerprints)
    return (
        f"the key of people's data in {keys.people.name} (fingerprint {told}) is not the one that this ledger was"
        " written with: put that one there; `kentongan keys confirm FOLDER` tells whether a copy is it"
    )


def _people(read: Read, keys: StateKeys) -> list[Callable[[], object]]:
    return [partial(sample.open, keys) for sample in some_addresses(read)]


def _officers(read: Read, keys: StateKeys) -> list[Callable[[], object]]:
    if read.sql("SELECT 1 FROM pager LIMIT 1").first() is None:
        return []
    # Late: a command that sends has no other use for it.
    from kentongan.ledger import pages

    return [partial(pages.open_pager, pager, keys) for pager in pages.pagers(read)[:1]]


def _tried(acts: list[Callable[[], object]]) -> Iterator[BadInput | None]:
    for act in acts:
        try:
            act()
        except BadInput as error:
            yield error
        else:
            yield None
