"""Reading BMKG's earthquake data: the recorded files, their traps, and whatever else a file may hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kentongan.cap.model import Certainty, Severity, Urgency
from kentongan.errors import BadInput
from kentongan.sources.bmkg import Earthquake, read
from kentongan.sources.bmkg_places import plain_name, plain_place
from kentongan.sources.bmkg_proposals import felt_radius, greatest_intensity, propose_severity

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "bmkg"
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")

QUAKE = {
    "Tanggal": "31 Jan 2030",
    "Jam": "16:00:05 WIB",
    "DateTime": "2030-01-31T09:00:05+00:00",
    "Coordinates": "-8.50,110.25",
    "Lintang": "8.50 LS",
    "Bujur": "110.25 BT",
    "Magnitude": "5.6",
    "Kedalaman": "12 km",
    "Wilayah": "Pusat gempa berada di laut 40 km BaratDaya BANTUL-DIY",
    "Potensi": "Tidak berpotensi tsunami",
    "Dirasakan": "IV Bantul, III-IV Kab. Kulon Progo",
    "Shakemap": "20300131160005.mmi.jpg",
}


def document(**changes: object) -> bytes:
    quake = {**QUAKE, **changes}
    return json.dumps({"Infogempa": {"gempa": {k: v for k, v in quake.items() if v is not None}}}).encode()


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(BadInput) as caught:
        read(data, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_earthquake_becomes_the_facts_of_an_alert() -> None:
    quake = read(document())
    assert quake.facts() == {
        "magnitude": 5.6,
        "depth_km": 12.0,
        "origin_time": "2030-01-31T09:00:05+00:00",
        "latitude": -8.5,
        "longitude": 110.25,
        "place": "di laut, 40 km barat daya Bantul, Daerah Istimewa Yogyakarta",
        "felt": ["IV Bantul", "III-IV Kabupaten Kulon Progo"],
        "tsunami": "none",
        "source": "BMKG",
    }
    assert quake.felt_places == ("Bantul", "Kabupaten Kulon Progo")
    assert quake.shakemap == "20300131160005.mmi.jpg"
    assert quake.warnings == ()
    assert (quake.severity, quake.urgency, quake.certainty) == (
        Severity.MODERATE,
        Urgency.EXPECTED,
        Certainty.OBSERVED,
    )
    assert quake.circle == (-8.5, 110.25, 60.0)


@recorded
@pytest.mark.parametrize("path", sorted(DATA.glob("*gempa*.json")) if DATA.is_dir() else [], ids=lambda path: path.name)
def test_every_recorded_earthquake_reads(path: Path) -> None:
    quake = read(path.read_bytes())
    assert 1 < quake.magnitude < 9
    assert quake.origin_time.year >= 2021
    assert not plain_place(quake.place).isupper()
    assert bool(quake.warnings) is ("mismatch" in path.name)
    assert (quake.tsunami == "possible") is ("berpotensi_tsunami" in path.name)


@recorded
@pytest.mark.parametrize(
    "name", ["prakiraan_404.json", "nowcast_rss_id_2026-09-24.xml", "prakiraan_32.73.01.1001_2026-09-24.json"]
)
def test_other_recorded_answers_of_the_service_are_refused(name: str) -> None:
    refusal((DATA / name).read_bytes())


def test_a_list_gives_its_newest_or_the_one_asked_for() -> None:
    data = json.dumps({"Infogempa": {"gempa": [QUAKE, {**QUAKE, "Magnitude": "6.6"}]}}).encode()
    assert read(data).magnitude == 5.6
    assert read(data, index=1).magnitude == 6.6
    assert "no earthquake 2" in refusal(data, index=2)
    assert "no earthquake -1" in refusal(data, index=-1)


@pytest.mark.parametrize(
    ("potential", "tsunami"),
    [
        ("Tidak berpotensi tsunami", "none"),
        ("TIDAK BERPOTENSI TSUNAMI", "none"),
        ("Gempa ini tidak berpotensi menimbulkan tsunami", "none"),
        ("Berpotensi tsunami untuk diteruskan pada masyarakat", "possible"),
        ("Gempa ini dirasakan untuk diteruskan pada masyarakat", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_denied_tsunami_is_not_read_as_a_possible_one(potential: str | None, tsunami: str) -> None:
    assert read(document(Potensi=potential)).tsunami == tsunami


def test_a_possible_tsunami_is_extreme_and_immediate() -> None:
    quake = read(document(Potensi="Berpotensi tsunami untuk diteruskan pada masyarakat", Magnitude="5.0"))
    assert (quake.severity, quake.urgency) == (Severity.EXTREME, Urgency.IMMEDIATE)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"Tanggal": "30 Jan 2030"}, "Tanggal and Jam"),
        ({"Jam": "16:00:05 WIT"}, "Tanggal and Jam"),
        ({"Jam": "18:00:05 WIT"}, ""),
        ({"Lintang": "8.50 LU"}, "Lintang"),
        ({"Bujur": "111.25 BT"}, "Bujur"),
        ({"DateTime": None}, "DateTime is missing"),
        ({"Tanggal": None, "Jam": None}, ""),
        ({"Dirasakan": "Bantul"}, "no intensity"),
    ],
)
def test_what_disagrees_is_warned_of_and_date_time_and_coordinates_stand(
    changes: dict[str, object], warned: str
) -> None:
    quake = read(document(**changes))
    assert quake.origin_time == datetime(2030, 1, 31, 9, 0, 5, tzinfo=UTC)
    assert (quake.latitude, quake.longitude) == (-8.5, 110.25)
    assert len(quake.warnings) == bool(warned)
    assert warned in "".join(quake.warnings)


@pytest.mark.parametrize(("month", "number"), [("Mei", 5), ("Agu", 8), ("Okt", 10), ("Des", 12), ("Januari", 1)])
def test_indonesian_months_are_read(month: str, number: int) -> None:
    quake = read(document(DateTime=None, Tanggal=f"3 {month} 2030", Jam="01:00:00 WIB"))
    assert quake.origin_time == datetime(2030, number, 2, 18, tzinfo=UTC)


def test_coordinates_may_come_as_lintang_and_bujur_alone() -> None:
    quake = read(document(Coordinates=None, Lintang="4.74 LU"))
    assert (quake.latitude, quake.longitude) == (4.74, 110.25)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"Magnitude": None}, "Magnitude"),
        ({"Magnitude": "besar"}, "Magnitude"),
        ({"Magnitude": "99"}, "Magnitude"),
        ({"Magnitude": "nan"}, "Magnitude"),
        ({"Magnitude": True}, "Magnitude"),
        ({"Magnitude": ["5"]}, "Magnitude"),
        ({"Kedalaman": "10 mil"}, "Kedalaman"),
        ({"Kedalaman": ""}, "Kedalaman"),
        ({"Coordinates": "-8.5"}, "Coordinates"),
        ({"Coordinates": "-95,110"}, "Coordinates"),
        ({"Coordinates": None, "Bujur": None}, "Coordinates"),
        ({"Lintang": "8.5 XX"}, "Lintang"),
        ({"DateTime": "kemarin"}, "DateTime"),
        ({"DateTime": None, "Jam": "pagi"}, "DateTime"),
        ({"DateTime": "0001-01-01T00:00:00+07:00"}, "DateTime"),
        ({"Wilayah": None}, "Wilayah"),
        ({"Wilayah": "  "}, "Wilayah"),
    ],
)
def test_a_missing_or_impossible_value_is_refused_by_the_name_of_its_field(
    changes: dict[str, object], field: str
) -> None:
    assert f"field {field} " in refusal(document(**changes))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"<!doctype html><html></html>", "web page"),
        (b'{"Infogempa"', "line 1"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "Infogempa"),
        (b"{}", "Infogempa"),
        (b'{"Infogempa": {}}', "gempa"),
        (b'{"Infogempa": {"gempa": []}}', "gempa"),
        (b'{"Infogempa": {"gempa": ["x"]}}', "gempa[0]"),
        (b'{"message":"Data not found","error":"Not Found","statusCode":404}', "Data not found"),
        (b"[" * 100_000, "JSON"),
        (b"1" * 10_000, "JSON"),
        (b" " * 2_000_000, "bytes"),
    ],
)
def test_what_is_no_earthquake_file_is_refused_in_one_sentence(data: bytes, told: str) -> None:
    assert told in refusal(data)


def test_numbers_may_come_as_numbers_and_with_a_comma() -> None:
    quake = read(document(Magnitude=5.6, Kedalaman="12,5 KM"))
    assert (quake.magnitude, quake.depth_km) == (5.6, 12.5)


def test_no_text_of_the_file_carries_a_slot_or_a_line_break() -> None:
    quake = read(document(Wilayah="10 km utara \ue000sent\ue001\nBantul", Dirasakan="III \ue000x\ue001"))
    assert quake.place == "10 km utara sent Bantul"
    assert quake.facts()["felt"] == ["III x"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(QUAKE)), json_values, max_size=4))
def test_any_value_in_any_field_gives_an_earthquake_or_a_refusal(changes: dict[str, object]) -> None:
    data = json.dumps({"Infogempa": {"gempa": {**QUAKE, **changes}}}).encode()
    try:
        quake = read(data)
    except BadInput:
        return
    assert isinstance(quake, Earthquake)
    assert quake.origin_time.tzinfo is UTC
    assert json.loads(json.dumps(quake.facts(), allow_nan=False)) == quake.facts()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_refuse(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize(
    ("given_place", "plain"),
    [
        ("127 km BaratLaut TAHUNA-KEP.SANGIHE-SULUT", "127 km barat laut Tahuna, Kepulauan Sangihe, Sulawesi Utara"),
        ("26 km BaratDaya PULAUPUAH-SULTENG", "26 km barat daya Pulau Puah, Sulawesi Tengah"),
        ("40 km TimurLaut TOLI-TOLI-SULTENG", "40 km timur laut Toli-Toli, Sulawesi Tengah"),
        ("12 km Tenggara P.BURU-MALUKU", "12 km tenggara Pulau Buru, Maluku"),
        ("Pusat gempa berada di laut 25 km baratdaya Bengkulu", "di laut, 25 km barat daya Bengkulu"),
        ("Pusat gempa berada di darat 4 Km Timur Laut Kab.Sumedang", "di darat, 4 km timur laut Kabupaten Sumedang"),
        ("Pusat gempa berada di laut 48 km utara Ruteng-Manggarai", "di laut, 48 km utara Ruteng-Manggarai"),
        ("10 km Utara NTB", "10 km utara Nusa Tenggara Barat"),
        ("Laut Banda", "Laut Banda"),
        ("LAUT BANDA", "Laut Banda"),
    ],
)
def test_places_are_told_in_plain_language(given_place: str, plain: str) -> None:
    assert plain_place(given_place) == plain


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_name_can_be_made_plain_and_stays_plain(text: str) -> None:
    once = plain_name(text)
    assert "\n" not in once
    assert plain_name(once) == once


@pytest.mark.parametrize(
    ("magnitude", "depth_km", "mmi", "severity"),
    [
        (7.5, 70, "", Severity.EXTREME),
        (7.5, 71, "", Severity.SEVERE),
        (6.5, 10, "", Severity.SEVERE),
        (6.5, 200, "", Severity.MODERATE),
        (5.0, 10, "", Severity.MODERATE),
        (4.9, 10, "", Severity.MINOR),
        (4.0, 200, "", Severity.MINOR),
        (4.9, 10, "III-IV", Severity.MODERATE),
        (4.9, 10, "VI", Severity.SEVERE),
        (4.9, 300, "VII-VIII", Severity.EXTREME),
        (6.5, 10, "II", Severity.SEVERE),
    ],
)
def test_severity_is_the_graver_of_what_was_felt_and_what_was_measured(
    magnitude: float, depth_km: float, mmi: str, severity: Severity
) -> None:
    assert propose_severity(magnitude, depth_km, greatest_intensity(mmi), tsunami=False) is severity


@settings(deadline=None)
@given(st.floats(-2, 10), st.floats(-2, 10), st.floats(0, 800), st.integers(0, 12), st.booleans())
def test_a_stronger_earthquake_is_never_proposed_as_less_grave(
    one: float, other: float, depth: float, intensity: int, tsunami: bool
) -> None:
    order = list(Severity)
    weaker, stronger = sorted((one, other))
    less = order.index(propose_severity(weaker, depth, intensity, tsunami=tsunami))
    assert order.index(propose_severity(stronger, depth, intensity, tsunami=tsunami)) <= less
    assert order.index(propose_severity(weaker, depth, min(12, intensity + 1), tsunami=tsunami)) <= less
    assert 20 <= felt_radius(weaker) <= felt_radius(stronger) <= 1000
