"""Planning what follows a delivery of the thread, wherever its words went, however late that is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.ledger import threads
from kentongan.ledger.doubting import dispatched_before_restoring, doubt_planned
from kentongan.ledger.planned import NEW_KEY, last_id, record_planned
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import Read, Write
from kentongan.plan import Plan, PlannedInstance

# In the language the earlier message had, where the new one speaks it; else in its first. A public one is unique by it.
_LANGUAGE = "CASE WHEN d.language IN (SELECT value FROM json_each(:languages)) THEN d.language ELSE :first END"

_FOLLOW = (
    "INSERT INTO delivery (key, alert_id, instance, language, family, unique_by, person_id, address_id, deliver_by,"
    f" stage, action, due_at, follows, wave) SELECT {NEW_KEY}, :alert, d.instance, {_LANGUAGE}, d.family,"
    f" CASE WHEN d.family = 'public' THEN d.instance || ':' || {_LANGUAGE} ELSE d.unique_by END,"
    " d.person_id, d.address_id, :deliver_by, 'planned', 'send', :now, d.id, d.wave FROM delivery d WHERE "
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


def follow_chunk(
    write: Write, alert_id: str, plan: Plan, instance: PlannedInstance, cursor: int, size: int
) -> int | None:
    """Plans what follows the deliveries behind `cursor`; returns the new cursor, None when there are no more."""
    chunk: dict[str, Any] = {
        "thread": json.dumps(threads.others(write, alert_id)),
        "instance": instance.name,
        "cursor": cursor,
        "size": size,
    }
    upto = write.sql(
        "SELECT max(id) AS last, count(*) AS found FROM (SELECT id FROM delivery WHERE alert_id IN"
        " (SELECT value FROM json_each(:thread)) AND instance = :instance AND id > :cursor ORDER BY id LIMIT :size)"
        " AS chunk",
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
        return "TRUE", {}
    reachable, parameters = reach_condition(plan.reach)
    person = f"SELECT 1 FROM address a JOIN person p ON p.id = a.person_id WHERE a.id = d.address_id AND {reachable}"
    return f"(d.address_id IS NULL OR EXISTS ({person}))", parameters


def follow_late(write: Write, alert_id: str, instance: str, ids: Sequence[int]) -> None:
    """Lets what followed an alert follow those of its deliveries whose words turned out to have gone, late."""
    for release in write.sql(
        "SELECT s.alert_id, s.at, s.plan, a.expires_at FROM dispatch s JOIN alert a ON a.id = s.alert_id"
        " WHERE a.state = 'dispatched' AND s.alert_id IN (SELECT value FROM json_each(:thread)) ORDER BY s.alert_id",
        {"thread": json.dumps(threads.others(write, alert_id))},
    ).all():
        plan = Plan.model_validate_json(release.plan)
        if plan.predecessor is None:
            continue
        try:
            planned = plan.instance(instance)
        except KeyError:
            continue
        write.plan_alone(release.alert_id)
        before = last_id(write)
        wanted, reach = _still_wanted(plan)
        until = from_now(write, planned.deliver_by, dispatched_at=release.at, expires_at=release.expires_at)
        later = planned.model_copy(update={"deliver_by": until})
        these = f"d.id IN (SELECT value FROM json_each(:ids)) AND {wanted}"
        _follow(write, release.alert_id, later, these, ids=json.dumps(list(ids)), **reach)
        record_planned(write, release.alert_id, instance, before)
        if last_id(write) > before and dispatched_before_restoring(write, release.alert_id):
            doubt_planned(write, release.alert_id, instance, after=before)


def from_now(
    read: Read, deliver_by: Milliseconds, *, dispatched_at: Milliseconds, expires_at: Milliseconds | None
) -> Milliseconds:
    """As long from now as `deliver_by` lay from the dispatch, and not after the alert's own end."""
    within = read.now + deliver_by - dispatched_at
    return within if expires_at is None else min(within, expires_at)
