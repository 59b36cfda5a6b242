"""Which regions an alert's area takes in. Pure, and it errs outward: nobody in the area is left out for a doubt.

| given             | takes in                                                                                       |
| ----------------- | ---------------------------------------------------------------------------------------------- |
| polygon, circle   | every region that it touches or comes within a kilometre of; holes count as inside             |
| geocode           | of a known scheme: the region and all in it; of a code that is not loaded, what lies above it   |
| name of an area   | only where nothing else says where: the regions of that name (`kentongan.area.names`)           |

Of a region that is touched, the parts that are touched count, with the parts of which nobody knows where they lie;
where none of its parts is touched, all of it counts. A region of which only a point is known is taken to reach as far
as its sisters lie off (`Regions.reach`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kentongan import cap
from kentongan.area import names
from kentongan.area.codes import above, highest, read_code
from kentongan.area.geometry import Box, Disc, Shape, near, ring, size
from kentongan.area.regions import Regions
from kentongan.quick_dataclass import dataclass

BUFFER = 1.0
"""Kilometres round every shape that count as in it."""

_EXCESS = 3
"""A shape that takes in more than so many times the regions that the area's own name stands for is pointed out."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The regions that an alert's area takes in.

    `codes` are the highest that say it; `names` those of the regions they stand for; `regions` counts the smallest
    loaded regions in them; `square_kilometres` is the size of all shapes together (what overlaps counts twice) and 0
    where there are none. `estimated`: regions that were matched by their point for want of a boundary. `remarks` are
    sentences that an officer should read before they send.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    regions: int
    square_kilometres: float = 0.0
    estimated: int = 0
    remarks: tuple[str, ...] = ()


def match(areas: Iterable[cap.Area], regions: Regions, *, words: names.Words) -> Matched:
    """The regions of some areas together."""
    found = _Found(regions, words)
    unique = list(dict.fromkeys(areas))
    for area in unique:
        found.add(area)
    shapes = dict.fromkeys(shape for area in unique for shape in shapes_of(area))
    codes = regions_together(found.codes, regions)
    return Matched(
        codes=codes,
        names=tuple(regions.named(codes)),
        regions=len(smallest(codes, regions)),
        square_kilometres=sum(size(shape) for shape in shapes),
        estimated=len(found.estimated),
        remarks=tuple(dict.fromkeys(found.remarks)),
    )


def shapes_of(area: cap.Area) -> list[Shape]:
    """The polygons and circles of an area as shapes."""
    rings: list[Shape] = [ring(points) for points in area.polygons if points]
    return [*rings, *(Disc((latitude, longitude), radius) for latitude, longitude, radius in area.circles)]


def touched(shapes: Sequence[Shape], regions: Regions) -> tuple[set[str], set[str]]:
    """The codes that shapes take in, and those among the regions they touch that were only estimated."""
    search = _Search(shapes, regions)
    return search.codes(), search.estimated


def smallest(codes: Iterable[str], regions: Regions) -> set[str]:
    """The smallest loaded regions that some codes stand for."""
    return {leaf for code in codes for leaf in _leaves(code, regions)}


def regions_together(codes: Iterable[str], regions: Regions) -> tuple[str, ...]:
    """The highest codes that stand for the same: where all parts of a region are there, the region.

    One part is not all of a region: an agency that has loaded its own regency alone does not mean the province.
    """
    wanted = set(highest(codes))
    # From the deepest up, so that parts of parts come together first.
    for code in sorted({over for each in wanted for over in above(each)}, key=lambda c: -c.count(".")):
        parts = regions.parts(code)
        if code in regions.by_code and len(parts) > 1 and wanted.issuperset(parts):
            wanted.difference_update(parts)
            wanted.add(code)
    return highest(wanted)


class _Found:
    """What the areas of one alert have taken in so far."""

    def __init__(self, regions: Regions, words: names.Words) -> None:
        self._regions = regions
        self._schemes = {_scheme(name) for name in words.schemes}
        self._index = names.Index(regions, words)
        self.codes: set[str] = set()
        self.estimated: set[str] = set()
        self.remarks: list[str] = []

    def add(self, area: cap.Area) -> None:
        """Takes one area in: by its shapes and geocodes, else by its name."""
        own: set[str] = set()
        shapes = shapes_of(area)
        if shapes:
            codes, estimated = touched(shapes, self._regions)
            own |= codes
            self.estimated |= estimated
        for geocode in area.geocodes:
            own |= self._geocoded(geocode)
        if not own:
            named = self._index.find(area.area_desc)
            self.remarks += named.remarks
            if shapes and named.codes:
                told = f"the shape of {area.area_desc!r} touches no loaded region"
                self.remarks.append(f"{told}; its regions were found by its name, so make sure that it is drawn right")
            own |= named.codes
        elif shapes:
            self._compare(area, own)
        self.codes |= own

    def _geocoded(self, geocode: cap.NamedValue) -> set[str]:
        if _scheme(geocode.value_name) not in self._schemes:
            return set()
        told = f"geocode {geocode.value_name}={geocode.value}"
        try:
            code = read_code(geocode.value)
        except ValueError:
            self.remarks.append(f"{told} is no region code and takes in nobody")
            return set()
        known = self._regions.by_code
        code = code if code in known else self._undotted(code)
        if code in known or any(code in above(other) for other in known):
            return {code}
        over = self._regions.parent(code)
        if over is None:
            self.remarks.append(f"{told} is not among the regions that are loaded and takes in nobody")
            return set()
        self.remarks.append(f"{told} is not loaded, so all of {known[over].name} ({over}) counts as in it")
        return {over}

    def _undotted(self, code: str) -> str:
        """The loaded code that one written without its dots means; the code itself where none does."""
        if "." in code:
            return code
        return next((known for known in self._regions.by_code if known.replace(".", "") == code), code)

    def _compare(self, area: cap.Area, own: set[str]) -> None:
        """Points out a shape that takes in far more than the area's own name says: it may be drawn wrong."""
        named = self._index.find(area.area_desc).codes
        if not named:
            return
        meant, reached = smallest(named, self._regions), smallest(own, self._regions)
        beyond = reached - meant
        if len(reached) > _EXCESS * len(meant) or not reached & meant:
            kilometres = sum(size(shape) for shape in shapes_of(area))
            told = f"the shape of {area.area_desc!r} is {kilometres:,.0f} km² and takes in {len(beyond):,} regions"
            self.remarks.append(f"{told} outside of what that name says; make sure that it is drawn right")


class _Search:
    """One walk down the regions, with the shapes that they are held against."""

    def __init__(self, shapes: Sequence[Shape], regions: Regions) -> None:
        self._shapes = [(shape, shape.box.grown(BUFFER)) for shape in shapes]
        self._regions = regions
        self._placed = self._with_a_place()
        self.estimated: set[str] = set()
        regions.fetch(
            code for code, region in regions.by_code.items() if region.box is not None and self._meets(region.box)
        )

    def codes(self) -> set[str]:
        """The highest codes that the shapes take in."""
        found: set[str] = set()
        for code in self._regions.parts(None):
            if code in self._placed:
                found |= self._down(code, bounded=None)
        return found

    def _with_a_place(self) -> set[str]:
        """The regions of which, or of a part of which, it is known where they lie."""
        placed: set[str] = set()
        for code, region in self._regions.by_code.items():
            if (region.box is not None or region.point is not None) and code not in placed:
                placed.add(code)
                placed.update(above(code))
        return placed

    def _down(self, code: str, *, bounded: bool | None) -> set[str]:
        """What is taken in of a region. `bounded`: whether the nearest boundary above it is touched, if any."""
        region = self._regions.by_code[code]
        own = self._touches(code, bounded)
        inner = own if region.box is not None else bounded
        parts = self._regions.parts(code)
        hits: set[str] = set()
        for part in parts:
            if part in self._placed:
                hits |= self._down(part, bounded=inner)
        if hits:
            return hits | {part for part in parts if part not in self._placed}
        return {code} if own else set()

    def _touches(self, code: str, bounded: bool | None) -> bool:
        region = self._regions.by_code[code]
        if region.box is not None:
            if not self._meets(region.box):
                return False
            outline = self._regions.outline(code)
            return any(near(shape, edge, BUFFER) for shape, _ in self._shapes for edge in outline)
        if region.point is None or any(part in self._placed for part in self._regions.parts(code)):
            # Its parts tell better than an estimate where it lies.
            return False
        # An estimate does not reach out of a boundary that is known; a point that lies outside it is an island.
        spot = Disc(region.point, 0.0)
        if bounded is not False and self._meets(self._regions.farthest(code)):
            spot = self._regions.disc(code)
        hit = any(near(shape, spot, BUFFER) for shape, _ in self._shapes)
        if hit:
            self.estimated.add(code)
        return hit

    def _meets(self, box: Box) -> bool:
        return any(grown.meets(box) for _, grown in self._shapes)


def _leaves(code: str, regions: Regions) -> list[str]:
    """The smallest loaded regions that a code stands for, also where it lies above all that is loaded."""
    if code in regions.by_code:
        return regions.leaves(code)
    tops = [top for top in regions.parts(None) if top.startswith(f"{code}.")]
    return [leaf for top in tops for leaf in regions.leaves(top)] or [code]


def _scheme(name: str) -> str:
    """A geocode's valueName as it is compared: "Kode Wilayah" is "kode_wilayah"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
