"""Changes of deliveries' rows, and the same changes on record.

Every change of a tracked column goes through `Changes` or `Deliveries` and what stands beside it, which write the same
values to the row and to the record, so that verification can replay one from the other. What changes is worked out in
memory for a whole batch and written together: a statement a row and step would cost more than the sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Evidence, Result, Stage
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.transaction import Write


@dataclass(slots=True)
class Standing:
    """One delivery as it stands in a transaction, what was changed in it so far included.

    `state` is its alert's; `attempts` is the evidence of its attempts by their numbers.
    """

    id: int
    alert_id: str
    instance: str
    language: str
    family: str
    person_id: str | None
    address_id: int | None
    deliver_by: Milliseconds
    follows: int | None
    stage: str
    action: str
    due_at: Milliseconds
    sender: str | None
    attempt: int
    phase: str | None
    result: str
    closed: str | None
    doubted: int
    first_intent_at: Milliseconds | None
    accepted_at: Milliseconds | None
    provider_id: str | None
    url: str | None
    handle: str | None
    state: str
    attempts: dict[int, Evidence] = field(default_factory=dict)

    @property
    def doubtful(self) -> list[int]:
        """The numbers of its attempts in doubt, oldest first."""
        return [number for number, evidence in self.attempts.items() if evidence is Evidence.IN_DOUBT]

    @property
    def forgotten(self) -> bool:
        """Whether late evidence has taken away what it waited for.

        It is done although nothing of it has gone and nobody gave it up, or to be looked for although nothing is in
        doubt.
        """
        waits = self.stage in (Stage.PLANNED, Stage.CLAIMED) and self.action == Action.FIND
        return self.result == Result.NONE and self.closed is None and (self.stage == Stage.DONE or waits)


_COLUMNS = [column.name for column in fields(Standing) if column.name not in ("state", "attempts")]
_STANDING = ([*(f"d.{name}" for name in _COLUMNS), "a.state"], "delivery d JOIN alert a ON a.id = d.alert_id")
_ATTEMPTS = (["delivery_id", "number", "evidence"], "attempt")
_WHOLE = frozenset(
    ("attempt", "due_at", "doubted", "possible_duplicate", "first_intent_at", "accepted_at", "outcome_at", "epoch")
)
"""Columns that hold whole numbers; all others that change hold texts."""


class Changes:
    """Deliveries that one piece of work changes, and nothing follows; used as a context, whose end writes all down."""

    def __init__(self, write: Write, ids: Iterable[int]) -> None:
        self._write = write
        these = {"ids": json.dumps(sorted(set(ids)))}
        rows = write.at_once(*_STANDING, f"d.id IN (SELECT value FROM json_each(:ids)){write.locking}", these)
        self._standing = {row[0]: Standing(*row) for row in rows}
        attempts = write.at_once(*_ATTEMPTS, "delivery_id IN (SELECT value FROM json_each(:ids))", these)
        for id, number, evidence in sorted(map(tuple, attempts)):
            self._standing[id].attempts[number] = Evidence(evidence)
        self._gathering = Gathering()
        self._changed: dict[int, dict[str, Any]] = {}
        self._tried: dict[tuple[int, int], dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write_down()

    def __getitem__(self, delivery: int) -> Standing:
        return self._standing[delivery]

    def __iter__(self) -> Iterator[Standing]:
        return iter(self._standing.values())

    def change(self, event: str, standing: Standing, changes: Mapping[str, Any], **data: Any) -> None:
        """Changes one delivery and records the same values, with what else `data` says of why."""
        self._set(standing, changes)
        self._gathering.add(event, standing.alert_id, standing.id, {"set": changes, **data})

    def _set(self, standing: Standing, changes: Mapping[str, Any]) -> None:
        if not changes:
            return
        for name, value in changes.items():
            setattr(standing, name, value)
        row = self._changed.setdefault(standing.id, {})
        row.update(changes)
        if changes.get("stage") in (Stage.PLANNED, Stage.DONE):
            standing.sender = row["sender"] = None

    def _write_down(self) -> None:
        self._gathering.record(self._write)
        _update(self._write, "delivery", ("id",), {(id,): changes for id, changes in self._changed.items()})
        _update(self._write, "attempt", ("delivery_id", "number"), self._tried)


def _update(write: Write, table: str, key: tuple[str, ...], rows: Mapping[Any, Mapping[str, Any]]) -> None:
    """Updates rows by their key: one statement for all that have the same columns changed."""
    alike: dict[tuple[str, ...], list[Any]] = {}
    for at, changes in rows.items():
        alike.setdefault(tuple(changes), []).append(at)
    for names, places in alike.items():
        keys = dict(zip(key, ([at[number] for at in places] for number in range(len(key))), strict=True))
        columns = {name: [rows[at][name] for at in places] for name in names}
        common = {name: column[0] for name, column in columns.items() if column.count(column[0]) == len(column)}
        own = {name: column for name, column in columns.items() if name not in common}
        set_all(write, table, keys, common, own)


def set_all(
    write: Write,
    table: str,
    keys: Mapping[str, Sequence[int]],
    common: Mapping[str, Any],
    own: Mapping[str, Sequence[Any]],
) -> None:
    """Sets columns of the rows with these keys: some to a value in common, the others each to its own."""
    names = [*keys, *own]
    rows = list(zip(*keys.values(), *own.values(), strict=True))
    listed = json.dumps(rows, ensure_ascii=False)
    if len(rows) > 1 and "\\u0000" not in listed:
        value = {name: _taken(name, place) for place, name in enumerate(names)}
        sets = [*(f"{name} = :{name}" for name in common), *(f"{name} = {value[name]}" for name in own)]
        where = " AND ".join(f"{table}.{name} = {value[name]}" for name in keys)
        statement = f"UPDATE {table} SET {', '.join(sets)} FROM json_each(:rows) AS r WHERE {where}"
        write.soon(statement, {**common, "rows": listed})
        return
    # A text in JSON holds no NUL, which a provider may well send.
    sets = [f"{name} = :{name}" for name in (*common, *own)]
    where = " AND ".join(f"{name} = :{name}" for name in keys)
    statement = f"UPDATE {table} SET {', '.join(sets)} WHERE {where}"
    write.sql(statement, [{**common, **dict(zip(names, row, strict=True))} for row in rows])


def _taken(name: str, place: int) -> str:
    """A value out of a row's list, with the type of its column."""
    text = f"r.value ->> {place}"
    return f"CAST({text} AS BIGINT)" if name in _WHOLE or name in ("id", "delivery_id", "number") else text


def attempt_reason(reason: str, detail: str) -> str:
    """What stands on an attempt: the named reason, and the detail where there is one."""
    return f"{reason}: {detail}" if detail else reason
