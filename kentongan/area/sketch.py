"""A sketch of an alert's area as one SVG picture: no tiles, no script, no network; light, dark and in print.

Colour says nothing alone: regions taken in are outlined thickly and bear their names, the alert's own shapes are
hatched and dashed, and the text alternative says it all in words.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from html import escape

from kentongan import cap
from kentongan.area.geometry import Box, Disc, Point, Ring, Shape, box_of
from kentongan.area.matching import shapes_of
from kentongan.quick_dataclass import dataclass

WIDTH, _LEAST, _MOST = 720.0, 240.0, 900.0
_MARGIN = 24.0
_AROUND = 0.15
_FOOT = 34.0
_LETTER, _LINE = 7.4, 14.0  # what one letter and one line of a label take, in the picture's units
_FINEST = 0.8  # steps of an outline that are shorter do not show
_MOST_NAMES = 12
_LEGEND = "hatched: the alert’s area; bold: regions taken in"

_STYLE = """
.{c}{{--paper:#fff;--ink:#1b1b1b;--soft:#8a8a8a;--land:#eeece6;--in:#f6d9a8;--edge:#7a4b00;--shape:#b00020}}
@media (prefers-color-scheme:dark){{.{c}{{--paper:#161616;--ink:#f2f2f2;--soft:#8f8f8f;--land:#2a2a28;--in:#5a4212;
--edge:#ffcf70;--shape:#ff8a80}}}}
@media print{{.{c}{{--paper:#fff;--ink:#000;--soft:#666;--land:#fff;--in:#ddd;--edge:#000;--shape:#000}}}}
.{c} .paper{{fill:var(--paper)}}.{c} text{{font:12px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;
stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}}
.{c} .land{{fill:var(--land);stroke:var(--soft);stroke-width:.7}}
.{c} .land.in{{fill:var(--in);stroke:var(--edge);stroke-width:2}}.{c} .dot{{fill:var(--soft)}}
.{c} .dot.in{{fill:var(--edge)}}.{c} .shape{{stroke:var(--shape);stroke-width:1.6;stroke-dasharray:6 3}}
.{c} .hatch{{stroke:var(--shape);stroke-width:1}}.{c} .name{{text-anchor:middle}}.{c} .name.in{{font-weight:600}}
.{c} .bar{{stroke:var(--ink);stroke-width:2;fill:none}}
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One region as it is drawn: by its boundary, else by its point. `taken_in`: people in it are written to."""

    name: str
    rings: Sequence[Ring] = ()
    point: Point | None = None
    taken_in: bool = False


def sketch(area: Iterable[cap.Area], regions: Sequence[Drawn], *, title: str) -> str:
    """The picture as a whole SVG element, for a file or inside a page; two with different titles do not disturb.

    Where there is neither a shape nor a region that has a place, it says so.
    """
    shapes = list(dict.fromkeys(shape for each in area for shape in shapes_of(each)))
    ident = "m" + hashlib.sha256(f"{title}{shapes}{regions}".encode()).hexdigest()[:10]
    frame = _frame(shapes, regions)
    told = describe(shapes, regions)
    if frame is None:
        return _page(ident, title, told, 80.0, [f'<text x="16" y="46">{escape(told)}</text>'])
    view = _View.of(frame)
    drawn = [f'<clipPath id="{ident}c"><rect width="{WIDTH:g}" height="{view.height:g}"/></clipPath>']
    drawn.append(
        f'<pattern id="{ident}h" width="8" height="8" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><path class="hatch" d="M0 0V8"/></pattern>'
    )
    drawn.append(f'<g clip-path="url(#{ident}c)">')
    # What is taken in is drawn over its neighbours, whose edges it shares.
    ordered = sorted(regions, key=lambda region: region.taken_in)
    drawn += [_outline(region, view) for region in ordered if region.rings]
    drawn += [_shape(shape, view, ident) for shape in shapes]
    drawn += [_dot(region, view) for region in ordered if not region.rings and region.point is not None]
    drawn += _labels(ordered, view)
    drawn.append("</g>")
    drawn += _foot(view)
    return _page(ident, title, told, view.height + _FOOT, drawn)


def describe(shapes: Sequence[Shape], regions: Sequence[Drawn]) -> str:
    """The picture in words."""
    inside = [region.name for region in regions if region.taken_in]
    parts = []
    circles = [shape for shape in shapes if isinstance(shape, Disc)]
    polygons = len(shapes) - len(circles)
    if polygons:
        parts.append("one polygon" if polygons == 1 else f"{polygons:,} polygons")
    for disc in circles[:3]:
        latitude, longitude = disc.centre
        parts.append(f"a circle of {disc.radius:,.0f} km round {_degrees(latitude, longitude)}")
    if len(circles) > 3:
        parts.append(f"{len(circles) - 3:,} more circles")
    area = "The alert's area: " + (", ".join(parts) if parts else "given by name or code, without a shape") + "."
    if not inside:
        return f"{area} No region on this sketch lies in it."
    names = ", ".join(inside[:_MOST_NAMES])
    more = f" and {len(inside) - _MOST_NAMES:,} more" if len(inside) > _MOST_NAMES else ""
    return f"{area} Regions taken in: {names}{more}."


def _degrees(latitude: float, longitude: float) -> str:
    longitude = (longitude + 180) % 360 - 180
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}° {north}, {abs(longitude):.2f}° {east}"


@dataclass(frozen=True, slots=True)
class _View:
    """How degrees become places on the paper. The picture is true to scale along its middle latitude."""

    box: Box
    across: float  # units a degree of longitude
    up: float  # units a degree of latitude
    left: float
    top: float
    height: float

    @classmethod
    def of(cls, box: Box) -> _View:
        """The view of a box, filling the width or the height."""
        squeeze = max(0.05, math.cos(math.radians((box.south + box.north) / 2)))
        wide, tall = max((box.east - box.west) * squeeze, 1e-4), max(box.north - box.south, 1e-4)
        up = min((WIDTH - 2 * _MARGIN) / wide, (_MOST - 2 * _MARGIN) / tall)
        height = max(_LEAST, tall * up + 2 * _MARGIN)
        return cls(box, up * squeeze, up, (WIDTH - wide * up) / 2, (height - tall * up) / 2, height)

    def place(self, point: Point) -> tuple[float, float]:
        """Where a point stands, on the side of the 180th meridian that the picture shows."""
        latitude, longitude = point
        middle = (self.box.west + self.box.east) / 2
        longitude -= 360 * round((longitude - middle) / 360)
        return self.at(latitude, longitude)

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        """The same for a longitude that is on the right side already."""
        return self.left + (longitude - self.box.west) * self.across, self.top + (self.box.north - latitude) * self.up

    def turn(self, box: Box) -> float:
        """The full turns that bring a shape nearest to the middle of the picture."""
        return -360.0 * round(((box.west + box.east) - (self.box.west + self.box.east)) / 720)


def _frame(shapes: Sequence[Shape], regions: Sequence[Drawn]) -> Box | None:
    """What the picture shows: the alert's shapes and the regions taken in; the neighbours reach in from outside."""
    boxes = [shape.box for shape in shapes]
    inside = [region for region in regions if region.taken_in] or ([] if shapes else list(regions))
    for region in inside:
        boxes += [each.box for each in region.rings]
        if not region.rings and region.point is not None:
            boxes.append(Disc(region.point, 2.0).box)
    if not boxes:
        return None
    corners = []
    for box in boxes:
        turn = -360.0 * round(((box.west + box.east) - (boxes[0].west + boxes[0].east)) / 720)
        corners += [(box.south, box.west + turn), (box.north, box.east + turn)]
    whole = box_of(corners)
    # A little of what lies around, to find one's bearings by.
    up, along = (whole.north - whole.south) * _AROUND, (whole.east - whole.west) * _AROUND
    if whole.east - whole.west + 2 * along > 360:
        return Box(whole.south, -180.0, whole.north, 180.0)
    return Box(max(whole.south - up, -90.0), whole.west - along, min(whole.north + up, 90.0), whole.east + along)


def _outline(region: Drawn, view: _View) -> str:
    path = "".join(_path(each, view) for each in region.rings if view.box.meets(each.box))
    return f'<path class="land{" in" if region.taken_in else ""}" d="{path}"/>' if path else ""


def _path(ring: Ring, view: _View) -> str:
    """One ring, its points rounded and those dropped that do not show."""
    turn = view.turn(ring.box)
    steps: list[str] = []
    last = (math.inf, math.inf)
    for latitude, longitude in ring.points:
        x, y = view.at(latitude, longitude + turn)
        if abs(x - last[0]) > _FINEST or abs(y - last[1]) > _FINEST:
            steps.append(f"{x:.1f} {y:.1f}")
            last = (x, y)
    # What is too small to have a shape is still there.
    return f"M{'L'.join(steps)}Z" if len(steps) > 2 else f"M{steps[0]}h1v1h-1Z"


def _shape(shape: Shape, view: _View, ident: str) -> str:
    fill = f'class="shape" fill="url(#{ident}h)"'
    if isinstance(shape, Ring):
        return f'<path {fill} d="{_path(shape, view)}"/>'
    x, y = view.place(shape.centre)
    # On this projection a circle is as wide as it is high, along its own latitude.
    tall = max(shape.radius / 111.195 * view.up, 3.0)
    stretch = view.across / view.up / max(0.05, math.cos(math.radians(shape.centre[0])))
    return f'<ellipse {fill} cx="{x:.1f}" cy="{y:.1f}" rx="{tall * stretch:.1f}" ry="{tall:.1f}"/>'


def _dot(region: Drawn, view: _View) -> str:
    assert region.point is not None
    x, y = view.place(region.point)
    inside = region.taken_in
    return f'<circle class="dot{" in" if inside else ""}" cx="{x:.1f}" cy="{y:.1f}" r="{4.5 if inside else 2.5}"/>'


def _labels(regions: Sequence[Drawn], view: _View) -> list[str]:
    """The names that find room, those of regions taken in first."""
    taken: list[tuple[float, float, float, float]] = []
    found = []
    for region in sorted(regions, key=lambda each: not each.taken_in):
        middle = _middle(region)
        if middle is None:
            continue
        x, y = view.place(middle)
        y += 4 if region.rings else -8
        half = len(region.name) * _LETTER / 2
        spot = (x - half, y - _LINE + 3, x + half, y + 3)
        if spot[0] < 2 or spot[2] > WIDTH - 2 or spot[1] < 2 or spot[3] > view.height - 2:
            continue
        if any(spot[0] < o[2] and o[0] < spot[2] and spot[1] < o[3] and o[1] < spot[3] for o in taken):
            continue
        taken.append(spot)
        kind = "name in" if region.taken_in else "name"
        found.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(region.name)}</text>')
    return found


def _middle(region: Drawn) -> Point | None:
    if region.point is not None:
        return region.point
    if not region.rings:
        return None
    box = max((each.box for each in region.rings), key=lambda b: (b.east - b.west) * (b.north - b.south))
    return (box.south + box.north) / 2, (box.west + box.east) / 2


def _foot(view: _View) -> list[str]:
    """The scale, and what the signs mean."""
    kilometre = view.up / 111.195
    length = max(_steps(WIDTH / 4 / kilometre), default=1.0)
    y, end = view.height + 14, 16 + length * kilometre
    told = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    return [
        f'<path class="bar" d="M16 {y - 4:g}V{y:g}H{end:.1f}V{y - 4:g}"/>',
        f'<text x="{end + 8:.1f}" y="{y + 1:g}">{told}; north is up</text>',
        f'<text x="{WIDTH - 16:g}" y="{y + 1:g}" text-anchor="end">{_LEGEND}</text>',
    ]


def _steps(most: float) -> Iterable[float]:
    """Round lengths that are not more than `most` kilometres."""
    return [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5) if digit * 10.0**power <= most]


def _page(ident: str, title: str, told: str, height: float, drawn: Sequence[str]) -> str:
    style = _STYLE.format(c=ident).strip()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{ident}" viewBox="0 0 {WIDTH:g} {height:.0f}" role="img"'
        f' aria-labelledby="{ident}t {ident}d" style="max-width:100%;height:auto"><title id="{ident}t">{escape(title)}'
        f'</title><desc id="{ident}d">{escape(told)}</desc><style>{style}</style>'
        f'<rect class="paper" width="{WIDTH:g}" height="{height:.0f}"/>{"".join(drawn)}</svg>\n'
    )
