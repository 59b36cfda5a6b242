"""What wraps each person's own key: `people.key`, and while it is being rotated the next one too.

Every process goes by the files: what it wraps is wrapped with the newest key that is there at that moment, and what it
cannot read makes it look for another key. So a service works on while the key is rotated beside it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kentongan.errors import BadInput, KentonganError
from kentongan.key_files import KEY_LENGTH, read_key

CURRENT = "people.key"
ROTATED = "people.key rotated"
"""For what a `people.key` is written that was rotated: the look-up key then lies beside it."""
NEXT = "people.next.key"
LOOKUP = "lookup.key"

_NONCE = 12
_PREFIX = b"kentongan person key 1"


def derive(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=purpose).derive(key)


def read_lookup_key(folder: Path) -> bytes:
    """The key of the hashes by which people are looked up; no rotation changes it. Raises BadInput, BadConfig."""
    people, name = read_key(folder / CURRENT, CURRENT, ROTATED)
    if name == ROTATED:
        return read_key(folder / LOOKUP)[0]
    return derive(people, b"kentongan address look-up 1")


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[tuple[int, int, int] | None, ...]
    ciphers: tuple[AESGCM, ...]  # the newest first


class Wrapping:
    """The keys in a folder that wrap people's own; thread-safe.

    Raises BadInput and BadConfig where they cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # As text: they are looked at for every key that is wrapped, a million times in one import.
        self._watched = (str(folder / CURRENT), str(folder / NEXT))
        self._loaded = self._load()

    def wrap(self, key: bytes, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """Wraps a key with the newest there is; 60 bytes.

        Call it in the transaction that writes what it returns: a rotation reads what transactions before it wrote.
        """
        return self.newest(random)(key)

    def newest(self, random: Callable[[int], bytes] = os.urandom) -> Callable[[bytes], bytes]:
        """What wraps keys with the newest there is, for the one transaction in which it is asked for and used."""
        self._look_again()
        encrypt = self._loaded.ciphers[0].encrypt

        def wrap(key: bytes) -> bytes:
            nonce = random(_NONCE)
            return nonce + encrypt(nonce, key, _PREFIX)

        return wrap

    def unwrap(self, wrapped: bytes) -> bytes:
        """Returns the key; raises BadInput where no key here opens it."""
        found = self._open(wrapped)
        if found is None and self._look_again():
            found = self._open(wrapped)
        if found is None:
            raise BadInput(
                "a person's key in the ledger cannot be read with this people.key; "
                "restore people.key and the ledger from the same backup"
            )
        return found

    def rewrap(self, wrapped: bytes) -> bytes | None:
        """The same under the newest key; None where it is so already. Raises BadInput as `unwrap`."""
        self._look_again()
        with contextlib.suppress(InvalidTag, ValueError):
            self._loaded.ciphers[0].decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _PREFIX)
            return None
        return self.wrap(self.unwrap(wrapped))

    def _open(self, wrapped: bytes) -> bytes | None:
        for cipher in self._loaded.ciphers:
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _PREFIX)
        return None

    def _look_again(self) -> bool:
        """Reads the keys anew where their files have changed; what cannot be read leaves those that are loaded."""
        if self._stamp() == self._loaded.stamp:
            return False
        with contextlib.suppress(KentonganError, OSError):
            self._loaded = self._load()
            return True
        return False

    def _load(self) -> _Loaded:
        while True:
            stamp = self._stamp()
            keys = [read_key(self._folder / CURRENT, CURRENT, ROTATED)[0]]
            if stamp[1] is not None:
                # A rotation that ends just now takes it away: then all is wrapped with what is read next.
                with contextlib.suppress(BadInput):
                    keys.insert(0, read_key(self._folder / NEXT)[0])
            if self._stamp() == stamp:
                return _Loaded(stamp, tuple(AESGCM(derive(key, b"kentongan wrapping key 1")) for key in keys))

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_identity, self._watched))


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
