from __future__ import annotations

import inspect
import shutil
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from kentongan.cap.model import Severity, Urgency
from kentongan.data import data_path
from kentongan.errors import BadConfig
from kentongan.words import scales
from kentongan.words.fields import read_value
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.scales import Scale, read_scales

SCALES = read_scales(data_path("templates") / "scales.yaml")
every_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
places = st.text(st.characters(categories=["L"]), min_size=1, max_size=12)


def level_and_places(scale: Scale) -> st.SearchStrategy[dict[str, list[str]]]:
    """Levels with places, each place once."""
    return st.lists(places, min_size=1, max_size=6, unique_by=str.casefold).flatmap(
        lambda names: st.lists(st.sampled_from(list(scale.levels)), min_size=len(names), max_size=len(names)).map(
            lambda levels: {
                level: [name for name, own in zip(names, levels, strict=True) if own == level] for level in levels
            }
        )
    )


def test_the_same_word_on_two_scales_is_two_things(library: HazardLibrary) -> None:
    language = library.languages["id"]
    shared = [
        (one, other, typed)
        for one, other in combinations(SCALES.values(), 2)
        for typed in ("waspada", "siaga", "awas")
        if _reads(one, typed) and _reads(other, typed)
    ]
    assert {("tsunami", "volcano", "siaga"), ("tsunami", "weather", "awas")} <= {
        (one.name, other.name, typed) for one, other, typed in shared
    }
    for one, other, typed in shared:
        first, second = one.said(one.read_level(typed), language), other.said(other.read_level(typed), language)
        assert first != second
        assert first.meaning != second.meaning


def _reads(scale: Scale, typed: str) -> bool:
    try:
        scale.read_level(typed)
    except ValueError:
        return False
    return True


def test_siaga_is_another_step_on_each_scale() -> None:
    orders = {name: SCALES[name].order(SCALES[name].read_level("siaga")) for name in ("tsunami", "weather", "volcano")}
    assert orders == {"tsunami": 2, "weather": 2, "volcano": 3}
    # On a flood gate the bare word names no level, for four of them bear it.
    assert not _reads(SCALES["flood-gate"], "siaga")


def test_a_flood_gate_counts_down_to_its_gravest() -> None:
    gate = SCALES["flood-gate"]
    graver = [gate.read_level(f"Siaga {number}") for number in (4, 3, 2, 1)]
    assert [gate.order(level) for level in graver] == [1, 2, 3, 4]
    assert gate.levels["siaga-1"].severity is Severity.EXTREME


def test_no_function_takes_a_level_without_its_scale(library: HazardLibrary) -> None:
    public = [
        function
        for name, function in inspect.getmembers(scales, inspect.isfunction)
        if function.__module__ == scales.__name__ and not name.startswith("_")
    ]
    assert public == [read_scales]
    with pytest.raises(TypeError, match="without its scale"):
        read_value(library.get("tsunami").fields["levels"], "Siaga: A", zone=None)  # type: ignore[arg-type]


@every_scale
def test_levels_get_graver_and_say_what_to_do_in_both_languages(scale: Scale) -> None:
    order = [Severity.MINOR, Severity.MODERATE, Severity.SEVERE, Severity.EXTREME]
    urgencies = [Urgency.FUTURE, Urgency.EXPECTED, Urgency.IMMEDIATE]
    levels = list(scale.levels.values())
    for milder, graver in pairwise(levels):
        assert order.index(milder.severity) <= order.index(graver.severity)
        assert urgencies.index(milder.urgency) <= urgencies.index(graver.urgency)
    for level in levels:
        for texts in (level.word, level.meaning, level.action):
            assert {"id", "en"} <= set(texts)
        for language, text in level.action.items():
            assert text.endswith("."), (level.name, language)
            assert len(text) <= 90, (level.name, language)
        assert not level.colour or set(level.colour) == {"id", "en"}


@given(data=st.data())
@every_scale
def test_levels_by_place_are_read_back_as_they_are(scale: Scale, data: st.DataObject) -> None:
    stated = data.draw(level_and_places(scale))
    typed = "; ".join(f"{level.title()}: {', '.join(names)}" for level, names in stated.items())
    read = scale.read_levels(typed)
    assert {level: set(names) for level, names in read.items()} == {  # type: ignore[arg-type]
        level: set(names) for level, names in stated.items()
    }
    assert scale.read_levels(read) == read
    assert [scale.order(level) for level in read] == sorted(map(scale.order, read), reverse=True)
    gravest = scale.gravest(read)
    assert gravest is not None
    assert scale.order(gravest.name) == max(map(scale.order, stated))


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Pacitan",
        "Awas:",
        "Awas: ;",
        "Merah: Pacitan",
        "Awas: Pacitan; Siaga: pacitan",
        "Awas: Pacitan, Pacitan",
        {"awas": "Pacitan"},
        {"awas": []},
        {},
        ["Awas: Pacitan"],
        7,
        None,
        f"Awas: {'x' * 121}",
    ],
)
def test_levels_that_cannot_be_are_refused(given: JsonValue) -> None:
    with pytest.raises(ValueError, match=r"such as waspada|a level of BMKG|at most 120"):
        SCALES["tsunami"].read_levels(given)


@given(st.text(max_size=40) | st.none() | st.integers() | st.lists(st.text(max_size=5), max_size=3))
@every_scale
def test_whatever_is_typed_is_a_level_or_refused(scale: Scale, given: JsonValue) -> None:
    for read in (scale.read_level, scale.read_levels):
        try:
            level = scale.gravest(read(given))
        except ValueError:
            continue
        assert level is not None


def test_a_level_in_a_language_without_its_texts_says_so_and_keeps_its_word(library: HazardLibrary) -> None:
    level = SCALES["weather"].said("awas", library.languages["jv"])
    assert str(level) == "Awas"
    with pytest.raises(LookupError, match="weather: awas has no action"):
        _ = level.action
    with pytest.raises(LookupError, match="weather has no level iv"):
        level.at_least("iv")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("name: siaga\n", "name: Siaga\n", "name"),
        ("also: [advisory]", "also: [siaga]", "siaga names two levels"),
        ("severity: Moderate", "severity: Bad", "severity"),
        (
            "      action:\n        id: Jauhi pantai dan sungai.",
            "      deed:\n        id: Jauhi.",
            "action: is missing",
        ),
    ],
)
def test_a_wrong_scale_is_one_sentence_with_file_and_field(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = tmp_path / "scales.yaml"
    whole = (data_path("templates") / "scales.yaml").read_text("utf-8")
    assert old in whole
    path.write_text(whole.replace(old, new, 1), "utf-8")
    with pytest.raises(BadConfig) as error:
        read_scales(path)
    assert str(path) in str(error.value)
    assert place in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hazard_that_names_an_unknown_scale_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / "hazards/tsunami/hazard.yaml"
    path.write_text(path.read_text("utf-8").replace("scale: tsunami", "scale: richter"), "utf-8")
    with pytest.raises(BadConfig, match=r"fields\.levels\.scale: 'richter' is not in templates/scales.yaml"):
        read_library(root)
