"""The key of people's data: what wraps each person's own key and what makes the hashes they are looked up by.

As text it is the base64 of 32 random bytes, or of 64 once it was rotated: the look-up key, which no rotation changes,
then stands behind it. What Kentongan writes has a checksum after it. Where it lies: `kentongan.people_key_place`.
"""

from __future__ import annotations

import base64
import errno
import os
import re
import secrets
from dataclasses import field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kentongan.errors import BadInput
from kentongan.key_files import KEY_LENGTH, key_file, sync_folder, write_private
from kentongan.quick_dataclass import dataclass

CURRENT, NEXT, LOOKUP = "people.key", "people.next.key", "lookup.key"
NAMES = (CURRENT, NEXT, LOOKUP)
"""The files of the folder of keys that are of no use where the key is elsewhere."""

ROTATED = "people.key rotated"
"""For what a people.key is written that has its look-up key in a file beside it."""

WHOLE = "people.key with look-up"
"""For what one is written that has it behind it."""

_CHECKSUM = re.compile(rb"[0-9a-f]{16}")
_DIFFERENT = 8  # fewer different bytes among 32 were not drawn at random


def derive(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=purpose).derive(key)


@dataclass(frozen=True, slots=True)
class PeopleKey:
    """One key of people's data; nothing of it shows in `repr`. `lookup`: what a rotation has kept, else made of it."""

    own: bytes = field(repr=False)
    lookup: bytes = field(repr=False)

    @classmethod
    def alone(cls, own: bytes) -> PeopleKey:
        """One that was never rotated."""
        return cls(own, derive(own, b"kentongan address look-up 1"))

    @classmethod
    def of(cls, key: bytes) -> PeopleKey:
        """One as its file holds it, with the look-up key behind it or without."""
        return cls(key[:KEY_LENGTH], key[KEY_LENGTH:]) if key[KEY_LENGTH:] else cls.alone(key)

    @property
    def fingerprint(self) -> str:
        """By which people tell it from others; nothing of the key can be told from it."""
        told = derive(self.own, b"kentongan people key fingerprint 1")[:8].hex()
        return "-".join(told[at : at + 4] for at in range(0, 16, 4))

    def text(self) -> bytes:
        """What a file of it holds, and a variable."""
        if self == PeopleKey.alone(self.own):
            return key_file(CURRENT, self.own)
        return key_file(WHOLE, self.own + self.lookup)


def parse(text: bytes, source: str) -> PeopleKey:
    """Reads the text of a file or a variable; raises BadInput, naming `source` and nothing of the text."""
    words = text.split()
    checked = len(words) > 1 and _CHECKSUM.fullmatch(words[-1]) is not None
    try:
        key = base64.b64decode(b"".join(words[:-1] if checked else words), validate=True)
    except ValueError:
        key = b""
    if checked and words[-1] == key_file(ROTATED, key).split()[-1]:
        raise BadInput(
            f"{source} is a {CURRENT} that was rotated, of no use without the {LOOKUP} beside it;"
            " `kentongan keys move FILE` puts both into one file"
        )
    damaged = checked and words[-1] not in (key_file(name, key).split()[-1] for name in (CURRENT, WHOLE))
    if damaged or len(key) not in (KEY_LENGTH, 2 * KEY_LENGTH) or len(set(key[:KEY_LENGTH])) < _DIFFERENT:
        raise BadInput(
            f"{source} {'is damaged' if damaged else 'is no key'}: give it what `kentongan keys make FILE` has written,"
            " or the copy that was kept of it"
        )
    return PeopleKey.of(key)


def write_new(path: Path, key: PeopleKey) -> None:
    """Writes a key into a new file, whole or not at all; raises FileExistsError where one is, OSError."""
    building = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(building, key.text())
        try:
            os.link(building, path)
        except PermissionError:
            # Not every file system knows second names.
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            building.rename(path)
    finally:
        building.unlink(missing_ok=True)
    sync_folder(path.parent)
