"""The state directory's keys: who signs the ledger's heads, and what keeps people's addresses unreadable.

keys/ledger.key    Ed25519 seed; signs the heads of the event chains
keys/people.key    wraps each person's own key, and keys the hashes by which addresses are looked up; it may lie in a
                   file elsewhere or in the environment (`kentongan.people_key_place`)
keys/lookup.key    keys those hashes once people.key was rotated (`kentongan.key_rotation`)
keys/pages.key     makes the digits by which an officer who was paged shows that they have the page

The others come into being together, by one rename of a folder, so that processes that start at once agree and a crash
leaves all or none. Each file carries a checksum: a damaged key is told apart from a wrong one.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kentongan.errors import BadConfig, BadInput, PeopleKeyAway
from kentongan.key_files import KEY_LENGTH as KEY_LENGTH
from kentongan.key_files import key_file, read_key, sync_folder
from kentongan.key_files import write_private as write_private
from kentongan.people_key import CURRENT, derive
from kentongan.people_key_place import Source, find
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address
from kentongan.wrapping import Wrapping

Random = Callable[[int], bytes]
"""A source of so many unpredictable bytes, such as `os.urandom`."""

NONCE_LENGTH = 12  # AES-GCM's own, NIST SP 800-38D section 5.2.1.1

_POOL = 4096  # bytes of randomness drawn at a time where many people are sealed one after the other

_FOLDER = "keys"
_NAMES = ("ledger.key", CURRENT, "pages.key")
_HEAD_PREFIX = b"kentongan head 1\n"
_WITNESS_PREFIX = b"kentongan witness 1\n"
_ADDRESS_PREFIX = b"kentongan address 1\n"
_WORDS_PREFIX = b"kentongan words 1\n"


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


# A string as it stands in canonical JSON; put together by hand where a list of people goes through by the million.
_quoted = json.encoder.encode_basestring_ascii


def canonical_json(value: object) -> bytes:
    """Returns the one byte form of `value` that is digested and signed: sorted names, no spaces, ASCII.

    Raises ValueError for NaN and infinities and TypeError for types that JSON does not know.
    """
    return _canonical.encode(value).encode("ascii")


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` was made with the Ed25519 key whose 32 public bytes these are."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_head(public_key: bytes, head: bytes, signature: bytes) -> bool:
    """Whether a ledger head is signed by the installation with this public key; needs no state directory."""
    return verify_signature(public_key, _HEAD_PREFIX + head, signature)


def verify_witness(public_key: bytes, content: bytes, signature: bytes) -> bool:
    """Whether the installation with this public key has witnessed `content`."""
    return verify_signature(public_key, _WITNESS_PREFIX + content, signature)


@dataclass(frozen=True, slots=True)
class StateKeys:
    """The keys of one installation; nothing of them shows in `repr`. Made by `open`."""

    _head_key: Ed25519PrivateKey = field(repr=False)
    _wrapping: Wrapping = field(repr=False)
    _page_key: bytes = field(repr=False)

    @classmethod
    def open(
        cls,
        state: Path,
        *,
        create: bool = True,
        people_may_be_away: bool = False,
        random: Random = os.urandom,
        environment: Mapping[str, str] = os.environ,
    ) -> StateKeys:
        """Reads the keys of the state directory, or makes them where there are none and `create` is set.

        The key of people's data is where the `environment` says, else there too.
        Pass `create=False` where a ledger exists: new keys would make its people unreadable. Raises BadConfig where
        others could read a key or the folder cannot be used, BadInput where a key is missing or damaged. With
        `people_may_be_away` that of people's data may be so: then what needs it raises PeopleKeyAway.
        """
        folder = state / _FOLDER
        source = find(folder, environment)
        try:
            if not folder.is_dir():
                if not create:
                    raise BadInput(
                        f"{folder} is missing although a ledger is there; no backup holds it: take it from the"
                        " host that has it, or from the copy that is kept apart (docs/backup.md)"
                    )
                source.make(random)
                if source.elsewhere:
                    source.read()
                _make(folder, [name for name in _NAMES if name != CURRENT or not source.elsewhere], random)
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                raise BadConfig(f"{folder} is open to others; run: chmod 700 {folder}")
            ledger, pages = (read_key(folder / name)[0] for name in ("ledger.key", "pages.key"))
            wrapping = Wrapping(source, may_be_away=people_may_be_away)
        except OSError as error:
            raise BadConfig(
                f"keys in {folder} cannot be used: {error.strerror}; give this user that folder or name another"
            ) from None
        return cls(
            Ed25519PrivateKey.from_private_bytes(ledger),
            wrapping,
            derive(pages, b"kentongan page check 1"),
        )

    @property
    def people(self) -> Source:
        """Where the key of people's data is."""
        return self._wrapping.source

    @property
    def people_fingerprints(self) -> tuple[str, ...]:
        """By which officers tell that key from others, the newest first: two while it is rotated."""
        return self._wrapping.fingerprints

    def try_people_key(self, trial: Callable[[StateKeys], str | None]) -> None:
        """Has the key of people's data tried before it is used: `trial` says why it is another's, None where it is not.

        It may raise LedgerUnavailable. It is asked by `people_key_away`, once for each key that comes.
        """
        self._wrapping.tried_by(lambda candidate: trial(replace(self, _wrapping=candidate)))

    def people_key_away(self) -> str | None:
        """Why nobody can be looked up and no address opened, in a sentence; None where they can.

        While that is so it reads the disk each time, and the ledger where another key has come; else it reads nothing.
        """
        return self._wrapping.away()

    def need_people_key(self) -> None:
        """Raises PeopleKeyAway where `people_key_away` says why."""
        why = self.people_key_away()
        if why is not None:
            raise PeopleKeyAway(why)

    def people_fault(self) -> str | None:
        """Why a process that starts now could not work with that key as this one does, in a sentence; None if it can.

        It reads the key where it lies.
        """
        return self._wrapping.fault()

    @property
    def head_public_key(self) -> bytes:
        """The 32 public bytes by which anybody checks our heads with `verify_head`."""
        return self._head_key.public_key().public_bytes_raw()

    def sign_head(self, head: bytes) -> bytes:
        """Signs one head of an event chain; 64 bytes."""
        return self._head_key.sign(_HEAD_PREFIX + head)

    def witness(self, content: bytes) -> bytes:
        """Signs what this installation itself has done, such as a drill that it rendered by a schedule; 64 bytes."""
        return self._head_key.sign(_WITNESS_PREFIX + content)

    def verify_head(self, head: bytes, signature: bytes) -> bool:
        """Whether this installation signed the head."""
        return verify_head(self.head_public_key, head, signature)

    def new_person_key(self, named: str | None, random: Random = os.urandom) -> bytes:
        """Returns a new person's own key, wrapped; destroying it makes all that it encrypted unreadable for ever.

        Call it in the transaction that writes it, with the key that the ledger has `named` in it
        (`ledger.wrapped_keys`), None where there is no ledger: a rotation of people.key goes by what transactions
        before it wrote. Raises PeopleKeyAway where that key is not at hand.
        """
        return self._wrapping.wrapping(named, random)(random(KEY_LENGTH))

    def rewrap(self, wrapped: bytes, named: str | None = None) -> bytes | None:
        """A wrapped key under the one `named`, else the newest; None where it is so already.

        Raises BadInput where no key opens it, PeopleKeyAway. Call it, as `new_person_key`, in the transaction that
        writes what it returns.
        """
        return self.rewrapping(named)(wrapped)

    def rewrapping(self, named: str | None) -> Callable[[bytes], bytes | None]:
        """What does `rewrap` for many people in the one transaction in which it is asked for and used."""
        return self._wrapping.rewrapping(named)

    def encrypt_for_new(
        self, addresses: Sequence[Address], named: str | None, *, aad: bytes, random: Random = os.urandom
    ) -> tuple[bytes, list[bytes]]:
        """Returns a new person's own key, wrapped as `new_person_key` does, and their addresses encrypted with it."""
        return self.sealing(named, random)(addresses, aad)

    def sealing(
        self, named: str | None, random: Random = os.urandom
    ) -> Callable[[Sequence[Address], bytes], tuple[bytes, list[bytes]]]:
        """What does `encrypt_for_new` for many people in the one transaction in which it is asked for and used."""
        random = _drawn(random)
        wrap = self._wrapping.wrapping(named, random)

        def seal(addresses: Sequence[Address], aad: bytes) -> tuple[bytes, list[bytes]]:
            key = random(KEY_LENGTH)
            return wrap(key), _encrypt(AESGCM(key), addresses, aad, random)

        return seal

    def encrypt_address(self, wrapped: bytes, address: Address, *, aad: bytes, random: Random = os.urandom) -> bytes:
        """Encrypts an address with a person's key; `aad` is the row it belongs to and must be given again to read it.

        Raises BadInput where the person's key is damaged.
        """
        return self.encrypt_addresses(wrapped, [address], aad=aad, random=random)[0]

    def encrypt_addresses(
        self, wrapped: bytes, addresses: Sequence[Address], *, aad: bytes, random: Random = os.urandom
    ) -> list[bytes]:
        """Encrypts several addresses of one person, as `encrypt_address` does."""
        return _encrypt(self._unwrap(wrapped), addresses, aad, random)

    def decrypt_address(self, wrapped: bytes, encrypted: bytes, *, aad: bytes) -> Address:
        """Returns the address; raises BadInput where key, row or installation are not those it was encrypted with."""
        cipher = self._unwrap(wrapped)
        nonce, content = encrypted[:NONCE_LENGTH], encrypted[NONCE_LENGTH:]
        try:
            read = json.loads(cipher.decrypt(nonce, content, _ADDRESS_PREFIX + aad).decode())
        except (InvalidTag, ValueError):
            raise BadInput(
                "an address in the ledger is damaged or belongs to another row; restore the ledger from its backup"
            ) from None
        return Address(read["family"], read["value"])

    def encrypt_words(self, wrapped: bytes, words: str, *, aad: bytes, random: Random = os.urandom) -> bytes:
        """Encrypts what a person wrote to us, with their key; `aad` as for addresses. Raises BadInput likewise."""
        nonce = random(NONCE_LENGTH)
        return nonce + self._unwrap(wrapped).encrypt(nonce, words.encode("utf-8"), _WORDS_PREFIX + aad)

    def decrypt_words(self, wrapped: bytes, encrypted: bytes, *, aad: bytes) -> str:
        """Returns what a person wrote; raises BadInput where key, row or installation are not those of the writing."""
        cipher = self._unwrap(wrapped)
        nonce, content = encrypted[:NONCE_LENGTH], encrypted[NONCE_LENGTH:]
        try:
            return cipher.decrypt(nonce, content, _WORDS_PREFIX + aad).decode("utf-8")
        except (InvalidTag, ValueError):
            raise BadInput(
                "an answer in the ledger is damaged or belongs to another row; restore the ledger from its backup"
            ) from None

    def address_hash(self, family: str, value: str) -> str:
        """Returns the keyed hash by which a normalised address is looked up; 64 hexadecimal characters.

        It depends on the channel family alone, so that two audiences and two providers count one person once.
        """
        hashing = self._wrapping.hashing.copy()
        hashing.update(f"[{_quoted(family)},{_quoted(value)}]".encode("ascii"))
        return hashing.finalize().hex()

    def page_check(self, officer: str, digest: str) -> str:
        """Returns the six digits by which an officer who was paged about a digest shows that they have the page."""
        said = hmac.new(self._page_key, canonical_json([officer, digest]), hashlib.sha256).digest()
        return f"{int.from_bytes(said[:8], 'big') % 1_000_000:06}"

    def _unwrap(self, wrapped: bytes) -> AESGCM:
        return AESGCM(self._wrapping.unwrap(wrapped))


def _encrypt(cipher: AESGCM, addresses: Sequence[Address], aad: bytes, random: Random) -> list[bytes]:
    encrypted = []
    for address in addresses:
        nonce = random(NONCE_LENGTH)
        content = f'{{"family":{_quoted(address.family)},"value":{_quoted(address.value)}}}'.encode("ascii")
        encrypted.append(nonce + cipher.encrypt(nonce, content, _ADDRESS_PREFIX + aad))
    return encrypted


def _drawn(random: Random) -> Random:
    """The same source, asked once for what is given out in many pieces, none of them twice."""
    pool, at = b"", 0

    def draw(length: int) -> bytes:
        nonlocal pool, at
        if at + length > len(pool):
            pool, at = random(max(_POOL, length)), 0
        at += length
        return pool[at - length : at]

    return draw


def _make(folder: Path, names: Sequence[str], random: Random) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only a name on disk, never key material: always from the operating system, whatever `random` is.
    building = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    building.mkdir(mode=0o700)
    try:
        for name in names:
            key = random(KEY_LENGTH)
            write_private(building / name, key_file(name, key))
        sync_folder(building)
        try:
            building.rename(folder)
        except OSError as error:
            # Another process was first: a full folder is there and its keys count.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)
