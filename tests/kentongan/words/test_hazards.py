from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.model import ResponseType, Severity, Status, Urgency
from kentongan.data import data_path
from kentongan.errors import BadConfig, BadInput
from kentongan.settings import Agency
from kentongan.words.context import Telling, context
from kentongan.words.drafting import from_facts
from kentongan.words.fields import COMMON
from kentongan.words.hazards import RESERVED
from kentongan.words.languages import BLOCKS
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.shortening import Budget, Shortener

ZONE = ZoneInfo("Asia/Jakarta")
NEEDED = {"magnitude": "5,6", "origin_time": "2026-11-21 14:05", "place": "28 km barat laut Manna"}


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    return root


def test_facts_are_typed_as_the_hazard_declares_them(library: HazardLibrary) -> None:
    facts = library.get("earthquake").read(
        {
            **NEEDED,
            "felt": "IV Manna; II Kaur",
            "tsunami": "None",
            "expires": " 90min",
            "severity": "severe",
            "circle": "-4.46,102.9 80",
        },
        zone=ZONE,
    )
    assert facts == {
        "magnitude": 5.6,
        "origin_time": "2026-11-21T14:05:00+07:00",
        "place": "28 km barat laut Manna",
        "felt": ["IV Manna", "II Kaur"],
        "tsunami": "none",
        "expires": "90min",
        "severity": "Severe",
        "circle": ["-4.46,102.9 80"],
    }


def test_every_example_is_read_and_reading_facts_again_changes_nothing(library: HazardLibrary) -> None:
    for name in library.names:
        hazard = library.get(name)
        facts = hazard.read({key: field.example for key, field in hazard.fields.items()}, zone=ZONE)
        assert set(facts) == set(hazard.fields)
        assert hazard.read(facts, zone=ZONE) == facts


@pytest.mark.parametrize(
    ("field", "given", "wanted"),
    [
        ("magnitude", "11", "a number from 0 to 10"),
        ("magnitude", "besar", "a number from 0 to 10"),
        ("magnitude", "nan", "a number from 0 to 10"),
        ("magnitude", True, "a number from 0 to 10"),
        ("magnitude", float("inf"), "a number from 0 to 10"),
        ("origin_time", "kemarin", "a time such as"),
        ("origin_time", "0001-01-01 00:00", "a time such as"),
        ("place", " \ue000 ", "a text of"),
        ("felt", ";;", "place names"),
        ("felt", "x" * 121, "place names"),
        ("tsunami", "awas", "one of none, possible, unknown"),
        ("expires", "0h", "how long from now"),
        ("expires", "soon", "how long from now"),
        ("polygon", "1,2 3,4", "three different points"),
        ("polygon", "1,2 3,4 95,1", "three different points"),
        ("circle", "1,2", "a radius in km"),
        ("circle", "1,2 -3", "a radius in km"),
        ("geocode", "17.01", "name=value"),
        ("severity", "bad", "one of Extreme"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_what_is_wanted(
    library: HazardLibrary, field: str, given: object, wanted: str
) -> None:
    with pytest.raises(BadInput) as error:
        library.get("earthquake").read({**NEEDED, field: given}, zone=ZONE)  # type: ignore[dict-item]
    assert f"earthquake: {field} is" in str(error.value)
    assert wanted in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_are_named_at_once(library: HazardLibrary) -> None:
    with pytest.raises(BadInput) as error:
        library.get("earthquake").read({"magnitud": "5", "tsunami": "x"}, zone=ZONE)
    lines = str(error.value).splitlines()
    assert len(lines) == 5
    assert "did you mean magnitude?" in lines[0]
    assert {line.split()[1] for line in lines[2:]} == {"magnitude", "origin_time", "place"}


def test_an_unknown_hazard_is_refused_with_the_nearest_and_all_known(library: HazardLibrary) -> None:
    with pytest.raises(BadInput, match=r"did you mean earthquake\?.*known are earthquake, .*general, "):
        library.get("earthqake")


@given(
    values=st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["magnitude", "place", "circle"]), st.text(max_size=40)
    )
)
def test_whatever_is_typed_is_read_or_refused_in_printable_sentences(
    library: HazardLibrary, values: dict[str, str]
) -> None:
    try:
        library.get("earthquake").read(values, zone=ZONE)
        said = ""
    except BadInput as refusal:
        said = str(refusal)
    assert not any(sign in said for sign in "\ue000\x1b\x00\r\u2028")


def test_observed_times_are_those_that_must_lie_in_the_past(library: HazardLibrary) -> None:
    hazard = library.get("earthquake")
    facts = hazard.read({**NEEDED, "onset": "2026-11-22 01:00"}, zone=ZONE)
    assert {name: time.isoformat() for name, time in hazard.observed(facts).items()} == {
        "origin_time": "2026-11-21T14:05:00+07:00"
    }
    assert library.observed("earthquake", facts) == hazard.observed(facts)


def test_facts_without_a_time_are_judged_where_all_words_are_broken(tmp_path: Path) -> None:
    broken = HazardLibrary(tmp_path)
    ahead = {name: "2026-11-21T14:05:00+07:00" for name, field in COMMON.items() if field.type in ("time", "end")}
    assert not any(field.observed for field in COMMON.values())
    assert broken.observed("flood", {"headline": "Luapan sungai", "depth": 2, "places": ["Manna"], **ahead}) == {}
    with pytest.raises(BadConfig):
        broken.observed("flood", {"headline": "2026-11-21T14:05:00+07:00"})


def test_no_field_can_take_a_name_that_templates_know(library: HazardLibrary, agency: Agency, quake: Draft) -> None:
    names = told(quake, library, agency, "id")
    assert set(names) - set(library.get("earthquake").own_fields) - {"source"} == RESERVED


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("lasts: 6h", "lasts: long", "lasts: wanted: how long"),
        ("severity: Moderate", "severity: Bad", "severity:"),
        ("  magnitude:", "  sent:", "fields: 'sent' cannot name a field"),
        ("urgency: Immediate\n", "", "urgency: is missing; add it"),
        ("categories: [Geo]", "colour: red", "is"),
        ("fields:", "fields: [", "not readable as YAML"),
    ],
)
def test_a_wrong_hazard_file_is_one_sentence_with_file_and_field(
    templates: Path, old: str, new: str, place: str
) -> None:
    path = templates / "hazards/earthquake/hazard.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(BadConfig) as error:
        read_library(templates)
    assert str(path) in str(error.value)
    assert place in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_general_hazard_nothing_starts(templates: Path) -> None:
    shutil.rmtree(templates / "hazards/general")
    with pytest.raises(BadConfig, match="restore it"):
        read_library(templates)


def test_a_new_hazard_is_a_folder(templates: Path) -> None:
    known = read_library(templates).names
    folder = templates / "hazards/meteorite"
    folder.mkdir()
    (folder / "hazard.yaml").write_text(
        "event: {en: Meteorite}\ncategories: [Geo]\nseverity: Severe\nurgency: Expected\ncertainty: Likely\n"
        "lasts: 12h\n",
        "utf-8",
    )
    (folder / "alert.en.j2").write_text(
        "\n".join(f"{{% block {block} %}}Meteorite{{% endblock %}}" for block in BLOCKS), "utf-8"
    )
    found = read_library(templates)
    assert set(found.names) == {*known, "meteorite"}
    meteorite = found.get("meteorite")
    # What follows an alert is said in words that all hazards share.
    assert all(meteorite.languages(kind) == ("en",) for kind in Kind)
    assert meteorite.template(Kind.ALL_CLEAR, "en") == "kinds/all-clear.en.j2"
    assert meteorite.template(Kind.ALL_CLEAR, "id") == "hazards/meteorite/all-clear.id.j2"
    assert meteorite.all_clear_after == timedelta(hours=2)


@pytest.mark.parametrize(("stated", "least"), [("0h", timedelta()), ("90min", timedelta(minutes=90))])
def test_a_hazard_says_how_soon_it_can_be_over(templates: Path, stated: str, least: timedelta) -> None:
    path = templates / "hazards/tsunami/hazard.yaml"
    path.write_text(path.read_text("utf-8").replace("all_clear_after: 2h", f"all_clear_after: {stated}"), "utf-8")
    assert read_library(templates).get("tsunami").all_clear_after == least


def test_values_by_place_are_typed_and_said_in_the_language(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    hazard = library.get("tsunami")
    facts = hazard.read(
        {
            "levels": "Awas: KAB. PACITAN, Kab. Trenggalek; siaga: Kab. Cilacap",
            "arrivals": "Kab. Pacitan=2026-11-21 14:41; Kab. Cilacap=2026-11-22 00:05",
            "heights": "Kab. Pacitan=1,3; Kab. Cilacap=2",
        },
        zone=ZONE,
    )
    assert facts == {
        "levels": {"awas": ["KAB. PACITAN", "Kab. Trenggalek"], "siaga": ["Kab. Cilacap"]},
        "arrivals": {"Kab. Pacitan": "2026-11-21T14:41:00+07:00", "Kab. Cilacap": "2026-11-22T00:05:00+07:00"},
        "heights": {"Kab. Pacitan": 1.3, "Kab. Cilacap": 2},
    }
    draft = from_facts(hazard, facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    names = told(draft, library, agency, "id")
    assert [(str(one.level), one.places) for one in names["levels"]] == [
        ("Awas", ("Kab. Pacitan", "Kab. Trenggalek")),
        ("Siaga", ("Kab. Cilacap",)),
    ]
    assert names["arrivals"] == ("Kab. Pacitan 14.41 WIB", "Kab. Cilacap 22 Nov 2026 00.05 WIB")
    assert names["heights"] == ("Kab. Pacitan 1,3 m", "Kab. Cilacap 2 m")
    assert told(draft, library, agency, "en")["heights"] == ("Kab. Pacitan 1.3 m", "Kab. Cilacap 2 m")


@pytest.mark.parametrize(
    ("field", "given", "wanted"),
    [
        ("arrivals", "Kab. Pacitan 14:41", "place=time"),
        ("arrivals", "Kab. Pacitan=soon", "place=time"),
        ("arrivals", "=2026-11-21 14:41", "place=time"),
        ("arrivals", "A=2026-11-21 14:41; A=2026-11-21 14:42", "each place once"),
        ("arrivals", 5, "place=time"),
        ("heights", "A=high", "place=number"),
        ("heights", "A=-1", "a number from 0 to 200"),
        ("heights", {}, "place=number"),
        ("levels", "Merah: A", "a level of BMKG's tsunami scale: waspada, siaga, awas"),
    ],
)
def test_a_wrong_value_by_place_is_refused(library: HazardLibrary, field: str, given: object, wanted: str) -> None:
    with pytest.raises(BadInput) as error:
        library.get("tsunami").read({"levels": "Awas: A", field: given}, zone=ZONE)  # type: ignore[dict-item]
    assert f"tsunami: {field} is" in str(error.value)
    assert wanted in str(error.value)


def test_cap_gets_the_gravest_level_and_each_as_its_issuer_gave_it(
    library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    hazard = library.get("tsunami")
    facts: dict[str, JsonValue] = {"levels": "Waspada: Kab. Bantul; Awas: Kab. Pacitan, Kab. Trenggalek"}
    draft = from_facts(hazard, facts, agency=agency, status=Status.ACTUAL, identifier="K", now=now)
    info = draft.cap.infos[0]
    assert (info.severity, info.urgency, info.response_types) == (
        Severity.EXTREME,
        Urgency.IMMEDIATE,
        (ResponseType.EVACUATE,),
    )
    assert [(each.value_name, each.value) for each in info.parameters] == [
        ("tsunami-level", "Awas: Kab. Pacitan; Kab. Trenggalek"),
        ("tsunami-level", "Waspada: Kab. Bantul"),
    ]
    lowest = from_facts(
        hazard, {"levels": "Waspada: A"}, agency=agency, status=Status.ACTUAL, identifier="K", now=now
    ).cap.infos[0]
    assert lowest.severity is Severity.MODERATE
    stated = from_facts(
        hazard, {**facts, "severity": "Minor"}, agency=agency, status=Status.ACTUAL, identifier="K", now=now
    )
    assert stated.cap.infos[0].severity is Severity.MINOR


def told(draft: Draft, library: HazardLibrary, agency: Agency, language: str) -> dict[str, Any]:
    """All names that the templates of the draft's hazard see."""
    hazard = library.get(draft.hazard)
    return context(
        draft,
        hazard,
        library.languages[language],
        drafted=hazard,
        agency=agency,
        code="K7Q4-ID",
        link="",
        earlier=None,
        shortener=Shortener(library.languages[language], "", Budget()),
        telling=Telling(),
        together=False,
    )


def test_languages_must_know_the_same_reasons(templates: Path) -> None:
    path = templates / "languages/en.yaml"
    path.write_text(path.read_text("utf-8").replace("  was_a_test: it was only a test\n", ""), "utf-8")
    with pytest.raises(BadConfig, match="differ in the names under reasons"):
        read_library(templates)


def test_a_reason_that_would_break_markup_is_refused(templates: Path) -> None:
    path = templates / "languages/en.yaml"
    path.write_text(path.read_text("utf-8").replace("it was only a test", "it was <b>only</b> a test"), "utf-8")
    with pytest.raises(BadConfig, match="may hold no < > &"):
        read_library(templates)
