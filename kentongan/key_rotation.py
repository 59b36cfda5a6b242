"""Rotating people.key: a new one wraps every person's own key, while alerts go on being sent.

1. The next key is made beside it, with the look-up key of the former: the hashes of the record stand on that. From
   then on every process wraps with it (`kentongan.wrapping`).
2. Every wrapped key in the ledger is wrapped anew, in small transactions.
3. The new key takes the place of the former, which is gone. Where it lies and can be replaced, `kentongan.people_key`
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
from kentongan.ledger import Ledger, Write, wrapped_keys
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
    cannot be read: nothing is lost then, both keys stay. Raises BadConfig where a key cannot be written,
    LedgerUnavailable.
    """
    keys.need_people_key()
    source = keys.people
    with alone(source.folder):
        try:
            # In a file it is one machine's; others would not know of a key that is made here.
            source.begin(random, alone=isinstance(ledger.path, Path))
            rewrapped = _rewrap(ledger, keys, told, wait)
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


def _rewrap(ledger: Ledger, keys: StateKeys, told: Callable[[int], None], wait: Callable[[float], None]) -> int:
    place: Place | None = Place()
    rewrapped = 0

    chunks = Chunks()

    def chunk(write: Write, most: int, place: Place) -> tuple[Place | None, int]:
        return wrapped_keys.rewrap(write, place, rewrap=keys.rewrapping(), size=min(_SIZE, most))

    while place is not None:
        place, count = ledger.write(chunks.timed(partial(chunk, place=place)))
        rewrapped += count
        told(rewrapped)
        if place is not None:
            wait(max(_GAP, chunks.rest(gives_way=False)))
    return rewrapped
