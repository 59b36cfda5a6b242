"""The state directory's keys: who signs the ledger's heads, and what keeps people's addresses unreadable.

keys/ledger.key    Ed25519 seed; signs the heads of the event chains
keys/people.key    wraps each person's own key, and keys the hashes by which addresses are looked up
keys/pages.key     makes the digits by which an officer who was paged shows that they have the page

All three come into being together, by one rename of a folder, so that processes that start at once agree and a crash
leaves all or none. Each file carries a checksum: a damaged key is told apart from a wrong one.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import hmac
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kentongan.errors import BadConfig, BadInput
from kentongan.seam import Address

Random = Callable[[int], bytes]
"""A source of so many unpredictable bytes, such as `os.urandom`."""

KEY_LENGTH = 32
NONCE_LENGTH = 12  # AES-GCM's own, NIST SP 800-38D section 5.2.1.1

_FOLDER = "keys"
_NAMES = ("ledger.key", "people.key", "pages.key")
_HEAD_PREFIX = b"kentongan head 1\n"
_WITNESS_PREFIX = b"kentongan witness 1\n"
_WRAPPED_PREFIX = b"kentongan person key 1"
_ADDRESS_PREFIX = b"kentongan address 1\n"
_WORDS_PREFIX = b"kentongan words 1\n"


# Made once: a list of people goes through it by the million.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


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
    _wrapping: AESGCM = field(repr=False)
    _lookup_key: bytes = field(repr=False)
    _page_key: bytes = field(repr=False)

    @classmethod
    def open(cls, state: Path, *, create: bool = True, random: Random = os.urandom) -> StateKeys:
        """Reads the keys of the state directory, or makes them where there are none and `create` is set.

        Pass `create=False` where a ledger exists: new keys would make its people unreadable. Raises BadConfig where
        others could read a key or the folder cannot be used, BadInput where a key is missing or damaged.
        """
        folder = state / _FOLDER
        try:
            if not folder.is_dir():
                if not create:
                    raise BadInput(
                        f"{folder} is missing although a ledger is there; restore it from the ledger's backup"
                    )
                _make(folder, random)
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                raise BadConfig(f"{folder} is open to others; run: chmod 700 {folder}")
            ledger, people, pages = (_read(folder, name) for name in _NAMES)
        except OSError as error:
            raise BadConfig(
                f"keys in {folder} cannot be used: {error.strerror}; give this user that folder or name another"
            ) from None
        return cls(
            Ed25519PrivateKey.from_private_bytes(ledger),
            AESGCM(_derive(people, b"kentongan wrapping key 1")),
            _derive(people, b"kentongan address look-up 1"),
            _derive(pages, b"kentongan page check 1"),
        )

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

    def new_person_key(self, random: Random = os.urandom) -> bytes:
        """Returns a new person's own key, wrapped; destroying it makes all that it encrypted unreadable for ever."""
        nonce = random(NONCE_LENGTH)
        return nonce + self._wrapping.encrypt(nonce, random(KEY_LENGTH), _WRAPPED_PREFIX)

    def encrypt_address(self, wrapped: bytes, address: Address, *, aad: bytes, random: Random = os.urandom) -> bytes:
        """Encrypts an address with a person's key; `aad` is the row it belongs to and must be given again to read it.

        Raises BadInput where the person's key is damaged.
        """
        return self.encrypt_addresses(wrapped, [address], aad=aad, random=random)[0]

    def encrypt_addresses(
        self, wrapped: bytes, addresses: Sequence[Address], *, aad: bytes, random: Random = os.urandom
    ) -> list[bytes]:
        """Encrypts several addresses of one person, as `encrypt_address` does."""
        cipher = self._unwrap(wrapped)
        encrypted = []
        for address in addresses:
            nonce = random(NONCE_LENGTH)
            content = canonical_json({"family": address.family, "value": address.value})
            encrypted.append(nonce + cipher.encrypt(nonce, content, _ADDRESS_PREFIX + aad))
        return encrypted

    def decrypt_address(self, wrapped: bytes, encrypted: bytes, *, aad: bytes) -> Address:
        """Returns the address; raises BadInput where key, row or installation are not those it was encrypted with."""
        cipher = self._unwrap(wrapped)
        nonce, content = encrypted[:NONCE_LENGTH], encrypted[NONCE_LENGTH:]
        try:
            read = json.loads(cipher.decrypt(nonce, content, _ADDRESS_PREFIX + aad))
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
        return hmac.digest(self._lookup_key, canonical_json([family, value]), "sha256").hex()

    def page_check(self, officer: str, digest: str) -> str:
        """Returns the six digits by which an officer who was paged about a digest shows that they have the page."""
        said = hmac.new(self._page_key, canonical_json([officer, digest]), hashlib.sha256).digest()
        return f"{int.from_bytes(said[:8], 'big') % 1_000_000:06}"

    def _unwrap(self, wrapped: bytes) -> AESGCM:
        try:
            key = self._wrapping.decrypt(wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:], _WRAPPED_PREFIX)
            return AESGCM(key)
        except (InvalidTag, ValueError):
            raise BadInput(
                "a person's key in the ledger cannot be read with this people.key; "
                "restore people.key and the ledger from the same backup"
            ) from None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=purpose).derive(key)


def _key_file(name: str, key: bytes) -> bytes:
    checksum = hashlib.sha256(b"kentongan key file 1\n" + name.encode() + b"\n" + key).hexdigest()[:16]
    return base64.b64encode(key) + f" {checksum}\n".encode("ascii")


def _make(folder: Path, random: Random) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only a name on disk, never key material: always from the operating system, whatever `random` is.
    building = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    building.mkdir(mode=0o700)
    try:
        for name in _NAMES:
            key = random(KEY_LENGTH)
            write_private(building / name, _key_file(name, key))
        _sync(building)
        try:
            building.rename(folder)
        except OSError as error:
            # Another process was first: a full folder is there and its keys count.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _sync(folder.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_private(path: Path, content: bytes) -> None:
    """Writes a new file that its owner alone can read, down to the disk; raises FileExistsError where one is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems cannot sync a folder; the files in it are synced all the same.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(1000)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; restore it from the backup of this state directory") from None
    if mode & 0o077:
        raise BadConfig(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        key = base64.b64decode(content.split(b" ")[0], validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_LENGTH or content != _key_file(name, key):
        raise BadInput(f"{path} is damaged; restore it from the backup of this state directory")
    return key
