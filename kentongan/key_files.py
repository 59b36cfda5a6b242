"""The files that keys lie in: for their owner alone, with a checksum that tells a damaged key from a wrong one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

from kentongan.errors import BadConfig, BadInput

KEY_LENGTH = 32
_LENGTHS = (KEY_LENGTH, 2 * KEY_LENGTH)  # one key, or two that belong together


def key_file(name: str, key: bytes) -> bytes:
    """What a file of that name holds."""
    checksum = hashlib.sha256(b"kentongan key file 1\n" + name.encode() + b"\n" + key).hexdigest()[:16]
    return base64.b64encode(key) + f" {checksum}\n".encode("ascii")


def write_private(path: Path, content: bytes) -> None:
    """Writes a new file that its owner alone can read, down to the disk; raises FileExistsError where one is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Puts a file in the place of the one that may be there, whole or not at all."""
    building = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(building, content)
        building.rename(path)
    finally:
        building.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until what was made, renamed and removed in a folder is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems cannot sync a folder; the files in it are synced all the same.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_key(path: Path, *names: str) -> tuple[bytes, str]:
    """A key, and for which of `names` (without any: its own) it was written.

    Raises BadInput where it is missing or damaged, BadConfig where others can read it.
    """
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
    for name in names or (path.name,):
        if len(key) in _LENGTHS and content == key_file(name, key):
            return key, name
    raise BadInput(f"{path} is damaged; restore it from the backup of this state directory")
