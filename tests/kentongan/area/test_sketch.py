from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan import cap
from kentongan.area.geometry import Point, ring
from kentongan.area.sketch import Drawn, sketch

SVG = "{http://www.w3.org/2000/svg}"
CIRCLE = cap.Area(area_desc="Muara", circles=((-7.93, 110.12, 3.0),))
LAND = Drawn("Segara Kidul", (ring([(-7.85, 110.0), (-7.85, 110.3), (-8.0, 110.3), (-8.0, 110.0)]),), taken_in=True)
NEXT = Drawn("Karang <Wetan>", (ring([(-7.85, 110.3), (-7.85, 110.6), (-8.0, 110.6), (-8.0, 110.3)]),))
VILLAGE = Drawn("Muara Jati", point=(-7.9, 110.15), taken_in=True)


def parsed(area: list[cap.Area], regions: list[Drawn], title: str = "K7Q4: Muara") -> ET.Element:
    return ET.fromstring(sketch(area, regions, title=title))


def texts(picture: ET.Element) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def test_regions_taken_in_are_named_and_told_apart_without_colour() -> None:
    picture = parsed([CIRCLE], [NEXT, LAND, VILLAGE])
    outlines = [each.get("class") for each in picture.iter(f"{SVG}path") if "land" in (each.get("class") or "")]
    # What is taken in is drawn last, with a class of its own that has the thicker line.
    assert outlines == ["land", "land in"]
    assert {"Segara Kidul", "Muara Jati"} <= set(texts(picture))
    assert [each.get("class") for each in picture.iter(f"{SVG}ellipse")] == ["shape"]


def test_the_picture_has_its_words_for_those_who_cannot_see_it() -> None:
    picture = parsed([CIRCLE], [NEXT, LAND, VILLAGE])
    assert picture.get("role") == "img"
    named = (picture.get("aria-labelledby") or "").split()
    own = {each.get("id"): each.text or "" for each in picture if each.get("id")}
    assert own[named[0]] == "K7Q4: Muara"
    assert "a circle of 3 km round 7.93° S, 110.12° E" in own[named[1]]
    assert "Regions taken in: Segara Kidul, Muara Jati." in own[named[1]]


def test_the_picture_fetches_nothing_and_runs_nothing() -> None:
    text = sketch([CIRCLE], [LAND], title="K7Q4")
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in text
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text


def test_two_pictures_in_one_page_do_not_disturb_each_other() -> None:
    one, other = parsed([CIRCLE], [LAND], "one"), parsed([CIRCLE], [LAND], "other")
    ids = [{each.get("id") for each in picture.iter() if each.get("id")} for picture in (one, other)]
    assert ids[0].isdisjoint(ids[1])


def test_without_anything_to_draw_it_says_so() -> None:
    picture = parsed([cap.Area(area_desc="Muara")], [])
    assert "without a shape" in texts(picture)[0]


def test_names_do_not_lie_on_each_other() -> None:
    crowd = [Drawn(f"Desa {n}", point=(-7.9 + n / 10_000, 110.1), taken_in=True) for n in range(30)]
    assert len([text for text in texts(parsed([CIRCLE], crowd)) if text.startswith("Desa")]) < 5


LATITUDES, LONGITUDES = st.floats(-89, 89), st.floats(-180, 180)
POINTS = st.tuples(LATITUDES, LONGITUDES)


@given(
    st.lists(st.lists(POINTS, min_size=1, max_size=6), max_size=3),
    st.lists(st.tuples(LATITUDES, LONGITUDES, st.floats(0, 20_000)), max_size=3),
    st.lists(POINTS, max_size=5),
    st.text(max_size=20),
)
def test_any_area_makes_a_well_formed_picture_with_numbers_in_it(
    polygons: list[list[Point]], circles: list[tuple[float, float, float]], points: list[Point], name: str
) -> None:
    clean = "".join(character for character in name if character.isprintable())
    area = cap.Area(area_desc=clean, polygons=tuple(map(tuple, polygons)), circles=tuple(circles))
    regions = [Drawn(clean, point=point, taken_in=True) for point in points]
    text = sketch([area], regions, title=clean)
    ET.fromstring(text)
    assert not re.search(r"\b(nan|inf)\b", text.partition("</style>")[2])


@pytest.mark.parametrize("west", [109.9, 179.9, -180.0])
def test_an_area_on_the_180th_meridian_is_drawn_in_one_piece(west: float) -> None:
    def wrapped(longitude: float) -> float:
        return (longitude + 180) % 360 - 180

    corners = [(0.0, wrapped(west)), (0.0, wrapped(west + 0.2)), (0.2, wrapped(west + 0.2)), (0.2, wrapped(west))]
    area = cap.Area(area_desc="x", polygons=(tuple(corners),))
    path = next(each.get("d") or "" for each in parsed([area], []).iter(f"{SVG}path") if each.get("class") == "shape")
    across = [float(number) for number in re.findall(r"([\d.-]+) [\d.-]+", path)]
    assert max(across) - min(across) == pytest.approx(672 / 1.3, abs=1)
