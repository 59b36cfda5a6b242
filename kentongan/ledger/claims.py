"""Claims and intents: how a sender gets leave to send, and loses it.

Intents are fenced: a sender may send only what its intent came back with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Phase, Stage
from kentongan.ledger.gathered import Gathering
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this sender has reserved; `attempt` counts the attempts made so far."""

    id: int
    key: str
    alert_id: str
    instance: str
    language: str
    address_id: int | None
    action: Action
    attempt: int
    doubts: int
    doubted: bool
    first_intent_at: Milliseconds | None
    last_intent_at: Milliseconds | None
    deliver_by: Milliseconds
    follows: int | None
    handle: Mapping[str, str] | None


_DUE = """
SELECT d.id, d.wave + d.attempt AS turn, d.due_at FROM delivery d
WHERE d.alert_id = :alert AND d.instance = :instance AND d.stage = 'planned' AND d.attempt {attempts}
  AND d.due_at <= :now AND (d.deliver_by > :now OR d.action IN ('find', 'edit'))
  AND (d.action = 'find' OR EXISTS (SELECT 1 FROM alert a WHERE a.id = :alert AND a.state = 'dispatched'))
ORDER BY {order} LIMIT :most
"""

# First tries lie in the index in their order; those that come again are few, and each try costs them a wave.
_PICKED = """
SELECT c.id FROM (
    SELECT * FROM ({fresh}) AS fresh
    UNION ALL
    SELECT * FROM ({again}) AS again) AS c
  WHERE NOT EXISTS (SELECT 1 FROM hold WHERE hold.instance IN (:instance, '*'))
  ORDER BY c.turn, c.due_at, c.id LIMIT :most
"""


def _picked(locking: str) -> str:
    """The ids that are to be claimed."""
    fresh = _DUE.format(attempts="= 0", order="d.wave, d.due_at, d.id") + locking
    return _PICKED.format(fresh=fresh, again=_DUE.format(attempts="> 0", order="turn, d.due_at, d.id") + locking)


_CLAIMING = """
UPDATE delivery SET stage = 'claimed', sender = :sender,
  epoch = (SELECT epoch FROM alert WHERE alert.id = :alert)
WHERE id IN ({picked})
RETURNING id, key, alert_id, instance, language, address_id, action, attempt, doubted, first_intent_at, deliver_by,
  follows, handle, wave + attempt AS turn, due_at,
  CASE WHEN attempt > 0 THEN (SELECT count(*) FROM attempt t WHERE t.delivery_id = delivery.id
    AND t.evidence = 'in_doubt') ELSE 0 END AS doubts,
  CASE WHEN attempt > 0 THEN (SELECT max(intent_at) FROM attempt t WHERE t.delivery_id = delivery.id) END
    AS last_intent_at
"""
CLAIM = _CLAIMING.format(picked=_picked(""))
# What another sender is just claiming is left to it, and nobody waits.
_CLAIM_BESIDE = f"WITH picked AS MATERIALIZED ({_picked(' FOR UPDATE SKIP LOCKED')})" + _CLAIMING.format(
    picked="SELECT id FROM picked"
)


def claim(write: Write, *, sender: str, alert_id: str, instance: str, most: int) -> list[Claimed]:
    """Reserves up to `most` due deliveries of one instance for `sender`, in the order in which they are to be sent.

    That is wave by wave, where each try that was made costs a delivery a wave: it comes again after the first tries of
    its own, and keeps nobody waiting for ever. None where the instance is held.
    """
    if write.on_postgres:
        # Until the database has counted a new alert's rows, it would rather sort all of them than go along the index.
        write.soon("SET LOCAL enable_sort = off")
    rows = write.sql(
        write.either(sqlite=CLAIM, postgres=_CLAIM_BESIDE),
        {"sender": sender, "alert": alert_id, "instance": instance, "now": write.now, "most": most},
    ).all()
    if write.on_postgres:
        write.soon("SET LOCAL enable_sort = DEFAULT")
    return [
        Claimed(
            id=row.id,
            key=row.key,
            alert_id=row.alert_id,
            instance=row.instance,
            language=row.language,
            address_id=row.address_id,
            action=Action(row.action),
            attempt=row.attempt,
            doubts=row.doubts,
            doubted=bool(row.doubted),
            first_intent_at=row.first_intent_at,
            last_intent_at=row.last_intent_at,
            deliver_by=row.deliver_by,
            follows=row.follows,
            handle=json.loads(row.handle) if row.handle else None,
        )
        for row in sorted(rows, key=lambda row: (row.turn, row.due_at, row.id))
    ]


_INTEND = """
UPDATE delivery SET stage = 'sending', attempt = attempt + 1, phase = :phase,
  first_intent_at = coalesce(first_intent_at, :now),
  possible_duplicate = CASE WHEN doubted = 1 AND :irreversible
    AND id NOT IN (SELECT value FROM json_each(:covered)) THEN 1 ELSE possible_duplicate END
WHERE id IN (SELECT value FROM json_each(:ids)) AND sender = :sender AND stage = 'claimed'
  AND epoch = (SELECT epoch FROM alert WHERE alert.id = delivery.alert_id)
  AND deliver_by > :now AND action IN ('send', 'advance')
  AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.instance IN (delivery.instance, '*'))
"""
# Of those asked for, only what this very transaction has intended is being sent and has no attempt of its number.
_INTENDED = (
    ["id", "alert_id", "attempt", "first_intent_at", "possible_duplicate"],
    "delivery d",
    "id IN (SELECT value FROM json_each(:ids)) AND sender = :sender AND stage = 'sending'"
    " AND NOT EXISTS (SELECT 1 FROM attempt t WHERE t.delivery_id = d.id AND t.number = d.attempt)",
)


@dataclass(frozen=True, slots=True)
class Intent:
    """Leave to make attempt `attempt` at a delivery; `at` and `first_at` are wall time."""

    delivery: int
    attempt: int
    at: Milliseconds
    first_at: Milliseconds


def intend(
    write: Write, *, sender: str, deliveries: Sequence[int], phase: Phase, covered: Iterable[int] = ()
) -> list[Intent]:
    """Commits the intent to send; only what comes back may be sent.

    What was claimed by another since, stopped, held, or is too late does not come back. A repeat after doubt is marked
    as a possible duplicate, but for those `covered` by the provider's own idempotency.
    """
    asked = {"ids": json.dumps(list(deliveries)), "sender": sender}
    write.sql(
        _INTEND,
        {
            **asked,
            "covered": json.dumps(list(covered)),
            "irreversible": phase is Phase.IRREVERSIBLE,
            "phase": phase.value,
            "now": write.now,
        },
    )
    rows = write.at_once(*_INTENDED, asked)
    if not rows:
        return []
    write.sql(
        "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence)"
        " SELECT id, attempt, :sender, :phase, :now, 'open' FROM delivery"
        " WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps([row[0] for row in rows]), "sender": sender, "phase": phase.value, "now": write.now},
    )
    alike: dict[tuple[str, int], list[Sequence[Any]]] = {}
    for row in rows:
        alike.setdefault((row[1], row[4]), []).append(row)
    gathering = Gathering()
    for (alert_id, possible_duplicate), these in alike.items():
        ids, _, attempts, first_intents, _ = zip(*these, strict=True)
        moved = {"stage": Stage.SENDING, "phase": phase, "possible_duplicate": possible_duplicate}
        columns = {
            ("", "attempt"): attempts,
            ("set", "attempt"): attempts,
            ("set", "first_intent_at"): first_intents,
        }
        gathering.add_all("delivery.intended", alert_id, ids, {"sender": sender, "set": moved}, columns)
    gathering.record(write)
    return [Intent(id, attempt, write.now, first_at) for id, _, attempt, first_at, _ in rows]


def release_part(write: Write, *, sender: str, alert_id: str, instance: str) -> None:
    """Gives all that is claimed of an instance's part back, unsent."""
    write.sql(
        "UPDATE delivery SET stage = 'planned', sender = NULL WHERE alert_id = :alert AND instance = :instance"
        " AND stage = 'claimed' AND sender = :sender",
        {"alert": alert_id, "instance": instance, "sender": sender},
    )


def unheard(read: Read, *, sender: str, claimed: Iterable[Claimed]) -> list[Intent]:
    """Intents of these that were committed although the ledger did not come to say so."""
    attempts = {item.id: item.attempt + 1 for item in claimed}
    rows = read.sql(
        "SELECT d.id, d.attempt, t.intent_at, d.first_intent_at FROM delivery d"
        " JOIN attempt t ON t.delivery_id = d.id AND t.number = d.attempt"
        " WHERE d.id IN (SELECT value FROM json_each(:ids)) AND d.sender = :sender AND d.stage = 'sending'",
        {"ids": json.dumps(list(attempts)), "sender": sender},
    ).all()
    return [
        Intent(row.id, row.attempt, row.intent_at, row.first_intent_at)
        for row in rows
        if row.attempt == attempts[row.id]
    ]


def release(write: Write, *, sender: str, deliveries: Sequence[int]) -> None:
    """Gives claimed deliveries back, unsent."""
    write.sql(
        "UPDATE delivery SET stage = 'planned', sender = NULL WHERE id IN (SELECT value FROM json_each(:ids))"
        " AND sender = :sender AND stage = 'claimed'",
        {"ids": json.dumps(list(deliveries)), "sender": sender},
    )
