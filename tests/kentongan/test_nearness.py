"""Waves part the regions of an area by grade, then by distance; every region is in one, and none is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from kentongan import nearness
from kentongan.area.codes import Within, covers, turns
from kentongan.area.geometry import Box, Point, distance
from kentongan.area.matching import smallest
from kentongan.area.regions import Region, Regions

ORIGIN = (-4.5, 102.9)


@st.composite
def regions(draw: st.DrawFn) -> Regions:
    """Two provinces with regencies and some villages, of which some have a point, some a box, some neither."""
    found: dict[str, Region] = {}
    for top in ("17", "33"):
        for second in range(draw(st.integers(0, 4))):
            for third in range(draw(st.integers(0, 3))):
                code = f"{top}.{second:02}.{third:02}"
                found[code] = _placed(draw, code)
            found[f"{top}.{second:02}"] = _placed(draw, f"{top}.{second:02}")
        found[top] = Region(top, top)
    return Regions(found, lambda codes: {})


def _placed(draw: st.DrawFn, code: str) -> Region:
    point: Point = (draw(st.floats(-10, 0)), draw(st.floats(95, 110)))
    kind = draw(st.sampled_from(["point", "box", "neither"]))
    box = Box(point[0] - 0.1, point[1] - 0.1, point[0] + 0.1, point[1] + 0.1) if kind == "box" else None
    return Region(code, code, point=None if kind == "neither" else point, box=box)


@given(loaded=regions(), data=st.data())
def test_each_region_is_in_the_wave_of_its_grade_and_distance(loaded: Regions, data: st.DataObject) -> None:
    every = sorted(loaded.by_code)
    codes = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=4, unique=True))
    graded = data.draw(st.lists(st.sets(st.sampled_from(every), max_size=3), max_size=3))
    start = data.draw(st.sampled_from([None, ORIGIN]))
    found = nearness.waves(codes, loaded, graded=graded, start=start)
    leaves = smallest(codes, loaded)
    wanted = {leaf: (_grade(leaf, graded), _band(loaded.by_code, leaf, start)) for leaf in leaves}
    if not found:
        assert len(set(wanted.values())) == 1
        return
    turn = turns(Within(codes=tuple(codes)), found)
    assert all(turn(leaf) < len(found) for leaf in leaves)
    for one in leaves:
        for other in leaves:
            assert (turn(one) < turn(other)) is (wanted[one] < wanted[other])
    # Nothing outside of the area stands in a wave.
    for code in (each for wave in found for each in wave):
        assert smallest([code], loaded) <= leaves


def _grade(leaf: str, graded: Sequence[set[str]]) -> int:
    return next((n for n, codes in enumerate(graded) if any(covers(code, leaf) for code in codes)), len(graded))


def _band(by_code: Mapping[str, Region], leaf: str, start: Point | None) -> int:
    if start is None:
        return 0
    placed = [by_code[leaf[:length]] for length in (8, 5, 2) if leaf[:length] in by_code]
    region = next((each for each in placed if each.point is not None), None)
    if region is None or region.point is None:
        return len(nearness.BANDS) + 1
    nearest = region.point
    if region.box is not None:
        box = region.box
        nearest = (min(max(start[0], box.south), box.north), min(max(start[1], box.west), box.east))
    return sum(distance(start, nearest) > band for band in nearness.BANDS)


def test_too_many_regions_to_be_told_apart_are_taken_together_with_the_nearest_part_of_each() -> None:
    found = {"17": Region("17", "17")}
    for second in range(60):
        found[f"17.{second:02}"] = Region(f"17.{second:02}", "regency")
        for third in range(50):
            code = f"17.{second:02}.{third:02}"
            # Every other village lies near, so that no regency is in one wave as a whole.
            found[code] = Region(code, "village", point=(ORIGIN[0] + (third % 2), ORIGIN[1]))
    loaded = Regions(found, lambda codes: {})
    waves = nearness.waves(["17"], loaded, start=ORIGIN)
    assert waves == ()
    found["17.99"] = Region("17.99", "regency", point=(ORIGIN[0] + 3, ORIGIN[1]))
    waves = nearness.waves(["17"], Regions(found, lambda codes: {}), start=ORIGIN)
    assert [len(wave) for wave in waves] == [60, 1]
    assert waves[1] == ("17.99",)
