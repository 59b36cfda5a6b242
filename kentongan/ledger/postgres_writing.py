"""Transactions that write to a ledger in Postgres: which of them run side by side, in how few messages.

What senders do all the time runs side by side (`beside`), whatever else is decided runs alone: both take the writers'
lock, the former shared. Whoever holds it and falls silent loses it after a sender's lease, with all that it had not
committed. Which pieces of work may run beside others, and why: docs/decisions/0023-side-by-side.md.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import select
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine

from kentongan.errors import LedgerUnavailable
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    import psycopg

_log = logging.getLogger(__name__)

LOCK = 0x4B656E746F6E6761
"""The advisory lock of writers and migrations; one a database."""

_PLACES = LOCK + 1
"""The lock under which a commit takes its place among all, held until it is on disk: places stand in that order."""

_CHAINS, _PLANNING = 1, 2
"""The first numbers of the locks on a chain, and on the planning of an alert's deliveries."""

_TOGETHER = 200  # most statements in one message

PATIENCE = 2.0  # seconds to wait for another's transaction
SILENCE = 10  # seconds after which a writer that says nothing loses its transaction, as a sender its lease

UNREACHED = 3
"""Seconds in which a writer's machine must take what the server says; else its transaction ends, and its connection."""

WRITING = (
    f"SET lock_timeout = {round(PATIENCE * 1000)};"
    f" SET idle_in_transaction_session_timeout = {SILENCE * 1000};"
    # A machine that the network has lost is no slow one: what it held is free before anybody's lease is over.
    f" SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = {UNREACHED};"
    f" SET tcp_user_timeout = {UNREACHED * 1000};"
    # What was recorded is on disk, whatever the server does for others.
    " SET synchronous_commit = on; SET jit = off"
)
# To compile a statement takes longer than any of ours runs.
READING = "SET jit = off"


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction: its number, whether others may write `beside` it, the version of the tables, and the last link.

    That of the writer's chain; 0 and "" where there is none yet.
    """

    number: str
    beside: bool
    version: str | None
    seq: int
    digest: str


def begin(connection: Connection, chain: str, *, beside: bool) -> Begun:
    """Begins to write, alone or `beside` others who do, and to extend `chain`, in one message."""
    _begin(connection, "READ COMMITTED READ WRITE")
    lock = f"pg_advisory_xact_lock{'_shared' if beside else ''}({LOCK})"
    row = connection.exec_driver_sql(
        f"SELECT {lock}; SELECT pg_advisory_xact_lock({_CHAINS}, hashtext(%(chain)s));"
        # What has been committed up to here is seen, the links of the chain included.
        " SELECT CAST(pg_current_xact_id() AS text) AS number, (SELECT version_num FROM alembic_version) AS version,"
        " (SELECT seq FROM link WHERE chain = %(chain)s ORDER BY seq DESC LIMIT 1) AS seq,"
        " (SELECT digest FROM link WHERE chain = %(chain)s ORDER BY seq DESC LIMIT 1) AS digest",
        {"chain": chain},
    ).one()
    return Begun(row.number, beside, row.version, row.seq or 0, row.digest or "")


def begin_alone(connection: Connection) -> None:
    """Begins to change the tables themselves, while nobody writes."""
    _begin(connection, "READ COMMITTED READ WRITE")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def begin_reading(connection: Connection) -> None:
    """Begins to read one snapshot, which is taken by the first statement."""
    _begin(connection, "REPEATABLE READ READ ONLY")


def _begin(connection: Connection, mode: str) -> None:
    driver: Any = connection.connection.driver_connection
    # Over what a transaction before this one did not come to send.
    driver.ahead = f"BEGIN ISOLATION LEVEL {mode}; "


def send_with_next(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
    """Sends a statement, of whose answer nobody wants to hear, together with the next one."""
    driver: Any = connection.connection.driver_connection
    driver.ahead += f"{driver.cursor().mogrify(statement, parameters) if parameters is not None else statement}; "


def take_place(connection: Connection) -> None:
    """Lets no other commit take its place in the record before this one is on disk."""
    send_with_next(connection, f"SELECT pg_advisory_xact_lock({_PLACES})")


def plan_alone(connection: Connection, alert_id: str) -> None:
    """Lets nobody else plan deliveries of an alert until this transaction has ended."""
    statement = f"SELECT pg_advisory_xact_lock({_PLANNING}, hashtext(%(alert)s))"
    send_with_next(connection, statement, {"alert": alert_id})


def commit(connection: Connection) -> None:
    """Commits, in one message with what still waits for the next."""
    connection.exec_driver_sql("COMMIT")


def was_committed(reader: Engine, number: str) -> bool | None:
    """Whether a transaction whose commit was not answered has been committed; None where that cannot be learnt."""
    until = time.monotonic() + SILENCE
    while time.monotonic() < until:
        with contextlib.suppress(sqlalchemy.exc.DBAPIError, LedgerUnavailable), reader.connect() as connection:
            status = connection.exec_driver_sql(
                "SELECT pg_xact_status(CAST(%(number)s AS xid8))", {"number": number}
            ).scalar()
            if status != "in progress":
                return bool(status == "committed")
        time.sleep(0.1)
    return None


def collided(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether two transactions side by side stood in each other's way, so that one is to be tried again."""
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")


def is_locked(error: Exception) -> bool:
    """Whether something was waited for in vain that another transaction holds."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03"


def end_silent(reader: Engine, patience: float) -> bool:
    """Ends writers of Kentongan that have said nothing in mid-transaction for `patience` seconds, like a crash.

    True where there is one in mid-transaction from whom the server waits to hear: what waits for it may try again. The
    server's own time limit overlooks one that was stopped while it was being answered.
    """
    with contextlib.suppress(sqlalchemy.exc.DBAPIError, LedgerUnavailable), reader.begin() as connection:
        rows = connection.exec_driver_sql(_END_SILENT, {"patience": patience}).all()
        for row in rows:
            if row.ended:
                _log.warning("ended a silent writer that kept the ledger locked", extra={"backend": row.pid})
        return bool(rows)
    return False


# Only of our own user and program, and only who has written: whatever an administrator does here is left alone.
_END_SILENT = (
    "SELECT pid, CASE WHEN clock_timestamp() - state_change >= %(patience)s * interval '1 second'"
    " THEN pg_terminate_backend(pid) END AS ended FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND application_name = 'kentongan'"
    " AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL"
    " AND (state = 'idle in transaction' OR (state = 'active' AND wait_event_type = 'Client'))"
)


def has_ended(connection: Any) -> bool:
    """Whether the server has closed a connection that nobody uses now; looks at what has come, and asks nobody."""
    for _ in range(2):
        if connection.closed:
            return True
        if not select.select([connection.fileno()], [], [], 0)[0]:
            return False
        # Its last words come first, then the end; a notice may come at any time.
        with contextlib.suppress(Exception):
            connection.pgconn.consume_input()
    return bool(connection.closed)


@functools.cache
def sending() -> type[psycopg.Connection[Any]]:
    """A connection whose statements may wait for the next one; values are put in by the client."""
    import psycopg

    class Cursor(psycopg.ClientCursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Cursor:
            connection: Any = self.connection
            if ahead := connection.ahead:
                connection.ahead = ""
                query, params = ahead + (query if params is None else self.mogrify(query, params)), None
            super().execute(query, params, **options)
            # Of statements that were sent together, the last one answers.
            while self.nextset():
                pass
            return self

        def executemany(self, query: Any, params_seq: Any, **_: Any) -> None:
            texts = [self.mogrify(query, params) for params in params_seq]
            for start in range(0, len(texts), _TOGETHER):
                self.execute("; ".join(texts[start : start + _TOGETHER]))

    class Sending(psycopg.Connection[Any]):
        ahead = ""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.cursor_factory = Cursor

    return Sending
