"""Steps that wait: the next channel for people who are not reached, the next group where too few have answered.

What is to be done stands in the plan, approved and frozen at dispatch; here is when it is next due. Any sender may take
a step, in one transaction with a look at the alert's state and epoch, so that none is taken of an alert that was
stopped, has ended, or is withdrawn. A step plans deliveries; sending them is nothing special.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from kentongan.clock import Milliseconds
from kentongan.ledger import answers
from kentongan.ledger.editions import listed
from kentongan.ledger.following import from_now
from kentongan.ledger.planned import last_id
from kentongan.ledger.planning import plan_people
from kentongan.ledger.transaction import Read, Write
from kentongan.plan import Plan, PlannedInstance
from kentongan.routes import Escalation, Fallback

FALLBACK, ESCALATION = "fallback", "escalation"

_BY_PERSON = "INDEXED BY delivery_person"
"""Left to itself, SQLite would look through all of an alert's deliveries for each person."""

_BEFORE_FIRST = -1
"""The position of an escalation that has not yet looked whether anybody is in its first group."""


def begin(write: Write, alert_id: str, plan: Plan) -> None:
    """Notes the steps of a dispatch, in its own transaction."""
    epoch = write.sql("SELECT epoch FROM alert WHERE id = :id", {"id": alert_id}).scalar_one()
    following = plan.following
    rows = [(FALLBACK, number, 0, write.now + _after(each)) for number, each in enumerate(following.fallbacks)]
    rows += [(ESCALATION, number, _BEFORE_FIRST, write.now) for number in range(len(following.escalations))]
    for kind, number, position, due_at in rows:
        write.sql(
            "INSERT INTO step (alert_id, kind, number, epoch, position, due_at)"
            " VALUES (:alert, :kind, :number, :epoch, :position, :due_at)",
            {
                "alert": alert_id,
                "kind": kind,
                "number": number,
                "epoch": epoch,
                "position": position,
                "due_at": due_at,
            },
        )


def _after(each: Fallback | Escalation) -> Milliseconds:
    return round(each.after * 1000)


# Nobody is passed over who is still to be planned; what was stopped is only to be cleared away.
_DUE = (
    "FROM step t JOIN alert a ON a.id = t.alert_id JOIN dispatch s ON s.alert_id = t.alert_id"
    " WHERE t.due_at <= :now AND (s.expanded = 1 OR a.state <> 'dispatched')"
)


def is_due(read: Read) -> bool:
    """Whether a step is to be taken now."""
    return read.sql(f"SELECT 1 {_DUE} LIMIT 1", {"now": read.now}).first() is not None


def advance(write: Write, *, size: int = 500) -> bool:
    """Takes the step that is due first, or a part of it: `size` people; False where none was due."""
    row = write.sql(
        "SELECT t.*, a.state, a.epoch AS alert_epoch, a.expires_at, s.plan, s.at AS dispatched_at"
        f" {_DUE} ORDER BY t.due_at, t.alert_id, t.kind, t.number LIMIT 1",
        {"now": write.now},
    ).first()
    if row is None:
        return False
    if row.state != "dispatched" or row.alert_epoch != row.epoch:
        _end(write, row, f"the alert is {row.state}")
    elif row.expires_at is not None and row.expires_at <= write.now:
        _end(write, row, "the alert has ended")
    else:
        plan = Plan.model_validate_json(row.plan)
        if row.kind == FALLBACK:
            _fall_back(write, row, plan, plan.following.fallbacks[int(row.number)], size)
        else:
            _escalate(write, row, plan, plan.following.escalations[int(row.number)], size)
    return True


def _end(write: Write, row: Row[Any], why: str) -> None:
    write.sql("DELETE FROM step WHERE alert_id = :alert AND kind = :kind AND number = :number", _key(row))
    write.event(f"{row.kind}.ended", alert=row.alert_id, number=row.number, position=row.position, why=why)


def _move(write: Write, row: Row[Any], **changes: Any) -> None:
    columns = ", ".join(f"{column} = :{column}" for column in changes)
    where = "WHERE alert_id = :alert AND kind = :kind AND number = :number_"
    write.sql(f"UPDATE step SET {columns} {where}", {**changes, **_key(row), "number_": row.number})


def _key(row: Row[Any]) -> dict[str, Any]:
    return {"alert": row.alert_id, "kind": row.kind, "number": row.number}


def _deliver_by(read: Read, row: Row[Any], instance: PlannedInstance) -> Milliseconds:
    return from_now(read, instance.deliver_by, dispatched_at=row.dispatched_at, expires_at=row.expires_at)


def end_all(write: Write, *, why: str) -> int:
    """Gives up every step that waits; returns how many. Nobody may know what they have already led to."""
    rows = write.sql("SELECT * FROM step ORDER BY alert_id, kind, number").all()
    for row in rows:
        _end(write, row, why)
    return len(rows)


# --- Fallbacks: the next channel ---------------------------------------------------------------------------

_SAME_WAVE = (
    f"coalesce((SELECT min(w.wave) FROM delivery w {_BY_PERSON} WHERE w.person_id = p.id AND w.alert_id = :alert), 0)"
)


def _reached(plan: Plan, fallback: Fallback) -> tuple[str, dict[str, str]]:
    """The SQL condition that a person `x.person_id` is reached, with its parameters.

    By a receipt, or by mere acceptance where a channel has none; whoever has read the alert on whatever channel is.
    """
    chain = (*fallback.on, *fallback.to)
    silent = [each.name for each in plan.instances if each.name in chain and not each.receipts]
    condition = (
        f"EXISTS (SELECT 1 FROM delivery r {_BY_PERSON} WHERE r.person_id = x.person_id AND r.alert_id = :alert"
        " AND (r.result = 'read' OR (r.result = 'delivered' AND r.instance IN (SELECT value FROM json_each(:chain)))"
        " OR (r.result = 'accepted' AND r.instance IN (SELECT value FROM json_each(:silent)))))"
    )
    return condition, {"chain": json.dumps(chain), "silent": json.dumps(silent)}


def _fall_back(write: Write, row: Row[Any], plan: Plan, fallback: Fallback, size: int) -> None:
    """Plans for people who were not reached on the channels so far the next channel on which they have an address."""
    mark = row.mark if row.mark is not None else last_id(write)
    tried = (*fallback.on, *fallback.to[: row.position])
    reached, parameters = _reached(plan, fallback)
    sources = write.sql(
        f"SELECT x.id, x.person_id, {reached} AS reached FROM delivery x NOT INDEXED WHERE x.alert_id = :alert"
        " AND x.instance IN (SELECT value FROM json_each(:tried)) AND x.person_id IS NOT NULL"
        " AND x.id > :cursor AND x.id <= :mark ORDER BY x.id LIMIT :size",
        {
            "alert": row.alert_id,
            "tried": json.dumps(tried),
            "cursor": row.cursor,
            "mark": mark,
            "size": size,
            **parameters,
        },
    ).all()
    left = sorted({source.person_id for source in sources if not source.reached})
    planned = {}
    for name in fallback.to[row.position :]:
        instance = plan.instance(name)
        # Each address once on each channel, whoever else has it; each person on one more channel a step.
        planned[name] = plan_people(
            write,
            row.alert_id,
            plan,
            instance,
            "a.id IN (SELECT own.id FROM address own WHERE own.person_id IN (SELECT value FROM json_each(:left)))"
            f" AND NOT EXISTS (SELECT 1 FROM delivery n {_BY_PERSON} WHERE n.person_id = p.id AND n.alert_id = :alert"
            " AND (n.instance = :instance OR (n.id > :mark AND n.instance IN (SELECT value FROM json_each(:next)))))",
            {"left": json.dumps(left), "mark": mark, "next": json.dumps(fallback.to)},
            unique_by="a.hash || ':' || :instance",
            wave=_SAME_WAVE,
            deliver_by=_deliver_by(write, row, instance),
        )
    if left:
        write.event(
            "fallback.planned",
            alert=row.alert_id,
            number=row.number,
            position=row.position,
            unreached=len(left),
            planned=planned,
            after=fallback.after,
        )
    if len(sources) == size:
        _move(write, row, mark=mark, cursor=sources[-1].id)
    elif row.position + 1 < len(fallback.to):
        _move(write, row, mark=None, cursor=0, position=row.position + 1, due_at=write.now + _after(fallback))
    else:
        _end(write, row, "every channel was tried")


# --- Escalations: the next group ---------------------------------------------------------------------------

_GROUPS = "SELECT value FROM json_each(:groups)"
_MEMBER = f"EXISTS (SELECT 1 FROM person_group g WHERE g.person_id = p.id AND {listed('g')} AND g.name IN ({_GROUPS}))"


def _escalate(write: Write, row: Row[Any], plan: Plan, escalation: Escalation, size: int) -> None:
    """Writes to the next group where fewer than wanted have answered; a group in which is nobody costs no time."""
    if row.position == _BEFORE_FIRST:
        if _written(write, row.alert_id, escalation.on, escalation.groups[:1]):
            _move(write, row, position=0, due_at=row.dispatched_at + _after(escalation))
            return
        row_position = 0
    else:
        row_position = row.position
    asked = escalation.groups[: row_position + 1]
    answered = answers.told(write, row.alert_id, _MEMBER, {"groups": json.dumps(asked)})
    if answered >= escalation.until:
        _end(write, row, f"{answered} answered")
        return
    if row_position + 1 >= len(escalation.groups):
        _end(write, row, f"only {answered} answered, and no group is left")
        return
    group = escalation.groups[row_position + 1]
    planned = {
        name: plan_people(
            write,
            row.alert_id,
            plan,
            plan.instance(name),
            f"{_MEMBER} AND NOT EXISTS (SELECT 1 FROM delivery n WHERE n.alert_id = :alert AND n.family = a.family"
            " AND n.unique_by = a.hash)",
            {"groups": json.dumps([group])},
            deliver_by=_deliver_by(write, row, plan.instance(name)),
            most=size,
        )
        for name in escalation.on
    }
    write.event(
        "escalation.planned",
        alert=row.alert_id,
        number=row.number,
        group=group,
        answered=answered,
        until=escalation.until,
        planned=planned,
    )
    if size in planned.values():
        # The same group goes on; who has got it in this round is passed over in the next.
        _move(write, row, position=row_position)
    else:
        nobody = not _written(write, row.alert_id, escalation.on, [group])
        due_at = write.now + (0 if nobody else _after(escalation))
        _move(write, row, position=row_position + 1, due_at=due_at)


def _written(read: Read, alert_id: str, on: Sequence[str], groups: Sequence[str]) -> bool:
    """Whether anybody of these groups is written to in this alert on these channels."""
    return (
        read.sql(
            "SELECT 1 FROM delivery d JOIN person p ON p.id = d.person_id WHERE d.alert_id = :alert"
            f" AND d.instance IN (SELECT value FROM json_each(:on)) AND {_MEMBER} LIMIT 1",
            {"alert": alert_id, "on": json.dumps(list(on)), "groups": json.dumps(list(groups))},
        ).first()
        is not None
    )


# --- What others see of them ------------------------------------------------------------------------------


def waiting(read: Read, alert_id: str) -> Milliseconds | None:
    """When the next step is due that may still have somebody to write to (wall time); None where there is none."""
    rows = read.sql(
        "SELECT t.*, s.plan, s.expanded FROM step t JOIN alert a ON a.id = t.alert_id JOIN dispatch s"
        " ON s.alert_id = t.alert_id WHERE t.alert_id = :alert AND a.state = 'dispatched' AND a.epoch = t.epoch"
        " AND (a.expires_at IS NULL OR a.expires_at > :now) ORDER BY t.due_at",
        {"alert": alert_id, "now": read.now},
    ).all()
    for row in rows:
        if not row.expanded or _has_work(read, row, Plan.model_validate_json(row.plan)):
            return int(row.due_at)
    return None


def _has_work(read: Read, row: Row[Any], plan: Plan) -> bool:
    if row.kind == ESCALATION:
        escalation = plan.following.escalations[int(row.number)]
        asked = escalation.groups[: max(0, row.position) + 1]
        answered = answers.told(read, row.alert_id, _MEMBER, {"groups": json.dumps(asked)})
        return answered < escalation.until
    fallback = plan.following.fallbacks[int(row.number)]
    reached, parameters = _reached(plan, fallback)
    return (
        read.sql(
            "SELECT 1 FROM delivery x WHERE x.alert_id = :alert AND x.person_id IS NOT NULL"
            f" AND x.instance IN (SELECT value FROM json_each(:chain)) AND NOT {reached} LIMIT 1",
            {"alert": row.alert_id, **parameters},
        ).first()
        is not None
    )


def clock_set_back(write: Write, *, alert_id: str, dispatched_at: Milliseconds) -> None:
    """Lets steps of a dispatch that lies ahead of the clock keep their distance from it, by the clock as it is now."""
    write.sql(
        "UPDATE step SET due_at = CASE WHEN :now + due_at - :at < :at THEN :now + due_at - :at ELSE :at - 1 END"
        " WHERE alert_id = :alert AND due_at >= :at",
        {"now": write.now, "at": dispatched_at, "alert": alert_id},
    )
