"""What single hazards must say, and must not, besides what is asked of all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from kentongan.alert import Kind
from kentongan.settings import Agency
from kentongan.words.assessing import Said
from kentongan.words.assessing import say as said_of
from kentongan.words.library import HazardLibrary
from kentongan.words.specimens import Specimen, specimens

Say = Callable[..., Said]
FORMS = ("short", "standard", "long", "spoken", "brief")

both_languages = pytest.mark.parametrize("language", ["id", "en"])


@pytest.fixture(scope="session")
def say(library: HazardLibrary, agency: Agency, now: datetime) -> Say:
    """Says a hazard with every fact at its example, the given ones instead, and those without a value left out."""

    def words(name: str, language: str, *, kind: Kind = Kind.ALERT, by: Agency = agency, **given: JsonValue) -> Said:
        hazard = library.get(name)
        facts = {**next(specimens(hazard)).facts, **given}
        specimen = Specimen("test", {key: value for key, value in facts.items() if value is not None})
        return said_of(library, hazard, specimen, kind=kind, language=language, agency=by, now=now)

    return words


FACT = {"id": "Laut tenang dan tidak ada peringatan.", "en": "The sea is calm and there is no warning."}
CLAIM = {"id": "Katanya air akan naik nanti malam.", "en": "It says that water will rise tonight."}
HOAX: dict[str, JsonValue] = {
    f"{name}.{language}": text for name, texts in (("fact", FACT), ("claim", CLAIM)) for language, text in texts.items()
}


@both_languages
def test_no_agency_is_said_to_watch_together_with_itself(
    say: Say, library: HazardLibrary, agency: Agency, language: str
) -> None:
    for name in library.names:
        if language not in library.get(name).languages(Kind.ALERT) or "source" not in library.get(name).fields:
            continue
        ours = agency.names.get(language, agency.name)
        said = say(name, language, source=ours if library.get(name).fields["source"].required else None)
        for block in said.blocks:
            for joint in ("bersama", "together with"):
                assert f"{joint} {ours}" not in said.text(block), (name, block)


@both_languages
def test_a_clarification_leads_with_the_fact_and_tells_the_claim_once(say: Say, language: str) -> None:
    said = say("hoax", language, **HOAX)
    fact, claim = FACT[language].rstrip("."), CLAIM[language].rstrip(".")
    assert fact in said.text("headline")
    for block in said.blocks:
        text = said.text(block)
        assert "[" not in text
        assert fact in text
        if block in ("headline", "brief"):
            assert claim.lower() not in text.lower()
        else:
            assert text.lower().count(claim.lower()) == 1
            assert text.index(fact) < text.lower().index(claim.lower())


@both_languages
@pytest.mark.parametrize("kind", [Kind.CORRECTION, Kind.CANCEL, Kind.ALL_CLEAR])
def test_what_follows_a_clarification_repeats_neither_fact_nor_claim(say: Say, language: str, kind: Kind) -> None:
    said = say("hoax", language, kind=kind, **HOAX)
    for block in said.blocks:
        assert FACT[language].rstrip(".") not in said.text(block)
        assert CLAIM[language].rstrip(".") not in said.text(block)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(stop=st.sampled_from(["", ".", "!", "?", "...", " ."]))
def test_a_fact_is_one_sentence_however_its_writer_ended_it(say: Say, stop: str) -> None:
    said = say("hoax", "id", **{**HOAX, "fact.id": f"Laut tenang{stop}"})
    for block in ("short", "standard", "long", "spoken"):
        text = said.text(block)
        assert "Laut tenang" in text
        assert not any(doubled in text for doubled in ("!.", "?.", " .", "....", " !"))
        assert "Laut tenang.." not in text or stop == "..."


LEAVE = {"id": "Segera tinggalkan tepi sungai", "en": "Leave river banks and low ground now"}


@both_languages
@pytest.mark.parametrize(
    ("level", "flooded", "leave"),
    [
        ("siaga-1", None, True),
        ("siaga-4", "Desa Pasar Bawah", True),
        (None, "Desa Pasar Bawah", True),
        ("siaga-2", None, False),
        ("siaga-4", None, False),
        (None, None, False),
    ],
)
def test_only_the_worst_gate_level_or_water_in_houses_sends_people_away(
    say: Say, language: str, level: str | None, flooded: str | None, leave: bool
) -> None:
    said = say("flood", language, gate_level=level, flooded=flooded)
    for block in FORMS:
        assert (LEAVE[language] in said.text(block)) is leave, block


@both_languages
def test_a_gate_level_is_told_with_the_direction_it_counts_in(say: Say, language: str) -> None:
    worst = "Siaga 1 yang terburuk" if language == "id" else "Siaga 1 is the worst"
    for level in ("siaga-1", "siaga-4"):
        assert worst in say("flood", language, gate_level=level).text("standard")


@both_languages
def test_without_a_telephone_help_is_a_place_before_it_is_a_number(say: Say, language: str) -> None:
    place = "kantor polisi" if language == "id" else "police station"
    for service in ("telephone", "water"):
        text = say("missing-service", language, service=service, instead=None).text("long")
        number = text.index("0739 21234")
        assert (place in text and text.index(place) < number) is (service == "telephone")


@both_languages
def test_each_phenomenon_has_its_own_advice_in_every_form(say: Say, language: str, library: HazardLibrary) -> None:
    phenomena = library.get("weather").own_fields["phenomenon"].choices
    for block in FORMS:
        actions = set()
        for phenomenon in phenomena:
            told = say("weather", language, phenomenon=phenomenon, impact="waspada").tellings[block].pieces
            actions.add(" ".join(piece.text for piece in told if "action" in piece.answers))
        assert len(actions) == len(phenomena), block


@both_languages
@pytest.mark.parametrize("level", ["waspada", "awas"])
def test_the_weather_service_level_changes_what_people_are_to_do(
    say: Say, library: HazardLibrary, language: str, level: str
) -> None:
    said = say("weather", language, phenomenon="rain", impact=level)
    gravest = library.scales["weather"].said("awas", library.languages[language])
    for block in FORMS:
        assert (gravest.action in said.text(block)) is (level == "awas"), block


@pytest.mark.parametrize("typed", ["Semeru", "Gunung Semeru"])
def test_a_volcano_is_called_a_mountain_once(say: Say, typed: str) -> None:
    for kind in Kind:
        said = say("volcano", "id", kind=kind, volcano=typed)
        for block in said.blocks:
            assert "Gunung Semeru" in said.text(block)
            assert "Gunung Gunung" not in said.text(block)


@both_languages
def test_only_level_four_sends_people_out_of_the_radius(say: Say, language: str, library: HazardLibrary) -> None:
    leave = "Segera tinggalkan radius 5 km" if language == "id" else "Leave the area within 5 km"
    for level in library.scales["volcano"].levels:
        for block in ("short", "standard", "brief"):
            text = say("volcano", language, activity_level=level, radius_km=5).text(block)
            assert (leave in text) is (level == "iv"), (level, block)


@both_languages
def test_an_order_to_leave_names_shelters_and_now_in_every_form(say: Say, language: str) -> None:
    for leave_by in ("2026-11-21 17:00", None):
        said = say("evacuation", language, leave_by=leave_by)
        for block in FORMS:
            text = said.text(block).lower()
            assert "sekarang" in text or "now" in text or "17.00" in text or "17:00" in text
            assert "lapangan merdeka" in text


@both_languages
def test_an_agency_that_measured_itself_is_not_named_as_another(say: Say, agency: Agency, language: str) -> None:
    by = agency.model_copy(update={"name": "Badan Sumber", "names": {}})
    for name in ("flood", "weather", "volcano", "wildfire", "smoke", "landslide", "evacuation", "missing-service"):
        own, other = (say(name, language, source=source, by=by) for source in (None, "Pos Lain"))
        for block in ("short", "standard", "spoken"):
            assert own.text(block).count("Badan Sumber") == other.text(block).count("Badan Sumber") == 1, (name, block)
            assert "Pos Lain" in other.text(block), (name, block)
