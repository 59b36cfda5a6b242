"""Ballast: room kept beside the ledger for the moment in which its disk is full, so that a warning still goes out.

The service makes the file. Whatever process first finds the disk full deletes it and goes on; how long that lasts is
told to officers, who make room. It is made anew when there is room.

Beside it lies a small reserve that nothing but a stop may take: whatever has eaten the ballast, a stop goes on record.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from sqlalchemy import delete, insert, select

from kentongan.clock import Milliseconds
from kentongan.database import Database, Place
from kentongan.ledger import schema
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass

_ENOUGH = 1_000_000
"""Bytes that are worth another try, where another process has made room."""

_RESERVE = 1_000_000
"""Bytes kept for stops: some hundred of them."""

_USED = "ballast used"


@dataclass(frozen=True, slots=True)
class Ballast:
    """The file beside the ledger at `ledger`; beside a database there is none."""

    ledger: Place

    @property
    def path(self) -> Path | None:
        """Where it lies."""
        return None if isinstance(self.ledger, Database) else self.ledger.with_name(self.ledger.name + ".ballast")

    @property
    def there(self) -> bool:
        """Whether there is any."""
        return self.path is not None and self.path.exists()

    def release(self) -> bool:
        """Gives its room back to the disk; True where this process did, False where there was none."""
        return _unlink(self.path)

    @property
    def reserve(self) -> Path | None:
        """Where the room lies that is kept for stops."""
        return self.path.with_name(self.path.name + "-for-stop") if self.path is not None else None

    def make_room_to_stop(self) -> bool:
        """Gives back what is kept for stops, else the ballast, where the disk is full; True where it has room then."""
        return self.has_room() or _unlink(self.reserve) or self.release()

    def has_room(self) -> bool:
        """Whether the disk has room for some commits at least."""
        if self.path is None:
            return True
        try:
            return shutil.disk_usage(self.path.parent).free >= _ENOUGH
        except OSError:
            return False

    def make(self, size: int) -> bool:
        """Takes `size` bytes of the disk, and the reserve for stops, where as many are left beside them.

        True where it took `size` bytes, False where it cannot, or where they are there already, however many.
        """
        if self.path is None or self.reserve is None:
            return False
        _take(self.reserve, _RESERVE)
        return _take(self.path, size)


def _unlink(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _take(path: Path, size: int) -> bool:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        if path.exists() or shutil.disk_usage(path.parent).free < 2 * size:
            return False
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # Blocks of its own: a file with holes would give nothing back.
            os.posix_fallocate(descriptor, 0, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        return False
    return True


def note_used(write: Write) -> None:
    """Puts on record that the disk was full and the ballast is used up; once, until it is there again."""
    if used_at(write) is None:
        write.execute(insert(schema.meta).values(name=_USED, value=str(write.now)))
        write.event("ballast.used")


def note_made(write: Write, *, size: int) -> None:
    """Puts on record that there is ballast again."""
    write.execute(delete(schema.meta).where(schema.meta.c.name == _USED))
    write.event("ballast.made", size=size)


def used_at(read: Read) -> Milliseconds | None:
    """When it was used up (wall time); None where it was not, or is there again."""
    value = read.execute(select(schema.meta.c.value).where(schema.meta.c.name == _USED)).scalar()
    return int(value) if value is not None else None
