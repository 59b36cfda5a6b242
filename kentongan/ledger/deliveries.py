"""Deliveries as outcomes change them: what an attempt's evidence does to a delivery, and to what follows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kentongan.delivery import REACHED, Action, Closed, Evidence, Result, Stage, result_of
from kentongan.ledger.chaining import canonical
from kentongan.ledger.changes import Changes, Standing, attempt_reason, set_all
from kentongan.ledger.following import follow_late
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.transaction import Write
from kentongan.policy import TOO_LATE, Decision


class Deliveries(Changes):
    """The deliveries that one piece of work changes; at its end, what follows those that have reached somebody."""

    def __init__(self, write: Write, ids: Iterable[int]) -> None:
        super().__init__(write, ids)
        self._reached: dict[tuple[str, str], list[int]] = {}

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

    def _write_down(self) -> None:
        super()._write_down()
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
    set_all(write, "delivery", {"id": ids}, {**changes, "sender": None}, row)
    keys = {"delivery_id": ids, "number": attempts}
    set_all(write, "attempt", keys, {**tried, "reason": attempt_reason(reason, detail)}, attempt)


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
