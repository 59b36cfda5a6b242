"""The fields of a hazard: what an officer may state, and how each value is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from kentongan.cap.model import Certainty, Severity, Urgency
from kentongan.words.cleaning import clean, clean_paragraphs
from kentongan.words.scales import Scale

Type = Literal[
    "text", "number", "time", "places", "choice", "level", "levels", "times", "measures",
    "end", "polygons", "circles", "geocodes",
]  # fmt: skip

LONGEST_NAME = 120
"""Most characters of one place name; a longer one is a sentence, which no list can hold."""

_LONGEST_TEXT = 4000


class Field(BaseModel):
    """One field as hazard.yaml declares it.

    `observed` marks a time that has happened, so that one in the future is a mistake. A `translated` text is given
    once a language ("instruction" in the agency's first, "instruction.en" in English). `scale` names the scale of a
    level, or of levels by place; `unit` stands behind each number of measures by place, such as m.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Type
    description: str
    example: str
    required: bool = False
    observed: bool = False
    translated: bool = False
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    scale: str = ""
    unit: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Field:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choices belong to a field of type choice, and each such field needs some")
        if (self.type in ("level", "levels")) != bool(self.scale):
            raise ValueError("scale belongs to a field of type level or levels, and each such field needs one")
        if self.unit and self.type != "measures":
            raise ValueError("unit belongs to a field of type measures")
        if self.observed and self.type != "time":
            raise ValueError("observed belongs to a field of type time")
        if self.translated and self.type != "text":
            raise ValueError("translated belongs to a field of type text")
        return self


def _choices(names: type[Severity] | type[Urgency] | type[Certainty]) -> tuple[str, ...]:
    return tuple(name.value for name in names)


COMMON: Mapping[str, Field] = {
    "severity": Field(type="choice", choices=_choices(Severity), description="CAP severity.", example="Severe"),
    "urgency": Field(type="choice", choices=_choices(Urgency), description="CAP urgency.", example="Immediate"),
    "certainty": Field(type="choice", choices=_choices(Certainty), description="CAP certainty.", example="Observed"),
    "onset": Field(type="time", description="When it is expected to begin.", example="2026-11-21 14:00"),
    "expires": Field(type="end", description="When the alert ends: a time, or how long from now.", example="6h"),
    "area": Field(type="places", description="Place names, parted by semicolons.", example="Manna; Kota Bengkulu"),
    "polygon": Field(
        type="polygons", description="Ring of lat,lon; several parted by semicolons.", example="-4,102 -4,103 -5,103"
    ),
    "circle": Field(type="circles", description="lat,lon and radius in km.", example="-4.5,102.9 80"),
    "geocode": Field(type="geocodes", description="name=value, parted by semicolons.", example="kemendagri=17.01"),
}
"""What every hazard has besides its own fields."""


def read_value(field: Field, given: JsonValue, zone: ZoneInfo, *, scale: Scale | None = None) -> JsonValue:
    """Returns the typed value of `given`, a text as typed or a value of the type itself; reading twice changes nothing.

    Times without a zone are in `zone`; `scale` is that of a level. Raises ValueError with what is wanted, to stand
    behind "wanted:".
    """
    if field.type in ("level", "levels"):
        if scale is None:
            raise TypeError("a level cannot be read without its scale")
        return scale.read_level(given) if field.type == "level" else scale.read_levels(given)
    return _READERS[field.type](field, given, zone)


def _text(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    if isinstance(given, str) and len(given) <= _LONGEST_TEXT:
        text = "\n\n".join(clean_paragraphs(given))
        if text:
            return text
    raise ValueError(f"a text of 1 to {_LONGEST_TEXT} characters")


def _number(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    wanted = "a number" + (
        f" from {field.minimum:g} to {field.maximum:g}" if math.isfinite(field.minimum + field.maximum) else ""
    )
    if isinstance(given, str) and re.fullmatch(r"\s*[+-]?\d{1,9}(?:[.,]\d{1,9})?\s*", given, re.ASCII):
        number = float(given.replace(",", "."))
    elif isinstance(given, (int, float)) and not isinstance(given, bool):
        number = float(given) if abs(given) < 1e15 else math.nan
    else:
        raise ValueError(wanted)
    if not field.minimum <= number <= field.maximum or not math.isfinite(number):
        raise ValueError(wanted)
    return int(number) if number.is_integer() else number


def _time(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    try:
        if not isinstance(given, str):
            raise ValueError
        moment = datetime.fromisoformat(given.strip())
        if not 1900 <= moment.year <= 2200:
            raise ValueError
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        # An offset that fits no zone passes fromisoformat and fails only here.
        return moment.astimezone(zone).replace(microsecond=0).isoformat()
    except (ValueError, OverflowError):
        raise ValueError("a time such as 2026-11-21 14:05 or 2026-11-21T14:05+07:00") from None


_DURATION = re.compile(r"\s*(\d{1,4})\s*(m|min|h|d)\s*", re.ASCII)
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta | None:
    """Reads "90min", "6h" or "2d"; None where it is none of these or nothing."""
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))}) or None if match else None


def _end(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    if isinstance(given, str) and duration(given):
        return "".join(given.split())
    try:
        return _time(field, given, zone)
    except ValueError:
        raise ValueError("how long from now, such as 90min, 6h or 2d, or a time such as 2026-11-21 14:05") from None


def _names(given: JsonValue) -> list[str]:
    parts = re.split(r"[;\n]", given) if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("texts parted by semicolons")
    cleaned = (clean(str(part)) for part in parts)
    return [name for name in dict.fromkeys(cleaned) if name]


def _places(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    names = _names(given)
    if not names or any(len(name) > LONGEST_NAME for name in names):
        raise ValueError(f"place names parted by semicolons, each of at most {LONGEST_NAME} characters")
    return list(names)


def _choice(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    for choice in field.choices:
        if isinstance(given, str) and given.strip().casefold() == choice.casefold():
            return choice
    raise ValueError("one of " + ", ".join(field.choices))


def _by_place(given: JsonValue, wanted: str) -> dict[str, JsonValue]:
    """Reads "place=value; place=value", or a mapping of these, as a mapping in the order given."""
    if isinstance(given, Mapping):
        pairs = [(str(place), value) for place, value in given.items()]
    else:
        try:
            parted = [text.rpartition("=") for text in _names(given)]
        except ValueError:
            raise ValueError(wanted) from None
        pairs = [(place, value) for place, _, value in parted]
    read: dict[str, JsonValue] = {}
    for place, value in pairs:
        name = clean(place)
        if not name or len(name) > LONGEST_NAME or name in read:
            raise ValueError(wanted)
        read[name] = value
    if not read:
        raise ValueError(wanted)
    return read


def _times(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    wanted = "place=time, each place once, such as Pacitan=2026-11-21 14:35, several parted by semicolons"
    try:
        return {place: _time(field, value, zone) for place, value in _by_place(given, wanted).items()}
    except ValueError:
        raise ValueError(wanted) from None


def _measures(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
    wanted = "place=number, each place once, such as Pacitan=1.2, several parted by semicolons"
    try:
        return {place: _number(field, value, zone) for place, value in _by_place(given, wanted).items()}
    except ValueError as fault:
        raise ValueError(f"{wanted}: {fault}" if str(fault) != wanted else wanted) from None


def _coordinates(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"([+-]?\d{1,3}(?:\.\d{1,12})?),([+-]?\d{1,3}(?:\.\d{1,12})?)", text, re.ASCII)
    latitude, longitude = (float(match.group(1)), float(match.group(2))) if match else (math.nan, math.nan)
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("latitude,longitude in degrees, such as -4.46,102.9")
    return latitude, longitude


def polygons(given: JsonValue) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Reads rings of "lat,lon lat,lon ...", closing those that are open."""
    wanted = "rings of at least three different points lat,lon lat,lon ..., several parted by semicolons"
    rings = []
    for text in _names(given):
        try:
            ring = tuple(_coordinates(point) for point in text.split())
        except ValueError:
            raise ValueError(wanted) from None
        if len(set(ring)) < 3:
            raise ValueError(wanted)
        rings.append(ring if ring[0] == ring[-1] else (*ring, ring[0]))
    if not rings:
        raise ValueError(wanted)
    return tuple(rings)


def circles(given: JsonValue) -> tuple[tuple[float, float, float], ...]:
    """Reads "lat,lon radius", the radius in km."""
    wanted = "lat,lon and a radius in km, such as -4.46,102.9 80, several parted by semicolons"
    result = []
    for text in _names(given):
        centre, _, radius = text.partition(" ")
        try:
            latitude, longitude = _coordinates(centre)
            if not re.fullmatch(r"\d{1,5}(?:\.\d{1,9})?", radius, re.ASCII):
                raise ValueError
        except ValueError:
            raise ValueError(wanted) from None
        result.append((latitude, longitude, float(radius)))
    if not result:
        raise ValueError(wanted)
    return tuple(result)


def geocodes(given: JsonValue) -> tuple[tuple[str, str], ...]:
    """Reads "name=value" pairs."""
    wanted = "name=value, such as kemendagri=17.01, several parted by semicolons"
    pairs = []
    for text in _names(given):
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise ValueError(wanted)
        pairs.append((name, value))
    if not pairs:
        raise ValueError(wanted)
    return tuple(pairs)


def _checked(parse: Callable[[JsonValue], object]) -> Callable[[Field, JsonValue, ZoneInfo], JsonValue]:
    def read(field: Field, given: JsonValue, zone: ZoneInfo) -> JsonValue:
        parse(given)
        return list(_names(given))

    return read


_READERS: Mapping[str, Callable[[Field, JsonValue, ZoneInfo], JsonValue]] = {
    "text": _text,
    "number": _number,
    "time": _time,
    "places": _places,
    "choice": _choice,
    "times": _times,
    "measures": _measures,
    "end": _end,
    "polygons": _checked(polygons),
    "circles": _checked(circles),
    "geocodes": _checked(geocodes),
}
