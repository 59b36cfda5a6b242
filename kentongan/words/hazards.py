"""The hazards an agency can speak of, each a folder under templates/hazards.

templates/hazards/<hazard>/hazard.yaml            fields and CAP defaults
templates/hazards/<hazard>/alert.<language>.j2    the words of an alert, in five blocks
templates/hazards/<hazard>/about.<language>.j2    its few lines in the words of the other kinds
templates/hazards/<hazard>/<kind>.<language>.j2   words of its own for another kind, where the shared ones do not do
templates/kinds/<kind>.<language>.j2              the words that all hazards share for the other kinds
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, field_validator
from pydantic import Field as _Field

from kentongan.alert import Kind
from kentongan.cap.model import Category, Certainty, ResponseType, Severity, Urgency
from kentongan.errors import BadConfig, BadInput
from kentongan.quick_dataclass import dataclass
from kentongan.words.cleaning import clean
from kentongan.words.fields import COMMON, Field, duration, read_value
from kentongan.words.languages import Language, read_yaml, yaml_fault
from kentongan.words.scales import Level, SaidLevel, Scale

RESERVED = frozenset(
    # One text, for a list of one name a line would be a page.
    "about agency alert all_places aloud at at_short clip code contact earlier_sent ended_by event events expires "  # noqa: SIM905
    "felt_places follows gravest inside language link listed msg_type number onset origin paragraph "
    "place_words places position reason said sent sentence severity spare status tells withdrawn_at".split()
)
"""Names that templates know already (`kentongan.words.context`), so that no field may have them."""


@dataclass(frozen=True, slots=True)
class Words:
    """Which templates hold the words of one hazard, kind and language.

    `kind` has the five blocks; the brief one may also stand in `shared`. What it takes over from the alert stands in
    `alert`; the lines that differ from hazard to hazard stand in the first of `about` that has them.
    """

    kind: str
    shared: str
    alert: Words | None
    about: tuple[str, ...]


class _Case(BaseModel):
    """CAP values that hold where the facts have the values of `when`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Mapping[str, str]
    response_types: tuple[ResponseType, ...]


class _HazardFile(BaseModel):
    """hazard.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Mapping[str, str] = _Field(description="CAP event, by language.")
    categories: tuple[Category, ...] = _Field(min_length=1)
    response_types: tuple[ResponseType, ...] = ()
    cases: tuple[_Case, ...] = ()
    severity: Severity
    urgency: Urgency
    certainty: Certainty
    lasts: str = _Field(description="How long an alert holds unless the officer says otherwise, such as 6h.")
    all_clear_after: str = _Field(
        default="2h", description="The least time from alert to all-clear without its issuer's own end; 0h for none."
    )
    hashtags: Mapping[str, tuple[str, ...]] = _Field(default_factory=dict, description="CamelCase, by language.")
    place_field: str = _Field(default="", description="The field that names the place where no area is given.")
    fields: Mapping[str, Field] = _Field(default_factory=dict)

    @field_validator("lasts")
    @classmethod
    def _lasting(cls, value: str) -> str:
        return cls._duration(value)

    @staticmethod
    def _duration(value: str) -> str:
        if not duration(value):
            raise ValueError("wanted: how long, such as 90min, 6h or 2d")
        return value

    @field_validator("all_clear_after")
    @classmethod
    def _duration_or_none(cls, value: str) -> str:
        return value if value == "0h" else cls._duration(value)

    @field_validator("fields")
    @classmethod
    def _free_names(cls, value: Mapping[str, Field]) -> Mapping[str, Field]:
        for name in value:
            if name in RESERVED or name in COMMON or not name.isidentifier() or name != name.lower():
                raise ValueError(f"{name!r} cannot name a field: it is taken, or not in small letters and underscores")
        return value


class Hazard:
    """One hazard: what may be stated about it, what CAP says of it by default, and where its words are."""

    def __init__(self, folder: Path, *, languages: Mapping[str, Language], scales: Mapping[str, Scale]) -> None:
        path = folder / "hazard.yaml"
        try:
            self._file = _HazardFile.model_validate(read_yaml(path))
        except ValidationError as error:
            raise BadConfig(yaml_fault(path, error)) from None
        self._languages = languages
        self._root = folder.parent.parent
        self.name = folder.name
        self.folder = folder
        self.event = self._file.event
        self.categories = self._file.categories
        self.severity = self._file.severity
        self.urgency = self._file.urgency
        self.certainty = self._file.certainty
        self.hashtags = self._file.hashtags
        self.place_field = self._file.place_field
        self.own_fields = self._file.fields
        self.fields: Mapping[str, Field] = {**self._file.fields, **COMMON}
        self.scales: Mapping[str, Scale] = {
            name: self._scale(path, name, field.scale, scales) for name, field in self.own_fields.items() if field.scale
        }

    @property
    def names_area(self) -> bool:
        """Whether its place is stated place by place, so that an alert needs no `area` besides."""
        place = self.fields.get(self.place_field)
        return place is not None and place.type in ("levels", "times", "measures")

    @staticmethod
    def _scale(path: Path, field: str, name: str, scales: Mapping[str, Scale]) -> Scale:
        if name not in scales:
            known = ", ".join(scales) or "none"
            raise BadConfig(
                f"{path}: fields.{field}.scale: {name!r} is not in templates/scales.yaml; known are {known}"
            )
        return scales[name]

    @property
    def lasts(self) -> timedelta:
        """How long an alert holds unless the officer says otherwise."""
        return duration(self._file.lasts) or timedelta()

    @property
    def all_clear_after(self) -> timedelta:
        """The least time from the alert to an all-clear that rests on no end message of its issuer's."""
        return duration(self._file.all_clear_after) or timedelta()

    def level(self, facts: Mapping[str, JsonValue]) -> Level | None:
        """The level that these facts grade the hazard by: the gravest of the first level field that is stated."""
        return next((level for _, level in self._graded(facts)), None)

    def said_level(self, facts: Mapping[str, JsonValue], language: Language) -> SaidLevel | None:
        """The same level in a language."""
        return next((scale.said(level.name, language) for scale, level in self._graded(facts)), None)

    def _graded(self, facts: Mapping[str, JsonValue]) -> Iterator[tuple[Scale, Level]]:
        for name, scale in self.scales.items():
            level = scale.gravest(facts.get(name))
            if level is not None:
                yield scale, level

    def response_types(self, facts: Mapping[str, JsonValue]) -> tuple[ResponseType, ...]:
        """What CAP calls the response: of the first case that these facts meet, else of the level, else the default."""
        for case in self._file.cases:
            if all(facts.get(name) == value for name, value in case.when.items()):
                return case.response_types
        level = self.level(facts)
        return level.response_types if level else self._file.response_types

    def template(self, kind: Kind, language: str) -> str:
        """Name of the words for that kind and language, whether they are there or not: its own before the shared."""
        own, shared = f"hazards/{self.name}/{kind}.{language}.j2", f"kinds/{kind}.{language}.j2"
        return shared if self._shares(kind, language) and not (self._root / own).is_file() else own

    def words(self, kind: Kind, language: str) -> Words:
        """The templates that make up the words for that kind and language."""
        return Words(
            kind=self.template(kind, language),
            shared=f"kinds/{kind}.{language}.j2",
            alert=None if kind is Kind.ALERT else self.words(Kind.ALERT, language),
            about=(f"hazards/{self.name}/about.{language}.j2", f"kinds/about.{language}.j2"),
        )

    def languages(self, kind: Kind, *, whole: bool = False) -> tuple[str, ...]:
        """The languages in which this hazard has words for that kind, in alphabetical order.

        `whole`: only those written in every form.
        """
        own = self._written(kind)
        shared = {language for language in self._written(Kind.ALERT) if self._shares(kind, language)}
        spoken = sorted(own | shared)
        return tuple(one for one in spoken if not whole or one not in self._languages or self._languages[one].whole)

    def _written(self, kind: Kind) -> set[str]:
        return {path.name.split(".")[1] for path in self.folder.glob(f"{kind}.*.j2")}

    def _shares(self, kind: Kind, language: str) -> bool:
        """Whether the shared words can speak for this hazard: where they are there, and the alert's words too."""
        if kind is Kind.ALERT or language not in self._written(Kind.ALERT):
            return False
        return (self._root / "kinds" / f"{kind}.{language}.j2").is_file()

    def read(self, values: Mapping[str, JsonValue], *, zone: ZoneInfo) -> dict[str, JsonValue]:
        """Returns the facts that these values state, typed; raises BadInput with every fault, a sentence a line.

        Values are texts as an officer types them, or already of the field's type; reading facts again changes nothing.
        """
        faults: list[str] = []
        facts: dict[str, JsonValue] = {}
        for name, given in values.items():
            field = self._field(name)
            if field is None:
                near = difflib.get_close_matches(name, self.fields, 1)
                hint = f"did you mean {near[0]}?" if near else "known are " + ", ".join(self.fields)
                faults.append(f"{self.name}: has no field {clean(name)[:40]!r}; {hint}")
                continue
            try:
                facts[name] = read_value(field, given, zone, scale=self.scales.get(name))
            except ValueError as wanted:
                shown = clean(str(given))
                shown = shown[:40] + "..." if len(shown) > 43 else shown
                faults.append(f"{self.name}: {name} is {shown!r}; wanted: {wanted} (for example {field.example})")
        for name, field in self.fields.items():
            if field.required and name not in values:
                faults.append(f"{self.name}: {name} is missing; give it (for example {name}={field.example})")
        if faults:
            raise BadInput("\n".join(faults))
        return facts

    def observed(self, facts: Mapping[str, JsonValue]) -> dict[str, datetime]:
        """The times among these facts that must lie in the past."""
        return {
            name: datetime.fromisoformat(str(facts[name]))
            for name, field in self.fields.items()
            if field.observed and name in facts
        }

    def _field(self, name: str) -> Field | None:
        if name in self.fields:
            return self.fields[name]
        base, dot, language = name.rpartition(".")
        field = self.fields.get(base)
        return field if dot and field is not None and field.translated and language.isalpha() else None
