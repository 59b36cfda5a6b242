"""Planning deliveries: the public ones at dispatch, those to people in chunks, a follow-up's after its thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from kentongan.area.codes import Within
from kentongan.audiences import choose_language, plain
from kentongan.clock import Milliseconds
from kentongan.ledger import opt_outs, threads
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import Read, Write
from kentongan.ledger.within import within_condition
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.settings import Audience

STATIC = ("id", "key", "language", "person_id", "address_id", "family", "unique_by", "deliver_by", "follows")
"""Columns of a delivery that are fixed when it is planned, in the order in which their digest is made."""

_HEX = "lower(hex(randomblob(16)))"


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
            f" due_at) VALUES ({_HEX}, :alert, :instance, :language, 'public', :unique_by, :deliver_by, 'planned',"
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
    for part, instance in _parts(plan):
        position = cursor.get(part, 0)
        if position == "done":
            continue
        before = last_id(write)
        if part == instance.name:
            reached = _people_chunk(write, alert_id, plan, instance, int(position), size)
        else:
            reached = _follow_chunk(write, alert_id, plan, instance, int(position), size)
            record_planned(write, alert_id, instance.name, before)
        cursor[part] = "done" if reached is None else reached
        _move(write, "dispatch.advanced", alert_id, {"cursor": canonical(cursor)})
        return True
    _move(write, "dispatch.expanded", alert_id, {"expanded": 1})
    return False


def _parts(plan: Plan) -> Iterator[tuple[str, PlannedInstance]]:
    """What is to be planned in chunks, each by the name it has in the cursor; no instance's name holds a slash."""
    for instance in plan.instances:
        if plan.predecessor is not None:
            yield f"{instance.name}/follow", instance
    # Who is written to at once on a channel that a fallback comes to is known when the channels before it are done.
    for instance in sorted(plan.instances, key=lambda each: bool(plan.following.waits_for(each.name))):
        if instance.family != PUBLIC and plan.kind.widens and instance.name not in plan.following.spare:
            yield instance.name, instance


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
        " WHERE family = :family AND active = 1 AND id > :cursor ORDER BY id LIMIT :size)",
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
    most: int = -1,
) -> int:
    """Plans a delivery to each of an instance's people who meet `condition` on address `a` and person `p`.

    They get it in their own language. Whoever has one of that `unique_by` in this alert gets no other; returns how many
    were planned.
    """
    assert instance.audience is not None
    belongs, own = audience_condition(instance.audience, within=instance.within)
    reachable, named = reach_condition(plan.reach)
    where = (
        f" FROM address a JOIN person p ON p.id = a.person_id WHERE a.family = :family AND a.active = 1 AND {condition}"
    )
    everything = {"family": instance.family, "alert": alert_id, "instance": instance.name, **parameters, **own, **named}
    spoken = write.sql(f"SELECT DISTINCT p.language{where}", everything).scalars()
    chosen = {language: choose_language(language, instance.languages) for language in spoken.all() if language}
    before = last_id(write)
    planned = write.sql(
        "INSERT INTO delivery (key, alert_id, instance, language, family, unique_by, person_id, address_id,"
        " deliver_by, stage, action, due_at)"
        f" SELECT {_HEX}, :alert, :instance,"
        " coalesce((SELECT value FROM json_each(:chosen) WHERE key = p.language), :first),"
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
    conditions = ["1"]
    parameters: dict[str, str] = {}
    before = plan.following.waits_for(instance.name)
    if before:
        conditions.append(
            "NOT EXISTS (SELECT 1 FROM delivery w INDEXED BY delivery_person WHERE w.person_id = p.id"
            " AND w.alert_id = :alert AND w.instance IN (SELECT value FROM json_each(:before)))"
        )
        parameters["before"] = json.dumps(sorted(before))
    member = "EXISTS (SELECT 1 FROM person_group g WHERE g.person_id = p.id AND g.name"
    for number, (first, later) in enumerate(plan.following.later_groups(instance.name)):
        waiting = f"IN (SELECT value FROM json_each(:later_{number})))"
        conditions.append(f"({member} = :first_{number}) OR NOT {member} {waiting})")
        parameters |= {f"first_{number}": first, f"later_{number}": json.dumps(later)}
    return " AND ".join(conditions), parameters


def audience_condition(
    audience: Audience, suffix: str = "", *, within: Within | None = None
) -> tuple[str, dict[str, str]]:
    """The SQL condition on person `p` for an audience, with its parameters, whose names end in `suffix`.

    `within` leaves of the audience those in an alert's area.
    """
    conditions = ["p.key IS NOT NULL"]
    parameters: dict[str, str] = {}
    if audience.groups:
        conditions.append(
            "EXISTS (SELECT 1 FROM person_group g WHERE g.person_id = p.id"
            f" AND g.name IN (SELECT value FROM json_each(:groups{suffix})))"
        )
        parameters[f"groups{suffix}"] = json.dumps([plain(group) for group in audience.groups])
    if audience.regions:
        conditions.append(
            f"EXISTS (SELECT 1 FROM person_region r JOIN json_each(:regions{suffix}) wanted"
            " WHERE r.person_id = p.id AND (r.code = wanted.value OR substr(r.code, 1, length(wanted.value) + 1)"
            " = wanted.value || '.'))"
        )
        parameters[f"regions{suffix}"] = json.dumps([plain(region) for region in audience.regions])
    if within is not None:
        belongs, own = within_condition(within, suffix)
        conditions.append(belongs)
        parameters |= own
    return " AND ".join(conditions), parameters


# In the language the earlier message had, where the new one speaks it; else in its first. A public one is unique by it.
_LANGUAGE = "CASE WHEN d.language IN (SELECT value FROM json_each(:languages)) THEN d.language ELSE :first END"
_FOLLOW = (
    "INSERT INTO delivery (key, alert_id, instance, language, family, unique_by, person_id, address_id, deliver_by,"
    f" stage, action, due_at, follows) SELECT {_HEX}, :alert, d.instance, {_LANGUAGE}, d.family,"
    f" CASE WHEN d.family = 'public' THEN d.instance || ':' || {_LANGUAGE} ELSE d.unique_by END,"
    " d.person_id, d.address_id, :deliver_by, 'planned', 'send', :now, d.id FROM delivery d WHERE "
)


def _follow(write: Write, alert_id: str, planned: PlannedInstance, condition: str, **parameters: Any) -> None:
    """Plans a delivery after each of the earlier ones `d` that meet `condition`, unless it is planned already."""
    write.sql(
        f"{_FOLLOW}{condition} ORDER BY d.id ON CONFLICT DO NOTHING",
        {
            "alert": alert_id,
            "languages": json.dumps(planned.languages),
            "first": planned.languages[0],
            "deliver_by": planned.deliver_by,
            "now": write.now,
            **parameters,
        },
    )


def _follow_chunk(
    write: Write, alert_id: str, plan: Plan, instance: PlannedInstance, cursor: int, size: int
) -> int | None:
    chunk: dict[str, Any] = {
        "thread": json.dumps(threads.others(write, alert_id)),
        "instance": instance.name,
        "cursor": cursor,
        "size": size,
    }
    upto = write.sql(
        "SELECT max(id) AS last, count(*) AS found FROM (SELECT id FROM delivery WHERE alert_id IN"
        " (SELECT value FROM json_each(:thread)) AND instance = :instance AND id > :cursor ORDER BY id LIMIT :size)",
        chunk,
    ).one()
    if upto.last is None:
        return None
    wanted, reach = _still_wanted(plan)
    _follow(
        write,
        alert_id,
        instance,
        "d.alert_id IN (SELECT value FROM json_each(:thread)) AND d.instance = :instance AND d.id > :cursor"
        f" AND d.id <= :upto AND d.result IN ({threads.REACHED_SQL}) AND {wanted}",
        thread=chunk["thread"],
        instance=instance.name,
        cursor=cursor,
        upto=upto.last,
        **reach,
    )
    return int(upto.last) if upto.found == size else None


def _still_wanted(plan: Plan) -> tuple[str, dict[str, str]]:
    """The SQL condition on an earlier delivery `d` that more may go there; what takes words back goes to all."""
    if plan.kind.takes_back:
        return "1", {}
    reachable, parameters = reach_condition(plan.reach)
    person = f"SELECT 1 FROM address a JOIN person p ON p.id = a.person_id WHERE a.id = d.address_id AND {reachable}"
    return f"(d.address_id IS NULL OR EXISTS ({person}))", parameters


def follow_late(write: Write, delivery: Row[Any]) -> None:
    """Lets what followed an alert follow a delivery whose words turned out to have gone, late."""
    for release in write.sql(
        "SELECT s.alert_id, s.at, s.plan, a.expires_at FROM dispatch s JOIN alert a ON a.id = s.alert_id"
        " WHERE a.state = 'dispatched' AND s.alert_id IN (SELECT value FROM json_each(:thread))",
        {"thread": json.dumps(threads.others(write, delivery.alert_id))},
    ).all():
        plan = Plan.model_validate_json(release.plan)
        if plan.predecessor is None:
            continue
        try:
            instance = plan.instance(delivery.instance)
        except KeyError:
            continue
        before = last_id(write)
        wanted, reach = _still_wanted(plan)
        until = from_now(write, instance.deliver_by, dispatched_at=release.at, expires_at=release.expires_at)
        later = instance.model_copy(update={"deliver_by": until})
        _follow(write, release.alert_id, later, f"d.id = :id AND {wanted}", id=delivery.id, **reach)
        record_planned(write, release.alert_id, delivery.instance, before)


def from_now(
    read: Read, deliver_by: Milliseconds, *, dispatched_at: Milliseconds, expires_at: Milliseconds | None
) -> Milliseconds:
    """As long from now as `deliver_by` lay from the dispatch, and not after the alert's own end."""
    within = read.now + deliver_by - dispatched_at
    return within if expires_at is None else min(within, expires_at)


def last_id(write: Write) -> int:
    """Id of the delivery that was planned last, of whatever alert."""
    return int(write.sql("SELECT coalesce(max(id), 0) FROM delivery").scalar_one())


def record_planned(write: Write, alert_id: str, instance: str, before: int) -> None:
    """Puts on record what was planned for an instance after the delivery `before`."""
    rows = planned_rows(write, alert_id, instance, before, None)
    if rows:
        write.event(
            "deliveries.planned",
            alert=alert_id,
            instance=instance,
            first=rows[0][0],
            last=rows[-1][0],
            count=len(rows),
            digest=static_digest(rows),
        )


def planned_rows(read: Read, alert_id: str, instance: str, after: int, upto: int | None) -> Sequence[Row[Any]]:
    """The static columns of an instance's deliveries with `after` < id <= `upto`, in the order of ids."""
    return read.sql(
        f"SELECT {', '.join(STATIC)} FROM delivery WHERE alert_id = :alert AND instance = :instance AND id > :after"
        " AND (:upto IS NULL OR id <= :upto) ORDER BY id",
        {"alert": alert_id, "instance": instance, "after": after, "upto": upto},
    ).all()


def static_digest(rows: Sequence[Sequence[Any]]) -> str:
    """Digest over the static columns of planned deliveries."""
    return digest(canonical([list(row) for row in rows]))
