"""What a delivery becomes that was sent from a spool, beside what the ledger knows of it, and how that is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kentongan.delivery import Evidence, Result, Stage, result_of
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.spooled import Row
from kentongan.policy import Reason

RECORDED = "recorded in the spare"
"""What the record adds to the reason of every attempt that was brought."""

MOVED = (
    "stage",
    "action",
    "due_at",
    "attempt",
    "phase",
    "result",
    "closed",
    "doubted",
    "possible_duplicate",
    "first_intent_at",
    "accepted_at",
    "provider_id",
    "url",
    "handle",
)
"""The columns that move with what is done to a delivery."""

TRIED = ("sender", "phase", "intent_at", "evidence", "outcome_at", "provider_id")
"""The columns of an attempt, but for its reason."""


def as_there(row: Row) -> dict[str, Any]:
    """The columns of a delivery of which nothing was begun here: as they were in the spool."""
    moved = {column: row.values[column] for column in MOVED}
    # What a sender of the spool had reserved is free; what it was sending is taken back from it like any other's.
    return {**moved, "stage": Stage.PLANNED.value} if moved["stage"] == Stage.CLAIMED else moved


def together(own: Mapping[str, Any], evidence: Sequence[Evidence], row: Row, *, both: bool) -> dict[str, Any]:
    """The columns of a delivery that was begun, or given up, here too."""
    moved = {column: own[column] for column in MOVED}
    if not row.tries:
        return moved
    seen = [*evidence, *(Evidence(each["evidence"]) for each in row.tries)]
    result = result_of(Evidence.IN_DOUBT if each is Evidence.OPEN else each for each in seen)
    first = [at for at in (own["first_intent_at"], row.values["first_intent_at"]) if at is not None]
    return {
        **moved,
        "attempt": own["attempt"] + len(row.tries),
        "phase": row.values["phase"],
        "result": result.value,
        "stage": Stage.DONE.value if result is not Result.NONE else moved["stage"],
        "closed": None if result is not Result.NONE else moved["closed"],
        "doubted": int(own["doubted"] or row.values["doubted"] or result is Result.IN_DOUBT),
        "possible_duplicate": int(both or own["possible_duplicate"] or row.values["possible_duplicate"]),
        "first_intent_at": min(first, default=None),
        "accepted_at": own["accepted_at"] or row.values["accepted_at"],
        "provider_id": own["provider_id"] or row.values["provider_id"],
        "url": own["url"] or row.values["url"],
    }


def attempt_here(tried: Mapping[str, Any], *, open_: bool) -> dict[str, Any]:
    """An attempt of the spool as it is recorded here; one without an outcome is in doubt unless it may stay `open_`."""
    values = {column: tried[column] for column in (*TRIED, "reason")}
    if values["evidence"] != Evidence.OPEN:
        return values
    return {
        **values,
        "evidence": (Evidence.OPEN if open_ else Evidence.IN_DOUBT).value,
        "reason": values["reason"] or Reason.SENDER_GONE.value,
    }


def record(
    gathering: Gathering,
    name: str,
    row: Mapping[str, Any],
    moved: Mapping[str, Any],
    tries: Sequence[tuple[int, Mapping[str, Any]]],
) -> None:
    """Puts on record what was brought: each attempt, the last of them with what the delivery is now."""
    for number, each in tries[:-1]:
        gathering.add("delivery.merged", row["alert_id"], row["id"], _attempted(name, number, each, {}))
    last = {"spool": name, "set": moved} if not tries else _attempted(name, *tries[-1], moved)
    gathering.add("delivery.merged", row["alert_id"], row["id"], last)


def _attempted(name: str, number: int, tried: Mapping[str, Any], moved: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "spool": name,
        "attempt": number,
        "evidence": tried["evidence"],
        "reason": tried["reason"],
        "detail": RECORDED,
        "tried": {column: tried[column] for column in TRIED},
        "set": moved,
    }
