"""Every file of words says what research and the Information Commission ask of it, in plain language."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.seam import fill, slots
from kentongan.settings import Agency
from kentongan.words.composing import BLOCKS, Composer
from kentongan.words.context import Telling, context
from kentongan.words.drafting import from_facts
from kentongan.words.following import correction
from kentongan.words.hazards import HazardLibrary
from kentongan.words.hazards import library as read_library
from kentongan.words.late import late_values
from kentongan.words.shortening import Budget, Shortener

TEMPLATES = data_path("templates")
FILES = [
    (path.parent.name, Kind(kind), language)
    for path in sorted((TEMPLATES / "hazards").glob("*/*.j2"))
    for kind, language in [path.name.split(".")[:2]]
]
EIGHT_POINTS = {"danger", "affected", "evacuation", "avoid", "help", "announcer", "announced", "doing"}
KNOWN_ANSWERS = EIGHT_POINTS | {"source", "hazard", "place", "time", "consequence", "action"}
LINK = "https://siaga.example/K7Q4"
SAYS_IT_IS_OVER = (
    "telah berakhir",
    "sudah berakhir",
    "sudah aman",
    "bahaya lewat",
    "is over",
    "has ended",
    "all clear",
    "is safe",
)

Words = tuple[dict[str, tuple[str, ...]], dict[str, Telling], Draft]


def facts_of(library: HazardLibrary, hazard: str, *, full: bool) -> dict[str, JsonValue]:
    fields = library.get(hazard).fields
    facts: dict[str, JsonValue] = {
        name: field.example for name, field in fields.items() if full or field.required or name in ("area", "circle")
    }
    for name, field in fields.items():
        if field.translated and name in facts:
            facts[f"{name}.en"] = facts[name]
    return facts


def words(hazard: str, kind: Kind, language: str, *, full: bool, **other: Any) -> Words:
    """All blocks of one file, as a message on a channel without limits."""
    library = read_library(TEMPLATES)
    agency = Agency(
        name="Badan Sumber",
        sender="badan@sumber.example",
        languages=("id", "en"),
        link="https://siaga.example",
        timezone="Asia/Makassar",
        contact=other.get("contact", "112"),
    )
    now = datetime(2026, 11, 21, 14, 30, tzinfo=ZoneInfo("Asia/Makassar"))
    facts = {**facts_of(library, hazard, full=full), **other.get("facts", {})}
    draft = from_facts(library.get(hazard), facts, agency=agency, status=Status.ACTUAL, identifier="K-1", now=now)
    if kind is Kind.CORRECTION:
        draft = correction(draft, identifier="K-2", now=now)
    blocks, tellings = {}, {}
    for block in BLOCKS:
        tellings[block] = Telling()
        names = context(
            draft,
            library.get(hazard),
            library.languages[language],
            drafted=library.get(hazard),
            agency=agency,
            code="",
            link=LINK,
            earlier=None,
            telling=tellings[block],
            together=False,
            shortener=Shortener(library.languages[language], LINK, Budget()),
        )
        blocks[block] = Composer(TEMPLATES).block(f"hazards/{hazard}/{kind}.{language}.j2", block, names)
    values = late_values(
        {slot for paragraphs in blocks.values() for text in paragraphs for slot in slots(text)},
        language=language,
        languages=library.languages,
        zone=ZoneInfo("Asia/Makassar"),
        sent=now,
        earlier_sent=now,
        reason="wrong_details",
    )
    filled = {block: tuple(fill(text, values) for text in paragraphs) for block, paragraphs in blocks.items()}
    return filled, tellings, draft


every_file = pytest.mark.parametrize(("hazard", "kind", "language"), FILES)
full_or_bare = pytest.mark.parametrize("full", [True, False], ids=["every fact", "required facts only"])


def test_each_hazard_has_both_kinds_in_both_languages() -> None:
    hazards = {hazard for hazard, _, _ in FILES}
    assert hazards >= {"earthquake", "general"}
    assert set(FILES) >= {(hazard, kind, language) for hazard in hazards for kind in Kind for language in ("id", "en")}


@every_file
@full_or_bare
def test_each_block_is_complete_in_itself(hazard: str, kind: Kind, language: str, full: bool) -> None:
    blocks, tellings, draft = words(hazard, kind, language, full=full)
    info = draft.cap.info(language)
    assert info is not None
    place = re.escape(info.areas[0].area_desc.split(";")[0])
    if draft.facts.get("place"):
        place += "|Manna"
    for block in BLOCKS:
        text = " ".join(blocks[block])
        assert re.search(re.escape(info.event.split()[0]), text, re.IGNORECASE) or (
            draft.facts.get("headline") == text
        ), block
        if block == "headline":
            continue
        assert re.search(r"Badan Sumber", text), block
        assert re.search(place, text), block
        assert re.search(r"\b(WITA)\b", text), block
        actions = [piece.text for piece in tellings[block].pieces if "action" in piece.answers]
        assert actions, block
        assert all(len(action.split()) >= 3 for action in actions), block
    told = {answer for telling in tellings.values() for piece in telling.pieces for answer in piece.answers}
    assert told <= KNOWN_ANSWERS


@every_file
@full_or_bare
@pytest.mark.parametrize("contact", ["112", ""])
def test_long_words_answer_the_eight_points_of_the_information_commission(
    hazard: str, kind: Kind, language: str, full: bool, contact: str
) -> None:
    blocks, tellings, _ = words(hazard, kind, language, full=full, contact=contact)
    pieces = tellings["long"].pieces
    for point in (*EIGHT_POINTS, "consequence", "source", "hazard", "place", "time"):
        answers = [piece.text for piece in pieces if point in piece.answers]
        assert any(len(answer.split()) >= 4 for answer in answers), point
    # Each paragraph says what it answers, so that CAP's description and instruction leave nothing out.
    assert len(pieces) == len(blocks["long"])
    assert LINK in " ".join(blocks["long"])


@every_file
@full_or_bare
def test_words_are_plain(hazard: str, kind: Kind, language: str, full: bool) -> None:
    blocks, _, _ = words(hazard, kind, language, full=full)
    for block, paragraphs in blocks.items():
        sentences = [
            sentence
            for text in paragraphs
            for sentence in re.split(r"(?<=[a-z0-9)A-Z])[.!?:](?=\s|$)", text)
            if sentence.strip()
        ]
        lengths = [len(sentence.split()) for sentence in sentences]
        assert max(lengths) <= 32, (block, max(sentences, key=len))
        assert sum(lengths) / len(lengths) <= 20, block
        for sentence in sentences:
            long_words = re.findall(r"[^\W\d_]{2,}", sentence)
            assert len(long_words) < 3 or not all(word.isupper() for word in long_words), sentence


@every_file
def test_no_words_hold_signs_that_a_channel_reads_as_markup(hazard: str, kind: Kind, language: str) -> None:
    blocks, _, _ = words(hazard, kind, language, full=True)
    for paragraphs in blocks.values():
        for text in paragraphs:
            assert "{" not in text
            assert "<" not in text
            assert "  " not in text
            assert not re.search(r"\s[.,]|\.\.|,,|\bNone\b", text), text


@pytest.mark.parametrize(("hazard", "kind", "language"), [file for file in FILES if file[1] is Kind.CORRECTION])
def test_a_correction_takes_our_message_back_and_not_the_hazard(hazard: str, kind: Kind, language: str) -> None:
    blocks, _, _ = words(hazard, kind, language, full=True)
    reason = read_library(TEMPLATES).languages[language].reasons["wrong_details"]
    for block, paragraphs in blocks.items():
        text = " ".join(paragraphs).lower()
        assert ("pesan kami" if language == "id" else "our message") in text
        assert not any(phrase in text for phrase in SAYS_IT_IS_OVER)
        if block != "headline":
            assert reason in text
            assert ("tetap" if language == "id" else "stay alert") in text


@pytest.mark.parametrize("language", ["id", "en"])
def test_a_possible_tsunami_says_leave_the_coast_in_every_form(language: str) -> None:
    for tsunami in ("possible", "none", "unknown"):
        blocks, _, _ = words("earthquake", Kind.ALERT, language, full=True, facts={"tsunami": tsunami})
        for block in ("short", "standard", "long", "spoken"):
            text = " ".join(blocks[block])
            order = "jauhi pantai" if language == "id" else "leave beaches"
            assert (order in text.lower()) == (tsunami == "possible"), (tsunami, block)


def test_hashtags_can_be_read_aloud() -> None:
    library = read_library(TEMPLATES)
    for name in library.names:
        for tags in library.get(name).hashtags.values():
            assert 1 <= len(tags) <= 3
            assert all(re.fullmatch(r"(?:[A-Z][a-z]+)+", tag) for tag in tags)
