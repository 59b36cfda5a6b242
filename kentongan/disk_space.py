"""Room on the disk: whether a fault is that there is none left, and what an officer does about it."""

from __future__ import annotations

import errno
import shlex
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


def ran_out(error: BaseException) -> bool:
    """Whether that fault, or what it came of, is that a disk took no more."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def remedy(state: Path) -> str:
    """What to do, where the state directory lies on the disk that is likeliest to be full."""
    return (
        f"no room is left on a disk that is written to; make room, first where {state} lies"
        f" (`df -h {shlex.quote(str(state))} /tmp` shows it), and run it again"
    )
