"""Drafts: from the facts of a hazard, from another sender's alert, or lowered to a drill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from kentongan import cap
from kentongan.alert import Draft, Kind, Origin
from kentongan.cap.model import Certainty, MsgType, Scope, Severity, Status, Urgency
from kentongan.errors import BadInput, Refused
from kentongan.seam import SLOT_CLOSE, SLOT_OPEN
from kentongan.settings import Agency
from kentongan.words import fields
from kentongan.words.cleaning import clean
from kentongan.words.hazards import Hazard
from kentongan.words.library import GENERAL

SAID = ("headline", "description", "instruction")
"""What a CAP info tells the public in words."""


def from_facts(
    hazard: Hazard,
    facts: Mapping[str, JsonValue],
    *,
    agency: Agency,
    status: Status,
    identifier: str,
    now: datetime,
) -> Draft:
    """Builds the alert that these facts make, with an info block for each of the agency's languages it can speak whole.

    A language that has only short forms speaks on the channels that take these, and has no info block.

    Facts are as `Hazard.read` gives them. Headline and description stay open: rendering fills them. Raises BadInput.
    """
    zone = ZoneInfo(agency.timezone)
    facts = hazard.read(facts, zone=zone)
    sent = now.astimezone(zone).replace(microsecond=0)
    written, whole = set(hazard.languages(Kind.ALERT)), set(hazard.languages(Kind.ALERT, whole=True))
    published = tuple(dict.fromkeys(language.split("-")[0].lower() for language in agency.languages))
    languages = tuple(
        language
        for language in published
        if language in written and _said_in(hazard, facts, language, first=published[0])
    )
    spoken = tuple(language for language in languages if language in whole)
    if languages and not spoken:
        raise BadInput(
            f"{hazard.name}: has words for every form in none of {', '.join(languages)}; "
            "add a language that has to agency.languages, such as id"
        )
    if not spoken:
        raise BadInput(
            f"{hazard.name}: has no words in {', '.join(published)}; give its texts in one of them, "
            f"or add templates/{hazard.template(Kind.ALERT, published[0])}"
        )
    infos = tuple(_info(hazard, facts, language, agency=agency, sent=sent, first=published[0]) for language in spoken)
    alert = cap.Alert(
        identifier=identifier,
        sender=agency.sender,
        sent=sent,
        status=status,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC,
        source=_text(facts.get("source")),
        infos=infos,
    )
    return Draft(hazard=hazard.name, cap=alert, facts=facts, languages=languages)


def relay(alert: cap.Alert, *, agency: Agency, identifier: str, now: datetime) -> Draft:
    """Makes another sender's alert ours to pass on: our sender and identifier, its words, its references.

    The draft speaks the languages of its info blocks, or the agency's where it has none.
    """
    zone = ZoneInfo(agency.timezone)
    alert = cap.Alert.model_validate(_without_slots(alert.model_dump()))
    name = next((clean(info.sender_name) for info in alert.infos if info.sender_name), "")
    spoken = [info.language for info in alert.infos] or list(agency.languages)
    return Draft(
        hazard=GENERAL,
        cap=alert.model_copy(
            update={
                "identifier": identifier,
                "sender": agency.sender,
                "sent": now.astimezone(zone).replace(microsecond=0),
                "source": alert.source or name or alert.sender,
            }
        ),
        languages=tuple(dict.fromkeys(language.split("-")[0].lower() for language in spoken)),
        origin=Origin(
            sender=alert.sender,
            sender_name=name or clean(alert.sender),
            identifier=alert.identifier,
            sent=alert.sent,
        ),
    )


def lowered(draft: Draft, status: Status) -> Draft:
    """Returns the draft as an exercise or a test; raises Refused for a status that would make more of it."""
    current = draft.cap.status
    if status is current:
        return draft
    if status not in (Status.EXERCISE, Status.TEST):
        raise Refused(
            f"a draft of status {current} cannot become {status}: status is only ever lowered; draft it anew",
            rule="mode",
        )
    return draft.model_copy(update={"cap": draft.cap.model_copy(update={"status": status})})


def _without_slots(value: Any) -> Any:
    """The same values, with no text in them that could pass for a late fact."""
    if isinstance(value, str):
        return value.replace(SLOT_OPEN, "").replace(SLOT_CLOSE, "")
    if isinstance(value, Mapping):
        return {key: _without_slots(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_without_slots(item) for item in value)
    return value


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def stated(facts: Mapping[str, JsonValue], name: str, language: str, *, first: str) -> str | None:
    """What a translated field says in `language`; the plain name speaks the agency's first language."""
    given = facts.get(f"{name}.{language}")
    return _text(given if given is not None or language != first else facts.get(name))


def _said_in(hazard: Hazard, facts: Mapping[str, JsonValue], language: str, *, first: str) -> bool:
    return all(
        stated(facts, name, language, first=first)
        for name, field in hazard.own_fields.items()
        if field.translated and field.required
    )


def _info(
    hazard: Hazard, facts: Mapping[str, JsonValue], language: str, *, agency: Agency, sent: datetime, first: str
) -> cap.Info:
    said = {name: stated(facts, name, language, first=first) for name in (*SAID, "hazard")}
    level = hazard.level(facts)
    default_event = hazard.event.get(language) or next(iter(hazard.event.values()))
    onset = _text(facts.get("onset"))
    end = _text(facts.get("expires"))
    lasts = fields.duration(end) if end else hazard.lasts
    expires = sent + lasts if lasts else datetime.fromisoformat(str(end))
    return cap.Info(
        language=language,
        categories=hazard.categories,
        event=said["hazard"] or default_event,
        response_types=hazard.response_types(facts),
        urgency=Urgency(_text(facts.get("urgency")) or (level or hazard).urgency),
        severity=Severity(_text(facts.get("severity")) or (level or hazard).severity),
        certainty=Certainty(_text(facts.get("certainty")) or hazard.certainty),
        onset=datetime.fromisoformat(onset) if onset else None,
        expires=expires,
        sender_name=agency.names.get(language) or agency.name,
        headline=said["headline"],
        description=said["description"],
        instruction=said["instruction"],
        contact=agency.contact or None,
        parameters=_parameters(hazard, facts, language),
        areas=_areas(hazard, facts),
    )


def place_names(by_place: Mapping[str, Any]) -> tuple[str, ...]:
    """The places of a value that is given place by place, or level by level."""
    lists = (value if isinstance(value, (list, tuple)) else [key] for key, value in by_place.items())
    return tuple(dict.fromkeys(str(name) for names in lists for name in names))


def _parameters(hazard: Hazard, facts: Mapping[str, JsonValue], language: str) -> tuple[cap.NamedValue, ...]:
    """The levels as their issuer gave them, one a scale and level."""
    said = []
    for name, scale in hazard.scales.items():
        given = facts.get(name)
        stated_levels = given if isinstance(given, Mapping) else {given: []} if isinstance(given, str) else {}
        for level in sorted(stated_levels, key=scale.order, reverse=True):
            word = scale.levels[level].word
            value = word.get(language) or next(iter(word.values()))
            places = stated_levels[level]
            named = ": " + "; ".join(map(str, places)) if isinstance(places, list) and places else ""
            said.append(cap.NamedValue(value_name=f"{scale.name}-level", value=f"{value}{named}"))
    return tuple(said)


def _geometry(facts: Mapping[str, JsonValue]) -> str:
    """An area without a name is named by its coordinates or codes, for CAP wants a description."""
    values = (facts.get(name) for name in ("polygon", "circle", "geocode"))
    return "; ".join(str(item) for value in values if isinstance(value, list) for item in value)


def _areas(hazard: Hazard, facts: Mapping[str, JsonValue]) -> tuple[cap.Area, ...]:
    names = facts.get("area")
    place = facts.get(hazard.place_field)
    if isinstance(place, Mapping):
        names = names or list(place_names(place))
    description = "; ".join(map(str, names)) if isinstance(names, list) else _text(place)
    polygons = fields.polygons(facts["polygon"]) if "polygon" in facts else ()
    circles = fields.circles(facts["circle"]) if "circle" in facts else ()
    geocodes = fields.geocodes(facts["geocode"]) if "geocode" in facts else ()
    if not (names or polygons or circles or geocodes):
        return ()
    return (
        cap.Area(
            area_desc=description or _geometry(facts),
            polygons=polygons,
            circles=circles,
            geocodes=tuple(cap.NamedValue(value_name=name, value=value) for name, value in geocodes),
        ),
    )
