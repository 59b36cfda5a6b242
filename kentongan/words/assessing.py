"""What research, the Information Commission and plain language ask of every file of words, as faults found in it.

A message is complete with its source, hazard, place, action and time; the standard and the long form say the
consequence too (Mileti and Sorensen 1990; Sutton and others). A long form also answers the eight points that the
Information Commission asks of what is announced at once (Law 14/2008, article 10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.quick_dataclass import dataclass
from kentongan.seam import fill, slots
from kentongan.settings import Agency
from kentongan.words.composing import composer
from kentongan.words.context import Aloud, Earlier, Telling, context
from kentongan.words.drafting import place_names
from kentongan.words.hazards import Hazard
from kentongan.words.languages import BRIEF, SPOKEN, Language
from kentongan.words.late import late_values
from kentongan.words.library import GENERAL, HazardLibrary
from kentongan.words.scales import SaidLevel
from kentongan.words.shortening import Budget, Shortener
from kentongan.words.specimens import Specimen, specimen_draft
from kentongan.words.times import zone_name

EIGHT_POINTS = frozenset({"danger", "affected", "evacuation", "avoid", "help", "announcer", "announced", "doing"})
CONTENTS = frozenset({"source", "hazard", "place", "time", "consequence", "action"})
ANSWERS = EIGHT_POINTS | CONTENTS
"""Everything that a paragraph may declare to answer."""

_LINK = "https://siaga.example/K7Q4"
_LEAST_ACTION, _LEAST_POINT = 3, 4


@dataclass(frozen=True, slots=True)
class Said:
    """All blocks of one file with one set of facts, as a channel without limits would carry them."""

    hazard: Hazard
    kind: Kind
    language: Language
    agency: Agency
    draft: Draft
    blocks: Mapping[str, tuple[str, ...]]
    tellings: Mapping[str, Telling]

    def text(self, block: str) -> str:
        """The paragraphs of a block as one text."""
        return " ".join(self.blocks[block])


def say(
    library: HazardLibrary,
    hazard: Hazard,
    specimen: Specimen,
    *,
    kind: Kind,
    language: str,
    agency: Agency,
    now: datetime,
    reason: str | None = None,
) -> Said:
    """Renders all blocks that the language writes; raises TemplateFault and BadInput."""
    spoken, zone = library.languages[language], ZoneInfo(agency.timezone)
    draft = specimen_draft(hazard, specimen, kind=kind, agency=agency, status=Status.ACTUAL, now=now)
    blocks, tellings = {}, {}
    for block in (*spoken.forms, BRIEF) if spoken.whole else spoken.forms:
        tellings[block] = Telling()
        names = context(
            draft,
            hazard,
            spoken,
            drafted=hazard,
            agency=agency,
            code="",
            link=_LINK,
            earlier=None if kind is Kind.ALERT else Earlier("M2X8"),
            shortener=Shortener(spoken, _LINK, Budget(spare=True)),
            telling=tellings[block],
            together=False,
        )
        paragraphs = composer(library.root).block(hazard.words(kind, language), block, names)
        values = late_values(
            {slot for text in paragraphs for slot in slots(text)},
            language=language,
            languages=library.languages,
            zone=zone,
            sent=now,
            earlier_sent=now,
            reason=reason or library.reasons[0],
        )
        blocks[block] = tuple(fill(text, values) for text in paragraphs)
    return Said(hazard, kind, spoken, agency, draft, blocks, tellings)


def faults(said: Said) -> list[str]:
    """Everything that is wrong with these words, a sentence each; nothing where they are as they should be."""
    found = [*_unknown_answers(said)]
    for block in said.blocks:
        checks = (*_incomplete(said, block), *_hard_to_read(said, block), *_clumsy(said, block))
        found += (f"{block}: {fault}" for fault in checks)
    if "long" in said.blocks:
        found += (f"long: {fault}" for fault in _points_missing(said))
    return [*found, *(f"{block}: {fault}" for block in said.blocks for fault in _untrue(said, block))]


@dataclass(frozen=True, slots=True)
class Plainness:
    """How long the sentences of a text are, in words."""

    longest: int
    mean: float


def plainness(said: Said) -> Plainness:
    """The longest sentence of all blocks, and the longest mean of a block."""
    lengths = [[len(sentence.split()) for sentence in _sentences(said, block)] for block in said.blocks]
    return Plainness(
        max(length for each in lengths for length in each), max(sum(each) / len(each) for each in lengths if each)
    )


def _incomplete(said: Said, block: str) -> Iterator[str]:
    text = said.text(block)
    if not text:
        yield "is empty"
        return
    if not _names_hazard(said, text):
        yield "does not name the hazard"
    if block == "headline":
        return
    if (said.agency.names.get(said.language.code) or said.agency.name) not in text:
        yield "does not name its source"
    places = map(_read_out(said), _places(said)) if block == SPOKEN else _places(said)
    if not any(place in text for place in places):
        yield "does not name the place"
    zone = zone_name(said.draft.cap.sent, ZoneInfo(said.agency.timezone), said.language)
    if not re.search(rf"\b{re.escape(zone)}\b", text):
        yield "says no time with its zone"
    actions = [piece.text for piece in said.tellings[block].pieces if "action" in piece.answers]
    if not actions or any(len(action.split()) < _LEAST_ACTION for action in actions):
        yield "does not say what to do"
    # The general hazard says what its sender said, and of an impact often nothing.
    answered = {answer for piece in said.tellings[block].pieces for answer in piece.answers}
    if block in ("standard", "long") and "consequence" not in answered and said.hazard.name != GENERAL:
        yield "does not say what the hazard can do"


def _names_hazard(said: Said, text: str) -> bool:
    info = said.draft.cap.info(said.language.code) if said.language.whole else None
    event = info.event if info else said.hazard.event.get(said.language.code, next(iter(said.hazard.event.values())))
    own = said.draft.facts.get("headline")
    return re.search(re.escape(event.split()[0]), text, re.IGNORECASE) is not None or (
        isinstance(own, str) and own in text
    )


def _places(said: Said) -> set[str]:
    """Names of which any one names the place: of the area, and in the field that names it where none is given."""
    names = {name.strip() for info in said.draft.cap.infos for area in info.areas for name in area.area_desc.split(";")}
    place = said.draft.facts.get(said.hazard.place_field)
    if isinstance(place, Mapping):
        names |= set(place_names(place))
    elif isinstance(place, str):
        names |= set(re.findall(r"[^\W\d_a-z][\w'-]{3,}", place))
    return names


def _points_missing(said: Said) -> Iterator[str]:
    pieces = said.tellings["long"].pieces
    for point in sorted(EIGHT_POINTS | CONTENTS):
        answers = [piece.text for piece in pieces if point in piece.answers]
        if not any(len(answer.split()) >= _LEAST_POINT for answer in answers):
            yield f"no paragraph answers {point}"
    if len(pieces) != len(said.blocks["long"]):
        yield "a paragraph does not say what it answers, so that CAP would leave it out"
    if _LINK not in said.text("long"):
        yield "does not say where to read more"


def _unknown_answers(said: Said) -> Iterator[str]:
    told = {answer for telling in said.tellings.values() for piece in telling.pieces for answer in piece.answers}
    for answer in sorted(told - ANSWERS):
        yield f"{answer!r} is nothing that a paragraph can answer"


def _sentences(said: Said, block: str) -> list[str]:
    return [
        sentence
        for text in said.blocks[block]
        for sentence in re.split(r"(?<=[a-z0-9)A-Z])[.!?:](?=\s|$)", text)
        if sentence.strip()
    ]


def _hard_to_read(said: Said, block: str) -> Iterator[str]:
    language, sentences = said.language, _sentences(said, block)
    lengths = [len(sentence.split()) for sentence in sentences]
    if lengths and max(lengths) > language.longest_sentence:
        yield f"a sentence has {max(lengths)} words, and {language.longest_sentence} are the most: " + max(
            sentences, key=lambda sentence: len(sentence.split())
        )
    if lengths and sum(lengths) / len(lengths) > language.mean_sentence:
        yield f"its sentences have {sum(lengths) / len(lengths):.1f} words on average, {language.mean_sentence} at most"
    for sentence in sentences:
        words = re.findall(r"[^\W\d_]{2,}", sentence)
        if len(words) >= 3 and all(word.isupper() for word in words):
            yield f"a sentence is in capitals: {sentence}"
    text = said.text(block)
    for word in language.jargon:
        if re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE):
            yield f"{word!r} is a word of experts; say it as people do at home"
    for sign in re.findall(r"\{|<|  |\s[.,]|\.\.|,,|\bNone\b|\[\]", text):
        yield f"{sign!r} does not belong into what people read"


def _clumsy(said: Said, block: str) -> Iterator[str]:
    """What is said twice over, or strung together by colons, or cannot be read aloud as it stands."""
    text, agency = said.text(block), said.agency.names.get(said.language.code) or said.agency.name
    stops = re.split(r"(?<=[.!?])\s", text)
    for sentence in stops:
        if sentence.count(agency) > 1:
            yield f"names our agency twice in one sentence: {sentence}"
    for sentence in sorted({each for each in stops if each.endswith(".") and stops.count(each) > 1}):
        # Two levels of one scale may ask for the same.
        if not said.hazard.scales:
            yield f"says a sentence twice: {sentence}"
    for word in re.findall(r"\b([^\W\d_]{2,}) \1\b", text, re.IGNORECASE):
        yield f"says a word twice: {word}"
    if block == "headline" and said.kind.takes_back and text.count(": ") > 1:
        yield f"a headline has more than one colon: {text}"
    if block == SPOKEN:
        known = {*said.language.aloud, *(set(said.language.months_short) - set(said.language.months))}
        for short in sorted(known):
            if re.search(rf"(?<!\w){re.escape(short)}(?!\w)", text):
                yield f"{short!r} cannot be read aloud; write it out"


def _read_out(said: Said) -> Aloud:
    return Aloud({}, "", said.language.aloud)


def _untrue(said: Said, block: str) -> Iterator[str]:
    """What a kind of message must say, or must not: only an all-clear may say that the hazard is over."""
    text = said.text(block).lower()
    over = [phrase for phrase in said.language.says_over if phrase in text]
    if said.kind in (Kind.CANCEL, Kind.CORRECTION) and over:
        yield f"a {said.kind} may not say that the hazard is over: {over[0]!r}"
    if said.kind is Kind.ALL_CLEAR and not over and said.language.says_over:
        yield "does not say that it is over"
    for level in _levels(said):
        colour, word = re.escape(level.colour), re.escape(level.word.lower())
        said_beside = rf"{word} \([^()]*\b{colour}\b[^()]*\)|{re.escape(level.coloured.lower())}"
        beside = len(re.findall(said_beside, text)) if colour else 0
        if colour and len(re.findall(rf"\b{colour}\b", text)) > beside:
            yield f"the colour {colour} does not stand in brackets behind its word {level.word}"


def _levels(said: Said) -> Iterator[SaidLevel]:
    for name, scale in said.hazard.scales.items():
        given = said.draft.facts.get(name)
        stated = [given] if isinstance(given, str) else list(given) if isinstance(given, Mapping) else []
        for level in stated:
            yield scale.said(level, said.language)
