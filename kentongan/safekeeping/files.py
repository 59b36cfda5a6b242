"""Files and folders that come into being whole or not at all, and reach the disk before they are spoken of."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from kentongan.errors import BadInput
from kentongan.key_files import sync_folder

_CHUNK = 1 << 20
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
"""Where every connection to a file of SQLite holds a lock for as long as it is open (its os.h, "SHARED_FIRST")."""
_PART = ".kentongan-part-"


@contextlib.contextmanager
def staged(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, for its owner alone, in which to build what is renamed when it is whole.

    It is gone at the end unless it was renamed; what a crash left of an earlier one is cleared away first.
    """
    for left in parent.glob(f"{_PART}*"):
        _clear_if_left(left)
    folder = parent / f"{_PART}{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path) -> None:
    """Takes a folder away so that no half of it is ever seen under its name."""
    hidden = folder.with_name(f"{_PART}{secrets.token_hex(8)}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def put_in_place(folder: Path, final: Path) -> None:
    """Renames a whole folder to its name; raises BadInput where something has that name already."""
    if final.exists():
        raise BadInput(f"{final} is there already and is not written over; try again in a second")
    for each in folder.rglob("*"):
        if each.is_dir():
            sync_folder(each)
    sync_folder(folder)
    folder.rename(final)
    sync_folder(final.parent)


def copy_private(source: Path, target: Path) -> str:
    """Copies a file for its owner alone, down to the disk; returns the SHA-256 of what was copied.

    Raises FileExistsError where `target` is there.
    """
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        while piece := reading.read(_CHUNK):
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


@contextlib.contextmanager
def closed_to_all(ledger: Path) -> Iterator[bool]:
    """Keeps a file of SQLite from being opened; False where a process has it open."""
    with ledger.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError:
            yield False
        else:
            yield True


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Brings what was written to a file down to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def told(error: OSError) -> str:
    """What an officer is told of a fault of the disk."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    return (error.strerror or type(error).__name__).lower()


def _clear_if_left(path: Path) -> None:
    """Removes what another process was building there when it ended; one that is still building keeps its own."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(descriptor)
