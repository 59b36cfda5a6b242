"""`kentongan serve` as a process of a rehearsal, and the Prefect server that is its child."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from console.service import client
from kentongan.state import State
from tests.chaos.rehearsal import Rehearsal

_CHILD = b"console.service.prefect_child"


def start(rehearsal: Rehearsal, *, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts the service and returns once it answers, or has ended."""
    service = rehearsal.start("serve", "--receipts", "127.0.0.1:0", environment=environment)
    state = State(rehearsal.installation.root / "state")

    def answers() -> bool:
        seen = client.status(state)
        return service.poll() is not None or (seen is not None and seen.get("pid") == service.pid)

    if not rehearsal.until(answers, patience=60.0):
        rehearsal.hung("`serve`, while it was starting")
    return service


@contextlib.contextmanager
def serving(rehearsal: Rehearsal, *, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A service for as long as the context lasts."""
    service = start(rehearsal, environment=environment)
    try:
        yield service
    finally:
        rehearsal.stop(service, "`serve`")


def prefect_of(service: subprocess.Popen[bytes]) -> int | None:
    """The process of a service's Prefect server, None where it has none at this moment."""
    for task in Path(f"/proc/{service.pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text("ascii").split():
                if _CHILD in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return None
