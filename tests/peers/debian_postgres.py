"""Debian's own Postgres in a folder of its own, on a free port of loopback, as the user whom Debian makes for it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

_ROOT = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder of the newest server's programs; None where there is none, or nobody to run it."""
    found = sorted((path.parent for path in _ROOT.glob("*/bin/postgres")), key=lambda path: int(path.parent.name))
    if not found or (os.getuid() == 0 and not _has_user()):
        return None
    return found[-1]


def _has_user() -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam("postgres"))
    return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class DebianServer:
    """One cluster, which can be killed, restarted, copied to a standby and promoted."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._user = "postgres" if os.getuid() == 0 else None
        self._number = 0
        self.folder = folder
        self.port = free_port()

    def make(self) -> None:
        """An empty cluster, of whose client nothing is asked: it is on loopback and lives as long as a test."""
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")

    def copy_to(self, standby: DebianServer) -> None:
        """Makes a standby that follows this one."""
        arguments = ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "--write-recovery-conf")
        standby._run("pg_basebackup", *arguments, "--checkpoint=fast", "--no-sync")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        # What a process wrote outlives it without being synced; only a machine's end would take it away.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self.folder}.log", f"--options={options}")

    def stop(self) -> None:
        """Ends it in order, if it is there."""
        if (self.folder / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--mode=fast", "--silent")

    def kill(self) -> None:
        """kill -9 of the postmaster; returns once its children have ended too and it can be started anew."""
        number = int((self.folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(number, signal.SIGKILL)
        until = time.monotonic() + 20
        while self._children(number) and time.monotonic() < until:
            time.sleep(0.02)
        # Its number stays taken until somebody has asked what became of it, which may be never.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _children(self, postmaster: int) -> bool:
        """Whether a process of this cluster is left."""
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (each / "cwd").resolve() == self.folder and (each / "stat").read_text().split()[2] != "Z":
                    return True
        return False

    def promote(self) -> None:
        """Makes a standby the primary."""
        self._run("pg_ctl", "promote", "--wait", "--silent")

    def act(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """Runs one statement as its owner."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str) -> None:
        """Changes a setting for all."""
        self.act(f"ALTER SYSTEM SET {name} = '{value}'")
        self.act("SELECT pg_reload_conf()")

    def address(self, database: str, *others: DebianServer) -> str:
        """The address of a database, on the primary among this and `others`."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in (self, *others))
        return f"postgresql://postgres@{hosts}/{database}" + ("?target_session_attrs=read-write" if others else "")

    def new(self) -> str:
        """The address of a new, empty database."""
        self._number += 1
        self.act(f"CREATE DATABASE ledger_{self._number}")
        return self.address(f"ledger_{self._number}")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, "--pgdata", self.folder, *arguments],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            # The server keeps what it inherits: a pipe would never end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.returncode}\n{self._log()}"

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return Path(f"{self.folder}.log").read_text("utf-8", "replace")[-2000:]
        return ""


@contextlib.contextmanager
def servers(programs: Path, count: int) -> Iterator[list[DebianServer]]:
    """Clusters that are not made yet, whose folders and processes go at the end."""
    root = Path(tempfile.mkdtemp(prefix="kentongan-debian-postgres-"))
    if os.getuid() == 0:
        shutil.chown(root, "postgres", "postgres")
    found = [DebianServer(programs, root / f"cluster{number}") for number in range(count)]
    try:
        yield found
    finally:
        for each in found:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                each.stop()
        shutil.rmtree(root, ignore_errors=True)
