"""The scales by which issuers grade a hazard, from templates/scales.yaml, and the levels of each.

The same word stands on several scales for different things ("Siaga" is the second of three tsunami levels, the third
of four volcano levels, and counts down on a flood gate). So no function here takes a word without its scale, and a
level equals only itself on its own scale. We pass an issuer's level on as it is and never grade anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel, ValidationError, model_validator
from pydantic import Field as _Field

from kentongan.cap.model import ResponseType, Severity, Urgency
from kentongan.errors import BadConfig
from kentongan.quick_dataclass import dataclass
from kentongan.words.cleaning import clean
from kentongan.words.languages import Language, read_yaml, yaml_fault

_LONGEST_NAME = 120


class Level(BaseModel):
    """One level as templates/scales.yaml declares it; texts by language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = _Field(pattern=r"^[a-z0-9-]+$", description="As officers type it, such as siaga-3.")
    also: tuple[str, ...] = _Field(default=(), description="Other ways to type it on this scale.")
    word: Mapping[str, str] = _Field(min_length=1, description="As the issuer calls it in public.")
    colour: Mapping[str, str] = _Field(default_factory=dict, description="Only ever printed beside the word.")
    meaning: Mapping[str, str] = _Field(min_length=1, description="What it means, as a plain sentence.")
    action: Mapping[str, str] = _Field(min_length=1, description="What people do, as one or two short sentences.")
    severity: Severity
    urgency: Urgency
    response_types: tuple[ResponseType, ...]


class _ScaleFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Mapping[str, str] = _Field(min_length=1)
    issuer: str = _Field(description="Who grades by it.")
    levels: tuple[Level, ...] = _Field(min_length=2, description="Mildest first.")

    @model_validator(mode="after")
    def _told_apart(self) -> _ScaleFile:
        typed = [text for level in self.levels for text in _ways_to_type(level)]
        twice = sorted({text for text in typed if typed.count(text) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} names two levels")
        return self


class _ScalesFile(RootModel[Mapping[str, _ScaleFile]]):
    pass


@dataclass(frozen=True, slots=True)
class SaidLevel:
    """A level in one language, as templates see it; it prints as its word. `order` is 1 for the mildest."""

    scale: str
    name: str
    order: int
    word: str
    colour: str = field(compare=False)
    texts: Mapping[str, str] = field(compare=False, repr=False)
    orders: Mapping[str, int] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.word

    @property
    def coloured(self) -> str:
        """The word with its colour in brackets behind it, or in those that it has: "Awas (major warning, red)"."""
        if not self.colour:
            return self.word
        return f"{self.word[:-1]}, {self.colour})" if self.word.endswith(")") else f"{self.word} ({self.colour})"

    @property
    def meaning(self) -> str:
        """What the level means; raises LookupError where the scale has no such text in the language."""
        return self._said("meaning")

    @property
    def action(self) -> str:
        """What people do at this level; raises LookupError where the scale has no such text in the language."""
        return self._said("action")

    def at_least(self, name: str) -> bool:
        """Whether it is as grave as the level of that name on its own scale; raises LookupError for none of it."""
        if name not in self.orders:
            raise LookupError(f"scales.yaml: {self.scale} has no level {name}")
        return self.order >= self.orders[name]

    def _said(self, what: str) -> str:
        if not self.texts.get(what):
            raise LookupError(f"scales.yaml: {self.scale}: {self.name} has no {what} in this language")
        return self.texts[what]


@dataclass(frozen=True, slots=True)
class LevelPlaces:
    """The places that one level holds for."""

    level: SaidLevel
    places: tuple[str, ...]


class Scale:
    """One issuer's scale."""

    def __init__(self, name: str, content: _ScaleFile) -> None:
        self.name = name
        self.title = content.title
        self.issuer = content.issuer
        self.levels: Mapping[str, Level] = {level.name: level for level in content.levels}
        self._orders = {level: order for order, level in enumerate(self.levels, 1)}
        self._typed = {text: level.name for level in content.levels for text in _ways_to_type(level)}

    def order(self, level: str) -> int:
        """Its place on this scale, 1 for the mildest; raises KeyError for a name that is none of `levels`."""
        return self._orders[level]

    def said(self, level: str, language: Language) -> SaidLevel:
        """The level of that name in a language; its word, a proper name, stays the first language's where it must."""
        found = self.levels[level]
        return SaidLevel(
            scale=self.name,
            name=level,
            order=self._orders[level],
            word=found.word.get(language.code) or next(iter(found.word.values())),
            colour=found.colour.get(language.code, ""),
            texts={"meaning": found.meaning.get(language.code, ""), "action": found.action.get(language.code, "")},
            orders=self._orders,
        )

    def read_level(self, given: JsonValue) -> str:
        """Reads a level as a person types it; raises ValueError with what is wanted."""
        name = self._typed.get(_typed(given)) if isinstance(given, str) else None
        if name is None:
            raise ValueError(f"a level of {self.issuer}'s {self.name} scale: {', '.join(self.levels)}")
        return name

    def read_levels(self, given: JsonValue) -> dict[str, JsonValue]:
        """Reads "Awas: Kab. A, Kab. B; Siaga: Kab. C", gravest first; reading twice changes nothing.

        Raises ValueError with what is wanted, as for an unknown level and for a place at two levels.
        """
        wanted = f"levels with their places, such as {next(iter(self.levels))}: place, place; and each place once"
        stated: list[tuple[str, list[str]]] = []
        if isinstance(given, Mapping):
            for typed, listed in given.items():
                if not isinstance(listed, list) or not all(isinstance(place, str) for place in listed):
                    raise ValueError(wanted)
                stated.append((self.read_level(typed), [clean(str(place)) for place in listed]))
        elif isinstance(given, str):
            for part in re.split(r"[;\n]", given):
                level, colon, places = part.partition(":")
                if colon:
                    stated.append((self.read_level(level), []))
                elif part.strip() and not stated:
                    raise ValueError(wanted)
                named = (places if colon else part).split(",")
                if stated:
                    stated[-1][1].extend(clean(place) for place in named)
        else:
            raise ValueError(wanted)
        read: dict[str, list[str]] = {}
        for level, places in sorted(stated, key=lambda each: -self._orders[each[0]]):
            read.setdefault(level, []).extend(place for place in places if place)
        every = [place.casefold() for places in read.values() for place in places]
        if not all(read.values()) or not read or len(set(every)) < len(every):
            raise ValueError(wanted)
        if any(len(place) > _LONGEST_NAME for places in read.values() for place in places):
            raise ValueError(f"place names of at most {_LONGEST_NAME} characters")
        return {level: list(places) for level, places in read.items()}

    def gravest(self, given: JsonValue) -> Level | None:
        """The gravest level in a value as `read_level` or `read_levels` gives it."""
        names = [given] if isinstance(given, str) else list(given) if isinstance(given, Mapping) else []
        known = [name for name in names if name in self.levels]
        return self.levels[max(known, key=self._orders.__getitem__)] if known else None


def read_scales(path: Path) -> Mapping[str, Scale]:
    """Reads all scales, by name; none where there is no such file. Raises BadConfig naming file and field."""
    if not path.is_file():
        return {}
    try:
        content = _ScalesFile.model_validate(read_yaml(path))
    except ValidationError as error:
        raise BadConfig(yaml_fault(path, error)) from None
    return {name: Scale(name, scale) for name, scale in content.root.items()}


def _ways_to_type(level: Level) -> set[str]:
    return {_typed(text) for text in (level.name, *level.also, *level.word.values())}


def _typed(text: str) -> str:
    """Case, hyphens and spaces make no difference in how a level is typed."""
    return "-".join(re.split(r"[\s_-]+", text.strip().casefold()))
