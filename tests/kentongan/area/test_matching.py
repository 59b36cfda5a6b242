from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kentongan import cap
from kentongan.area.codes import above
from kentongan.area.geometry import Point, ring
from kentongan.area.matching import BUFFER, Matched, match, regions_together, smallest
from kentongan.area.names import Words
from kentongan.area.regions import Region, Regions, Rings
from kentongan.cap.model import NamedValue

KILOMETRE = 1 / 111.195
SIDE = 0.2
WORDS = Words(
    schemes=("kemendagri", "Kode Wilayah"),
    kinds={"kabupaten": ("kab",), "kota": (), "kecamatan": ("kec",)},
    joins=("dan",),
)


def wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


def square(south: float, west: float, side: float) -> list[Point]:
    return [(south, west), (south, wrapped(west + side)), (south + side, wrapped(west + side)), (south + side, west)]


def world(west: float, *, drawn: bool = True) -> Regions:
    """A province of four regencies, each of four districts of 0.2 degrees, from the equator up and from `west` on.

    Where it is not `drawn`, only the middle of each district is known.
    """
    regions = [Region("1", "Provinsi Kotak")]
    boundaries: dict[str, Rings] = {}
    for regency in range(4):
        regions.append(Region(f"1.{regency}", f"Kabupaten Petak {regency}"))
        for district in range(4):
            code = f"1.{regency}.{district}"
            south = (regency // 2 * 2 + district // 2) * SIDE
            left = wrapped(west + (regency % 2 * 2 + district % 2) * SIDE)
            boundaries[code] = [square(south, left, SIDE)]
            box = ring(boundaries[code][0]).box if drawn else None
            middle = (south + SIDE / 2, wrapped(left + SIDE / 2))
            regions.append(Region(code, f"Petak {regency}{district}", point=middle, box=box))
    return Regions.of(regions, boundaries)


def home(point: Point) -> str:
    """The district of the world from longitude 0 that a point lies in."""
    row, column = int(point[0] // SIDE), int(point[1] // SIDE)
    return f"1.{row // 2 * 2 + column // 2}.{row % 2 * 2 + column % 2}"


def of(regions: Regions, **area: object) -> Matched:
    return match([cap.Area.model_validate({"area_desc": "", **area})], regions, words=WORDS)


WEST = st.sampled_from([0.0, 110.0, 179.5, 179.95, -180.0])
INSIDE = st.tuples(st.floats(0.001, 0.799), st.floats(0.001, 0.799))


@given(WEST, st.booleans(), INSIDE, st.floats(0, 60))
def test_whoever_is_inside_a_circle_is_taken_in(west: float, drawn: bool, point: Point, radius: float) -> None:
    regions = world(west, drawn=drawn)
    matched = of(regions, circles=((point[0], wrapped(west + point[1]), radius),))
    assert home(point) in smallest(matched.codes, regions)


@given(WEST, st.lists(INSIDE, min_size=3, max_size=3), st.tuples(*[st.floats(0.01, 1)] * 3))
def test_whoever_is_inside_a_polygon_is_taken_in(west: float, corners: list[Point], weights: tuple[float, ...]) -> None:
    regions = world(west)
    inner = tuple(
        sum(corner[axis] * weight for corner, weight in zip(corners, weights, strict=True)) / sum(weights)
        for axis in (0, 1)
    )
    matched = of(regions, polygons=([(latitude, wrapped(west + longitude)) for latitude, longitude in corners],))
    assert home((inner[0], inner[1])) in smallest(matched.codes, regions)


@given(WEST, st.booleans(), INSIDE, st.floats(0, 60), st.floats(0, 60))
def test_growing_a_circle_never_loses_a_region(
    west: float, drawn: bool, point: Point, radius: float, more: float
) -> None:
    regions = world(west, drawn=drawn)
    centre = (point[0], wrapped(west + point[1]))
    small = of(regions, circles=((*centre, radius),))
    large = of(regions, circles=((*centre, radius + more),))
    assert smallest(small.codes, regions) <= smallest(large.codes, regions)


@given(WEST, st.booleans(), st.lists(INSIDE, min_size=3, max_size=7), st.floats(1, 4))
def test_growing_a_polygon_never_loses_a_region(west: float, drawn: bool, corners: list[Point], factor: float) -> None:
    regions = world(west, drawn=drawn)
    middle = tuple(sum(corner[axis] for corner in corners) / len(corners) for axis in (0, 1))
    # Seen from its middle, so that the larger one holds the smaller.
    ordered = sorted(corners, key=lambda c: math.atan2(c[0] - middle[0], c[1] - middle[1]))

    def scaled(by: float) -> list[Point]:
        return [
            (middle[0] + by * (latitude - middle[0]), wrapped(west + middle[1] + by * (longitude - middle[1])))
            for latitude, longitude in ordered
        ]

    angles = {math.atan2(c[0] - middle[0], c[1] - middle[1]) for c in ordered}
    assume(len(angles) == len(ordered))
    gaps = sorted(angles)
    assume(all(later - earlier < 3 for earlier, later in zip(gaps, [*gaps[1:], gaps[0] + 2 * math.pi], strict=True)))
    small, large = of(regions, polygons=(scaled(1),)), of(regions, polygons=(scaled(factor),))
    assert smallest(small.codes, regions) <= smallest(large.codes, regions)


@given(WEST, st.floats(0.01, 0.79), st.floats(0, 0.98))
def test_a_region_within_a_kilometre_is_taken_in(west: float, along: float, off: float) -> None:
    regions = world(west)
    spot = (-off * BUFFER * KILOMETRE, along)
    matched = of(regions, circles=((spot[0], wrapped(west + along), 0.0),))
    assert home((0.0, along)) in smallest(matched.codes, regions)


@given(WEST, st.floats(0.01, 0.79), st.floats(1.05, 50))
def test_a_region_farther_off_is_not(west: float, along: float, off: float) -> None:
    matched = of(world(west), circles=((-off * KILOMETRE, wrapped(west + along), 0.0),))
    assert matched.codes == ()


def test_regions_together_are_named_by_the_highest_code() -> None:
    matched = of(world(0), circles=((0.4, 0.4, 500.0),))
    assert matched.codes == ("1",)
    assert matched.names == ("Provinsi Kotak",)
    assert matched.regions == 16


def test_a_hole_in_a_polygon_is_not_a_hole_in_the_warning() -> None:
    regions = world(0)
    outer = [(-0.1, -0.1), (-0.1, 0.9), (0.9, 0.9), (0.9, -0.1), (-0.1, -0.1)]
    inner = [(0.3, 0.3), (0.3, 0.5), (0.5, 0.5), (0.5, 0.3), (0.3, 0.3)]
    assert of(regions, polygons=(outer, inner)).codes == ("1",)


def test_a_part_of_which_nobody_knows_where_it_lies_goes_with_its_region() -> None:
    regions = world(0)
    known: Mapping[str, Region] = {**regions.by_code, "1.0.9": Region("1.0.9", "Petak Baru")}
    widened = Regions(known, lambda codes: {code: [square(0, 0, SIDE)] for code in codes})
    assert "1.0.9" in of(widened, circles=((0.1, 0.1, 1.0),)).codes


def test_villages_without_a_place_go_with_their_district() -> None:
    drawn = world(0)
    known = {**drawn.by_code, **{f"1.0.0.{n}": Region(f"1.0.0.{n}", f"Desa {n}") for n in range(3)}}
    regions = Regions(known, drawn.boundaries)
    matched = of(regions, circles=((0.1, 0.1, 1.0),))
    assert matched.codes == ("1.0.0",)
    assert matched.regions == 3


def test_a_touched_region_none_of_whose_parts_is_touched_counts_whole() -> None:
    box = ring(square(0, 0, 1)).box
    part = ring(square(0.8, 0.8, 0.1)).box
    regions = Regions.of(
        [Region("1", "Luas", box=box), Region("1.1", "Sudut", box=part)],
        {"1": [square(0, 0, 1)], "1.1": [square(0.8, 0.8, 0.1)]},
    )
    assert of(regions, circles=((0.2, 0.2, 1.0),)).codes == ("1",)


def test_an_estimate_does_not_reach_out_of_a_boundary_that_is_known() -> None:
    villages = [Region(f"{n}.{m}", f"Desa {n}{m}", point=(0.5, n - 0.5 + m / 10)) for n in (1, 2) for m in (1, 2)]
    boundaries: dict[str, Rings] = {"1": [square(0, 0, 1)], "2": [square(0, 1, 1)]}
    regions = Regions.of(
        [Region(code, code, box=ring(rings[0]).box) for code, rings in boundaries.items()] + villages, boundaries
    )
    matched = of(regions, circles=((0.5, 0.2, 10.0),))
    assert matched.codes == ("1",)


def test_what_was_matched_by_its_middle_alone_is_said() -> None:
    matched = of(world(0, drawn=False), circles=((0.1, 0.1, 1.0),))
    assert "1.0.0" in matched.codes or any("1.0.0".startswith(f"{code}.") for code in matched.codes)
    assert matched.estimated > 0
    assert of(world(0), circles=((0.1, 0.1, 1.0),)).estimated == 0


def geocode(name: str, value: str) -> Matched:
    return of(world(0), geocodes=(NamedValue(value_name=name, value=value),))


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("kemendagri", "1.0.1", ("1.0.1",)),
        ("KODE_WILAYAH", "1.0", ("1.0",)),
        ("kode-wilayah", "101", ("1.0.1",)),
        ("kemendagri", "1.0.1.2001", ("1.0.1",)),
        ("SAME", "1.0.1", ()),
        ("kemendagri", "2.0.1", ()),
        ("kemendagri", "n/a", ()),
    ],
)
def test_a_geocode_of_a_known_scheme_takes_its_region_in(name: str, value: str, codes: tuple[str, ...]) -> None:
    assert geocode(name, value).codes == codes


def test_a_geocode_above_all_that_is_loaded_takes_all_of_it_in() -> None:
    regions = Regions.of([Region("33.01.01", "Satu"), Region("33.01.02", "Dua"), Region("34.01", "Tiga")], {})
    matched = of(regions, geocodes=(NamedValue(value_name="kemendagri", value="33"),))
    assert matched.codes == ("33",)
    assert matched.regions == 2


def test_a_geocode_that_is_not_loaded_says_what_it_takes_in_instead() -> None:
    assert any("Petak 01" in remark for remark in geocode("kemendagri", "1.0.1.2001").remarks)
    assert any("takes in nobody" in remark for remark in geocode("kemendagri", "2.0").remarks)


def test_the_name_counts_only_where_nothing_else_says_where() -> None:
    regions = world(0)
    assert of(regions, area_desc="Kab. Petak 3").codes == ("1.3",)
    assert of(regions, area_desc="Kab. Petak 3", circles=((0.1, 0.1, 1.0),)).codes == ("1.0.0",)
    fallen = of(regions, area_desc="Kab. Petak 3", circles=((40.0, 0.1, 1.0),))
    assert fallen.codes == ("1.3",)
    assert "touches no loaded region" in fallen.remarks[0]


def test_a_shape_far_larger_than_the_named_place_is_pointed_out() -> None:
    matched = of(world(0), area_desc="Petak 00", circles=((0.1, 0.1, 60.0),))
    assert "make sure that it is drawn right" in matched.remarks[0]
    assert "km²" in matched.remarks[0]
    assert of(world(0), area_desc="Petak 00", circles=((0.1, 0.1, 5.0),)).remarks == ()


def test_the_areas_of_all_languages_are_one() -> None:
    regions = world(0)
    first = cap.Area(area_desc="satu", circles=((0.1, 0.1, 1.0),))
    second = cap.Area(area_desc="two", circles=((0.1, 0.1, 1.0),))
    both = match([first, second, first], regions, words=WORDS)
    assert both.codes == ("1.0.0",)
    assert both.square_kilometres == pytest.approx(math.pi, rel=0.01)


@given(st.sets(st.sampled_from(list(world(0).by_code)), min_size=1))
def test_the_same_people_are_meant_however_codes_are_put_together(codes: set[str]) -> None:
    regions = world(0)
    together = regions_together(codes, regions)
    assert smallest(together, regions) == smallest(codes, regions)
    assert all(set(above(code)).isdisjoint(together) for code in together)
