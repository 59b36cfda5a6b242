"""Facts to try the words of a hazard with: all of them, the required ones alone, each choice, and at their widest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Agency
from kentongan.words import following
from kentongan.words.drafting import from_facts
from kentongan.words.fields import COMMON, Field
from kentongan.words.hazards import Hazard
from kentongan.words.scales import Scale

_STATED_ELSEWHERE = frozenset(COMMON) - {"area"}
"""Fields of every hazard that change no words, or only with their own example."""

_LONGER = 1.5
_MORE_PLACES = ("Kecamatan Tanjung Kemuning", "Kecamatan Semidang Alas Maras", "Kota Sungai Penuh", "Desa Air Napal")


@dataclass(frozen=True, slots=True)
class Specimen:
    """One set of facts; `name` says what is particular about it."""

    name: str
    facts: Mapping[str, JsonValue]


def specimens(hazard: Hazard, *, widest: bool = False) -> Iterator[Specimen]:
    """Every fact; only those required; and every fact with each other choice and each single level.

    `widest`: each value as long as it may reasonably get: numbers at their bounds, longer texts, many places.
    """
    every = {
        name: _value(field, hazard.scales.get(name), widest=widest)
        for name, field in hazard.fields.items()
        if name not in _STATED_ELSEWHERE
    }
    yield Specimen("every fact", _translated(hazard, every))
    needed = {name: value for name, value in every.items() if hazard.fields[name].required or name == "area"}
    yield Specimen("required facts only", _translated(hazard, needed))
    for name, field in hazard.own_fields.items():
        for other in _others(field, hazard.scales.get(name), every[name]):
            label = other if isinstance(other, str) else ", ".join(map(str, other))  # type: ignore[arg-type]
            yield Specimen(f"{name}={label}", _translated(hazard, {**every, name: other}))


def specimen_draft(
    hazard: Hazard, specimen: Specimen, *, kind: Kind, agency: Agency, status: Status, now: datetime
) -> Draft:
    """The draft of that kind which these facts make; raises BadInput."""
    draft = from_facts(hazard, specimen.facts, agency=agency, status=status, identifier="specimen-1", now=now)
    return of_kind(draft, kind, now=now)


def of_kind(draft: Draft, kind: Kind, *, now: datetime) -> Draft:
    """The draft itself, or one of that kind that follows it."""
    lasts = timedelta(hours=6)
    if kind is Kind.UPDATE:
        return following.update(draft, draft)
    if kind is Kind.CANCEL:
        return following.cancel(draft, identifier="specimen-2", now=now, lasts=lasts)
    if kind is Kind.ALL_CLEAR:
        return following.all_clear(draft, identifier="specimen-2", now=now, lasts=lasts, evidence="Seen by officers.")
    if kind is Kind.CORRECTION:
        return following.correction(draft, identifier="specimen-2", now=now)
    return draft


def _translated(hazard: Hazard, facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same facts, with what is given once a language said in all of the hazard's."""
    said = dict(facts)
    for name in facts:
        if hazard.fields[name].translated:
            said |= {f"{name}.{language}": facts[name] for language in hazard.languages(Kind.ALERT)}
    return said


def _others(field: Field, scale: Scale | None, given: JsonValue) -> list[JsonValue]:
    if field.type == "choice":
        return [choice for choice in field.choices if choice != given]
    if scale is not None and field.type == "level":
        return [level for level in scale.levels if level != given]
    if scale is not None and isinstance(given, dict):
        places = next(iter(given.values()))
        return [{level: places} for level in scale.levels]
    return []


def _value(field: Field, scale: Scale | None, *, widest: bool) -> JsonValue:
    if scale is not None:
        return scale.read_level(field.example) if field.type == "level" else scale.read_levels(field.example)
    if not widest:
        return field.example
    if field.type == "text":
        return _longer(field.example)
    if field.type == "places":
        return "; ".join(dict.fromkeys((*field.example.split("; "), *_MORE_PLACES)))
    if field.type == "number":
        bounds = [f"{bound:g}" for bound in (field.minimum, field.maximum) if math.isfinite(bound)]
        return max([field.example, *bounds], key=len)
    return field.example


def _longer(text: str) -> str:
    words = text.split()
    most, said = int(len(text) * _LONGER), list(words)
    for word in words:
        if len(" ".join(said)) + 1 + len(word) > most:
            break
        said.append(word)
    return " ".join(said)
