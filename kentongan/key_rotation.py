"""Rotating people.key: a new one wraps every person's own key, while alerts go on being sent.

1. The look-up key gets a file of its own, `lookup.key`: the hashes of the record stand on it, so it stays.
2. `people.next.key` is written; from then on every process wraps with it (`kentongan.wrapping`).
3. Every wrapped key in the ledger is wrapped anew, in small transactions.
4. The new key takes the place of people.key, and the old one is gone.

Cut anywhere it goes on where it was: what is wrapped anew is passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kentongan.errors import BadConfig, BadInput
from kentongan.key_files import KEY_LENGTH, key_file, read_key, replace_private, sync_folder
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, wrapped_keys
from kentongan.ledger.wrapped_keys import Place
from kentongan.wrapping import CURRENT, LOOKUP, NEXT, ROTATED, read_lookup_key

_SIZE = 2_000


def rotate(
    ledger: Ledger,
    folder: Path,
    keys: StateKeys,
    *,
    by: str,
    told: Callable[[int], None] = lambda done: None,
    random: Callable[[int], bytes] = os.urandom,
) -> int:
    """Rotates people.key in the `folder` of the keys, or goes on where a rotation was cut; `told` hears how far it is.

    Returns how many keys were wrapped anew. Raises BadInput where another rotation runs or a key in the ledger cannot
    be read: nothing is lost then, both keys stay. Raises BadConfig where the folder cannot be written,
    LedgerUnavailable.
    """
    with _alone(folder):
        try:
            _begin(folder, random)
            rewrapped = _rewrap(ledger, keys, told)
            _finish(folder)
        except OSError as error:
            raise BadConfig(
                f"keys in {folder} cannot be written: {error.strerror}; mend that and run this again, it goes on"
            ) from None
    ledger.write(lambda write: write.event("people.key_rotated", rewrapped=rewrapped, by=by))
    return rewrapped


def is_under_way(folder: Path) -> bool:
    """Whether a rotation was begun and not finished."""
    return (folder / NEXT).exists()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput("the key of people's data is just being rotated; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def _begin(folder: Path, random: Callable[[int], bytes]) -> None:
    if not (folder / LOOKUP).exists():
        replace_private(folder / LOOKUP, key_file(LOOKUP, read_lookup_key(folder)))
    if not is_under_way(folder):
        replace_private(folder / NEXT, key_file(NEXT, random(KEY_LENGTH)))


def _rewrap(ledger: Ledger, keys: StateKeys, told: Callable[[int], None]) -> int:
    place: Place | None = Place()
    rewrapped = 0

    def chunk(write: Write, place: Place) -> tuple[Place | None, int]:
        return wrapped_keys.rewrap(write, place, rewrap=keys.rewrap, size=_SIZE)

    while place is not None:
        place, count = ledger.write(partial(chunk, place=place))
        rewrapped += count
        told(rewrapped)
    return rewrapped


def _finish(folder: Path) -> None:
    key, _ = read_key(folder / NEXT)
    replace_private(folder / CURRENT, key_file(ROTATED, key))
    (folder / NEXT).unlink()
    sync_folder(folder)
