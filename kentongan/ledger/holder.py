"""The process that holds the ledger's write lock, and ending it where it has been stopped in the middle.

A sender that was stopped (SIGSTOP, a debugger) in mid-transaction would keep every other from warning anybody for as
long as it lies there. Ending it is the same as its crash, from which the ledger recovers without loss.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kentongan.clock import Process

_log = logging.getLogger(__name__)

_WRITE_LOCK = "120"
"""Where SQLite locks the shared-memory file for writing (its WAL-index format, section 2.3)."""


def end_stopped_holder(path: Path) -> bool:
    """Kills the sender that holds the write lock of the ledger at `path`, if it has been stopped; True where it did."""
    pid = holder(path)
    if pid is None or pid == os.getpid():
        return False
    # OSError: it has ended, belongs to another user, or this kernel knows no descriptors of processes.
    with contextlib.suppress(OSError), _held(pid) as process:
        # Asked once it is held: from here its number means no later process.
        if _is_stopped(pid) and _is_sender(path, pid) and holder(path) == pid:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            _log.warning("ended a stopped sender that kept the ledger locked", extra={"pid": pid})
            return True
    return False


@contextlib.contextmanager
def _held(pid: int) -> Iterator[int]:
    """A descriptor of one process (pidfd_open(2)), which never comes to mean another of the same number."""
    process = os.pidfd_open(pid)
    try:
        yield process
    finally:
        os.close(process)


def holder(path: Path) -> int | None:
    """The process that may write now, as /proc/locks (proc(5)) tells; None where nobody does or it is not told."""
    try:
        wanted = f":{path.with_name(path.name + '-shm').stat().st_ino}"
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) == 8 and fields[1] == "POSIX" and fields[3] == "WRITE" and fields[5].endswith(wanted):
            begin, end = fields[6:]
            if begin == end == _WRITE_LOCK and fields[4].isdigit() and int(fields[4]) > 0:
                return int(fields[4])
    return None


def _is_stopped(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")


def _is_sender(path: Path, pid: int) -> bool:
    """Whether `pid` is one of the senders on record, and no later process of the same number."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.5)) as reader:
        rows = reader.execute(
            "SELECT boot_id, namespace, pid, started FROM sender WHERE pid = ? AND ended = 0", (pid,)
        ).fetchall()
    here = Process.current()
    return any(
        (found := Process(*row)).boot_id == here.boot_id and found.namespace == here.namespace and not found.is_gone()
        for row in rows
    )
