"""Every file of words says what research and the Information Commission ask of it, in plain language."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kentongan.alert import Kind
from kentongan.data import data_path
from kentongan.settings import Agency
from kentongan.words.assessing import Said, faults, say
from kentongan.words.composing import TemplateFault
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.specimens import Specimen, specimens

LIBRARY = read_library(data_path("templates"))
WORDS = [
    (hazard, kind, language)
    for hazard in LIBRARY.names
    for kind in Kind
    for language in LIBRARY.get(hazard).languages(kind)
]
NOW = datetime(2026, 11, 21, 14, 30, tzinfo=ZoneInfo("Asia/Makassar"))
AGENCY = Agency(
    name="Badan Sumber",
    sender="badan@sumber.example",
    languages=("id", "en", "jv", "su"),
    link="https://siaga.example",
    timezone="Asia/Makassar",
    contact="112",
)
every_set_of_words = pytest.mark.parametrize(
    ("hazard", "kind", "language"), WORDS, ids=["-".join(words) for words in WORDS]
)


def said(
    hazard: str,
    kind: Kind,
    language: str,
    specimen: Specimen | None = None,
    *,
    library: HazardLibrary = LIBRARY,
    contact: str = "112",
) -> Said:
    found = library.get(hazard)
    return say(
        library,
        found,
        specimen or next(specimens(found)),
        kind=kind,
        language=language,
        agency=AGENCY.model_copy(update={"contact": contact}),
        now=NOW,
        reason="wrong_details",
    )


@pytest.mark.parametrize("language", ["id", "en"])
def test_each_hazard_has_every_kind_of_message_in_both_languages(language: str) -> None:
    assert {(hazard, kind) for hazard, kind, own in WORDS if own == language} == {
        (hazard, kind) for hazard in LIBRARY.names for kind in Kind
    }


@every_set_of_words
def test_words_are_complete_true_and_plain_whatever_is_stated(hazard: str, kind: Kind, language: str) -> None:
    for specimen in specimens(LIBRARY.get(hazard)):
        for contact in ("112", ""):
            assert faults(said(hazard, kind, language, specimen, contact=contact)) == [], specimen.name


@pytest.mark.parametrize("hazard", [name for name in LIBRARY.names if name != "general"])
@pytest.mark.parametrize("language", ["id", "en"])
def test_a_hazard_says_in_its_own_words_what_to_mind_when_it_is_over(hazard: str, language: str) -> None:
    general = said("general", Kind.ALL_CLEAR, language).tellings["long"].pieces
    own = said(hazard, Kind.ALL_CLEAR, language).tellings["long"].pieces
    for answer in ("avoid", "consequence"):
        texts = {piece.text for piece in own if answer in piece.answers}
        assert texts.isdisjoint(piece.text for piece in general if answer in piece.answers), answer


@pytest.mark.parametrize(("hazard", "kind", "language"), [words for words in WORDS if words[1] is Kind.UPDATE])
def test_an_update_is_the_alert_with_a_lead_in_every_form(hazard: str, kind: Kind, language: str) -> None:
    alert, update = said(hazard, Kind.ALERT, language), said(hazard, kind, language)
    for block in alert.blocks:
        if hazard == "general" and block == "headline":
            continue
        assert update.text(block).endswith(alert.text(block)), block
        lead = update.text(block).removesuffix(alert.text(block))
        assert lead.strip(), block
        if block not in ("headline", "brief"):
            assert "21 No" in lead, block


@pytest.mark.parametrize(("hazard", "kind", "language"), [words for words in WORDS if words[1] is Kind.CORRECTION])
def test_a_correction_takes_our_message_back_for_a_reason(hazard: str, kind: Kind, language: str) -> None:
    reason = LIBRARY.languages[language].reasons["wrong_details"]
    for block, paragraphs in said(hazard, kind, language).blocks.items():
        if block != "headline":
            assert reason in " ".join(paragraphs), block


@pytest.mark.parametrize("language", ["id", "en"])
def test_a_possible_tsunami_says_leave_the_coast_in_every_form(language: str) -> None:
    order = "jauhi pantai" if language == "id" else "leave beaches|leave the coast"
    for specimen in specimens(LIBRARY.get("earthquake")):
        words = said("earthquake", Kind.ALERT, language, specimen)
        for block in ("short", "standard", "long", "spoken", "brief"):
            found = re.search(order, words.text(block).lower()) is not None
            assert found == (specimen.facts.get("tsunami") == "possible"), (specimen.name, block)


def test_hashtags_can_be_read_aloud() -> None:
    for name in LIBRARY.names:
        for tags in LIBRARY.get(name).hashtags.values():
            assert 1 <= len(tags) <= 3
            assert all(re.fullmatch(r"(?:[A-Z][a-z]+)+", tag) for tag in tags)


@pytest.mark.parametrize("hazard", LIBRARY.names)
def test_each_hazard_says_itself_how_soon_it_can_be_over(hazard: str) -> None:
    text = (LIBRARY.get(hazard).folder / "hazard.yaml").read_text("utf-8")
    assert re.search(r"^all_clear_after: \d+(?:min|h|d)$", text, re.MULTILINE)


@pytest.mark.parametrize("code", [code for code, language in LIBRARY.languages.items() if language.needs_native_reader])
def test_words_that_wait_for_a_native_reader_are_marked_so(code: str) -> None:
    files = [path for folder in ("hazards/*", "kinds") for path in LIBRARY.root.glob(f"{folder}/*.{code}.j2")]
    assert files
    for path in files:
        assert "needs a native reader" in path.read_text("utf-8").split("#}")[0].lower(), path.name


# --- The checks themselves find what they are for ---


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{{ agency }}: Peringatan", "Peringatan", "short: does not name its source"),
        ("Peringatan tsunami", "Peringatan", "short: does not name the hazard"),
        ('{% call tells("action") %}{% if levels', '{% call tells("place") %}{% if levels', "short: does not say what"),
        ("Gempa {{ at_short", "Episentrum gempa {{ at_short", ""),
        ("Gempa {{ at_short", "Mitigasi gempa {{ at_short", "'mitigasi' is a word of experts"),
        ("Gempa {{ at_short", "SEGERA PERGI SEKARANG. Gempa {{ at_short", "a sentence is in capitals"),
        ("Gempa {{ at_short", "kata " * 33 + "Gempa {{ at_short", "words, and 32 are the most"),
        ("Gempa {{ at_short", "Peta merah. Gempa {{ at_short", "the colour merah does not stand in brackets"),
        ("Gempa {{ at_short", "{{ none }} Gempa {{ at_short", "'None' does not belong"),
        ("Gempa {{ at_short", "Pesan dari {{ agency }} dan {{ agency }}. Gempa {{ at_short", "names our agency twice"),
        ("Gempa {{ at_short", "Gempa gempa {{ at_short", "says a word twice: Gempa"),
        ("Gempa terjadi pada", "Gempa 21 Nov terjadi pada", "'Nov' cannot be read aloud"),
    ],
)
def test_a_fault_in_the_words_is_found(tmp_path: Path, old: str, new: str, fault: str) -> None:
    library = copy_with(tmp_path, "hazards/tsunami/alert.id.j2", old, new)
    found = faults(said("tsunami", Kind.ALERT, "id", library=library))
    assert any(fault in each for each in found) if fault else found == []


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "fault"),
    [
        ("kinds/cancel.id.j2", "Dikirim {{ sent }}", "Bahaya telah berakhir. {{ sent }}", Kind.CANCEL, "may not say"),
        ("hazards/tsunami/about.id.j2", "telah berakhir di", "di", Kind.ALL_CLEAR, "does not say that it is over"),
        ("kinds/all-clear.id.j2", 'paragraph("doing")', 'paragraph("help")', Kind.ALL_CLEAR, "answers doing"),
        ("kinds/all-clear.id.j2", 'paragraph("doing")', 'paragraph("dong")', Kind.ALL_CLEAR, "'dong' is nothing"),
        ("kinds/all-clear.id.j2", "{{ sent }}", "", Kind.ALL_CLEAR, "short: says no time with its zone"),
        ("hazards/tsunami/about.id.j2", "lagi bagi {{", "lagi {{ '' and", Kind.CANCEL, "does not name the place"),
        ("kinds/all-clear.id.j2", "dan {{ link }}", "", Kind.ALL_CLEAR, "where to read more"),
        (
            "kinds/correction.id.j2",
            "Ralat: pesan kami",
            "Ralat: ditarik: pesan",
            Kind.CORRECTION,
            "more than one colon",
        ),
    ],
)
def test_a_fault_in_shared_words_is_found(
    tmp_path: Path, file: str, old: str, new: str, kind: Kind, fault: str
) -> None:
    library = copy_with(tmp_path, file, old, new)
    assert any(fault in each for each in faults(said("tsunami", kind, "id", library=library)))


def copy_with(tmp_path: Path, file: str, old: str, new: str) -> HazardLibrary:
    root = tmp_path / "templates"
    shutil.copytree(data_path("templates"), root)
    path = root / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return read_library(root)


# --- How words are put together ---


def test_a_hazards_own_words_for_a_kind_win_over_the_shared(tmp_path: Path) -> None:
    library = copy_with(tmp_path, "kinds/cancel.id.j2", "{% block headline %}", "{% block headline %}Bersama ")
    assert said("tsunami", Kind.CANCEL, "id", library=library).text("headline").startswith("Bersama ")
    path = library.root / "hazards/tsunami/cancel.id.j2"
    path.write_text((library.root / "kinds/cancel.id.j2").read_text("utf-8").replace("Bersama", "Sendiri"), "utf-8")
    assert said("tsunami", Kind.CANCEL, "id", library=library).text("headline").startswith("Sendiri ")
    assert said("flood", Kind.CANCEL, "id", library=library).text("headline").startswith("Bersama ")


def test_a_line_that_nobody_wrote_is_a_fault_with_its_place(tmp_path: Path) -> None:
    library = copy_with(tmp_path, "kinds/cancel.id.j2", 'about("void")', 'about("nothing")')
    with pytest.raises(TemplateFault, match=r"hazards/tsunami/about\.id\.j2 has no block nothing"):
        said("tsunami", Kind.CANCEL, "id", library=library)


def test_an_alert_has_no_alert_before_it_to_call_upon(tmp_path: Path) -> None:
    library = copy_with(tmp_path, "hazards/tsunami/alert.id.j2", "{{ agency }}:", '{{ alert("short") }} {{ agency }}:')
    with pytest.raises(TemplateFault, match=r"alert\.id\.j2, line \d+: .*no alert before them"):
        said("tsunami", Kind.ALERT, "id", library=library)


def test_words_that_call_upon_themselves_are_a_fault_and_not_the_end_of_the_program(tmp_path: Path) -> None:
    library = copy_with(tmp_path, "kinds/about.id.j2", "{% block void %}", '{% block void %}{{ about("void") }}')
    with pytest.raises(TemplateFault):
        said("earthquake", Kind.CANCEL, "id", library=library)
