"""What the figures of a run hang on: the machine, its load, and how long its disk takes to make sure of a write."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path

_WRITES = 300
_BLOCK = 4096
_IDLE = 3


def describe(folder: Path) -> dict[str, object]:
    """The machine, with the fsync latency of the file system on which `folder` lies."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 10**6,
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load_at_start": [round(each, 2) for each in os.getloadavg()],
        "fsync_ms": fsync_latency(folder),
    }


def busy(seconds: float = 3.0) -> float:
    """The share of all processors' time that was in use during the next `seconds`, from 0 to 1; this waits for them.

    The load average tells of the last minute, in which this run itself was installed. Source: proc_stat(5).
    """
    before = _times()
    time.sleep(seconds)
    spent = [now - then for then, now in zip(before, _times(), strict=True)]
    return 1 - spent[_IDLE] / max(sum(spent), 1)


def _times() -> list[int]:
    """What the processors have spent so far, in ticks: user, nice, system, idle, waiting for disks and the rest."""
    return [int(each) for each in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]]


def fsync_latency(folder: Path, writes: int = _WRITES) -> dict[str, float]:
    """Milliseconds that an fsync takes after 4 KiB were appended to a file: the median and the 99th percentile."""
    path = folder / "fsync.probe"
    block = os.urandom(_BLOCK)
    taken = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(writes):
            os.write(descriptor, block)
            began = time.perf_counter()
            os.fsync(descriptor)
            taken.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return {"median": round(statistics.median(taken), 3), "p99": round(statistics.quantiles(taken, n=100)[98], 3)}


def commit(root: Path) -> str:
    """The commit that is measured, marked where the tree differs from it; "unknown" outside of a checkout."""
    try:
        name = _git(root, "rev-parse", "HEAD")
        return f"{name} with changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else name
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
