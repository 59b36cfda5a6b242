"""Rotating people.key: a new one wraps every person's own key, while alerts go on being sent.

1. The next key is made beside it, with the look-up key of the former: the hashes of the record stand on that.
2. The ledger names it. From then on whatever writes wraps with it, or is refused where it has not got it, be it that
   the key's place does not answer there (`kentongan.ledger.wrapped_keys`).
3. Every wrapped key in the ledger is wrapped anew, in small transactions, until none is found that was not.
4. The new key takes the place of the former, which is gone. Where it lies and can be replaced, `kentongan.people_key`
   knows.

Cut anywhere it goes on where it was: what is wrapped anew is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kentongan.dispatcher.chunks import Chunks
from kentongan.errors import BadConfig, BadInput
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, key_match, wrapped_keys
from kentongan.ledger.wrapped_keys import Place
from kentongan.quick_dataclass import dataclass

_SIZE = 1_000
_GAP = 0.05  # seconds between two transactions: as often as SQLite looks again, so that others get their turn


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many keys were wrapped anew, and what is left to its owner to do with the key, in a sentence."""

    rewrapped: int
    left: str | None


def rotate(
    ledger: Ledger,
    keys: StateKeys,
    *,
    by: str,
    told: Callable[[int], None] = lambda done: None,
    random: Callable[[int], bytes] = os.urandom,
    wait: Callable[[float], None] = time.sleep,
) -> Rotated:
    """Rotates the key of people's data, or goes on where a rotation was cut; `told` hears how far it is.

    Raises BadInput where another rotation runs, a next key is wanted that others must be given, or a key in the ledger
    or its place cannot be read: nothing is lost then, both keys stay. Raises BadConfig where a key cannot be written,
    LedgerUnavailable.
    """
    keys.need_people_key()
    source = keys.people
    with alone(source.folder):
        try:
            # In a file it is one machine's; others would not know of a key that is made here.
            source.begin(random, alone=isinstance(ledger.path, Path))
            following = source.read()[0].fingerprint
            ledger.write(partial(_name, keys=keys, following=following))
            rewrapped = _rewrap(ledger, keys, following, told, wait)
            if source.read()[0].fingerprint != following:
                raise BadInput(f"the next key in {source.name} was exchanged meanwhile; put back {following}")
            left = source.finish()
        except OSError as error:
            raise BadConfig(
                f"the key in {source.name} cannot be written: {error.strerror}; mend that and run this again, it goes"
                " on"
            ) from None
    ledger.write(lambda write: write.event("people.key_rotated", rewrapped=rewrapped, by=by))
    return Rotated(rewrapped, left)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps the key to one process that changes it; raises BadInput where another does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput("the key of people's data is just being rotated; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def _name(write: Write, *, keys: StateKeys, following: str) -> None:
    named = wrapped_keys.named(write)
    if named is not None and named not in keys.people_fingerprints:
        # Another host may be rotating to a key of its own, or that key is lost with nothing under it.
        key_match.open_some(write, keys)
    wrapped_keys.name(write, following)


def _rewrap(
    ledger: Ledger, keys: StateKeys, following: str, told: Callable[[int], None], wait: Callable[[float], None]
) -> int:
    rewrapped, done = 0, False
    chunks = Chunks()

    def chunk(write: Write, most: int, place: Place) -> tuple[Place | None, int]:
        # By what is at hand it would do nothing where the place of the next key does not answer.
        return wrapped_keys.rewrap(write, place, rewrap=keys.rewrapping(following), size=min(_SIZE, most))

    while not done:
        place: Place | None = Place()
        while place is not None:
            place, count = ledger.write(chunks.timed(partial(chunk, place=place)))
            rewrapped += count
            told(rewrapped)
            if place is not None:
                wait(max(_GAP, chunks.rest(gives_way=False)))
        # A process of an earlier Kentongan does not ask what the ledger names.
        done = not ledger.read(lambda read: wrapped_keys.left(read, rewrap=keys.rewrapping(following)))
    return rewrapped
