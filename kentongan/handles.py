"""File handles: whether a fault is that this process has none left, and what an officer does about it."""

from __future__ import annotations

import errno
import os

REMEDY = (
    "this process has no file handle left; raise its limit (`ulimit -n 4096`, in a unit of systemd LimitNOFILE=4096)"
    " and run it again"
)

_NEEDED = 8
"""Handles that opening a ledger takes at once: its file and two journals to write and to read, its lock, its words."""


def ran_out(error: BaseException) -> bool:
    """Whether that fault, or what it came of, is that no file could be opened any more, here or on this machine."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.EMFILE, errno.ENFILE):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def are_short() -> bool:
    """Whether there are not enough of them left to open a ledger by: SQLite says no more than that it could not."""
    taken: list[int] = []
    try:
        for _ in range(_NEEDED):
            taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for each in taken:
            os.close(each)
    return False
