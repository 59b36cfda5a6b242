from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kentongan.area.geometry import Disc, Point, box_round, contains, distance, near, ring, size

LATITUDES = st.floats(-66, 66)
LONGITUDES = st.floats(-180, 180)
POINTS = st.tuples(LATITUDES, LONGITUDES)
KILOMETRE = 1 / 111.195


def wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


def star(centre: Point, radii: list[float]) -> list[Point]:
    """A ring whose every point is seen from its centre, at these distances in degrees."""
    points = []
    for number, radius in enumerate(radii):
        angle = 2 * math.pi * number / len(radii)
        points.append((centre[0] + radius * math.sin(angle), wrapped(centre[1] + radius * math.cos(angle))))
    return points


STARS = st.tuples(POINTS, st.lists(st.floats(0.02, 1.5), min_size=3, max_size=9))


@given(STARS, st.floats(0, 0.95), st.integers(0, 8))
def test_a_point_inside_is_inside_on_either_side_of_the_180th_meridian(
    drawn: tuple[Point, list[float]], share: float, number: int
) -> None:
    centre, radii = drawn
    points = star(centre, radii)
    towards = points[number % len(points)]
    away = towards[1] - centre[1]
    away -= 360 * round(away / 360)
    inner = (centre[0] + share * (towards[0] - centre[0]), wrapped(centre[1] + share * away))
    # Straight to a corner, a star of three points need not hold its centre; its corners' middle it does.
    assume(len(points) > 4)
    assert contains(ring(points), inner)
    assert near(ring(points), Disc(inner, 0), 0)
    assert near(Disc(inner, 0), ring(points), 0)


@given(STARS, st.floats(1.6, 40), st.floats(0, 2 * math.pi))
def test_a_point_well_outside_is_outside(drawn: tuple[Point, list[float]], far: float, angle: float) -> None:
    centre, radii = drawn
    outer = (max(-89.0, min(89.0, centre[0] + far * math.sin(angle))), wrapped(centre[1] + far * math.cos(angle)))
    assume(abs(outer[0] - centre[0]) > 1.51 or abs(wrapped(outer[1] - centre[1])) > 1.51)
    assert not contains(ring(star(centre, radii)), outer)


@given(STARS, STARS)
def test_whether_two_rings_are_near_does_not_depend_on_which_is_first(
    one: tuple[Point, list[float]], other: tuple[Point, list[float]]
) -> None:
    first = ring(star(*one))
    second = ring(star((one[0][0] + (other[0][0] % 3) - 1.5, wrapped(one[0][1] + (other[0][1] % 3) - 1.5)), other[1]))
    assert near(first, second, 1) == near(second, first, 1)


@given(POINTS, st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.floats(0, 300), st.floats(0, 2 * math.pi))
def test_nearness_to_an_edge_is_nearness_to_one_of_its_points(
    begin: Point, up: float, along: float, radius: float, angle: float
) -> None:
    assume(abs(up) + abs(along) > 0.05)
    end = (begin[0] + up, begin[1] + along)
    edge = ring([begin, end, begin])
    off = (radius + 20) * KILOMETRE * 0.9
    centre = (begin[0] + off * math.sin(angle), begin[1] + off * math.cos(angle))
    assume(abs(centre[0]) < 70)
    steps = [distance(centre, (begin[0] + share / 400 * up, begin[1] + share / 400 * along)) for share in range(401)]
    if min(steps) <= radius:
        assert near(Disc(centre, radius), edge, 0)
    if min(steps) > radius * 1.03 + 0.5:
        assert not near(Disc(centre, radius), edge, 0)


@given(POINTS, POINTS, st.floats(0.01, 500), st.floats(0.01, 500), st.floats(0, 50))
def test_two_discs_are_near_when_their_rims_are(one: Point, other: Point, r: float, s: float, within: float) -> None:
    apart = distance(one, other)
    if apart <= r + s + within:
        assert near(Disc(one, r), Disc(other, s), within)
    if apart > (r + s + within) * 1.02:
        assert not near(Disc(one, r), Disc(other, s), within)


def test_rings_that_cross_without_a_corner_in_each_other_are_near() -> None:
    upright = ring([(-2, -0.5), (2, -0.5), (2, 0.5), (-2, 0.5)])
    lying = ring([(-0.5, -2), (0.5, -2), (0.5, 2), (-0.5, 2)])
    assert near(upright, lying, 0)


def test_a_ring_inside_another_is_near_it() -> None:
    outer = ring([(-5, -5), (5, -5), (5, 5), (-5, 5)])
    inner = ring([(0, 0), (0, 0.1), (0.1, 0.1)])
    assert near(outer, inner, 0)
    assert near(inner, outer, 0)


def test_a_crossed_ring_takes_in_both_of_its_loops() -> None:
    eight = ring([(0, 0), (1, 1), (1, 0), (0, 1)])
    assert contains(eight, (0.9, 0.5))
    assert contains(eight, (0.1, 0.5))


def test_a_ring_round_the_pole_takes_the_pole_in() -> None:
    arctic = ring([(70, longitude) for longitude in range(-180, 180, 20)])
    assert contains(arctic, (89.9, 17))
    assert contains(arctic, (75, -179))
    assert not contains(arctic, (60, 0))
    antarctic = ring([(-70, longitude) for longitude in range(-180, 180, 20)])
    assert contains(antarctic, (-80, 45))
    assert not contains(antarctic, (0, 45))


@pytest.mark.parametrize("shift", [0.0, 110.0, 180.0, -179.95])
def test_a_square_degree_at_the_equator_has_its_known_size(shift: float) -> None:
    square = [(0, wrapped(shift)), (0, wrapped(shift + 1)), (1, wrapped(shift + 1)), (1, wrapped(shift))]
    assert size(ring(square)) == pytest.approx(12_363, rel=0.001)


def test_a_disc_of_ten_kilometres_has_its_known_size() -> None:
    assert size(Disc((-7, 110), 10)) == pytest.approx(math.pi * 100, rel=0.001)


def test_a_ring_may_repeat_its_first_point_or_not() -> None:
    open_, closed = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)]
    assert ring(open_) == ring(closed)


def test_points_on_both_sides_of_the_180th_meridian_have_a_small_box() -> None:
    box = box_round([(0, 179.5), (1, -179.5)])
    assert box.east - box.west == pytest.approx(1)
