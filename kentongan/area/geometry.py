"""Shapes on the globe: whether a point lies in one, how far apart two are, how large one is.

Points are (latitude, longitude) in degrees, distances are kilometres. A ring's edges are straight in latitude and
longitude, as CAP and GeoJSON (RFC 7946, section 3.1.1) draw them, and go the shorter way round the globe; its last
point need not repeat its first. A ring has no holes and whatever it winds round is inside, so that a crossed one
errs outward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from kentongan.quick_dataclass import dataclass

Point = tuple[float, float]

RADIUS = 6371.0088
"""The earth's mean radius (IUGG), for every distance here."""

_DEGREE = math.radians(1) * RADIUS
_SLACK = 1.01
"""Distances to edges are measured in the plane; near as they are, this more than covers what that loses."""


@dataclass(frozen=True, slots=True)
class Box:
    """What a shape lies in. `east` is not less than `west` and may exceed 180 where the shape crosses that meridian."""

    south: float
    west: float
    north: float
    east: float

    def grown(self, distance: float) -> Box:
        """The box with at least `distance` more on every side."""
        margin = distance * _SLACK / _DEGREE
        south, north = self.south - margin, self.north + margin
        narrowest = math.cos(math.radians(min(max(abs(south), abs(north)), 90.0)))
        # Where it comes near a pole it goes round all of it.
        aside = min(margin / narrowest, 360.0) if narrowest > 1e-6 else 360.0
        return Box(max(south, -90.0), self.west - aside, min(north, 90.0), self.east + aside)

    def meets(self, other: Box) -> bool:
        """Whether two boxes have a point in common, on whichever side of the 180th meridian each was written."""
        if self.south > other.north or other.south > self.north:
            return False
        return any(
            self.west <= other.east + turn and other.west + turn <= self.east for turn in (-720, -360, 0, 360, 720)
        )


@dataclass(frozen=True, slots=True)
class Ring:
    """One outer ring, its longitudes unrolled so that each edge is short; make it with `ring`."""

    points: tuple[Point, ...]
    box: Box = field(compare=False)

    def edges(self) -> Iterator[tuple[Point, Point]]:
        """Every edge, the closing one too."""
        points = self.points
        yield from zip(points, (*points[1:], points[0]), strict=True)


@dataclass(frozen=True, slots=True)
class Disc:
    """All within `radius` kilometres of a point."""

    centre: Point
    radius: float

    @property
    def box(self) -> Box:
        """What it lies in."""
        latitude, longitude = self.centre
        return Box(latitude, longitude, latitude, longitude).grown(self.radius)


Shape = Ring | Disc


def ring(points: Iterable[Point]) -> Ring:
    """Makes a ring of at least one point; one that goes round a pole takes the pole in."""
    unrolled: list[Point] = []
    for latitude, longitude in points:
        if unrolled:
            longitude = unrolled[-1][1] + _short_way(longitude - unrolled[-1][1])
            if (latitude, longitude) == unrolled[-1]:
                continue
        unrolled.append((latitude, longitude))
    if not unrolled:
        raise ValueError("a ring has at least one point")
    first, last = unrolled[0], unrolled[-1]
    home = last[1] + _short_way(first[1] - last[1])
    if abs(home - first[1]) > 180:
        pole = math.copysign(90.0, sum(latitude for latitude, _ in unrolled))
        unrolled += [(first[0], home), (pole, home), (pole, first[1])]
    elif len(unrolled) > 1 and (first[0], home) == last:
        unrolled.pop()
    return Ring(tuple(unrolled), box_of(unrolled))


def box_of(points: Sequence[Point]) -> Box:
    """The box of points whose longitudes are unrolled already."""
    latitudes = [latitude for latitude, _ in points]
    longitudes = [longitude for _, longitude in points]
    return Box(min(latitudes), min(longitudes), max(latitudes), max(longitudes))


def distance(one: Point, other: Point) -> float:
    """Kilometres between two points along the globe (haversine)."""
    south, north = math.radians(one[0]), math.radians(other[0])
    half_up = math.sin((north - south) / 2)
    half_along = math.sin(math.radians(other[1] - one[1]) / 2)
    square = half_up * half_up + math.cos(south) * math.cos(north) * half_along * half_along
    return 2 * RADIUS * math.asin(min(1.0, math.sqrt(square)))


def contains(shape: Ring, point: Point) -> bool:
    """Whether a point lies inside; on the edge it may be either."""
    latitude, longitude = point
    return any(_winding(shape, latitude, longitude + turn) for turn in _turns(shape.box, longitude))


def near(one: Shape, other: Shape, within: float) -> bool:
    """Whether two shapes touch or lie at most `within` kilometres apart; errs outward by up to one per cent."""
    if not one.box.grown(within).meets(other.box):
        return False
    if isinstance(one, Disc) and isinstance(other, Disc):
        return distance(one.centre, other.centre) <= (one.radius + other.radius + within) * _SLACK
    if isinstance(one, Disc):
        return _disc_near(one, other, within)  # type: ignore[arg-type]
    if isinstance(other, Disc):
        return _disc_near(other, one, within)
    return _rings_near(one, other, within)


def size(shape: Shape) -> float:
    """Square kilometres of a shape; what a crossed ring winds against its own direction counts against it."""
    if isinstance(shape, Disc):
        angle = min(shape.radius / RADIUS, math.pi)
        return 2 * math.pi * RADIUS * RADIUS * (1 - math.cos(angle))
    total = 0.0
    for (a, west), (b, east) in shape.edges():
        total += math.radians(east - west) * (math.sin(math.radians(a)) + math.sin(math.radians(b))) / 2
    return abs(total) * RADIUS * RADIUS


def box_round(points: Sequence[Point]) -> Box:
    """A box round points as they are written; the smaller one where they lie on both sides of the 180th meridian."""
    plain = box_of(points)
    if plain.east - plain.west <= 180:
        return plain
    return box_of([(latitude, longitude % 360) for latitude, longitude in points])


def _short_way(difference: float) -> float:
    """A difference of longitudes, taken the shorter way; exactly half way round stays as it is written."""
    while difference > 180:
        difference -= 360
    while difference < -180:
        difference += 360
    return difference


def _turns(box: Box, longitude: float) -> list[int]:
    """The full turns that bring a longitude into a box."""
    return [turn for turn in (-720, -360, 0, 360, 720) if box.west <= longitude + turn <= box.east]


def _winding(shape: Ring, latitude: float, longitude: float) -> int:
    """How often the ring goes round a point; not zero means inside."""
    if not shape.box.south <= latitude <= shape.box.north:
        return 0
    number = 0
    for (a, west), (b, east) in shape.edges():
        if (a <= latitude) != (b <= latitude):
            crossing = west + (latitude - a) / (b - a) * (east - west)
            if crossing > longitude:
                number += 1 if b > a else -1
    return number


def _to_edge(point: Point, one: Point, other: Point) -> float:
    """Kilometres from a point to an edge, in the plane that touches the globe at the point."""
    latitude, longitude = point
    scale = math.cos(math.radians(latitude))
    x1, y1 = (one[1] - longitude) * scale, one[0] - latitude
    x2, y2 = (other[1] - longitude) * scale, other[0] - latitude
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    along = min(1.0, max(0.0, -(x1 * dx + y1 * dy) / length)) if length else 0.0
    nearest = (one[0] + along * (other[0] - one[0]), one[1] + along * (other[1] - one[1]))
    return min(distance(point, nearest), distance(point, one), distance(point, other))


def _disc_near(disc: Disc, shape: Ring, within: float) -> bool:
    if contains(shape, disc.centre):
        return True
    latitude, longitude = disc.centre
    wanted = disc.radius + within
    box = disc.box.grown(within)
    for turn in (-720, -360, 0, 360, 720):
        if shape.box.west <= box.east + turn and box.west + turn <= shape.box.east:
            centre = (latitude, longitude + turn)
            for one, other in _edges_in(shape, _turned(box, turn)):
                if _to_edge(centre, one, other) <= wanted * _SLACK:
                    return True
    return False


def _rings_near(one: Ring, other: Ring, within: float) -> bool:
    if contains(one, other.points[0]) or contains(other, one.points[0]):
        return True
    grown = one.box.grown(within)
    for turn in (-720, -360, 0, 360, 720):
        reached = _turned(grown, -turn)
        if not (reached.west <= other.box.east and other.box.west <= reached.east):
            continue
        theirs = [_edge_turned(edge, turn) for edge in _edges_in(other, reached)]
        if not theirs:
            continue
        box = box_of([point for edge in theirs for point in edge]).grown(within)
        for ours in _edges_in(one, box):
            near_ours = box_of(ours).grown(within)
            for edge in theirs:
                if _apart(near_ours, edge):
                    continue
                if _cross(*ours, *edge) or _edges_near(ours, edge, within * _SLACK):
                    return True
    return False


def _edges_near(ours: tuple[Point, Point], theirs: tuple[Point, Point], within: float) -> bool:
    return any(_to_edge(point, *theirs) <= within for point in ours) or any(
        _to_edge(point, *ours) <= within for point in theirs
    )


def _edges_in(shape: Ring, box: Box) -> list[tuple[Point, Point]]:
    """The edges that may touch a box written in the ring's own turn."""
    return [edge for edge in shape.edges() if not _apart(box, edge)]


def _apart(box: Box, edge: tuple[Point, Point]) -> bool:
    (a, west), (b, east) = edge
    return (
        (a < box.south and b < box.south)
        or (a > box.north and b > box.north)
        or (west < box.west and east < box.west)
        or (west > box.east and east > box.east)
    )


def _turned(box: Box, turn: float) -> Box:
    return Box(box.south, box.west + turn, box.north, box.east + turn)


def _edge_turned(edge: tuple[Point, Point], turn: float) -> tuple[Point, Point]:
    (a, west), (b, east) = edge
    return (a, west + turn), (b, east + turn)


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two edges cross; where they only touch, their distance says so."""
    return (_side(a, b, c) > 0) != (_side(a, b, d) > 0) and (_side(c, d, a) > 0) != (_side(c, d, b) > 0)


def _side(a: Point, b: Point, point: Point) -> float:
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
