"""Files for the public, written so that a reader sees the old ones or the new ones and never a half.

Everything is staged first (temporary file, written, synced); only then does anything take its public name. A fault
while staging leaves nothing; a fault afterwards leaves a part, and the same publication may be made again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_LOCK = ".lock"
_STAGED = ".staged-"
_LOCK_POLL = 0.02

# The folder cannot be used until a person mends it.
_MISCONFIGURED = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP))


class NotPublished(Exception):
    """Nothing took its public name; `misconfigured` where waiting will not help."""

    def __init__(self, reason: str, *, misconfigured: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.misconfigured = misconfigured


@contextlib.contextmanager
def locked(folder: Path, patience: float) -> Iterator[None]:
    """Holds the folder for one process and thread; raises NotPublished where it stays taken for `patience` seconds."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _not_published(error) from None
    try:
        _take(descriptor, time.monotonic() + patience)
        for left in folder.rglob(f"{_STAGED}*"):  # whoever staged these is dead, for the lock is ours
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise NotPublished("another process is publishing") from None
            time.sleep(_LOCK_POLL)
        except OSError as error:
            raise _not_published(error) from None
        else:
            return


def publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts `files`, by path below `folder`, in their places in this order, on disk before it returns.

    Raises NotPublished where nothing was put in place, OSError where a part was.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            place = folder / name
            place.parent.mkdir(exist_ok=True)
            temporary = place.parent / f"{_STAGED}{secrets.token_hex(8)}"
            staged.append((temporary, place))
            _write(temporary, content)
    except OSError as error:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise _not_published(error) from None
    for temporary, place in staged:
        os.replace(temporary, place)
    for changed in {place.parent for _, place in staged} | {folder}:
        _sync_folder(changed)


def withdraw(folder: Path, names: tuple[str, ...]) -> None:
    """Takes files away, in this order; those not there are no fault."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    _sync_folder(folder)


def _write(path: Path, content: bytes) -> None:
    # 0644 less the umask: a web server under another user must be able to read it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_published(error: OSError) -> NotPublished:
    told = os.strerror(error.errno) if error.errno else "no cause is known"
    return NotPublished(f"the folder cannot be written: {told}", misconfigured=error.errno in _MISCONFIGURED)
