"""Deliveries as outcomes change them: the rows, and the same changes on record.

Every change of a tracked column goes through `Deliveries.change` or `close`, which write the same values to the row
and to the record, so that verification can replay one from the other. What outcomes change is worked out in memory for
a whole batch and written together: a statement a row and step would cost more than the sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.delivery import REACHED, Action, Closed, Evidence, Result, Stage, result_of
from kentongan.ledger.chaining import canonical
from kentongan.ledger.following import follow_late
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.transaction import Write
from kentongan.policy import TOO_LATE, Decision


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


class Deliveries:
    """The deliveries that one piece of work changes; used as a context, whose end writes all changes down."""

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
        self._reached: dict[tuple[str, str], list[int]] = {}

    def __enter__(self) -> Deliveries:
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

    def raise_evidence(
        self,
        event: str,
        standing: Standing,
        number: int,
        evidence: Evidence,
        *,
        reason: str,
        detail: str = "",
        provider_id: str = "",
        url: str = "",
        by: str = "",
        ends: bool = False,
    ) -> None:
        """Raises one attempt's evidence and with it the delivery's result.

        With `ends`, a result that is final ends the delivery too, in the same event.
        """
        now = self._write.now
        tried: dict[str, Any] = {}
        if evidence.rank >= standing.attempts[number].rank:
            standing.attempts[number] = evidence
            tried = {"evidence": evidence.value, "outcome_at": now}
        if provider_id:
            tried["provider_id"] = provider_id
        if tried:
            known = self._tried.setdefault((standing.id, number), {})
            known.update(tried)
            if "evidence" in tried:
                # Made of the event's own `reason` and `detail`, and therefore not in what it was `tried`.
                known["reason"] = attempt_reason(str(reason), detail)
        result = result_of(standing.attempts.values())
        changes: dict[str, Any] = {}
        if result != standing.result:
            changes["result"] = result.value
        if result is not Result.NONE and standing.closed is not None:
            changes["closed"] = None
        if standing.attempts[number] is Evidence.IN_DOUBT and not standing.doubted:
            changes["doubted"] = 1
        if provider_id and provider_id != standing.provider_id:
            changes["provider_id"] = provider_id
        if url and url != standing.url:
            changes["url"] = url
        taken = result.final and result not in (Result.REJECTED, Result.UNREACHABLE)
        if taken and standing.accepted_at is None:
            changes["accepted_at"] = now
        # A repeat that was planned, or claimed but not yet intended, is no longer wanted.
        unwanted = standing.stage in (Stage.PLANNED, Stage.CLAIMED) and standing.action != Action.EDIT
        if result.final and (unwanted or ends):
            changes["stage"] = Stage.DONE.value
        if "result" in changes and result in REACHED:
            self._reached.setdefault((standing.alert_id, standing.instance), []).append(standing.id)
        more = {"by": by} if by else {}
        self.change(
            event,
            standing,
            changes,
            attempt=number,
            evidence=evidence,
            reason=str(reason),
            detail=detail,
            tried=tried,
            **more,
        )

    def move_on(self, standing: Standing, decision: Decision, handle: Mapping[str, str] | None = None) -> None:
        """Moves a delivery on after an attempt of ours: planned again, or done."""
        changes: dict[str, Any] = {"stage": Stage.DONE.value}
        stopped = standing.state != "dispatched" and decision.action is not Action.FIND
        undecided = not Result(standing.result).final
        if decision.due_at is not None and (undecided or decision.action is Action.EDIT) and not stopped:
            changes = {"stage": Stage.PLANNED.value, "action": decision.action.value, "due_at": decision.due_at}
            if handle is not None:
                changes["handle"] = canonical(dict(handle))
        elif standing.result == Result.NONE:
            late = standing.deliver_by <= self._write.now or decision.reason in TOO_LATE
            closed = Closed.EXPIRED if late else Closed.CANCELLED
            changes["closed"] = closed.value
        self.change("delivery.next", standing, changes)

    def release(self, standing: Standing) -> None:
        """Plans again what was claimed and not intended; the record never spoke of the claim."""
        self._set(standing, {"stage": Stage.PLANNED.value})

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
        for (alert_id, instance), ids in self._reached.items():
            follow_late(self._write, alert_id, instance, ids)


def accept_all(
    write: Write,
    gathering: Gathering,
    alert_id: str,
    ids: Sequence[int],
    attempts: Sequence[int],
    *,
    provider_ids: Sequence[str],
    urls: Sequence[str],
    reason: str,
    detail: str,
) -> None:
    """Ends deliveries as accepted of which nothing was known before, as `Deliveries.raise_evidence` would one by one.

    There is an attempt to each, and a provider's id and a URL to each or to none of them.
    """
    changes = {"result": Result.ACCEPTED.value, "accepted_at": write.now, "stage": Stage.DONE.value}
    tried = {"evidence": Evidence.ACCEPTED.value, "outcome_at": write.now}
    columns: dict[tuple[str, str], Sequence[Any]] = {("", "attempt"): attempts}
    row, attempt = {}, {}
    if provider_ids:
        columns["set", "provider_id"] = columns["tried", "provider_id"] = provider_ids
        row["provider_id"] = attempt["provider_id"] = provider_ids
    if urls:
        row["url"] = columns["set", "url"] = urls
    common = {"set": changes, "tried": tried, "evidence": Evidence.ACCEPTED, "reason": reason, "detail": detail}
    gathering.add_all("delivery.settled", alert_id, ids, common, columns)
    _set_all(write, "delivery", {"id": ids}, {**changes, "sender": None}, row)
    keys = {"delivery_id": ids, "number": attempts}
    _set_all(write, "attempt", keys, {**tried, "reason": attempt_reason(reason, detail)}, attempt)


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
        _set_all(write, table, keys, common, own)


def _set_all(
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


def close(write: Write, closed: Closed, select: str, parameters: Mapping[str, Any]) -> int:
    """Ends the deliveries that `select` finds, those without a result as `closed`; returns how many."""
    rows = write.sql(select, parameters).all()
    for alert_id in {row.alert_id for row in rows}:
        for empty in (True, False):
            ids = [row.id for row in rows if row.alert_id == alert_id and (row.result == Result.NONE) == empty]
            if not ids:
                continue
            changes: dict[str, Any] = {"stage": Stage.DONE.value}
            if empty:
                changes["closed"] = closed.value
            columns = ", ".join(f"{column} = :{column}" for column in changes)
            write.sql(
                f"UPDATE delivery SET {columns}, sender = NULL WHERE id IN (SELECT value FROM json_each(:ids))",
                {**changes, "ids": json.dumps(ids)},
            )
            write.event(f"deliveries.{closed.value}", alert=alert_id, ids=ids, set=changes)
    return len(rows)


def attempt_reason(reason: str, detail: str) -> str:
    """What stands on an attempt: the named reason, and the detail where there is one."""
    return f"{reason}: {detail}" if detail else reason
