"""What wraps each person's own key: the key of people's data, and while it is being rotated the next one too.

Every process goes by where the key lies (`kentongan.people_key_place`) and by the key that the ledger names
(`kentongan.ledger.wrapped_keys`): with that one it wraps, or not at all; while the ledger names none, with the newest
that is there at that moment. What it cannot read makes it look for another key. So a service works on while the key is
rotated beside it.

Where the key may be away, a process without it goes on with all that needs none, and takes the key as soon as it lies
where it belongs and the ledger has shown that it is the right one.

What the keys lie on may hang, as a network disk does. So nothing here waits long for it: it counts as a key that
cannot be read, and is read as soon as it answers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from kentongan.errors import BadInput, KentonganError, LedgerUnavailable, PeopleKeyAway
from kentongan.patience import Patience
from kentongan.people_key import PeopleKey, derive
from kentongan.people_key_place import Source
from kentongan.quick_dataclass import dataclass

Trial = Callable[["Wrapping"], "str | None"]

_NONCE = 12
_PREFIX = b"kentongan person key 1"


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: object
    keys: tuple[PeopleKey, ...]  # the newest first
    ciphers: tuple[AESGCM, ...]
    hashing: HMAC  # over nothing yet, so that a copy is all that an address costs


class Wrapping:
    """The keys that wrap people's own, as `source` has them; thread-safe.

    Raises BadInput, BadConfig and OSError where they cannot be read, unless they `may_be_away`: then whatever needs
    them raises PeopleKeyAway until they are there.
    """

    def __init__(self, source: Source, *, may_be_away: bool = False, held: _Loaded | None = None) -> None:
        self.source = source
        self._patience = Patience()
        self._trial: Trial | None = None
        self._tried = False
        self._strange: tuple[PeopleKey, ...] | None = None
        self._why = ""
        self._held = held
        if held is not None:
            return
        try:
            self._held = self._load()
        except (BadInput, OSError) as error:
            if not may_be_away:
                raise
            self._why = self._told(error)

    def tried_by(self, trial: Trial) -> None:
        """Has keys tried before they are taken: `trial` says why they are another ledger's, None where they are not.

        It may raise LedgerUnavailable: then keys at hand stay, and keys that come back are not taken yet.
        """
        self._trial, self._tried = trial, False

    def away(self) -> str | None:
        """Why the keys cannot be used now, in a sentence; None where they can. May read where they lie, and try them.

        What was once at hand and tried stays, whatever becomes of its place.
        """
        held = self._held
        if held is None:
            self._take_back()
        elif self._trial is not None and not self._tried:
            with contextlib.suppress(LedgerUnavailable):
                fault = self._try(held)
                self._tried = True
                if fault is not None:
                    self._why, self._strange, self._held = fault, held.keys, None
        return self._why if self._held is None else None

    @property
    def hashing(self) -> HMAC:
        """What makes the hashes by which people are looked up, over nothing yet; no rotation changes it."""
        return self._loaded.hashing

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """By which people tell the keys from others, the newest first."""
        self._look_again()
        return tuple(key.fingerprint for key in self._loaded.keys)

    def fault(self) -> str | None:
        """Why a process that starts now could not work with the keys as this one should, in a sentence."""
        away = self.away()
        if away is not None:
            return away
        self._look_again()
        try:
            found = self._patience.ask(self.source.read)
        except (KentonganError, OSError) as error:
            return self._told(error)
        if found[0].lookup != self._loaded.keys[0].lookup:
            return f"{self.source.name} holds another key now; put back the one with fingerprint {self.fingerprints[0]}"
        return None

    def wrapping(self, named: str | None, random: Callable[[int], bytes] = os.urandom) -> Callable[[bytes], bytes]:
        """What wraps keys, to 60 bytes, for the one transaction in which it is asked for and used.

        It does so with the key whose fingerprint the ledger has `named` in that transaction, with the newest where that
        is None. Raises PeopleKeyAway where the one that was named is not at hand.
        """
        encrypt = self._named(named).encrypt

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

    def rewrapping(self, named: str | None) -> Callable[[bytes], bytes | None]:
        """What wraps keys anew as `wrapping` does, raising as it does; it returns None where one is wrapped so already.

        It raises BadInput as `unwrap`.
        """
        wrap = self.wrapping(named)
        decrypt = self._named(named).decrypt

        def rewrap(wrapped: bytes) -> bytes | None:
            with contextlib.suppress(InvalidTag, ValueError):
                decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _PREFIX)
                return None
            return wrap(self.unwrap(wrapped))

        return rewrap

    def _named(self, named: str | None) -> AESGCM:
        self._look_again()
        # The place may change again while it is looked at.
        loaded = self._loaded
        if named is None:
            return loaded.ciphers[0]
        for key, cipher in zip(loaded.keys, loaded.ciphers, strict=True):
            if key.fingerprint == named:
                return cipher
        raise PeopleKeyAway(
            f"people's keys are wrapped with the key of fingerprint {named} now, and {self.source.name} gave this"
            f" process only {loaded.keys[0].fingerprint}: see that it answers and holds the first, and do this again;"
            " nothing was written"
        )

    def _open(self, wrapped: bytes) -> bytes | None:
        for cipher in self._loaded.ciphers:
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _PREFIX)
        return None

    def _look_again(self) -> bool:
        """Reads the keys anew where they have changed; what cannot be read, or is another's, changes nothing."""
        loaded = self._loaded
        with contextlib.suppress(KentonganError, OSError):
            if self._patience.ask(self.source.stamp) == loaded.stamp:
                return False
            found = self._load()
            # Another installation's key must not wrap a part of this one's people.
            if found.keys[0].lookup == loaded.keys[0].lookup:
                self._held = found
                return True
        return False

    @property
    def _loaded(self) -> _Loaded:
        if self._held is None:
            why = self.away()
            if self._held is None:
                raise PeopleKeyAway(why or self._why)
        return self._held

    def _take_back(self) -> None:
        """Takes keys that have come to where they belong, once they were tried."""
        try:
            found = self._load()
        except (BadInput, OSError) as error:
            self._why, self._strange = self._told(error), None
            return
        if found.keys == self._strange:
            return
        try:
            fault = self._try(found)
        except LedgerUnavailable as error:
            self._why = f"{self.source.name} cannot be tried: {error}"
            return
        if fault is not None:
            self._why, self._strange = fault, found.keys
        else:
            self._held, self._tried = found, True

    def _try(self, found: _Loaded) -> str | None:
        if self._trial is None:
            return None
        return self._trial(Wrapping(self.source, held=found))

    def _told(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{self.source.name} cannot be read: {error.strerror}"
        return str(error)

    def _load(self) -> _Loaded:
        return self._patience.ask(self._read)

    def _read(self) -> _Loaded:
        while True:
            stamp = self.source.stamp()
            keys = self.source.read()
            if self.source.stamp() == stamp:
                ciphers = tuple(AESGCM(derive(key.own, b"kentongan wrapping key 1")) for key in keys)
                return _Loaded(stamp, keys, ciphers, HMAC(keys[0].lookup, SHA256()))
