"""What wraps each person's own key: the key of people's data, and while it is being rotated the next one too.

Every process goes by where the key lies (`kentongan.people_key`): what it wraps is wrapped with the newest key that is
there at that moment, and what it cannot read makes it look for another key. So a service works on while the key is
rotated beside it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kentongan.errors import BadInput, KentonganError
from kentongan.people_key import PeopleKey, Source, derive
from kentongan.quick_dataclass import dataclass

_NONCE = 12
_PREFIX = b"kentongan person key 1"


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: object
    keys: tuple[PeopleKey, ...]  # the newest first
    ciphers: tuple[AESGCM, ...]


class Wrapping:
    """The keys that wrap people's own, as `source` has them; thread-safe.

    Raises BadInput and BadConfig where they cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._loaded = self._load()

    @property
    def lookup(self) -> bytes:
        """The key of the hashes by which people are looked up; no rotation changes it."""
        return self._loaded.keys[0].lookup

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """By which people tell the keys from others, the newest first."""
        self._look_again()
        return tuple(key.fingerprint for key in self._loaded.keys)

    def fault(self) -> str | None:
        """Why a process that starts now could not work with the keys as this one does, in a sentence."""
        self._look_again()
        try:
            found = self.source.read()
        except KentonganError as error:
            return str(error)
        except OSError as error:
            return f"{self.source.name} cannot be read: {error.strerror}"
        if found[0].lookup != self.lookup:
            return f"{self.source.name} holds another key now; put back the one with fingerprint {self.fingerprints[0]}"
        return None

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
                f"a person's key in the ledger cannot be read with the key in {self.source.name} (fingerprint"
                f" {self.fingerprints[0]}); put the key there that belongs to this ledger"
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
        """Reads the keys anew where they have changed; what cannot be read, or is another's, changes nothing."""
        if self.source.stamp() == self._loaded.stamp:
            return False
        with contextlib.suppress(KentonganError, OSError):
            found = self._load()
            # Another installation's key must not wrap a part of this one's people.
            if found.keys[0].lookup == self.lookup:
                self._loaded = found
                return True
        return False

    def _load(self) -> _Loaded:
        while True:
            stamp = self.source.stamp()
            keys = self.source.read()
            if self.source.stamp() == stamp:
                return _Loaded(stamp, keys, tuple(AESGCM(derive(key.own, b"kentongan wrapping key 1")) for key in keys))
