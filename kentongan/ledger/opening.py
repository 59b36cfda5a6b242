"""Opening the ledger: its connections, its migrations, and why it cannot be used. `postgres` has it for a database.

A file is SQLite in WAL mode with `synchronous=FULL`; every writer begins IMMEDIATE, because a transaction that reads
first and writes later fails at once, whatever the time-out, when another has written between.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, Engine
from sqlalchemy.pool import QueuePool, StaticPool

from kentongan import handles
from kentongan.clock import SystemClock
from kentongan.database import Database, Place
from kentongan.errors import LedgerUnavailable, OtherVersion
from kentongan.keys import StateKeys
from kentongan.ledger import postgres
from kentongan.ledger.holder import end_stopped_holder
from kentongan.ledger.presence import await_present, gone
from kentongan.ledger.transaction import Read
from kentongan.ledger.upgrading import Upgrade, refuse_running
from kentongan.state import State

MIGRATIONS = Path(__file__).parent / "migrations"

HEAD = "0019"
"""The newest migration; a test compares it with the folder."""

UNFINISHED = "restoring"
"""A file that lies beside the ledger while another is put in its place (`kentongan.safekeeping.restoring`)."""

_PROBE = 65_536  # bytes whose writing shows whether there is room

_PATIENCE = 2.0  # seconds to wait for another process's transaction

MISTAKES = (
    sqlalchemy.exc.DataError,
    sqlalchemy.exc.IntegrityError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.NotSupportedError,
    sqlalchemy.exc.ProgrammingError,
)


_Migrate = Callable[[Connection, "str | None"], None]
"""Brings the tables from a version, None where there are none, to the newest."""


def is_mistake(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether a statement of ours was wrong, as against a ledger that cannot be used now."""
    return isinstance(error, MISTAKES) and postgres.is_mistake(error)


def exists(place: Place) -> bool:
    """Whether there is a ledger at `place`; raises LedgerUnavailable."""
    return postgres.exists(place) if isinstance(place, Database) else place.exists()


def open_keys(state: State, *, people_may_be_away: bool = False) -> StateKeys:
    """The keys of an installation; made where there is no ledger yet, whose people new ones could not read.

    `people_may_be_away`: see `StateKeys.open`. Raises BadConfig, BadInput, LedgerUnavailable.
    """
    # A database is asked only where it matters.
    create = not state.keys.is_dir() and not exists(state.place)
    return StateKeys.open(state.root, create=create, people_may_be_away=people_may_be_away)


def open_engines(place: Place, upgrade: Upgrade = Upgrade.IDLE) -> tuple[Engine, Engine, str]:
    """Makes or migrates the ledger at `place`; returns what writes to it, what reads from it, and its version.

    Raises LedgerUnavailable; Refused where it is to be migrated and an alert is on its way.
    """
    version = HEAD
    if upgrade is Upgrade.NEVER:
        version = min(version_of(place) or HEAD, HEAD)

    def migrate(connection: Connection, version: str | None) -> None:
        if version is not None:
            read = Read(connection, SystemClock().wall())
            refuse_running(read, place, version=version, head=HEAD, when=upgrade)
        _upgrade(connection)

    if isinstance(place, Database):
        return *postgres.open_engines(place, version, migrate), version
    return *_open_file(place, version, migrate), version


def version_of(place: Place) -> str | None:
    """The version of the ledger at `place` as it is; None where there is none. Raises LedgerUnavailable."""
    if isinstance(place, Database):
        return postgres.version_of(place)
    if not place.exists():
        return None
    reader = _engine(place, "BEGIN")
    try:
        return _version(reader)
    except sqlalchemy.exc.DBAPIError as error:
        raise unavailable(place, error) from None
    finally:
        reader.dispose()


def refuse_other_version(place: Place, version: str | None, known: str) -> None:
    """Raises OtherVersion where a ledger is not of the version `known` (any more)."""
    if version != known:
        raise OtherVersion(
            f"ledger {place} is of version {version} now, and this process is of {known}: it writes nothing more; start"
            " it anew with the Kentongan that is installed"
        )


def _open_file(path: Path, head: str, migrate: _Migrate) -> tuple[Engine, Engine]:
    refuse_unfinished(path)
    await_present(path, _lock_of(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Its journals take over the rights that the file has when they come into being.
        path.touch(mode=0o600)
        engine, reader = _engine(path, "BEGIN IMMEDIATE"), _engine(path, "BEGIN")
        try:
            _migrate(path, engine, reader, head, migrate)
        except BaseException:
            engine.dispose()
            reader.dispose()
            raise
    except (OSError, sqlalchemy.exc.DBAPIError) as error:
        raise unavailable(path, error) from None
    return engine, reader


def refuse_unfinished(path: Path) -> None:
    """Raises LedgerUnavailable where a restoring was cut in the moment in which files change their names."""
    if path.with_name(UNFINISHED).exists():
        raise LedgerUnavailable(
            f"the ledger in {path.parent} was being restored when that was cut off; run the same `kentongan restore`"
            " again, with --over"
        )


def unavailable(place: Place, error: Exception) -> LedgerUnavailable:
    """What a fault of the database tells an officer."""
    if isinstance(place, Database):
        return postgres.unavailable(place, error)
    path, cause = place, getattr(error, "orig", None) or error
    said = str(cause).lower()
    if "locked" in said or "busy" in said:
        why = "is locked by another program; end that program (a backup, a database browser) and try again"
    elif is_full(path, error):
        why = "cannot grow because the disk is full; make room and try again, nothing recorded was lost"
    elif not path.exists() and _lock_of(path).exists():
        return gone(path)
    elif handles.ran_out(error) or ("unable to open" in said and handles.are_short()):
        why = f"could not be opened: {handles.REMEDY}"
    elif "readonly" in said or "permission" in said or "unable to open" in said:
        why = "cannot be written; give this user the right to its file and folder"
    elif "not a database" in said or "malformed" in said:
        why = "is damaged or no ledger; restore it from a backup"
    elif "i/o error" in said or getattr(error, "errno", None) == errno.EIO:
        why = (
            f"cannot be used because its disk fails (input/output error); look at the disk of {path.parent} (dmesg). An"
            " alert that is not sent off yet can go from the spare, see docs/running.md"
        )
    else:
        why = f"could not be used ({type(cause).__name__}: {cause})"
    return LedgerUnavailable(f"ledger {path} {why}")


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Sets a pragma; waits itself, for SQLite does not where two open a new file and both turn it to WAL."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _engine(path: Path, begin: str) -> Engine:
    writing = begin == "BEGIN IMMEDIATE"
    # Never made by opening it: one that was deleted must not come back empty.
    address = f"{path.absolute().as_uri()}?mode=rw"
    engine = sqlalchemy.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            address, uri=True, timeout=_PATIENCE / 8, check_same_thread=False, isolation_level=None
        ),
        poolclass=StaticPool if writing else QueuePool,
        # What a statement was to write must not stand in the text of its error.
        hide_parameters=True,
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        try:
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "temp_store=MEMORY",
                *([] if writing else ["query_only=ON"]),
            ):
                _set(connection, pragma)
        except sqlite3.Error:
            # A connection that this hook refuses is nobody's: the pool does not close it.
            connection.close()
            raise

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                connection.exec_driver_sql(begin)
            except sqlalchemy.exc.OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() >= until:
                    raise
                end_stopped_holder(path)
            else:
                return

    return engine


def _migrate(path: Path, engine: Engine, reader: Engine, head: str, migrate: _Migrate) -> None:
    # Reading first: a command that only looks must not wait for another's transaction.
    if _is_current(path, reader, head):
        return
    with locked(path):
        if _is_current(path, reader, head):
            return
        with engine.connect() as connection, connection.begin():
            migrate(connection, _version(reader))


def _upgrade(connection: Connection) -> None:
    # Alembic takes longer to import than the rest of a command to run.
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _is_current(path: Path, reader: Engine, head: str) -> bool:
    version = _version(reader)
    if version is not None and version > head:
        raise LedgerUnavailable(f"ledger {path} was written by a newer Kentongan (version {version}); use that one")
    return version == head


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time look at the version and migrate, or put a ledger back in its place."""
    # Its owner's alone: whoever can open it for reading can hold it, and with it every process of ours.
    descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _version(reader: Engine) -> str | None:
    with reader.connect() as connection, connection.begin():
        found = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).first()
        if found is None:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row else None


def is_full(path: Place, error: Exception) -> bool:
    """Whether that fault is a disk of ours without room: SQLite may say no more than that reading or writing failed."""
    if isinstance(path, Database):
        return False
    said = str(getattr(error, "orig", None) or error).lower()
    if "full" in said or "no space" in said:
        return True
    return ("i/o error" in said or "unable to open" in said) and _has_no_room(path.parent)


def _has_no_room(folder: Path) -> bool:
    """Whether nothing can be written there for want of room, be it the disk's or that of this user's quota."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            # A disk that has a little room takes a little, and says nothing.
            return file.write(bytes(_PROBE)) < _PROBE
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
