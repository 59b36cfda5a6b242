"""What a piece of work gets of the ledger: a snapshot to read from, or a transaction that also records events."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable

from kentongan.clock import Milliseconds
from kentongan.ledger import dialect, postgres_writing
from kentongan.ledger.chaining import canonical, event_digest, link_digest
from kentongan.ledger.postgres_writing import Begun

EVERY = 2**62
"""As many rows as there are; no LIMIT is a word that not every database knows."""


@dataclass(slots=True)
class Read:
    """A snapshot of the ledger to read from."""

    connection: Connection
    now: Milliseconds

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Runs a statement built with SQLAlchemy."""
        return self.connection.execute(statement)

    def sql(self, text: str, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> CursorResult[Any]:
        """Runs a statement, as it stands on SQLite; a list of parameters runs it for each."""
        if not self.on_postgres:
            return self.connection.exec_driver_sql(text, parameters)
        return self.connection.exec_driver_sql(*dialect.for_postgres(text).run(parameters))

    def at_once(
        self, columns: Sequence[str], tables: str, condition: str, parameters: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Rows of numbers and texts, in no order, for the hot path.

        SQLite gives its rows one by one, and for each of them the interpreter's lock is let go and waited for anew,
        beside a busy event loop some 50 us each; as one value they come together.
        """
        if self.on_postgres:
            return list(self.sql(f"SELECT {', '.join(columns)} FROM {tables} WHERE {condition}", parameters).all())
        one = f"SELECT json_group_array(json_array({', '.join(columns)})) FROM {tables} WHERE {condition}"
        found: list[Sequence[Any]] = json.loads(self.sql(one, parameters).scalar_one())
        return found

    @property
    def on_postgres(self) -> bool:
        """Whether the ledger is a Postgres database."""
        return self.connection.dialect.name == "postgresql"

    def either(self, *, sqlite: str, postgres: str) -> str:
        """What differs between the databases by more than words: the one of this ledger."""
        return postgres if self.on_postgres else sqlite

    def in_json(self, column: str, *path: str) -> str:
        """What stands at a place in a column's JSON, as a text in SQL; NULL where it is damaged."""
        return self.either(
            sqlite=f"CASE WHEN json_valid({column}) THEN {column} ->> '$.{'.'.join(path)}' END",
            postgres=f"readable_json({column}) #>> '{{{','.join(path)}}}'",
        )


@dataclass(slots=True)
class _Event:
    type: str
    alert_id: str | None
    delivery_id: int | None
    data: str


@dataclass(slots=True)
class Write(Read):
    """One transaction. Its events are chained into one link when it is committed; `begun` on Postgres."""

    events: list[_Event] = field(default_factory=list)
    begun: Begun | None = None

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

    def soon(self, text: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs a statement that answers nothing and cannot fail; on Postgres it is sent with the next one."""
        if self.begun is None:
            self.sql(text, parameters or {})
        else:
            statement, bound = dialect.for_postgres(text).run(parameters or {})
            postgres_writing.send_with_next(self.connection, statement, bound)

    @property
    def locking(self) -> str:
        """What ends the selection of rows `d` that are changed by what is read of them, where others write beside us.

        In one order: two who need the same ones do not wait for each other.
        """
        beside = self.begun is not None and self.begun.beside
        return " ORDER BY d.id FOR UPDATE OF d" if beside else ""

    def plan_alone(self, alert_id: str) -> None:
        """Lets nobody else plan deliveries of an alert until this transaction has ended."""
        if self.begun is not None and self.begun.beside:
            postgres_writing.plan_alone(self.connection, alert_id)

    def chain(self, chain: str) -> None:
        """Writes the events of this transaction down as the next link of `chain`; the last act of a commit."""
        if not self.events:
            return
        if self.begun is not None:
            self._chain_together(chain, self.begun)
            return
        row = self.sql(
            "SELECT seq, digest FROM link WHERE chain = :chain ORDER BY seq DESC LIMIT 1", {"chain": chain}
        ).first()
        seq, previous = (row.seq + 1, row.digest) if row else (1, "")
        position = self.sql("SELECT coalesce(max(position), 0) + 1 FROM link").scalar_one()
        rows, digests = self._rows(chain, seq)
        self.sql(_EVENT, rows)
        self.sql(
            "INSERT INTO link (chain, seq, position, previous, digest)"
            " VALUES (:chain, :seq, :position, :previous, :digest)",
            {
                "chain": chain,
                "seq": seq,
                "position": position,
                "previous": previous,
                "digest": link_digest(previous, position, digests),
            },
        )

    def _chain_together(self, chain: str, begun: Begun) -> None:
        """The same on Postgres, sent with the commit: others wait for its place no longer than the disk takes."""
        rows, digests = self._rows(chain, begun.seq + 1)
        statement, parameters = dialect.for_postgres(_EVENT).run(rows if len(rows) > 1 else rows[0])
        postgres_writing.send_with_next(self.connection, statement, parameters)
        postgres_writing.take_place(self.connection)
        statement, parameters = dialect.for_postgres(_LINK).run(
            {"chain": chain, "seq": begun.seq + 1, "previous": begun.digest, "events": "\n".join(digests)}
        )
        postgres_writing.send_with_next(self.connection, statement, parameters)

    def _rows(self, chain: str, seq: int) -> tuple[list[dict[str, Any]], list[str]]:
        """The events as they are stored in a link, with their digests."""
        rows = []
        digests = []
        for ordinal, e in enumerate(self.events):
            digests.append(event_digest(chain, seq, ordinal, self.now, e.type, e.alert_id, e.delivery_id, e.data))
            rows.append(
                {
                    "chain": chain,
                    "seq": seq,
                    "ordinal": ordinal,
                    "at": self.now,
                    "type": e.type,
                    "alert_id": e.alert_id,
                    "delivery_id": e.delivery_id,
                    "data": e.data,
                }
            )
        return rows, digests


_EVENT = (
    "INSERT INTO event (chain, seq, ordinal, at, type, alert_id, delivery_id, data)"
    " VALUES (:chain, :seq, :ordinal, :at, :type, :alert_id, :delivery_id, :data)"
)
# Its place is known only once nobody else can take one; the digest is that of `link_digest`.
_LINK = (
    "INSERT INTO link (chain, seq, position, previous, digest) SELECT :chain, :seq, p.position, :previous,"
    " encode(sha256(convert_to(:previous || chr(10) || p.position || chr(10) || :events, 'UTF8')), 'hex')"
    " FROM (SELECT coalesce(max(position), 0) + 1 AS position FROM link) AS p"
)
