"""Indonesia's regions: 91,599 codes, simplified boundaries and centroids, and BMKG's warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kentongan.area.geometry import distance
from kentongan.area.matching import match
from kentongan.area.names import read_words
from kentongan.area.reading import read_regions
from kentongan.area.regions import Region, Regions, boundary_box
from kentongan.area.rows import Fault, RegionRow
from kentongan.cap.model import Area
from kentongan.cap.reading import read
from kentongan.data import data_path

DATA = Path(__file__).parents[3].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not (DATA / "regions").is_dir(), reason="needs ../shared/data/regions")
WORDS = read_words(data_path("templates"))


def rows_of(name: str) -> list[RegionRow]:
    with (DATA / "regions" / name).open(encoding="utf-8", newline="") as file:
        items = list(read_regions(file, place=name))
    assert not [item for item in items if isinstance(item, Fault)]
    return [item for item in items if isinstance(item, RegionRow)]


def regions_of(lists: Iterable[list[RegionRow]]) -> Regions:
    found: dict[str, Region] = {}
    boundaries = {}
    for row in (row for rows in lists for row in rows):
        before = found.get(row.code)
        name = row.name or (before.name if before else row.code)
        box = before.box if before else None
        if row.rings is not None:
            boundaries[row.code] = row.rings
            box = boundary_box(row.rings)
        found[row.code] = Region(row.code, name, None, row.point or (before.point if before else None), box)
    return Regions(found, lambda codes: {code: boundaries[code] for code in codes})


LISTS = ("provinsi.csv", "kabupaten_kota.csv", "kecamatan.csv", "desa_kelurahan.csv")


@pytest.fixture(scope="module")
def country() -> Regions:
    drawn = ("provinsi_simplified.geojson", "kabkota_simplified.geojson", "centroid_provinsi_kabkota.csv")
    return regions_of(rows_of(name) for name in (*LISTS, *drawn))


def test_every_list_is_read_whole() -> None:
    counts = {name: len(rows_of(name)) for name in LISTS}
    assert counts == dict(zip(LISTS, (38, 514, 7_285, 83_762), strict=True))
    assert len(rows_of("kabkota_simplified.geojson")) == 514


WARNINGS: Mapping[str, set[str]] = {
    "bmkg/nowcast_cap_id_CGT20260924002.xml": {"Kabupaten Boalemo", "Kabupaten Pohuwato", "Kabupaten Gorontalo Utara"},
    "cap_valid/bmkgapi__cap_jateng.xml": {"Kota Pekalongan"},
    "cap_valid/bmkgapi__cap_banten.xml": {"Kabupaten Lebak", "Kota Cilegon", "Kabupaten Serang"},
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_nowcast_reaches_the_regencies_that_its_polygons_lie_in(country: Regions, name: str) -> None:
    alert = read((DATA / name).read_bytes(), zone=ZoneInfo("Asia/Jakarta"), now=datetime.now(UTC)).alert
    matched = match([area for info in alert.infos for area in info.areas], country, words=WORDS)
    assert set(matched.names) >= WARNINGS[name]
    assert len(matched.codes) <= len(WARNINGS[name]) + 1
    assert matched.estimated == 0


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Kab. Cilacap", ("33.01",)),
        ("Kec. Kesugihan, Kab. Cilacap, Jawa Tengah", ("33.01.02",)),
        ("DIY; Jateng", ("33", "34")),
        ("Kota Bandung", ("32.73",)),
    ],
)
def test_names_as_they_are_written_find_their_regions(country: Regions, text: str, codes: tuple[str, ...]) -> None:
    assert match([Area(area_desc=text)], country, words=WORDS).codes == codes


def test_an_estimated_reach_holds_nearly_all_of_a_regency() -> None:
    points = regions_of([rows_of("centroid_provinsi_kabkota.csv")])
    inside = total = 0
    for row in rows_of("kabkota_simplified.geojson"):
        centre = points.by_code[row.code].point
        assert centre is not None
        assert row.rings is not None
        for corner in (corner for ring in row.rings for corner in ring):
            total += 1
            inside += distance(corner, centre) <= points.reach(row.code) + 1
    assert inside / total > 0.96


def test_every_corner_of_every_regency_reaches_it(country: Regions) -> None:
    """The corners of a boundary, each as a point of its own: the regency, or all of its province, is always reached."""
    for row in rows_of("kabkota_simplified.geojson")[::10]:
        assert row.rings is not None
        corner = row.rings[0][len(row.rings[0]) // 2]
        matched = match([Area(area_desc="", circles=((*corner, 0.0),))], country, words=WORDS)
        assert any(row.code == code or row.code.startswith(f"{code}.") for code in matched.codes), row.code
