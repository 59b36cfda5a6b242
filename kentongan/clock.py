"""The two clocks the ledger is kept by; handed in, so that tests can move them.

Wall time dates what people read. Boot time (CLOCK_BOOTTIME) measures leases: it runs on while the machine sleeps and
never jumps when the wall clock is set.
"""

from __future__ import annotations

import ctypes
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kentongan.quick_dataclass import dataclass

Milliseconds = int
"""Time as the ledger keeps it: whole milliseconds, since 1970 UTC (wall) or since start of the machine (boot)."""


class Clock(Protocol):
    """Both clocks, in milliseconds."""

    def wall(self) -> Milliseconds:
        """Milliseconds since 1970-01-01 UTC."""

    def boot(self) -> Milliseconds:
        """Milliseconds since this machine started, sleep included."""


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> Milliseconds:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def boot(self) -> Milliseconds:
        """Milliseconds since this machine started, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def to_datetime(milliseconds: Milliseconds) -> datetime:
    """The ledger's wall time as a datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_milliseconds(moment: datetime) -> Milliseconds:
    """A datetime with a zone as the ledger's wall time."""
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Process:
    """Names one running process so surely that another can tell that it has ended."""

    boot_id: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        """This process."""
        pid = os.getpid()
        started = _started(pid)
        assert started is not None
        return cls(_boot_id(), _namespace(), pid, started)

    def is_gone(self) -> bool:
        """True only when this process has certainly ended; False also where that cannot be told from here."""
        if self.boot_id != _boot_id():
            return True
        if self.namespace != _namespace():
            return False
        try:
            return _started(self.pid) != self.started
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # Other users' processes may be hidden here: hidepid in proc(5), ProtectProc= in systemd.exec(5).
            return not _is_there(self.pid)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _started(pid: int) -> int | None:
    """Clock ticks after boot at which `pid` started (proc(5), field 22); None where it is a zombie."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _is_there(pid: int) -> bool:
    """Whether some process has that number, seen or not; signal 0 does nothing to it (kill(2))."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def network_offset() -> float | None:
    """Seconds by which our wall clock differs from network time, as the kernel is told; None if it is not told.

    Source: adjtimex(2), read only. STA_UNSYNC (0x40) says that no time service disciplines the clock.
    """
    fields = (ctypes.c_long * 26)()  # struct timex: modes first, then offset; padding included
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(fields))
    except AttributeError:
        return None
    status = fields[5] & 0xFFFFFFFF
    if state < 0 or status & 0x40:
        return None
    unit = 1e-9 if status & 0x2000 else 1e-6  # STA_NANO
    return fields[1] * unit
