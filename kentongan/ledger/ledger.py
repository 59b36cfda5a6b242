"""The one writer thread through which every change of this process to the ledger goes, and reading beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, RootTransaction

from kentongan.clock import Clock, SystemClock
from kentongan.database import Database, Place
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import opening, postgres_writing
from kentongan.ledger.ballast import Ballast, note_used
from kentongan.ledger.commit_times import CommitTimes
from kentongan.ledger.opening import is_full, is_mistake, locked, open_engines, unavailable
from kentongan.ledger.postgres_writing import SILENCE, UNREACHED, Begun, end_silent, is_locked
from kentongan.ledger.presence import Presence
from kentongan.ledger.transaction import Read, Write
from kentongan.ledger.upgrading import Upgrade

_log = logging.getLogger(__name__)

CONSOLE = "console"
"""The chain of commands that are no senders."""

_GROUP = 256  # most pieces of work in one commit
_TRIES = 5  # of a group that stood in the way of another process's, before each piece is tried by itself
_ROOM_SOON, _ROOM_AGAIN = 0.5, 10.0  # seconds for another's ballast to become room, and until that is waited for again
_WAIT_FIRST, _WAIT_MOST = 0.05, 1.0  # seconds between two tries at what must be written

T = TypeVar("T")


class _NotBegun(Exception):
    """The transaction could not even begin, or nobody can tell what became of it: its pieces are not tried singly."""

    def __init__(self, error: sqlalchemy.exc.DBAPIError) -> None:
        super().__init__()
        self.error = error


class _Displaced(Exception):
    """The file that is open is not where it was."""


@dataclass(slots=True)
class _Work:
    act: Callable[[Write], Any]
    future: Future[Any]
    must: bool
    urgent: bool = False
    beside: bool = False
    first: str = ""


class Ledger:
    """One process's hold on the ledger. Thread-safe; close it to let the last writes finish.

    `tell`, where it is set, is given one sentence for an officer when a write has to wait for long, in any thread.
    """

    def __init__(self, path: Place, engine: Engine, reader: Engine, clock: Clock, chain: str, version: str) -> None:
        self.path = path
        self.clock = clock
        self.chain = chain
        self.commit_times = CommitTimes()
        self.ballast = Ballast(path)
        self._ballast_used = False
        self._presence = Presence(path)
        self._version = version
        self._was_put_back = False
        self._trouble: str | None = None
        self._waited_at = -_ROOM_AGAIN
        self.tell: Callable[[str], object] | None = None
        self._engine = engine
        self._reader = reader
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._closing = self._giving_up = False
        self._handing_in = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        path: Place,
        *,
        clock: Clock | None = None,
        chain: str = CONSOLE,
        urgent: bool = False,
        upgrade: Upgrade = Upgrade.IDLE,
    ) -> Ledger:
        """Opens the ledger at `path`, a file or a database, making or migrating it first.

        `urgent`: to stop an alert, for which room is kept on a full disk. `upgrade`: when one of an older version is
        migrated. Raises LedgerUnavailable; Refused where it is to be migrated and an alert is on its way.
        """
        ballast = Ballast(path)
        used = False
        try:
            engine, reader, version = open_engines(path, upgrade)
        except LedgerUnavailable:
            # Not even its journal's index has room.
            if ballast.has_room():
                raise
            used = ballast.release()
            if not used and not (urgent and ballast.make_room_to_stop()):
                raise
            engine, reader, version = open_engines(path, upgrade)
        ledger = cls(path, engine, reader, clock or SystemClock(), chain, version)
        if used:
            ledger._ballast_used = True
            with contextlib.suppress(LedgerUnavailable):
                # Noted with the first commit there is room for: this one, else a later one.
                ledger.write(lambda write: None)
        return ledger

    def give_up(self) -> None:
        """From here what must be written is tried as often as all else: once. For a process that has to end."""
        self._giving_up = True

    def close(self) -> None:
        """Finishes what was handed in, then closes the connections."""
        with self._handing_in:
            if self._closing:
                return
            self._closing = self._giving_up = True
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
        if self._presence.is_replaced():
            # Put back by another process, and perhaps nothing is ever written here.
            self._reader.dispose()
        try:
            with self._reader.connect() as connection, connection.begin():
                return act(Read(connection, self.clock.wall()))
        except sqlalchemy.exc.DBAPIError as error:
            if is_mistake(error):
                raise
            raise unavailable(self.path, error) from None

    # --- Writing ---

    @property
    def is_current(self) -> bool:
        """Whether it was opened in the version that this Kentongan knows, as against an older one for a stop."""
        return self._version == opening.HEAD

    @property
    def trouble(self) -> str | None:
        """Why the last commit of this process was not taken, in a sentence; None where it was."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for the writer."""
        return self._queue.qsize()

    def write(self, act: Callable[[Write], T], *, urgent: bool = False, beside: bool = False) -> T:
        """Runs `act` in a transaction and returns once it is on disk; raises LedgerUnavailable or what `act` raised.

        With `urgent`, a stop, it may use the room that is kept for stops on a full disk. `beside`: see `write_soon`.
        """
        return self._submit(act, must=False, urgent=urgent, beside=beside).result()

    async def write_soon(
        self, act: Callable[[Write], T], *, must: bool = False, beside: bool = False, first: str = ""
    ) -> T:
        """The same without holding up the event loop. With `must` it is tried until the ledger takes it.

        With `beside`, other processes may write to a database meanwhile what they do so (decision 0023). Work that is
        `first` comes before all other of its commit, by this name: two who need the same rows do not wait for each
        other. The write goes on when the caller is cancelled: an outcome that was learnt is recorded.
        """
        work = self._submit(act, must=must, beside=beside, first=first)
        return await asyncio.shield(asyncio.wrap_future(work))

    def _submit(
        self, act: Callable[[Write], T], *, must: bool, urgent: bool = False, beside: bool = False, first: str = ""
    ) -> Future[T]:
        future: Future[T] = Future()
        with self._handing_in:
            if self._closing:
                raise LedgerUnavailable(f"ledger {self.path} is closed in this process; run the command again")
            self._queue.put(_Work(act, future, must, urgent, beside, first))
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
        group.sort(key=lambda work: (not work.first, work.first))
        return group, False

    def _commit(self, group: list[_Work], *, may_make_room: bool = True, tries: int = _TRIES) -> list[_Work]:
        """Commits a group at once; where one sinks it, each piece by itself. Returns what must be tried again."""
        began = time.perf_counter()
        try:
            results = self._transact_in_turn(group)
        except _Displaced:
            self.commit_times.failed += 1
            try:
                self._find_again()
            except LedgerUnavailable as gone:
                return self._postpone(group, gone)
            return self._commit(group)
        except _NotBegun as failure:
            self.commit_times.failed += 1
            if may_make_room and self._makes_room(failure.error):
                return self._commit(group, may_make_room=False)
            return self._postpone(group, failure.error)
        except sqlalchemy.exc.DBAPIError as error:
            self.commit_times.failed += 1
            if tries > 1 and postgres_writing.collided(error):
                return self._commit(group, may_make_room=may_make_room, tries=tries - 1)
            if may_make_room and self._makes_room(error):
                return self._commit(group, may_make_room=False)
            if len(group) > 1:
                return [again for work in group for again in self._commit([work])]
            return self._postpone(group, error)
        except BaseException as error:
            for work in group:
                work.future.set_exception(error)
            return []
        if group:
            self._trouble = None
            self.commit_times.took(time.perf_counter() - began)
        for work, (value, fault) in zip(group, results, strict=True):
            if fault is not None:
                work.future.set_exception(fault)
            else:
                work.future.set_result(value)
        return []

    def _makes_room(self, error: sqlalchemy.exc.DBAPIError) -> bool:
        """Whether a full disk has room again: the ballast's, or what somebody else has just given back."""
        if not is_full(self.path, error):
            return False
        if self.ballast.release():
            self._ballast_used = True
            _log.error("the disk is full and the ballast is used up", extra={"ledger": str(self.path)})
            return True
        # Another process may be giving it back at this moment, which takes the disk a moment. Waited for now and then
        # only: on a disk that stays full, every commit would.
        patience = _ROOM_SOON if time.monotonic() - self._waited_at > _ROOM_AGAIN else 0.0
        self._waited_at = time.monotonic()
        while not (there := self.ballast.has_room()) and time.monotonic() < self._waited_at + patience:
            time.sleep(0.01)
        return there

    def _find_again(self) -> None:
        """Puts a file that was deleted back in its place, or opens the one that another process has put back there.

        Raises LedgerUnavailable.
        """
        assert isinstance(self.path, Path)
        connection = self._engine.raw_connection()
        try:
            driver = connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            self._presence.put_back(driver, locked(self.path))
        finally:
            connection.close()
        # Each opens the file anew. SQLite takes nothing of the new one away when the old one is closed: it looks.
        self._engine.dispose()
        self._reader.dispose()
        self._was_put_back = True
        _log.error("the ledger was deleted while it was in use, and is put back", extra={"ledger": str(self.path)})

    def _postpone(self, group: list[_Work], error: sqlalchemy.exc.DBAPIError | LedgerUnavailable) -> list[_Work]:
        """Gives up what need not be written; returns what must be, but at the end gives that up too."""
        kept = [work for work in group if work.must and not self._giving_up]
        told = error if isinstance(error, LedgerUnavailable) else unavailable(self.path, error)
        self._trouble = str(told)
        for work in group:
            if work not in kept:
                work.future.set_exception(told)
        if kept:
            why = type(error if isinstance(error, LedgerUnavailable) else error.orig).__name__
            _log.warning("outcomes wait for the ledger", extra={"waiting": len(kept), "why": why})
        return kept

    def _transact_in_turn(self, group: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        """Commits, once a sender that was stopped or cut off in mid-transaction has lost its hold on a database.

        A stop waits for it no longer than for a machine that the network has lost.
        """
        began, told = time.monotonic(), False
        patience = UNREACHED if any(work.urgent for work in group) else SILENCE
        while True:
            try:
                return self._transact(group)
            except (sqlalchemy.exc.DBAPIError, _NotBegun) as failure:
                error = failure.error if isinstance(failure, _NotBegun) else failure
                late = self._giving_up or time.monotonic() - began > 2 * SILENCE
                # What only one piece waits for, a row, keeps the others from nothing: each is tried by itself.
                several = len(group) > 1 and error is failure
                if late or several or not is_locked(error) or not end_silent(self._reader, patience):
                    raise
            self.commit_times.failed += 1
            if not told:
                told = True
                self._tell_locked(patience)

    def _tell_locked(self, patience: float) -> None:
        _log.warning("the ledger waits for a silent writer", extra={"patience": patience})
        if self.tell is not None:
            self.tell(
                f"another sender holds ledger {self.path} and says nothing; it loses it after {patience:.0f} s, then"
                " this goes on"
            )

    def _transact(self, group: list[_Work]) -> list[tuple[Any, BaseException | None]]:
        results: list[tuple[Any, BaseException | None]] = []
        if not group:
            return results
        with contextlib.ExitStack() as stack:
            connection, transaction, begun = self._opened(stack, beside=all(work.beside for work in group))
            if not self._presence.holds():
                raise _Displaced
            if any(work.urgent for work in group):
                # Now, and not once it has failed: whoever else waits for room may not write before this has.
                self.ballast.make_room_to_stop()
            write = Write(connection, self.clock.wall(), begun=begun)
            if self._ballast_used:
                note_used(write)
            if self._was_put_back:
                write.event("ledger.put_back")
            for work in group:
                before = len(write.events)
                write.soon("SAVEPOINT piece")
                try:
                    value = work.act(write)
                except BaseException as error:
                    if isinstance(error, sqlalchemy.exc.DBAPIError) and not is_mistake(error):
                        raise
                    connection.exec_driver_sql("ROLLBACK TO piece")
                    del write.events[before:]
                    results.append((None, error))
                else:
                    results.append((value, None))
                write.soon("RELEASE piece")
            write.chain(self.chain)
            self._end(connection, transaction, begun)
        self._ballast_used = self._was_put_back = False
        return results

    def _opened(self, stack: contextlib.ExitStack, *, beside: bool) -> tuple[Connection, RootTransaction, Begun | None]:
        """A transaction that has begun, on a new connection where the one that was kept turns out to be broken."""
        for last in (False, True):
            try:
                with contextlib.ExitStack() as opened:
                    connection = opened.enter_context(self._engine.connect())
                    transaction = opened.enter_context(connection.begin())
                    begun = self._begin(connection, beside=beside)
                    stack.enter_context(opened.pop_all())
                    return connection, transaction, begun
            except sqlalchemy.exc.DBAPIError as error:
                if last or not error.connection_invalidated:
                    raise _NotBegun(error) from None
        raise AssertionError

    def _begin(self, connection: Connection, *, beside: bool) -> Begun | None:
        """Begins to write; raises OtherVersion where another Kentongan has changed the tables meanwhile."""
        if isinstance(self.path, Database):
            begun = postgres_writing.begin(connection, self.chain, beside=beside)
            opening.refuse_other_version(self.path, begun.version, self._version)
            return begun
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        opening.refuse_other_version(self.path, version, self._version)
        return None

    def _end(self, connection: Connection, transaction: RootTransaction, begun: Begun | None) -> None:
        """Commits; where the database vanished before it answered, asks what became of it."""
        if begun is None:
            transaction.commit()
            return
        try:
            postgres_writing.commit(connection)
        except sqlalchemy.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            done = postgres_writing.was_committed(self._reader, begun.number)
            if done is None:
                raise _NotBegun(error) from None
            if not done:
                raise
            transaction.rollback()
