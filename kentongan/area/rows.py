"""What reading a list of regions yields: rows that are sound, faults, remarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kentongan.area.geometry import Point
from kentongan.area.regions import Rings
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region of a list; what the list does not say of it is None. `line` is where it stands."""

    line: int
    code: str
    name: str | None = None
    timezone: str | None = None
    point: Point | None = None
    rings: Rings | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be imported; the sentence names line and remedy."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the officer should know that stops no row."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a file before it is judged; `place` names it, `geometry` is GeoJSON's."""

    line: int
    place: str
    cells: Mapping[str, Any]
    geometry: Any = None
