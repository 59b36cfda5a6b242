"""Opening the ledger, and the one writer thread through which every change of this process goes.

SQLite in WAL mode with `synchronous=FULL`; every writer begins IMMEDIATE, because a transaction that reads first and
writes later fails at once, whatever the time-out, when another has written between.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, CursorResult, Engine, Executable
from sqlalchemy.pool import QueuePool, StaticPool

from kentongan.clock import Clock, Milliseconds, SystemClock
from kentongan.errors import LedgerUnavailable
from kentongan.ledger.holder import end_stopped_holder

_log = logging.getLogger(__name__)

HEAD = "0007"
"""The newest migration; a test compares it with the folder."""

CONSOLE = "console"
"""The chain of commands that are no senders."""

_PATIENCE = 2.0  # seconds to wait for another process's transaction
_GROUP = 256  # most pieces of work in one commit
_WAIT_FIRST, _WAIT_MOST = 0.05, 1.0  # seconds between two tries at what must be written

# What a statement of ours did wrong, as against a ledger that cannot be used now.
_MISTAKES = (
    sqlalchemy.exc.DataError,
    sqlalchemy.exc.IntegrityError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.NotSupportedError,
    sqlalchemy.exc.ProgrammingError,
)

T = TypeVar("T")


def canonical(value: Any) -> str:
    """JSON in the one form that digests are made of: sorted keys, no spaces, no escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def event_digest(
    chain: str, seq: int, ordinal: int, at: int, kind: str, alert: str | None, delivery: int | None, data: str
) -> str:
    """Digest of one event row as it enters its link."""
    return digest(canonical([chain, seq, ordinal, at, kind, alert, delivery, data]))


def link_digest(previous: str, position: int, events: Sequence[str]) -> str:
    """Digest of one link: the link before it, its place among all commits, and its events, in order."""
    return digest("\n".join([previous, str(position), *events]))


@dataclass(slots=True)
class Read:
    """A snapshot of the ledger to read from."""

    connection: Connection
    now: Milliseconds

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Runs a statement built with SQLAlchemy."""
        return self.connection.execute(statement)

    def sql(self, text: str, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> CursorResult[Any]:
        """Runs a statement of the hot path as it stands; a list of parameters runs it for each."""
        return self.connection.exec_driver_sql(text, parameters)


@dataclass(slots=True)
class _Event:
    type: str
    alert_id: str | None
    delivery_id: int | None
    data: str


@dataclass(slots=True)
class Write(Read):
    """One transaction. Its events are chained into one link when it is committed."""

    events: list[_Event] = field(default_factory=list)

    def event(self, type_: str, *, alert: str | None = None, delivery: int | None = None, **data: Any) -> None:
        """Appends what happened to the record; `data` holds ids, words and numbers, never an address."""
        self.events.append(_Event(type_, alert, delivery, canonical(data)))

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Takes back what is written inside where that raises; what was written before in this transaction stays."""
        before = len(self.events)
        self.sql("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.sql("ROLLBACK TO attempt")
            del self.events[before:]
            raise
        finally:
            self.sql("RELEASE attempt")


class _NotBegun(Exception):
    """The transaction could not even begin; nothing of it has run."""

    def __init__(self, error: sqlalchemy.exc.DBAPIError) -> None:
        super().__init__()
        self.error = error


@dataclass(slots=True)
class _Work:
    act: Callable[[Write], Any]
    future: Future[Any]
    must: bool


class Ledger:
    """One process's hold on the ledger file. Thread-safe; close it to let the last writes finish."""

    def __init__(self, path: Path, engine: Engine, reader: Engine, clock: Clock, chain: str) -> None:
        self.path = path
        self.clock = clock
        self.chain = chain
        self._engine = engine
        self._reader = reader
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._closing = False
        self._handing_in = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path, *, clock: Clock | None = None, chain: str = CONSOLE) -> Ledger:
        """Opens the ledger at `path`, making or migrating it first; raises LedgerUnavailable."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Its journals take over the rights that the file has when they come into being.
            path.touch(mode=0o600)
            engine, reader = _engine(path, "BEGIN IMMEDIATE"), _engine(path, "BEGIN")
            try:
                _migrate(path, engine, reader)
            except BaseException:
                engine.dispose()
                reader.dispose()
                raise
        except (OSError, sqlalchemy.exc.DBAPIError) as error:
            raise _unavailable(path, error) from None
        return cls(path, engine, reader, clock or SystemClock(), chain)

    def close(self) -> None:
        """Finishes what was handed in, then closes the connections."""
        with self._handing_in:
            if self._closing:
                return
            self._closing = True
            self._queue.put(None)
        self._thread.join()
        self._engine.dispose()
        self._reader.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Reading ---

    def read(self, act: Callable[[Read], T]) -> T:
        """Runs `act` on a snapshot, in the caller's thread; raises LedgerUnavailable."""
        try:
            with self._reader.connect() as connection, connection.begin():
                return act(Read(connection, self.clock.wall()))
        except sqlalchemy.exc.DBAPIError as error:
            if isinstance(error, _MISTAKES):
                raise
            raise _unavailable(self.path, error) from None

    # --- Writing ---

    def write(self, act: Callable[[Write], T]) -> T:
        """Runs `act` in a transaction and returns once it is on disk; raises LedgerUnavailable or what `act` raised."""
        return self._submit(act, must=False).result()

    async def write_soon(self, act: Callable[[Write], T], *, must: bool = False) -> T:
        """The same without holding up the event loop. With `must` it is tried until the ledger takes it.

        The write goes on when the caller is cancelled: an outcome that was learnt is recorded.
        """
        return await asyncio.shield(asyncio.wrap_future(self._submit(act, must=must)))

    def _submit(self, act: Callable[[Write], T], *, must: bool) -> Future[T]:
        future: Future[T] = Future()
        with self._handing_in:
            if self._closing:
                raise LedgerUnavailable(f"ledger {self.path} is closed in this process; run the command again")
            self._queue.put(_Work(act, future, must))
        return future

    def _run(self) -> None:
        kept: list[_Work] = []
        wait = _WAIT_FIRST
        last = False
        while kept or not last:
            group, ended = self._gather(kept, wait)
            last = last or ended
            kept = self._commit(group)
            wait = min(wait * 2, _WAIT_MOST) if kept else _WAIT_FIRST

    def _gather(self, kept: list[_Work], wait: float) -> tuple[list[_Work], bool]:
        """What is to be committed next, after what was `kept`; and whether it is the last."""
        group = list(kept)
        patience: float | None = wait if kept else None
        while len(group) < _GROUP:
            try:
                work = self._queue.get(timeout=patience) if patience != 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            # From here it can no longer be cancelled: its answer must find somebody.
            if work.future.set_running_or_notify_cancel():
                group.append(work)
            patience = 0
        return group, False

    def _commit(self, group: list[_Work]) -> list[_Work]:
        """Commits a group at once; where one sinks it, each piece by itself. Returns what must be tried again."""
        try:
            results = self._transact(group)
        except _NotBegun as failure:
            return self._postpone(group, failure.error)
        except sqlalchemy.exc.DBAPIError as error:
            if len(group) > 1:
                return [again for work in group for again in self._commit([work])]
            return self._postpone(group, error)
        except BaseException as error:
            for work in group:
                work.future.set_exception(error)
            return []
        for work, (value, fault) in zip(group, results, strict=True):
            if fault is not None:
                work.future.set_exception(fault)
            else:
                work.future.set_result(value)
        return []

    def _postpone(self, group: list[_Work], error: sqlalchemy.exc.DBAPIError) -> list[_Work]:
        """Gives up what need not be written; returns what must be, but on closing gives that up too."""
        kept = [work for work in group if work.must and not self._closing]
        for work in group:
            if work not in kept:
                work.future.set_exception(_unavailable(self.path, error))
        if kept:
            _log.warning("outcomes wait for the ledger", extra={"waiting": len(kept), "why": type(error.orig).__name__})
        return kept

    def _transact(self, group: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        results: list[tuple[Any, BaseException | None]] = []
        if not group:
            return results
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self._engine.connect())
                stack.enter_context(connection.begin())
            except sqlalchemy.exc.DBAPIError as error:
                raise _NotBegun(error) from None
            write = Write(connection, self.clock.wall())
            for work in group:
                before = len(write.events)
                connection.exec_driver_sql("SAVEPOINT piece")
                try:
                    value = work.act(write)
                except BaseException as error:
                    if isinstance(error, sqlalchemy.exc.DBAPIError) and not isinstance(error, _MISTAKES):
                        raise
                    connection.exec_driver_sql("ROLLBACK TO piece")
                    del write.events[before:]
                    results.append((None, error))
                else:
                    results.append((value, None))
                connection.exec_driver_sql("RELEASE piece")
            self._chain(write)
        return results

    def _chain(self, write: Write) -> None:
        if not write.events:
            return
        row = write.sql(
            "SELECT seq, digest FROM link WHERE chain = :chain ORDER BY seq DESC LIMIT 1", {"chain": self.chain}
        ).first()
        seq, previous = (row.seq + 1, row.digest) if row else (1, "")
        position = write.sql("SELECT coalesce(max(position), 0) + 1 FROM link").scalar_one()
        rows = []
        digests = []
        for ordinal, e in enumerate(write.events):
            digests.append(event_digest(self.chain, seq, ordinal, write.now, e.type, e.alert_id, e.delivery_id, e.data))
            rows.append(
                {
                    "chain": self.chain,
                    "seq": seq,
                    "ordinal": ordinal,
                    "at": write.now,
                    "type": e.type,
                    "alert_id": e.alert_id,
                    "delivery_id": e.delivery_id,
                    "data": e.data,
                }
            )
        write.sql(
            "INSERT INTO event (chain, seq, ordinal, at, type, alert_id, delivery_id, data)"
            " VALUES (:chain, :seq, :ordinal, :at, :type, :alert_id, :delivery_id, :data)",
            rows,
        )
        write.sql(
            "INSERT INTO link (chain, seq, position, previous, digest)"
            " VALUES (:chain, :seq, :position, :previous, :digest)",
            {
                "chain": self.chain,
                "seq": seq,
                "position": position,
                "previous": previous,
                "digest": link_digest(previous, position, digests),
            },
        )


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
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _PATIENCE / 8, "check_same_thread": False, "isolation_level": None},
        poolclass=StaticPool if writing else QueuePool,
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


def _migrate(path: Path, engine: Engine, reader: Engine) -> None:
    # Reading first: a command that only looks must not wait for another's transaction.
    if _is_current(path, reader):
        return
    with _lock(path):
        if _is_current(path, reader):
            return
        # Alembic takes longer to import than the rest of a command to run.
        import alembic.command
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")


def _is_current(path: Path, reader: Engine) -> bool:
    version = _version(reader)
    if version is not None and version > HEAD:
        raise LedgerUnavailable(f"ledger {path} was written by a newer Kentongan (version {version}); use that one")
    return version == HEAD


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lets one process at a time look at the version and migrate."""
    with path.with_name(path.name + ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _version(reader: Engine) -> str | None:
    with reader.connect() as connection, connection.begin():
        found = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).first()
        if found is None:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row else None


def _is_full(path: Path) -> bool:
    """Whether the ledger's disk has no room: SQLite then says no more than that reading or writing failed."""
    try:
        return shutil.disk_usage(path.parent).free == 0
    except OSError:
        return False


def _unavailable(path: Path, error: Exception) -> LedgerUnavailable:
    cause = getattr(error, "orig", None) or error
    said = str(cause).lower()
    if "locked" in said or "busy" in said:
        why = "is locked by another program; end that program (a backup, a database browser) and try again"
    elif "full" in said or "no space" in said or ("i/o error" in said and _is_full(path)):
        why = "cannot grow because the disk is full; make room and try again, nothing recorded was lost"
    elif "readonly" in said or "permission" in said or "unable to open" in said:
        why = "cannot be written; give this user the right to its file and folder"
    elif "not a database" in said or "malformed" in said:
        why = "is damaged or no ledger; restore it from a backup"
    else:
        why = f"could not be used ({type(cause).__name__}: {cause})"
    return LedgerUnavailable(f"ledger {path} {why}")
