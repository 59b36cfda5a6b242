"""What the words of a hazard see: its facts, the message's own facts, and how to say them in the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kentongan import cap
from kentongan.alert import Draft
from kentongan.cap.model import Severity
from kentongan.quick_dataclass import dataclass
from kentongan.seam import slot
from kentongan.settings import Agency
from kentongan.words.cleaning import (
    PARAGRAPH,
    clean,
    clean_paragraphs,
    lists_title_cased,
    split_names,
    title_cased,
)
from kentongan.words.drafting import place_names, stated
from kentongan.words.fields import Field
from kentongan.words.hazards import Hazard
from kentongan.words.languages import Language
from kentongan.words.late import ALOUD, SLOTS
from kentongan.words.scales import LevelPlaces, Scale
from kentongan.words.shortening import Shortener
from kentongan.words.times import local_time, time_of_day


@dataclass(frozen=True, slots=True)
class Earlier:
    """The message that this one follows or withdraws; `sent` is None where it is not out yet, and becomes a slot."""

    code: str
    sent: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of a message and what it answers, as its template declares it."""

    answers: frozenset[str]
    text: str


@dataclass(slots=True)
class Telling:
    """Gathers what the pieces of one block answer, while the block is rendered."""

    pieces: list[Told] = field(default_factory=list)

    def tells(self, *answers: str, caller: Callable[[], str]) -> str:
        """Marks a piece of running text: `{% call tells("action") %}...{% endcall %}`."""
        text = _one_line(caller())
        if text:
            self.pieces.append(Told(frozenset(answers), text))
        return text

    def paragraph(self, *answers: str, caller: Callable[[], str]) -> str:
        """The same, as a paragraph of its own."""
        text = caller()
        for part in text.split(PARAGRAPH):
            if told := _one_line(part):
                self.pieces.append(Told(frozenset(answers), told))
        return f"{PARAGRAPH}{text}{PARAGRAPH}"


_TELEPHONE = re.compile(r"(?<![\w.,-])[+0]\d(?:[ -]?\d){5,}(?!\w)")


@dataclass(frozen=True, slots=True)
class Aloud:
    """How words come out where they are read aloud: times written out, numbers to dial digit by digit."""

    times: Mapping[str, Any]
    contact: str
    abbreviations: Mapping[str, str]

    @property
    def names(self) -> dict[str, str]:
        """The names that mean something else in a spoken block."""
        return {**self.times, "contact": re.sub(r"\d+", lambda digits: " ".join(digits.group(0)), self.contact)}

    def __call__(self, text: str) -> str:
        """The text without abbreviations."""
        said = _TELEPHONE.sub(lambda number: " ".join(re.sub(r"\D", "", number.group(0))), text)
        if not self.abbreviations:
            return said
        known = "|".join(re.escape(short) for short in sorted(self.abbreviations, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{known})(?!\w)", lambda short: self.abbreviations[short.group(0)], said)


def _one_line(text: str) -> str:
    """Folds white space and leaves slots as they are; what came from outside was cleaned before."""
    return " ".join(text.split())


def context(
    draft: Draft,
    hazard: Hazard,
    language: Language,
    *,
    drafted: Hazard,
    agency: Agency,
    code: str,
    link: str,
    earlier: Earlier | None,
    shortener: Shortener,
    telling: Telling,
    together: bool,
) -> dict[str, Any]:
    """Returns all names that a template of `hazard` may use; `Composer.block` binds `alert` and `about`.

    `drafted` is the hazard that the facts are of; it is another where the general one stands in for it.
    `together`: the message holds several languages, so that its slots carry the language behind their names.
    """
    zone = ZoneInfo(agency.timezone)
    infos = _infos(draft, language.code)
    info = infos[0] if infos else None
    borrowed = info is not None and info.language.split("-")[0].lower() != language.code
    every = {name: slot(f"{name}_{language.code}" if together else name) for name in SLOTS}
    late = {name: text for name, text in every.items() if name not in ALOUD.values()}
    aloud = {name: every[full] for name, full in ALOUD.items()}
    if earlier is not None and earlier.sent is not None:
        late["earlier_sent"] = local_time(earlier.sent, zone, language, short=True)
        aloud["earlier_sent"] = local_time(earlier.sent, zone, language)
    origin = draft.origin.sender_name if draft.origin else None
    name = clean(agency.names.get(language.code) or agency.name)
    default_event = hazard.event.get(language.code) or next(iter(hazard.event.values()))

    def text(of: str | None) -> str:
        return PARAGRAPH.join(lists_title_cased(part, language.keep_capitals) for part in clean_paragraphs(of or ""))

    def place(of: object) -> str:
        return _place_words(title_cased(clean(str(of)), language.keep_capitals), language)

    def number(value: float, digits: int = 0) -> str:
        return f"{value:,.{digits}f}".translate({ord("."): language.decimal, ord(","): language.thousands})

    def by_place(name: str, declared: Field, *, short: bool = True) -> Any:
        """A value that is given place by place, as a list of texts, or of levels with their places."""
        given = draft.facts.get(name)
        if not isinstance(given, Mapping):
            return None
        if declared.type == "levels":
            return _by_level(given, hazard.scales[name], language, place)
        if declared.type == "times":
            moments = ((key, datetime.fromisoformat(str(value))) for key, value in given.items())
            today = draft.cap.sent
            return tuple(
                f"{place(key)} {time_of_day(at, zone, language, today=today, short=short)}" for key, at in moments
            )
        unit = f" {declared.unit}" if declared.unit else ""
        return tuple(f"{place(key)} {_shortest(value, number)}{unit}" for key, value in given.items())

    gravest = drafted.said_level(draft.facts, language)
    facts = {}
    for key, declared in hazard.own_fields.items():
        if declared.type in ("levels", "times", "measures"):
            facts[key] = by_place(key, declared)
        elif declared.type == "level":
            given = draft.facts.get(key)
            facts[key] = hazard.scales[key].said(given, language) if isinstance(given, str) else None
        else:
            facts[key] = _value(draft, declared.type, key, language, agency)
    source = facts.get("source") or (clean(origin) if origin else name)
    if source in map(clean, (agency.name, *agency.names.values())):
        # We are nobody's source but our own, whichever of our names an officer has typed.
        source = name
    headline = text(info.headline if info else None).replace(PARAGRAPH, " ")
    event = (clean(info.event) if info and not borrowed else "") or default_event
    return {
        **facts,
        **late,
        "language": language.code,
        "agency": name,
        "contact": clean(agency.contact),
        "origin": clean(origin) if origin else None,
        "source": source,
        "ended_by": source if _ended_by_source(draft, source) else name,
        "status": draft.cap.status.value,
        "msg_type": draft.cap.msg_type.value,
        "severity": (info.severity if info else Severity.UNKNOWN).value,
        "event": event,
        "events": (default_event,) if borrowed else tuple(dict.fromkeys(clean(other.event) for other in infos)),
        "places": _places(draft, infos, language, drafted.place_field, standing_in=hazard.name != drafted.name),
        "onset": info.onset if info else None,
        "expires": max((other.expires for other in infos if other.expires), default=None),
        "said": {
            "headline": headline,
            "names_event": _named(event, headline),
            "description": text("\n\n".join(dict.fromkeys(other.description or "" for other in infos))),
            "instruction": text("\n\n".join(dict.fromkeys(other.instruction or "" for other in infos)))
            or (gravest.action if gravest and hazard.name != drafted.name else ""),
            "contact": clean(info.contact or "") if info else "",
        },
        "code": code,
        "link": link,
        "follows": earlier is not None,
        "gravest": gravest,
        "alert": _unbound,
        "about": _unbound,
        "sentence": lambda of: of[:1].upper() + of[1:],
        "inside": lambda of: of[:1].lower() + of[1:] if of[1:].islower() else of,
        "aloud": Aloud(
            {
                **aloud,
                **{key: by_place(key, of, short=False) for key, of in hazard.own_fields.items() if of.type == "times"},
                "at_short": lambda moment: local_time(moment, zone, language),
            },
            clean(agency.contact),
            language.aloud,
        ),
        "spare": shortener.spare,
        "listed": shortener.listed,
        "clip": shortener.clip,
        "tells": telling.tells,
        "paragraph": telling.paragraph,
        "at": lambda moment: local_time(moment, zone, language),
        "at_short": lambda moment: local_time(moment, zone, language, short=True),
        "number": number,
        "position": lambda latitude, longitude: _position(latitude, longitude, language),
        "all_places": lambda levels: tuple(dict.fromkeys(name for one in levels for name in one.places)),
        "place_words": lambda of: _place_words(of, language),
        "felt_places": lambda felt, scale=False: _felt(felt, language, scale=scale),
    }


def _named(event: str, headline: str) -> bool:
    """Whether a headline says already what the event is called: each of its words but the small ones."""
    if event.casefold() in headline.casefold():
        return True
    words = {word for word in re.findall(r"\w+", event.casefold()) if len(word) > 3}
    return bool(words) and words <= set(re.findall(r"\w+", headline.casefold()))


def _ended_by_source(draft: Draft, source: str) -> bool:
    """Whether an all-clear rests on the source's own word: its end message, or evidence that an officer has of it."""
    names = (source, draft.origin.sender) if draft.origin else (source,)
    return draft.issuers_end or any(name.casefold() in draft.evidence.casefold() for name in names)


def _unbound(_: str) -> str:
    raise LookupError("a single template has no other words to call upon")


def _by_level(
    given: Mapping[str, Any], scale: Scale, language: Language, place: Callable[[object], str]
) -> tuple[LevelPlaces, ...]:
    """The levels with their places, gravest first."""
    order = sorted(given, key=scale.order, reverse=True)
    return tuple(LevelPlaces(scale.said(level, language), tuple(map(place, given[level]))) for level in order)


def _shortest(value: Any, number: Callable[[float, int], str]) -> str:
    """A number with no more digits than it was given with."""
    _, _, digits = f"{value:.9g}".partition(".")
    return number(value, len(digits) if digits.isdigit() else 0)


def _infos(draft: Draft, language: str) -> tuple[cap.Info, ...]:
    """What CAP says in that language, gravest first; in our first one where ours is too small for an info block."""
    order, alert = tuple(Severity), draft.cap
    own = [info for info in alert.infos if info.language.split("-")[0].lower() == language]
    if not own and draft.origin is None and language in draft.languages:
        own = list(alert.infos[:1])
    return tuple(sorted(own, key=lambda info: order.index(info.severity)))


def _value(draft: Draft, kind: str, name: str, language: Language, agency: Agency) -> Any:
    given = draft.facts.get(name)
    if kind == "text":
        said = stated(draft.facts, name, language.code, first=agency.languages[0].split("-")[0].lower())
        said = said or (given if isinstance(given, str) else None)
        return PARAGRAPH.join(clean_paragraphs(said)) if said else None
    if kind == "time" and isinstance(given, str):
        return datetime.fromisoformat(given)
    if kind == "places" and isinstance(given, list):
        return tuple(title_cased(clean(str(item)), language.keep_capitals) for item in given)
    return clean(given) if isinstance(given, str) else given


def _places(
    draft: Draft, infos: Iterable[cap.Info], language: Language, place_field: str, *, standing_in: bool
) -> tuple[str, ...]:
    stated_names, place = draft.facts.get("area"), draft.facts.get(place_field)
    if isinstance(place, Mapping):
        place = "; ".join(place_names(place))
    if isinstance(stated_names, list):
        names = [clean(str(name)) for name in stated_names]
    elif isinstance(place, str):
        # The hazard's own words say it already.
        names = list(split_names(place)) if standing_in else []
    elif draft.origin is None:
        names = []
    else:
        areas = dict.fromkeys(area.area_desc for info in infos for area in info.areas)
        names = [name for area in areas for name in split_names(area)]
    cased = (_place_words(title_cased(name, language.keep_capitals), language) for name in names)
    return tuple(dict.fromkeys(filter(None, cased)))


def _position(latitude: float, longitude: float, language: Language) -> str:
    def side(patterns: tuple[str, str], degrees: float) -> str:
        return patterns[degrees < 0].format(degrees=f"{abs(degrees):.2f}".replace(".", language.decimal))

    return f"{side(language.latitude, latitude)}, {side(language.longitude, longitude)}"


def _place_words(text: str | None, language: Language) -> str:
    if not text or not language.place_phrases:
        return text or ""
    phrases: Mapping[str, str] = language.place_phrases
    alternatives = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    lowered = text[0].lower() + text[1:] if any(text.casefold().startswith(p) for p in phrases) else text
    return re.sub(rf"(?<!\w)(?:{alternatives})(?!\w)", lambda match: phrases[match.group(0)], lowered)


_SCALED = re.compile(r"((?:I{1,3}|IV|VI{0,3}|IX|XI{0,2}|X)(?:\s*-\s*(?:I{1,3}|IV|VI{0,3}|IX|XI{0,2}|X))?)\s+(.+)")


def _felt(felt: Iterable[str] | None, language: Language, *, scale: bool) -> tuple[str, ...]:
    """Names of places where a quake was felt, from reports such as "III-IV Manna"; with the scale if asked."""
    result = []
    for report in felt or ():
        match = _SCALED.fullmatch(report)
        place = title_cased(match.group(2), language.keep_capitals) if match else report
        result.append(f"{place} ({match.group(1)} MMI)" if match and scale else place)
    return tuple(result)
