"""Comparing the ledger's rows with its events: by digest where a row never changes, else by replaying what moved it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from kentongan.ledger import gathered
from kentongan.ledger.alerts import alert_digest
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.changes import attempt_reason
from kentongan.ledger.code_sheets import sheet_digest
from kentongan.ledger.officers import officer_digest
from kentongan.ledger.planned import planned_rows, static_digest
from kentongan.ledger.renderings import rendering_digest
from kentongan.ledger.submissions import signed_digest
from kentongan.ledger.transaction import EVERY, Read
from kentongan.pictures import digest_of
from kentongan.quick_dataclass import dataclass

_Key = TypeVar("_Key")

UNTRACKED = {
    # Who holds a row at this moment; an intent records its sender for good, on the attempt.
    "delivery": frozenset({"sender", "epoch"}),
}
"""Columns, by table, that no event speaks of (docs/ledger.md)."""

_FAMILIES = ("alert", "dispatch", "officer", "sheet", "review", "picture", "schedule", "drill")
_NAMED = ("officer", "sheet", "picture", "schedule", "drill")
"""The events that speak of rows which are no deliveries."""

_FRESH_DELIVERY: Mapping[str, Any] = {
    "stage": "planned",
    "action": "send",
    "attempt": 0,
    "phase": None,
    "result": "none",
    "closed": None,
    "doubted": 0,
    "possible_duplicate": 0,
    "first_intent_at": None,
    "accepted_at": None,
    "provider_id": None,
    "url": None,
    "handle": None,
}
_FRESH_ATTEMPT: Mapping[str, Any] = {"evidence": "open", "reason": "", "outcome_at": None, "provider_id": None}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was recorded; `place` names table and row."""

    place: str
    sentence: str


def plain(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """A row as digests are made of it: a text that was turned into bytes, or the other way round, shows."""
    values: dict[str, Any] = dict(row)
    for name, value in values.items():
        if name == "raw":
            values[name] = value if value is None or isinstance(value, bytes) else f"no bytes: {value!r}".encode()
        elif isinstance(value, bytes):
            values[name] = f"bytes: {value.hex()}"
    return values


@dataclass(frozen=True, slots=True)
class Part:
    """Of which deliveries: of all, or of one alert those with ids from `first` to `last`.

    `gone`: alerts of which events were pruned; `going`: those of them of which rows may still be there.
    """

    alert: str | None = None
    first: int = 0
    last: int = EVERY
    gone: frozenset[str] = frozenset()
    going: frozenset[str] = frozenset()


EVERYTHING = Part()


class _Within(dict[_Key, dict[str, Any]]):
    """Keeps what is asked for and forgets the rest, so that memory is bounded by the part that is looked at."""

    def __init__(self, wanted: Callable[[_Key], bool]) -> None:
        super().__init__()
        self._wanted = wanted

    def __setitem__(self, key: _Key, value: dict[str, Any]) -> None:
        if self._wanted(key):
            super().__setitem__(key, value)

    def setdefault(self, key: _Key, default: dict[str, Any]) -> dict[str, Any]:
        return super().setdefault(key, default) if self._wanted(key) else default


@dataclass(frozen=True, slots=True)
class _Event:
    at: int
    type: str
    alert_id: str
    delivery_id: int
    data: Mapping[str, Any]


def _replayed(
    read: Read,
    condition: str,
    differences: list[Difference],
    apply: Callable[[_Event], None],
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Hands the events of some types to `apply`, in the order of their commits; names those that cannot be read."""
    for row in read.sql(
        "SELECT e.* FROM event e JOIN link l ON l.chain = e.chain AND l.seq = e.seq"
        f" WHERE {condition} ORDER BY l.position, e.ordinal",
        parameters,
    ):
        try:
            # What is no UTF-8 can be looked at, but no statement takes it as a parameter.
            f"{row.alert_id}{row.data}".encode()
            data = json.loads(row.data)
            if "each" in data:
                for delivery, own in list(gathered.apart(data)):
                    apply(_Event(row.at, row.type, row.alert_id, delivery, own))
            else:
                apply(_Event(row.at, row.type, row.alert_id, row.delivery_id, data))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            place = f"event {row.chain}/{row.seq}/{row.ordinal}"
            differences.append(Difference(place, "says nothing that could have been recorded"))


# --- Rows that are recorded by digest, with the few columns that move ------------------------------------


def check_rows(read: Read, differences: list[Difference]) -> None:
    """Compares the rows that are no deliveries with what events say of them."""
    digests: dict[tuple[str, str], str] = {}
    moved: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(event: _Event) -> None:
        data, alert = event.data, event.alert_id
        match event.type:
            case "alert.drafted":
                digests["alert", alert] = data["digest"]
            case "alert.rendered":
                for key in [key for key in digests if key[0] == "rendering" and key[1].startswith(f"{alert} ")]:
                    del digests[key]
                digests.update({("rendering", f"{alert} {place}"): each for place, each in data["digests"].items()})
            case "alert.submitted":
                digests["submission", data["submission"]] = data["digest"]
            case "alert.approved":
                digests["approval", data["approval"]] = data["digest"]
            case "alert.dispatched":
                digests["dispatch", alert] = data["plan"]
                moved["dispatch", alert] = {
                    "at": event.at,
                    "by": data["by"],
                    "owner": None,
                    "cursor": "{}",
                    "expanded": 0,
                }
            case "officer.added":
                digests["officer", data["officer"]] = data["digest"]
            case "sheet.issued":
                digests["sheet", data["sheet"]] = data["digest"]
            case "picture.stored":
                digests["picture", data["picture"]] = data["picture"]
            case "review.opened":
                digests["review", alert] = canonical(data["set"]["alert_id"])
            case "schedule.added" | "drill.recorded":
                family = event.type.partition(".")[0]
                digests[family, data[family]] = canonical(data[family])
        family = event.type.partition(".")[0]
        key = (family, data[family] if family in _NAMED else alert)
        if "set" in data:
            moved.setdefault(key, {}).update(data["set"])

    families = " OR ".join(f"e.type LIKE '{family}.%'" for family in _FAMILIES)
    _replayed(read, families, differences, apply)
    found: dict[tuple[str, str], str] = {}
    for key, own_digest, row in _rows(read):
        place = " ".join(key)
        found[key] = own_digest
        if "digest" in row and row["digest"] != own_digest:
            differences.append(Difference(place, "its row was changed"))
        _compare(differences, place, moved.get(key, {}), row)
    for key in sorted({*digests, *found}):
        place = " ".join(key)
        if key not in found:
            differences.append(Difference(place, "is missing"))
        elif key not in digests:
            differences.append(Difference(place, "was never recorded"))
        elif found[key] != digests[key]:
            differences.append(Difference(place, "is not what was recorded"))


def _rows(read: Read) -> Iterator[tuple[tuple[str, str], str, dict[str, Any]]]:
    """Every row that an event gives a digest of, under the name it has there, with the digest it has now."""

    def table(name: str) -> Iterator[dict[str, Any]]:
        return (plain(row) for row in read.sql(f"SELECT * FROM {name}").mappings())

    for row in table("alert"):
        yield ("alert", str(row["id"])), alert_digest(row), row
    for row in table("rendering"):
        place = f"{row['alert_id']} {row['instance']}:{row['language']}"
        own = rendering_digest(row["alert_id"], row["instance"], row["language"], row["content"])
        yield ("rendering", place), own, row
    for name in ("submission", "approval"):
        for row in table(name):
            yield (name, str(row["id"])), signed_digest(row), row
    for row in table("dispatch"):
        yield ("dispatch", str(row["alert_id"])), digest(str(row["plan"])), row
    for row in table("code_sheet"):
        yield ("sheet", str(row["id"])), sheet_digest(row), row
    for kept in read.sql("SELECT * FROM picture").mappings():
        own = digest_of(kept["content"]) if isinstance(kept["content"], bytes) else "no picture"
        yield ("picture", str(kept["digest"])), own, plain(kept)
    for row in table("review"):
        # All its columns move, so that replaying finds every change; here it only counts that it is there.
        yield ("review", str(row["alert_id"])), canonical(row["alert_id"]), row
    for name, family in (("drill_schedule", "schedule"), ("drill", "drill")):
        # The same holds for these: all that they say stands in the events that moved them.
        for row in table(name):
            yield (family, str(row["id"])), canonical(row["id"]), row
    for row in table("officer"):
        yield ("officer", str(row["name"])), officer_digest(row), row


# --- Deliveries and attempts, which events make and move --------------------------------------------------


def check_deliveries(read: Read, differences: list[Difference], *, of: Part = EVERYTHING) -> int:
    """Replays the events of deliveries and attempts and compares the rows; returns how many deliveries there are."""
    deliveries: dict[int, dict[str, Any]] = _Within(lambda id: of.first <= id <= of.last)
    attempts: dict[tuple[int, int], dict[str, Any]] = _Within(lambda key: of.first <= key[0] <= of.last)
    these = {
        "alert": of.alert,
        "first": of.first,
        "last": of.last,
        "gone": json.dumps(sorted(of.gone)),
        "going": json.dumps(sorted(of.going)),
    }

    def apply(event: _Event) -> None:
        data = event.data
        if event.type == "deliveries.planned":
            rows = planned_rows(read, event.alert_id, data["instance"], data["first"] - 1, data["last"])
            # Before there were waves everybody was in the first.
            static = [tuple(plain(row._mapping).values())[: None if data.get("waved") else -1] for row in rows]
            if len(rows) != data["count"] or static_digest(static) != data["digest"]:
                place = f"deliveries {data['first']} to {data['last']}"
                differences.append(Difference(place, "are not those that were planned"))
            for row in rows:
                wave = row.wave if data.get("waved") else 0
                deliveries[row.id] = {**_FRESH_DELIVERY, "due_at": event.at, "wave": wave}
            return
        for id in data.get("ids", [event.delivery_id]):
            deliveries.setdefault(id, {}).update(data.get("set", {}))
        if event.type == "delivery.intended":
            attempts[event.delivery_id, data["attempt"]] = {
                **_FRESH_ATTEMPT,
                "sender": data["sender"],
                "phase": data["set"]["phase"],
                "intent_at": event.at,
            }
        elif "tried" in data:
            tried = dict(data["tried"])
            if "evidence" in tried:
                tried["reason"] = attempt_reason(data["reason"], data["detail"])
            attempts.setdefault((event.delivery_id, data["attempt"]), {}).update(tried)

    one = of.alert is not None
    events = "e.alert_id = :alert" if one else "e.alert_id NOT IN (SELECT value FROM json_each(:gone))"
    _replayed(read, f"e.type LIKE 'deliver%' AND {events}", differences, apply, these)
    number = 0
    whose = "= :alert" if one else "NOT IN (SELECT value FROM json_each(:going))"
    rows = f"FROM delivery d WHERE d.alert_id {whose} AND d.id BETWEEN :first AND :last"
    for mapping in read.sql(f"SELECT d.* {rows}", these).mappings():
        number += 1
        row = plain(mapping)
        place = f"delivery {row['id']}"
        wanted = deliveries.pop(row["id"], None)
        if wanted is None:
            differences.append(Difference(place, "was never recorded"))
            continue
        if row["stage"] == "claimed":
            row["stage"] = "planned"
        _compare(differences, place, wanted, row)
    differences.extend(Difference(f"delivery {id}", "is missing") for id in deliveries)
    # An attempt at a delivery that is no more was never recorded, or should have gone with it.
    owned = (
        f"t.delivery_id IN (SELECT d.id {rows})"
        if one
        else (
            "t.delivery_id NOT IN (SELECT d.id FROM delivery d"
            " WHERE d.alert_id IN (SELECT value FROM json_each(:going)))"
        )
    )
    for mapping in read.sql(f"SELECT t.* FROM attempt t WHERE {owned}", these).mappings():
        row = plain(mapping)
        place = f"attempt {row['number']} at delivery {row['delivery_id']}"
        known = attempts.pop((row["delivery_id"], row["number"]), None)
        if known is None:
            differences.append(Difference(place, "was never recorded"))
            continue
        _compare(differences, place, known, row)
    differences.extend(Difference(f"attempt {n} at delivery {id}", "is missing") for id, n in attempts)
    return number


def _compare(differences: list[Difference], place: str, wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        found = actual.get(name)
        if found != value:
            differences.append(Difference(place, f"{name} is {found!r} and was recorded as {value!r}"))
