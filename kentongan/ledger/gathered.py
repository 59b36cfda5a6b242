"""What one commit records alike of many deliveries, as one event; and how it is told apart again.

An event a delivery and step costs more processor time than all else the ledger does, and most of them differ by an id
alone. So the events of one commit that have type, alert and all but a few values in common are one row of the record:
`deliveries` names the deliveries, in order, `each` holds a list for every value in which they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kentongan.ledger.transaction import Write

OWN = ("provider_id", "url", "handle", "first_intent_at", "attempt")
"""Columns of which every delivery has a value of its own, where events tell what they were set to."""

_INNER = ("set", "tried")
"""Where in an event's data such columns stand."""


@dataclass(slots=True)
class _Alike:
    """The deliveries of one event, with what they have in common and what not."""

    type: str
    alert_id: str
    common: dict[str, Any]
    deliveries: list[int] = field(default_factory=list)
    own: list[tuple[Any, ...]] = field(default_factory=list)
    paths: tuple[tuple[str, str], ...] = ()


class Gathering:
    """Gathers what happens to deliveries in one piece of work; each delivery's events stay in their order."""

    def __init__(self) -> None:
        self._alike: list[_Alike] = []
        self._latest: dict[Any, int] = {}
        self._last_of: dict[int, int] = {}

    def add(self, type_: str, alert_id: str, delivery: int, data: Mapping[str, Any]) -> None:
        """Adds that something happened to a delivery; `data` may hold `attempt`, and columns in `set` and `tried`."""
        common: list[Any] = [type_, alert_id]
        paths: list[tuple[str, str]] = []
        own: list[Any] = []
        for name, value in data.items():
            if name in _INNER:
                for column, inner in value.items():
                    if column in OWN:
                        paths.append((name, column))
                        own.append(inner)
                    else:
                        common.append((name, column, inner))
            elif name == "attempt":
                paths.append(("", name))
                own.append(value)
            else:
                common.append((name, value))
        key = (*common, *paths)
        place = self._latest.get(key)
        if place is None or self._last_of.get(delivery, -1) >= place:
            shared: dict[str, Any] = {
                name: {column: inner for column, inner in value.items() if column not in OWN}
                if name in _INNER
                else value
                for name, value in data.items()
                if name != "attempt"
            }
            place = self._latest[key] = len(self._alike)
            self._alike.append(_Alike(type_, alert_id, shared, paths=tuple(paths)))
        alike = self._alike[place]
        alike.deliveries.append(delivery)
        alike.own.append(tuple(own))
        self._last_of[delivery] = place

    def add_all(
        self,
        type_: str,
        alert_id: str,
        deliveries: Sequence[int],
        common: dict[str, Any],
        columns: Mapping[tuple[str, str], Sequence[Any]],
    ) -> None:
        """Adds that the same happened to deliveries of which nothing was added yet, their own values by columns.

        A column is named by where it stands, "" or "set" or "tried", and its name.
        """
        own = list(zip(*columns.values(), strict=True))
        self._alike.append(_Alike(type_, alert_id, common, list(deliveries), own, tuple(columns)))

    def record(self, write: Write) -> None:
        """Appends the events to the record."""
        for type_, alert_id, delivery, data in self._events():
            write.event(type_, alert=alert_id, delivery=delivery, **data)

    def _events(self) -> Iterator[tuple[str, str, int | None, dict[str, Any]]]:
        """Type, alert, delivery and data of the events, in order; no delivery where there are several."""
        for alike in self._alike:
            columns = list(zip(*alike.own, strict=True))
            data = alike.common
            if len(alike.deliveries) == 1:
                for (outer, name), (value,) in zip(alike.paths, columns, strict=True):
                    (data[outer] if outer else data)[name] = value
                yield alike.type, alike.alert_id, alike.deliveries[0], data
                continue
            each: dict[str, Any] = {}
            for (outer, name), column in zip(alike.paths, columns, strict=True):
                if column.count(column[0]) == len(column):
                    (data[outer] if outer else data)[name] = column[0]
                else:
                    (each.setdefault(outer, {}) if outer else each)[name] = column
            yield alike.type, alike.alert_id, None, {**data, "deliveries": alike.deliveries, "each": each}


def apart(data: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The deliveries of an event about several, each with its data as if the event were about it alone.

    Raises AttributeError, LookupError, TypeError or ValueError for what `Gathering` cannot have made.
    """
    deliveries = data["deliveries"]
    common = {name: value for name, value in data.items() if name not in ("deliveries", "each")}
    inner = {name: columns for name, columns in data["each"].items() if name in _INNER}
    outer = {name: column for name, column in data["each"].items() if name not in _INNER}
    columns = [*outer.values(), *(column for names in inner.values() for column in names.values())]
    if any(len(column) != len(deliveries) for column in columns) or not all(type(id) is int for id in deliveries):
        raise ValueError("columns of different lengths")
    for place, delivery in enumerate(deliveries):
        yield (
            delivery,
            {
                **common,
                **{name: column[place] for name, column in outer.items()},
                **{
                    name: {**common.get(name, {}), **{column: values[place] for column, values in names.items()}}
                    for name, names in inner.items()
                },
            },
        )
