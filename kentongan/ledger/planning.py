"""Planning deliveries: the public ones at dispatch, those to people and after a thread in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kentongan.audiences import choose_language
from kentongan.clock import Milliseconds
from kentongan.ledger import opt_outs
from kentongan.ledger.audience import audience_condition
from kentongan.ledger.chaining import canonical
from kentongan.ledger.editions import LANGUAGE, listed
from kentongan.ledger.following import follow_chunk
from kentongan.ledger.planned import NEW_KEY, last_id, record_planned
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import EVERY, Write
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.waves import next_part


def plan_public(write: Write, alert_id: str, plan: Plan) -> None:
    """Plans the deliveries of the public instances; part of the dispatch's own transaction."""
    for instance in plan.instances:
        if instance.family != PUBLIC or not plan.kind.widens:
            continue
        rows = [
            {
                "alert": alert_id,
                "instance": instance.name,
                "language": language,
                "unique_by": f"{instance.name}:{language}",
                "deliver_by": instance.deliver_by,
                "now": write.now,
            }
            for language in instance.languages
        ]
        before = last_id(write)
        write.sql(
            "INSERT INTO delivery (key, alert_id, instance, language, family, unique_by, deliver_by, stage, action,"
            f" due_at) VALUES ({NEW_KEY}, :alert, :instance, :language, 'public', :unique_by, :deliver_by, 'planned',"
            " 'send', :now)",
            rows,
        )
        record_planned(write, alert_id, instance.name, before)


def expand(write: Write, alert_id: str, plan: Plan, size: int) -> bool:
    """Plans the next `size` deliveries that follow the thread's, then those to people; True while there are more."""
    row = write.sql("SELECT cursor, expanded FROM dispatch WHERE alert_id = :id", {"id": alert_id}).one()
    if row.expanded:
        return False
    cursor: dict[str, int | str] = json.loads(row.cursor)
    for parts in _waves(plan):
        part = next_part(cursor, list(parts))
        if part is None:
            continue
        instance, position = parts[part], int(cursor.get(part, 0))
        before = last_id(write)
        if part == instance.name:
            reached = _people_chunk(write, alert_id, plan, instance, position, size)
        else:
            reached = follow_chunk(write, alert_id, plan, instance, position, size)
            record_planned(write, alert_id, instance.name, before)
        cursor[part] = "done" if reached is None else reached
        _move(write, "dispatch.advanced", alert_id, {"cursor": canonical(cursor)})
        return True
    _move(write, "dispatch.expanded", alert_id, {"expanded": 1})
    return False


def _waves(plan: Plan) -> Iterator[Mapping[str, PlannedInstance]]:
    """What is to be planned in chunks, by the name it has in the cursor; no instance's name holds a slash.

    A wave begins when the one before is done; within it channels take turns, so that none waits for another's people.
    """
    for instance in plan.instances:
        if plan.predecessor is not None:
            yield {f"{instance.name}/follow": instance}
    written = [
        instance
        for instance in plan.instances
        if instance.family != PUBLIC and plan.kind.widens and instance.name not in plan.following.spare
    ]
    # Who is written to at once on a channel that a fallback comes to is known when the channels before it are done.
    for waits in (False, True):
        yield {each.name: each for each in written if bool(plan.following.waits_for(each.name)) is waits}


def _move(write: Write, event: str, alert_id: str, changes: Mapping[str, Any]) -> None:
    columns = ", ".join(f"{column} = :{column}" for column in changes)
    write.sql(f"UPDATE dispatch SET {columns} WHERE alert_id = :id", {**changes, "id": alert_id})
    write.event(event, alert=alert_id, set=dict(changes))


def _people_chunk(
    write: Write, alert_id: str, plan: Plan, instance: PlannedInstance, cursor: int, size: int
) -> int | None:
    """Plans deliveries to the people behind `cursor`; returns the new cursor, None when there are no more."""
    upto = write.sql(
        "SELECT max(id) AS last, count(*) AS found FROM (SELECT id FROM address"
        " WHERE family = :family AND id > :cursor ORDER BY id LIMIT :size) AS chunk",
        {"family": instance.family, "cursor": cursor, "size": size},
    ).one()
    if upto.last is None:
        return None
    chunk = {"cursor": cursor, "upto": upto.last}
    held, parameters = _held_back(plan, instance)
    plan_people(
        write, alert_id, plan, instance, f"a.id > :cursor AND a.id <= :upto AND {held}", {**chunk, **parameters}
    )
    return int(upto.last) if upto.found == size else None


def plan_people(
    write: Write,
    alert_id: str,
    plan: Plan,
    instance: PlannedInstance,
    condition: str,
    parameters: Mapping[str, Any],
    *,
    unique_by: str = "a.hash",
    deliver_by: Milliseconds | None = None,
    most: int = EVERY,
) -> int:
    """Plans a delivery to each of an instance's people who meet `condition` on address `a` and person `p`.

    They get it in their own language. Whoever has one of that `unique_by` in this alert gets no other; returns how many
    were planned.
    """
    assert instance.audience is not None
    belongs, own = audience_condition(instance.audience, within=instance.within)
    reachable, named = reach_condition(plan.reach)
    where = (
        " FROM address a JOIN person p ON p.id = a.person_id"
        f" WHERE a.family = :family AND {listed('a')} AND {condition}"
    )
    everything = {"family": instance.family, "alert": alert_id, "instance": instance.name, **parameters, **own, **named}
    spoken = write.sql(f"SELECT DISTINCT {LANGUAGE}{where}", everything).scalars()
    chosen = {language: choose_language(language, instance.languages) for language in spoken.all() if language}
    before = last_id(write)
    planned = write.sql(
        "INSERT INTO delivery (key, alert_id, instance, language, family, unique_by, person_id, address_id,"
        " deliver_by, stage, action, due_at)"
        f" SELECT {NEW_KEY}, :alert, :instance,"
        f" coalesce(:chosen ->> ({LANGUAGE}), :first),"
        f" a.family, {unique_by}, a.person_id, a.id, :deliver_by, 'planned', 'send', :now{where}"
        f" AND {belongs} AND {reachable} ORDER BY a.id LIMIT :most ON CONFLICT DO NOTHING",
        {
            **everything,
            "chosen": json.dumps(chosen),
            "first": instance.languages[0],
            "deliver_by": instance.deliver_by if deliver_by is None else deliver_by,
            "now": write.now,
            "most": most,
        },
    ).rowcount
    if plan.reach.despite_opt_outs and planned:
        against = opt_outs.overridden(write, alert_id, before)
        if against:
            write.event("opt_outs.overridden", alert=alert_id, instance=instance.name, count=against)
    record_planned(write, alert_id, instance.name, before)
    return planned


def _held_back(plan: Plan, instance: PlannedInstance) -> tuple[str, dict[str, str]]:
    """The SQL condition on person `p` that it is their turn at dispatch, with its parameters.

    Whoever a fallback's first channel writes to waits for it on the next; later groups of an escalation wait for the
    first.
    """
    conditions = ["TRUE"]
    parameters: dict[str, str] = {}
    before = plan.following.waits_for(instance.name)
    if before:
        conditions.append(
            "NOT EXISTS (SELECT 1 FROM delivery w INDEXED BY delivery_person WHERE w.person_id = p.id"
            " AND w.alert_id = :alert AND w.instance IN (SELECT value FROM json_each(:before)))"
        )
        parameters["before"] = json.dumps(sorted(before))
    member = f"EXISTS (SELECT 1 FROM person_group g WHERE g.person_id = p.id AND {listed('g')} AND g.name"
    for number, (first, later) in enumerate(plan.following.later_groups(instance.name)):
        waiting = f"IN (SELECT value FROM json_each(:later_{number})))"
        conditions.append(f"({member} = :first_{number}) OR NOT {member} {waiting})")
        parameters |= {f"first_{number}": first, f"later_{number}": json.dumps(later)}
    return " AND ".join(conditions), parameters
