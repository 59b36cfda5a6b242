from __future__ import annotations

import contextlib
import io
import json
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.area.reading import read_regions
from kentongan.area.rows import Fault, RegionRow, Remark
from kentongan.errors import BadInput


def read(text: str, **named: str) -> tuple[list[RegionRow], list[Fault], list[Remark]]:
    items = list(read_regions(io.StringIO(text, newline=""), place="regions.csv", **named))
    return (
        [item for item in items if isinstance(item, RegionRow)],
        [item for item in items if isinstance(item, Fault)],
        [item for item in items if isinstance(item, Remark)],
    )


def test_a_list_gives_code_name_zone_and_place() -> None:
    rows, faults, _ = read("code,name,timezone,lat,lon\n33,Jawa Tengah,Asia/Jakarta,-7.25,110.2\n33.01,Cilacap,,,\n")
    assert rows == [
        RegionRow(2, "33", "Jawa Tengah", "Asia/Jakarta", (-7.25, 110.2)),
        RegionRow(3, "33.01", "Cilacap"),
    ]
    assert faults == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_other_headings_and_separators_are_understood(delimiter: str, ending: str) -> None:
    text = f"\ufeff{ending}" + ending.join(
        delimiter.join(cells)
        for cells in (["KODE", "Nama", "jenis", "lng", "lat"], ["33.01", "Cilacap", "x", "109", "-7"])
    )
    rows, _, remarks = read(text)
    assert rows == [RegionRow(3, "33.01", "Cilacap", None, (-7.0, 109.0))]
    assert "jenis" in remarks[0].sentence


def test_the_columns_may_be_named() -> None:
    rows, _, _ = read("GEOID,label\n06.037,Los Angeles\n", code="GEOID", name="label")
    assert rows == [RegionRow(2, "06.037", "Los Angeles")]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (",Cilacap,,,", "has no code"),
        ("33 01,Cilacap,,,", "no region code"),
        ("33.01,Cilacap,Asia/Nowhere,,", "IANA"),
        ("33.01,Cilacap,,91,10", "latitude and longitude"),
        ("33.01,Cilacap,,nan,10", "latitude and longitude"),
        ("33.01,Cilacap,,-7,", "latitude and longitude"),
        ('33.01,Cilacap,,"-7,5",109', "latitude and longitude"),
        ("33.01,Cilacap,,", "has 4 cells where the header has 5"),
        ("33,Jawa Lain,,,", "stands in line 2 already"),
        ("33.01,Cila\u202ecap,,,", "cannot be shown"),
        (f"33.01,{'a' * 201},,,", "longer than 200"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_the_others_stand(row: str, told: str) -> None:
    rows, faults, _ = read(f"code,name,timezone,lat,lon\n33,Jawa Tengah,,,\n{row}\n34,Yogyakarta,,,\n")
    assert [each.code for each in rows] == ["33", "34"]
    assert [fault.line for fault in faults] == [3]
    assert faults[0].sentence.startswith("line 3")
    assert told in faults[0].sentence


def test_a_code_that_a_spreadsheet_has_cut_is_pointed_out() -> None:
    _, _, remarks = read("code,name\n33.01,Satu\n33.1,Sepuluh\n")
    assert "33.1 in line 3 is shorter than 33.01" in remarks[0].sentence


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a,b\n1,2\n", "code,code\n1,2\n", "code,name\n", '{"type": "Point"}', "[1, 2]"]
)
def test_what_is_no_list_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(BadInput, match=r"regions\.csv"):
        read(text)


DUMP = """/* a dump
INSERT INTO comment (kode, nama) VALUES ('99', 'no');
*/
DROP TABLE IF EXISTS wilayah;
CREATE TABLE wilayah (
    kode varchar(13) NOT NULL,
    PRIMARY KEY (kode)
);
-- first
INSERT INTO wilayah (kode, nama)
VALUES
('33','Jawa Tengah'),
-- between
('33.01','Kabupaten Cilacap'), ('33.01.02','Suaq Ba''u; (lama)'),
('33.01.03', "Ujung \\"Timur\\""),
('33.01.04', NULL);
INSERT INTO `wilayah` (`nama`, `kode`) VALUES ('Yogyakarta', '34');
"""


def test_a_dump_gives_the_rows_that_it_inserts() -> None:
    rows, faults, _ = read(DUMP)
    assert [(row.line, row.code, row.name) for row in rows] == [
        (12, "33", "Jawa Tengah"),
        (14, "33.01", "Kabupaten Cilacap"),
        (14, "33.01.02", "Suaq Ba'u; (lama)"),
        (15, "33.01.03", 'Ujung "Timur"'),
        (16, "33.01.04", None),
        (17, "34", "Yogyakarta"),
    ]
    assert faults == []


def test_a_row_of_a_dump_with_a_quote_too_few_is_reported_with_its_line() -> None:
    text = "INSERT INTO wilayah (kode, nama) VALUES\n('33','Jawa Tengah),\n('34','Yogyakarta'),\n('35','Jawa Timur');\n"
    rows, faults, _ = read(text)
    assert [row.code for row in rows] == ["34", "35"]
    assert [fault.line for fault in faults] == [2]


def test_a_row_of_a_dump_with_a_value_too_many_is_reported() -> None:
    rows, faults, _ = read("INSERT INTO w (kode, nama) VALUES ('33','a','b'),\n('34','c');")
    assert [row.code for row in rows] == ["34"]
    assert "3 values where the statement names 2" in faults[0].sentence


NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cf", "Co", "Cs"), max_codepoint=0x2FFF), max_size=20)


@given(st.lists(NAMES, min_size=1, max_size=20))
def test_every_name_comes_through_a_dump_as_it_is(names: list[str]) -> None:
    quoted = (name.replace("\\", "\\\\").replace("'", "''") for name in names)
    values = ",\n".join(f"('{number:03}','{name}')" for number, name in enumerate(quoted))
    rows, faults, _ = read(f"INSERT INTO w (kode, nama) VALUES\n{values};\n")
    assert faults == []
    assert [row.name or "" for row in rows] == [unicodedata.normalize("NFC", name).strip() for name in names]


def feature(code: str, geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "properties": {"code": code, **properties}, "geometry": geometry}


def collection(*features: object, indent: int | None = None) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=indent)


TRIANGLE = [[109.0, -7.0], [109.5, -7.0], [109.2, -7.4], [109.0, -7.0]]
HOLE = [[109.1, -7.1], [109.2, -7.1], [109.15, -7.2], [109.1, -7.1]]


@pytest.mark.parametrize("indent", [None, 1])
def test_boundaries_are_the_outer_rings(indent: int | None) -> None:
    text = collection(
        feature("33.01", {"type": "Polygon", "coordinates": [TRIANGLE, HOLE]}, name="Cilacap"),
        feature("33.02", {"type": "MultiPolygon", "coordinates": [[TRIANGLE], [HOLE]]}),
        feature("33.03", {"type": "Point", "coordinates": [109.0, -7.0, 12.0]}),
        indent=indent,
    )
    rows, faults, _ = read(text)
    assert faults == []
    assert rows[0].name == "Cilacap"
    assert rows[0].rings == [[(latitude, longitude) for longitude, latitude in TRIANGLE]]
    assert rows[1].rings is not None
    assert len(rows[1].rings) == 2
    assert rows[2].point == (-7.0, 109.0)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "LineString", "coordinates": TRIANGLE},
        {"type": "Polygon", "coordinates": [[[-7.0, 109.0]] * 4]},
        {"type": "Polygon", "coordinates": [[[1200000.0, -800000.0], [1200001.0, -800000.0], [1200000.0, -800001.0]]]},
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": "x"},
        {"type": "Point", "coordinates": [True, False]},
        {"type": "Polygon"},
        "x",
        7,
    ],
)
def test_a_shape_that_is_none_is_reported_with_its_feature(geometry: object) -> None:
    whole = feature("33.02", {"type": "Polygon", "coordinates": [TRIANGLE]})
    rows, faults, _ = read(collection(feature("33.01", geometry), whole))
    assert [row.code for row in rows] == ["33.02"]
    assert "33.01" in faults[0].sentence
    assert faults[0].sentence.startswith("feature 1")


def test_features_of_any_size_are_read_from_a_long_file() -> None:
    wide = [[100 + step / 20_000, -7.0] for step in range(20_000)] + [[100.5, -7.5], [100.0, -7.0]]
    many = [feature(f"33.{number:03}", {"type": "Polygon", "coordinates": [TRIANGLE]}) for number in range(2_000)]
    rows, faults, _ = read(collection(*many, feature("34", {"type": "Polygon", "coordinates": [wide]})))
    assert len(rows) == 2_001
    assert faults == []


def test_a_file_that_ends_in_the_middle_is_refused() -> None:
    text = collection(*[feature(f"{number}", None) for number in range(9)])
    with pytest.raises(BadInput, match="line 1"):
        read(text[: len(text) // 2])


def test_a_projected_file_is_refused_with_the_remedy() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32749"}}
    with pytest.raises(BadInput, match="WGS 84"):
        read(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature("33", None)]}))


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO wilayah (kode,nama) VALUES " + ",".join(f"('{n}.{n}','N')" for n in range(1, 150_000)) + ";",
        '{"crs":' * 40_000 + '"features":[',
        '{"features":[{"type":"Feature","properties":{"code":"11"},"geometry":' + "9" * 5000 + "}]}",
    ],
    ids=["one line", "planes", "a long number"],
)
def test_no_file_takes_more_time_than_its_length_asks_for(text: str) -> None:
    begun = time.process_time()
    with contextlib.suppress(BadInput):
        assert len(read(text)[0]) == 149_999
    assert time.process_time() - begun < 20  # what takes long takes minutes


@given(st.text(max_size=200))
def test_no_text_ends_in_anything_but_rows_or_one_sentence(text: str) -> None:
    try:
        rows, faults, remarks = read(text)
    except BadInput:
        return
    assert rows or faults or remarks
