"""One real Prefect server a session, and a database that needs no migrating for those that tests start themselves."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows import settings

ROOT = Path(__file__).parents[1]
AUTH = "kentongan:of-a-test"
_FRESH = "fresh.db"


@dataclass(frozen=True)
class RunningServer:
    """A server that answers at `url`, with its data in `home`."""

    url: str
    home: Path

    def environment(self) -> dict[str, str]:
        return settings.client(self.home, url=self.url, auth=AUTH)

    def lend_database(self, home: Path) -> None:
        """Puts its database, migrated and as it was at the start, where another server will find it."""
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(self.home / _FRESH, home / "prefect.db")


@contextmanager
def running_server(home: Path) -> Iterator[RunningServer]:
    """A server for as long as the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "console.service.prefect_child", str(os.getpid()), "127.0.0.1", str(port)],
        env={**inherited, **settings.server(home, auth=AUTH)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/api"
        until = time.monotonic() + 90
        while not _answers(url):
            assert process.poll() is None, "the Prefect server ended"
            assert time.monotonic() < until, "the Prefect server did not come up"
            time.sleep(0.1)
        with (
            closing(sqlite3.connect(home / "prefect.db")) as own,
            closing(sqlite3.connect(home / _FRESH)) as copy,
        ):
            own.backup(copy)
        yield RunningServer(url, home)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
