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
import queue
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

HEAD = "0001"
"""The newest migration; a test compares it with the folder."""

CONSOLE = "console"
"""The chain of commands that are no senders."""

_PATIENCE = 2.0  # seconds to wait for another process's transaction
_GROUP = 256  # most pieces of work in one commit

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


def link_digest(previous: str, events: Sequence[str]) -> str:
    """Digest of one link: the link before it and its events, in order."""
    return digest("\n".join([previous, *events]))


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
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path, *, clock: Clock | None = None, chain: str = CONSOLE) -> Ledger:
        """Opens the ledger at `path`, making or migrating it first; raises LedgerUnavailable."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = _engine(path, "BEGIN IMMEDIATE")
            _migrate(path, engine)
        except (OSError, sqlalchemy.exc.DBAPIError) as error:
            raise _unavailable(path, error) from None
        return cls(path, engine, _engine(path, "BEGIN"), clock or SystemClock(), chain)

    def close(self) -> None:
        """Finishes what was handed in, then closes the connections."""
        if not self._closing:
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
        except sqlalchemy.exc.OperationalError as error:
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
        if self._closing:
            raise LedgerUnavailable(f"ledger {self.path} is closed in this process; run the command again")
        future: Future[T] = Future()
        self._queue.put(_Work(act, future, must))
        return future

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            last = False
            while len(group) < _GROUP:
                try:
                    work = self._queue.get_nowait()
                except queue.Empty:
                    break
                if work is None:
                    last = True
                    break
                group.append(work)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Work]) -> None:
        """Commits a group at once; where the ledger itself fails, each piece by itself, so that one cannot sink all."""
        wait = 0.05
        while True:
            try:
                results = self._transact(group)
            except sqlalchemy.exc.DBAPIError as error:
                if len(group) > 1:
                    for work in group:
                        self._commit([work])
                    return
                if group[0].must and not self._closing:
                    time.sleep(wait)
                    wait = min(wait * 2, 1.0)
                    continue
                group[0].future.set_exception(_unavailable(self.path, error))
                return
            except BaseException as error:
                for work in group:
                    work.future.set_exception(error)
                return
            for work, (value, failure) in zip(group, results, strict=True):
                if work.future.cancelled():
                    continue
                if failure is not None:
                    work.future.set_exception(failure)
                else:
                    work.future.set_result(value)
            return

    def _transact(self, group: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        results: list[tuple[Any, BaseException | None]] = []
        with self._engine.connect() as connection, connection.begin():
            write = Write(connection, self.clock.wall())
            for work in group:
                before = len(write.events)
                connection.exec_driver_sql("SAVEPOINT piece")
                try:
                    value = work.act(write)
                except sqlalchemy.exc.OperationalError:
                    raise
                except BaseException as error:
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
            "INSERT INTO link (chain, seq, previous, digest) VALUES (:chain, :seq, :previous, :digest)",
            {"chain": self.chain, "seq": seq, "previous": previous, "digest": link_digest(previous, digests)},
        )


def _engine(path: Path, begin: str) -> Engine:
    writing = begin == "BEGIN IMMEDIATE"
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _PATIENCE, "check_same_thread": False, "isolation_level": None},
        poolclass=StaticPool if writing else QueuePool,
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            *([] if writing else ["query_only=ON"]),
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _migrate(path: Path, engine: Engine) -> None:
    with _lock(path):
        if _version(engine) == HEAD:
            return
        # Alembic takes longer to import than the rest of a command to run.
        import alembic.command
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    path.chmod(0o600)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lets one process at a time look at the version and migrate."""
    with path.with_name(path.name + ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).first()
        if found is None:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row else None


def _unavailable(path: Path, error: Exception) -> LedgerUnavailable:
    cause = getattr(error, "orig", None) or error
    said = str(cause).lower()
    if "locked" in said or "busy" in said:
        why = "is locked by another program; end that program (a backup, a database browser) and try again"
    elif "full" in said or "no space" in said:
        why = "cannot grow because the disk is full; make room and try again, nothing recorded was lost"
    elif "readonly" in said or "permission" in said or "unable to open" in said:
        why = "cannot be written; give this user the right to its file and folder"
    elif "not a database" in said or "malformed" in said:
        why = "is damaged or no ledger; restore it from a backup"
    else:
        why = f"could not be used ({type(cause).__name__}: {cause})"
    return LedgerUnavailable(f"ledger {path} {why}")
