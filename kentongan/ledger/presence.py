"""Whether a ledger's file is still the one that this process has open, and putting it back where it was deleted.

A file that is deleted or moved while it is open goes on taking commits that nobody else will ever find. So every
writer looks, once it holds the write lock. One that was deleted is still whole in the process that has it open, and is
put back from there; one that was moved is somebody's doing, and waits to be moved back.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from kentongan.database import Database, Place
from kentongan.errors import LedgerUnavailable

_JOURNALS = ("-wal", "-shm", "-journal")
_TRIES = 5
_PATIENCE = 3.0  # seconds for a process that has it open to put it back: a service looks every two


class Presence:
    """The file at `path` as it was when this was made; beside a database it has nothing to say."""

    def __init__(self, path: Place) -> None:
        self._path = None if isinstance(path, Database) else path
        self._own = self._there()

    def holds(self) -> bool:
        """Whether the file that is open here still lies in its place."""
        return self._own == self._there()

    def is_replaced(self) -> bool:
        """Whether another file lies in its place: what is open here will never show what is written there."""
        return self._there() not in (self._own, None)

    def put_back(self, connection: sqlite3.Connection, lock: AbstractContextManager[None]) -> None:
        """Puts what `connection` has open in its place again, unless another process has; then it is to be reopened.

        `lock` lets one process at a time. Raises LedgerUnavailable where it was moved, where another ledger lies in its
        place, or where it cannot be copied now.
        """
        path = self._path
        assert path is not None
        try:
            with lock:
                if self._there() is None:
                    self._refuse_moved(path)
                    _copy(connection, path, self._mark)
                elif not self._is_ours(path):
                    raise LedgerUnavailable(
                        f"ledger {path} was taken away while this process had it open, and another lies in its place;"
                        " end this process"
                    )
        except (OSError, sqlite3.Error) as error:
            raise LedgerUnavailable(
                f"ledger {path} was deleted while it was in use and could not be put back ({error}); do not end this"
                " process, which still holds it: make room, and give it back its folder"
            ) from None
        self._own = self._there()

    def _there(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @property
    def _mark(self) -> str:
        """What the file that is put back says of the one that it is put back from."""
        return "put back {}:{}".format(*(self._own or (0, 0)))

    def _refuse_moved(self, path: Path) -> None:
        for each in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found = each.stat()
                if (found.st_dev, found.st_ino) == self._own and found.st_nlink:
                    raise LedgerUnavailable(
                        f"ledger {path} was moved while it was in use; move it back, with the files beside it, and this"
                        " process goes on"
                    )

    def _is_ours(self, path: Path) -> bool:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as other:
            try:
                return other.execute("SELECT 1 FROM meta WHERE name = ?", [self._mark]).fetchone() is not None
            except sqlite3.OperationalError:
                return False


def await_present(path: Path, lock: Path) -> None:
    """Waits for a ledger that was here, as its `lock` tells, to be put back; raises LedgerUnavailable where none comes.

    Else a command would begin a new one in its place, of which the first officer could be anybody.
    """
    until = time.monotonic() + _PATIENCE
    while lock.exists() and not path.exists():
        if time.monotonic() > until:
            raise gone(path)
        time.sleep(0.1)


def gone(path: Path) -> LedgerUnavailable:
    """What is said of a ledger that was here."""
    return LedgerUnavailable(
        f"ledger {path} is gone: its file was moved or deleted; move it back, or restore a backup with"
        " `kentongan restore`"
    )


def _copy(connection: sqlite3.Connection, path: Path, mark: str) -> None:
    new = path.with_name(f"{path.name}.put-back.{os.getpid()}")
    try:
        for _ in range(_TRIES):
            new.unlink(missing_ok=True)
            before = _version(connection)
            _copy_to(connection, new, mark)
            with _writing(connection):
                # Nobody else commits to the old one any more: whoever has it open looks first, and waits for the lock.
                if _version(connection) == before:
                    for suffix in _JOURNALS:
                        path.with_name(path.name + suffix).unlink(missing_ok=True)
                    os.link(new, path)
                    return
        raise LedgerUnavailable(f"ledger {path} was deleted while it was in use, and others still write to it")
    finally:
        new.unlink(missing_ok=True)
        _sync(path.parent)


def _copy_to(connection: sqlite3.Connection, new: Path, mark: str) -> None:
    new.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode=OFF")
        connection.backup(target)
        target.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, '')", [mark])
        target.execute("PRAGMA journal_mode=DELETE")
    _sync(new)


@contextlib.contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
