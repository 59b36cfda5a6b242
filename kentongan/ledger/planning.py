"""Planning deliveries: the public ones at dispatch, those to people and after a thread in chunks."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
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
from kentongan.ledger.turns import Turns
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.waves import DONE, Place, next_part


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


class Expansion:
    """Plans the deliveries of one dispatch in chunks, the nearest people first; where it is, the ledger says."""

    def __init__(self, alert_id: str, plan: Plan) -> None:
        self._alert_id = alert_id
        self._plan = plan
        self._turns: Turns | None = None

    def advance(self, write: Write, size: int) -> bool:
        """Plans `size` deliveries that follow the thread's, then those to people; True while there are more."""
        write.plan_alone(self._alert_id)
        row = write.sql("SELECT cursor, expanded FROM dispatch WHERE alert_id = :id", {"id": self._alert_id}).one()
        if row.expanded:
            return False
        # A number alone was an address in the order of ids; beginning anew plans nobody twice.
        cursor = {part: (0, 0) if isinstance(place, int) else place for part, place in json.loads(row.cursor).items()}
        for parts in _rounds(self._plan):
            part = next_part(cursor, list(parts))
            if part is None:
                continue
            place: Place = cursor.get(part, (0, 0))
            instance = parts[part]
            if part == instance.name:
                reached = self._people(write, instance, place, size)
            else:
                reached = self._follow(write, instance, place, size)
            cursor[part] = DONE if reached is None else reached
            _move(write, "dispatch.advanced", self._alert_id, {"cursor": canonical(cursor)})
            return True
        _move(write, "dispatch.expanded", self._alert_id, {"expanded": 1})
        return False

    def _follow(self, write: Write, instance: PlannedInstance, place: Place, size: int) -> Place | None:
        before = last_id(write)
        reached = follow_chunk(write, self._alert_id, self._plan, instance, int(place[1]), size)
        record_planned(write, self._alert_id, instance.name, before)
        return (0, reached) if reached is not None else None

    def _people(self, write: Write, instance: PlannedInstance, place: Place, size: int) -> Place | None:
        """Plans deliveries to the people behind `place`; returns the new place, None when there are no more."""
        wave, looked_at, *rest = place
        held, parameters = _held_back(self._plan, instance)
        planning = functools.partial(plan_people, write, self._alert_id, self._plan)
        if instance.within is None:
            return _by_address(write, planning, instance, int(looked_at), size, held, parameters, wave=0)
        if self._turns is None:
            self._turns = Turns(write, instance.within, self._plan.waves)
        if int(wave) == len(self._turns):
            if not instance.within.unplaced:
                return None
            unplaced = instance.within.model_copy(update={"codes": ()})
            nowhere = instance.model_copy(update={"within": unplaced})
            return _by_address(write, planning, nowhere, int(looked_at), size, held, parameters, wave=int(wave))
        code, after = (str(each) for each in rest) if rest else ("", "")
        found = self._turns.next(write, int(wave), code, after, size)
        if found.people:
            condition = f"{_OF_PEOPLE} AND {held}"
            these = {"people": json.dumps(list(dict.fromkeys(found.people))), **parameters}
            planning(instance, condition, these, wave=str(int(wave)))
        if found.whole:
            return int(wave) + 1, 0
        return int(wave), int(looked_at) + len(found.people), found.code, found.after


_OF_PEOPLE = (
    "a.id IN (SELECT own.id FROM address own WHERE own.person_id IN (SELECT value FROM json_each(:people))"
    " AND own.family = :family)"
)


def expand(write: Write, alert_id: str, plan: Plan, size: int) -> bool:
    """Plans the next chunk of a dispatch, for whoever plans but one; True while there are more."""
    return Expansion(alert_id, plan).advance(write, size)


def _rounds(plan: Plan) -> Iterator[Mapping[str, PlannedInstance]]:
    """What is to be planned in chunks, by the name it has in the cursor; no instance's name holds a slash.

    A round begins when the one before is done; within it channels take turns, so that none waits for another's people.
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


def _by_address(
    write: Write,
    planning: Callable[..., int],
    instance: PlannedInstance,
    cursor: int,
    size: int,
    held: str,
    parameters: Mapping[str, str],
    *,
    wave: int,
) -> Place | None:
    """Plans deliveries to people behind the address `cursor`; returns the new place, None where there are no more."""
    upto = write.sql(
        "SELECT max(id) AS last, count(*) AS found FROM (SELECT id FROM address"
        " WHERE family = :family AND id > :cursor ORDER BY id LIMIT :size) AS chunk",
        {"family": instance.family, "cursor": cursor, "size": size},
    ).one()
    if upto.last is None:
        return None
    chunk = {"cursor": cursor, "upto": upto.last}
    planning(instance, f"a.id > :cursor AND a.id <= :upto AND {held}", {**chunk, **parameters}, wave=str(wave))
    return (wave, int(upto.last)) if upto.found == size else None


def plan_people(
    write: Write,
    alert_id: str,
    plan: Plan,
    instance: PlannedInstance,
    condition: str,
    parameters: Mapping[str, Any],
    *,
    unique_by: str = "a.hash",
    wave: str = "0",
    deliver_by: Milliseconds | None = None,
    most: int = EVERY,
) -> int:
    """Plans a delivery to each of an instance's people who meet `condition` on address `a` and person `p`.

    They get it in their own language. Whoever has one of that `unique_by` in this alert gets no other; returns how many
    were planned. `wave` is an SQL expression.
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
        " deliver_by, stage, action, due_at, wave)"
        f" SELECT {NEW_KEY}, :alert, :instance,"
        f" coalesce(:chosen ->> ({LANGUAGE}), :first),"
        f" a.family, {unique_by}, a.person_id, a.id, :deliver_by, 'planned', 'send', :now, {wave}{where}"
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
