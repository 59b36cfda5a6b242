"""Who is nearest to what an alert warns of, and who is hit worst: the waves in which its people are written to.

A wave is a list of region codes. The first holds the regions of the gravest grade that lie nearest; whoever lives in
none of them, or is known to live only somewhere above them, comes after all waves. It is pure; what it decides is kept
with the submission, frozen in the plan, and only ever an order: it takes nobody in and leaves nobody out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic import JsonValue

from kentongan import cap
from kentongan.alert import Draft
from kentongan.area.codes import Waves, above, highest
from kentongan.area.geometry import Point, distance
from kentongan.area.matching import regions_together, smallest
from kentongan.area.regions import Region, Regions
from kentongan.cap.model import Severity

BANDS = (10.0, 25.0, 50.0, 100.0, 200.0, 400.0)
"""Kilometres from the origin up to which regions count as equally near."""

_MOST = 2_000
"""Codes in all waves; with more, the regions above them are told apart instead."""


def origin(draft: Draft) -> Point | None:
    """Where it comes from: the epicentre that was stated, else the middle of the gravest circle; None where unknown."""
    latitude, longitude = (_number(draft.facts, name) for name in ("latitude", "longitude"))
    if latitude is not None and longitude is not None:
        return latitude, longitude
    for info in sorted(draft.cap.infos, key=lambda info: _gravity(info.severity)):
        for area in info.areas:
            for circle in area.circles:
                return circle[0], circle[1]
    return None


def by_severity(alert: cap.Alert) -> list[list[cap.Area]]:
    """The areas of an alert by the gravest severity that any of its info blocks gives them, gravest first."""
    worst: dict[cap.Area, int] = {}
    for info in alert.infos:
        for area in info.areas:
            worst[area] = min(worst.get(area, len(Severity)), _gravity(info.severity))
    return [[area for area, gravity in worst.items() if gravity == each] for each in sorted(set(worst.values()))]


def waves(
    codes: Collection[str], regions: Regions, *, graded: Sequence[Collection[str]] = (), start: Point | None = None
) -> Waves:
    """Orders the regions of an area. None where nothing tells them apart.

    `codes` are those that the area takes in, `graded` some of them by grade, the gravest first.
    """
    grades = _grades(graded)
    leaves = {code: smallest([code], regions) for code in codes}
    places = {
        leaf: (_grade(leaf, grades, len(graded)), _band(leaf, regions, start))
        for each in leaves.values()
        for leaf in each
    }
    while True:
        sets: dict[tuple[int, int], set[str]] = {}
        for code, place in places.items():
            sets.setdefault(place, set()).add(code)
        if len(sets) < 2:
            return ()
        ordered = tuple(
            # A code of the area stands for itself, where all that is known of it lies in one wave.
            highest((*regions_together(found, regions), *(code for code, own in leaves.items() if own <= found)))
            for _, found in sorted(sets.items())
        )
        depth = max(code.count(".") for code in places)
        if sum(map(len, ordered)) <= _MOST or depth == 0:
            return ordered
        # What lies together is written to with the part of it that is nearest.
        coarser: dict[str, tuple[int, int]] = {}
        for code, place in places.items():
            upper = code.rpartition(".")[0] if code.count(".") == depth else code
            coarser[upper] = min(place, coarser.get(upper, place))
        places = coarser


def _grades(graded: Sequence[Collection[str]]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for grade, codes in enumerate(graded):
        for code in highest(codes):
            found.setdefault(code, grade)
    return found


def _grade(code: str, grades: Mapping[str, int], least: int) -> int:
    return min((grades[each] for each in (code, *above(code)) if each in grades), default=least)


def _band(code: str, regions: Regions, start: Point | None) -> int:
    if start is None:
        return 0
    # Of a village of which nobody knows where it lies, it is known what it lies in.
    known = (regions.by_code[each] for each in (code, *above(code)) if each in regions.by_code)
    away = next((found for region in known if (found := _away(region, start)) is not None), None)
    return len(BANDS) + 1 if away is None else sum(away > band for band in BANDS)


def _away(region: Region, start: Point) -> float | None:
    """Kilometres from the origin to the nearest place of a region's box, else to its point; None where it has none."""
    if region.box is None:
        return distance(start, region.point) if region.point is not None else None
    (latitude, longitude), box = start, region.box
    near = min(max(latitude, box.south), box.north)
    turned = (longitude + turn for turn in (-360.0, 0.0, 360.0))
    return min(distance(start, (near, min(max(each, box.west), box.east))) for each in turned)


def _gravity(severity: Severity) -> int:
    """0 for Extreme; Unknown is the least."""
    return tuple(Severity).index(severity)


def _number(facts: Mapping[str, JsonValue], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
