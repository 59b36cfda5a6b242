"""The record as it is read: by alert, channel, state, region, officer and time, a chunk at a time.

Events are only ever added, so that one who reads in chunks sees the same as one who reads at once, and holds up nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.ledger.editions import listed
from kentongan.ledger.transaction import Read
from kentongan.ledger.views import Event, told_apart
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the record is wanted; what is empty asks nothing.

    `alerts` are ids. `channel`: about this instance. `state`: about deliveries that officers now see so, or alerts
    that are now in it. `region`: about deliveries to people with this code or one below it, and about alerts whose
    area takes it in. `officer`: by or about them. `since` is the first moment, `until` the first that is too late.
    """

    alerts: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    channel: str = ""
    state: str = ""
    region: str = ""
    officer: str = ""
    since: Milliseconds | None = None
    until: Milliseconds | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far one has read: the place of a commit among all, and of an event in it."""

    position: int = 0
    ordinal: int = -1


# How each database looks into JSON that may be damaged is its own.
_CHANNEL = (
    "(d.instance = :channel OR (json_valid(e.data) AND (CASE WHEN json_valid(e.data) THEN"
    " json_extract(e.data, '$.instance') END = :channel OR EXISTS (SELECT 1 FROM"
    " json_each(CASE WHEN json_valid(e.data) THEN e.data ELSE '{}' END, '$.instances') i WHERE i.value = :channel))))"
)
_CHANNEL_POSTGRES = (
    "(d.instance = :channel OR readable_json(e.data) ->> 'instance' = :channel"
    " OR readable_json(e.data) -> 'instances' @> to_jsonb(CAST(:channel AS text)))"
)
_WORD = "CASE WHEN d.result <> 'none' THEN d.result ELSE coalesce(d.closed, d.stage) END"
_STATE = f"(CASE WHEN e.delivery_id IS NOT NULL THEN {_WORD} ELSE a.state END = :state)"
# People above a region count as in it where an alert is matched; here the question is who of the record lives there.
_CODES = (
    "json_each(CASE WHEN json_valid(s.plan) THEN s.plan ELSE '{}' END, '$.instances') i,"
    " json_each(i.value, '$.within.codes') c"
)
_CODES_POSTGRES = (
    "LATERAL (SELECT found #>> '{}' AS value FROM"
    " jsonb_path_query(readable_json(s.plan), '$.instances[*].within.codes[*]') AS found) c"
)
_LIVES = (
    f"EXISTS (SELECT 1 FROM person_region r WHERE r.person_id = d.person_id AND {listed('r')}"
    " AND (r.code = :region OR r.code LIKE :below ESCAPE '!'))"
)
_REGION = (
    f"(CASE WHEN e.delivery_id IS NOT NULL THEN {_LIVES} ELSE EXISTS (SELECT 1 FROM dispatch s, {{codes}}"
    " WHERE s.alert_id = e.alert_id AND (c.value = :region"
    " OR c.value LIKE :below ESCAPE '!' OR :region LIKE replace(replace(c.value, '!', '!!'), '_', '!_') || '.%'"
    " ESCAPE '!')) END)"
)
_OFFICER = (
    "(instr(e.data, :officer) AND EXISTS (SELECT 1 FROM json_tree(CASE WHEN json_valid(e.data) THEN e.data"
    " ELSE '{}' END) t WHERE t.value = :officer AND (t.key IN ('by', 'officer', 'taken_by') OR t.path LIKE '%.by'"
    " OR t.path LIKE '%.by_code')))"
)
_OFFICER_POSTGRES = (
    "(strpos(e.data, :officer) > 0 AND jsonb_path_exists(readable_json(e.data), '$.** ? (@.by == $officer"
    " || @.officer == $officer || @.taken_by == $officer || @.by_code.* == $officer)',"
    " jsonb_build_object('officer', CAST(:officer AS text))))"
)

_OF_SEVERAL = "(e.delivery_id IS NULL AND e.type LIKE 'delivery.%')"
"""Events about several deliveries, which are told apart only once they are read (kentongan.ledger.gathered)."""


def chunk(read: Read, wanted: Filter, *, after: Place, up_to: Place, most: int) -> tuple[list[Event], Place, bool]:
    """Some `most` events between two places, in the order of record; the place reached, and whether more may be.

    They are more where the last of them is about several deliveries.
    """
    conditions = ["l.position BETWEEN :position AND :last", "(l.position, e.ordinal) > (:position, :ordinal)"]
    if wanted.alerts:
        conditions.append("e.alert_id IN (SELECT value FROM json_each(:alerts))")
    if wanted.types:
        conditions.append("e.type IN (SELECT value FROM json_each(:types))")
    if wanted.since is not None:
        conditions.append("e.at >= :since")
    if wanted.until is not None:
        conditions.append("e.at < :until")
    parameters = {
        "position": after.position,
        "ordinal": after.ordinal,
        "last": up_to.position,
        "alerts": json.dumps(list(wanted.alerts)),
        "types": json.dumps(list(wanted.types)),
        "since": wanted.since,
        "until": wanted.until,
        "channel": wanted.channel,
        "state": wanted.state,
        "region": wanted.region,
        "below": _escaped(wanted.region) + ".%",
        "officer": wanted.officer,
        "most": most,
    }
    for value, condition in (
        (wanted.channel, read.either(sqlite=_CHANNEL, postgres=_CHANNEL_POSTGRES)),
        (wanted.state, _STATE),
        (wanted.region, _REGION.replace("{codes}", read.either(sqlite=_CODES, postgres=_CODES_POSTGRES))),
    ):
        if value:
            conditions.append(f"({condition} OR {_OF_SEVERAL})")
    if wanted.officer:
        conditions.append(read.either(sqlite=_OFFICER, postgres=_OFFICER_POSTGRES))
    # Along the links, so that each chunk ends as soon as it is full: sorting an alert's million events would not.
    along = read.either(sqlite="CROSS JOIN", postgres="JOIN")
    rows = read.sql(
        f"SELECT e.*, l.position FROM link l {along} event e ON e.chain = l.chain AND e.seq = l.seq"
        " LEFT JOIN delivery d ON d.id = e.delivery_id LEFT JOIN alert a ON a.id = e.alert_id"
        f" WHERE {' AND '.join(conditions)} ORDER BY l.position, e.ordinal LIMIT :most",
        parameters,
    )
    found: list[Event] = []
    reached, number = after, 0
    for row in rows:
        found.extend(_wanted_of(read, wanted, told_apart(row), parameters))
        reached, number = Place(row.position, row.ordinal), number + 1
        if len(found) >= most:
            break
    full = number == most or len(found) >= most
    rows.close()
    return found, reached, full


def _wanted_of(read: Read, wanted: Filter, told: list[Event], parameters: Mapping[str, Any]) -> list[Event]:
    """Of an event about several deliveries what is wanted; one about a single thing was found by what it is about."""
    conditions = [
        condition
        for value, condition in (
            (wanted.channel, "d.instance = :channel"),
            (wanted.state, f"{_WORD} = :state"),
            (wanted.region, _LIVES),
        )
        if value
    ]
    if len(told) == 1 or not conditions:
        return told
    these = {**parameters, "ids": json.dumps([event.delivery_id for event in told])}
    condition = f"d.id IN (SELECT value FROM json_each(:ids)) AND {' AND '.join(conditions)}"
    ids = set(read.sql(f"SELECT d.id FROM delivery d WHERE {condition}", these).scalars())
    return [event for event in told if event.delivery_id in ids]


def end(read: Read) -> Place:
    """The last place of the record."""
    return Place(int(read.sql("SELECT coalesce(max(position), 0) FROM link").scalar_one()), 1 << 60)


def latest(read: Read, type_: str) -> Milliseconds | None:
    """When an event of a type that is about no alert was last recorded (wall time); None where it never was."""
    at = read.sql("SELECT max(at) FROM event WHERE alert_id IS NULL AND type = :type", {"type": type_}).scalar_one()
    return None if at is None else int(at)


def bounds(read: Read, wanted: Filter) -> tuple[Place, Place]:
    """Before the first and at the last place where anything that is wanted can stand now."""
    if not wanted.alerts:
        return Place(), end(read)
    row = read.sql(
        "SELECT min(l.position) AS first, max(l.position) AS last FROM event e JOIN link l"
        " ON l.chain = e.chain AND l.seq = e.seq WHERE e.alert_id IN (SELECT value FROM json_each(:alerts))",
        {"alerts": json.dumps(list(wanted.alerts))},
    ).one()
    return Place(int(row.first or 0), -1), Place(int(row.last or 0), 1 << 60)


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def instances(read: Read) -> set[str]:
    """Names of the channels that any dispatch was planned for."""
    rows = read.sql(
        read.either(
            sqlite="SELECT DISTINCT json_extract(i.value, '$.name') AS name FROM dispatch s,"
            " json_each(CASE WHEN json_valid(s.plan) THEN s.plan ELSE '{}' END, '$.instances') i",
            postgres="SELECT DISTINCT jsonb_path_query(readable_json(plan), '$.instances[*].name') #>> '{}' AS name"
            " FROM dispatch",
        )
    )
    return {row.name for row in rows if isinstance(row.name, str)}


def region_codes(read: Read, text: str) -> Sequence[tuple[str, str]]:
    """The loaded regions that an officer means by a code or a whole name, as code and name."""
    rows = read.sql(
        "SELECT code, name FROM region WHERE code = :text OR lower(name) = lower(:text) ORDER BY code",
        {"text": text.strip()},
    ).all()
    return [(row.code, row.name) for row in rows]
