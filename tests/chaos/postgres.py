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

_AGAIN = 20.0


class Mortal(Server):
    """A server that dies on request; whoever is connected is cut off."""

    def kill(self) -> None:
        """Kills the postmaster; its children follow as soon as they notice."""
        self._end(signal.SIGKILL)

    def shut_down_at_once(self) -> None:
        """Stops it as an administrator in a hurry does: no checkpoint, no farewell (SIGQUIT, Postgres' manual 18.5)."""
        self._end(signal.SIGQUIT)

    def start(self) -> None:
        """Starts it again, once what it left has gone."""
        until = time.monotonic() + _AGAIN
        while True:
            try:
                self._server.ensure_postgres_running()
            except Exception:
                # The children of a postmaster that was killed hold its memory for a moment.
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return

    def _end(self, number: int) -> None:
        postmaster: int = self._server.get_pid()
        os.kill(postmaster, number)
        until = time.monotonic() + _AGAIN
        while is_there(postmaster) and time.monotonic() < until:
            time.sleep(0.01)


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
