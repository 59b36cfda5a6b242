"""A Postgres server of a rehearsal's own, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.options import Skipped
from tests.chaos.rehearsal import is_there
from tests.postgres import Server, missing

_PATIENCE = 20.0


class Mortal(Server):
    """A server that dies on request; whoever is connected is cut off."""

    def kill(self) -> None:
        """Kills the postmaster; its children follow as soon as they notice."""
        self._end(signal.SIGKILL)

    def shut_down_at_once(self) -> None:
        """Stops it as an administrator in a hurry does: no checkpoint, no farewell (SIGQUIT, Postgres' manual 18.5)."""
        self._end(signal.SIGQUIT)

    def start(self) -> None:
        """Starts it again, where it left off."""
        self._server.ensure_postgres_running()

    def _end(self, number: int) -> None:
        """Ends the postmaster, and returns when it and all its children have gone."""
        postmaster: int = self._server.get_pid()
        family = [postmaster, *_children(postmaster)]
        os.kill(postmaster, number)
        until = time.monotonic() + _PATIENCE
        while any(is_there(pid) for pid in family):
            if time.monotonic() > until:
                raise TimeoutError("a child of a postmaster that has died lives on")
            time.sleep(0.01)
        # Until somebody has waited for the dead, whoever starts it again takes what names them for a sign of life.
        for left in (self._folder / "postmaster.pid", *self._folder.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.extend(int(child) for child in task.read_text("ascii").split())
    return found


@contextlib.contextmanager
def server() -> Iterator[Mortal]:
    """A server for as long as the context lasts; raises Skipped where none can be had."""
    if why := missing():
        raise Skipped(f"{why}, so there is no Postgres")
    folder = Path(tempfile.mkdtemp(prefix="kentongan-chaos-postgres-"))
    # As root it runs under a user of its own, who must get there.
    os.chmod(folder, 0o755)
    running = Mortal(folder / "data")
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
