"""A language of the public: its months, zone names, joining words and fixed phrases, from templates/languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kentongan import quick_yaml
from kentongan.answers import Vocabulary, vocabulary
from kentongan.errors import BadConfig

BLOCKS = ("headline", "short", "standard", "long", "spoken")
"""The five blocks of every hazard file, each complete in itself."""

SPOKEN = "spoken"
"""The block that is read aloud, so that it holds no abbreviation."""

BRIEF = "brief"
"""The block that all hazards share, for what is too long even in its short form."""

FORMS = (*BLOCKS, BRIEF)
"""Everything that a layout may ask for."""


class Language(BaseModel):
    """templates/languages/<code>.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    name: str = Field(description="The language's own name for itself.")
    direction: str = Field(default="ltr", pattern="^(ltr|rtl)$")
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    months_short: tuple[str, ...] = Field(min_length=12, max_length=12)
    moment: str = Field(description="Pattern of a time in running text; {day} {month} {year} {hour} {minute} {zone}.")
    moment_short: str = Field(description="The same where room is short; {month_short} too.")
    zones: Mapping[str, str] = Field(default_factory=dict, description="Zone names the public uses, by IANA zone.")
    clock: str = Field(default="{hour}:{minute} {zone}", description="Pattern of a time of day.")
    decimal: str = Field(default=".", max_length=1)
    thousands: str = Field(default="", max_length=1, description="Parts the thousands of a number.")
    and_: str = Field(alias="and", description="Joins the last two of a list.")
    more_names: str = Field(description="Ends a shortened list: {count} and {link}.")
    all_names: str = Field(description="Stands for a list of which none fits: {count} and {link}.")
    more_again: str = Field(default="", description="The same after the first list, without the link: {count}.")
    latitude: tuple[str, str] = Field(description="Pattern with {degrees} for north, then south.")
    longitude: tuple[str, str] = Field(description="Pattern with {degrees} for east, then west.")
    reasons: Mapping[str, str] = Field(description="Why a message is withdrawn, by the name that officers choose.")
    phrases: Mapping[str, str] = Field(description="Fixed phrases for layouts, by name.")
    place_phrases: Mapping[str, str] = Field(default_factory=dict, description="Words of place descriptions, put over.")
    keep_capitals: tuple[str, ...] = ()
    aloud: Mapping[str, str] = Field(default_factory=dict, description="What abbreviations are when they are read out.")
    answers: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="What people answer, by what it means: read, safe, help, stop, start."
    )
    forms: tuple[str, ...] = Field(
        default=BLOCKS, min_length=1, description="The blocks that are written in it; others use the next language."
    )
    longest_sentence: int = Field(default=32, ge=1, description="Most words of a sentence.")
    mean_sentence: int = Field(default=20, ge=1, description="Most words of a block's sentences on average.")
    jargon: tuple[str, ...] = Field(default=(), description="Words of experts that no alert may use, as they begin.")
    says_over: tuple[str, ...] = Field(
        default=(), description="Phrases that say the hazard is over, as only an all-clear may; in small letters."
    )
    needs_native_reader: bool = Field(default=False, description="Nobody who speaks it at home has read it yet.")

    @property
    def whole(self) -> bool:
        """Whether it has words for every form, so that it can stand alone."""
        return set(self.forms) >= set(BLOCKS)

    def writes(self, forms: Iterable[str]) -> bool:
        """Whether it has words for all these forms, the brief one aside."""
        return set(forms) - {BRIEF} <= set(self.forms)

    @field_validator("forms")
    @classmethod
    def _known_forms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [form for form in value if form not in BLOCKS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no form; known are {', '.join(BLOCKS)}")
        return value

    @field_validator("reasons", "months", "months_short", "zones", "moment", "moment_short", "clock")
    @classmethod
    def _safe_in_every_target(cls, value: object) -> object:
        texts = value.values() if isinstance(value, Mapping) else (value,) if isinstance(value, str) else value
        for text in texts:  # type: ignore[attr-defined]
            if any(sign in text for sign in "<>&\"'"):
                raise ValueError(f"{text!r} goes into finished HTML and XML, so it may hold no < > & or quotes")
        return value


def read_languages(folder: Path) -> Mapping[str, Language]:
    """Reads every language in `folder`, by code; raises BadConfig naming file and field."""
    languages = {}
    for path in sorted(folder.glob("*.yaml")):
        content = read_yaml(path)
        try:
            languages[path.stem] = Language.model_validate({"code": path.stem, **content})
        except ValidationError as error:
            raise BadConfig(yaml_fault(path, error)) from None
    if not languages:
        raise BadConfig(f"{folder}: holds no language; add one as docs/adding-a-hazard.md shows")
    names = {frozenset(language.reasons) for language in languages.values()}
    if len(names) > 1:
        raise BadConfig(f"{folder}: the languages differ in the names under reasons; give each of them the same")
    spoken(languages)
    return languages


def spoken(languages: Mapping[str, Language]) -> Vocabulary:
    """What people may answer, in all languages together; raises BadConfig where two mean different things by a word."""
    try:
        return vocabulary(language.answers for language in languages.values())
    except ValueError as error:
        raise BadConfig(f"templates/languages: answers: {error}") from None


def read_yaml(path: Path) -> dict[str, object]:
    """Reads one YAML file of fields; raises BadConfig naming the place."""
    try:
        content = quick_yaml.load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise BadConfig(f"{path}{where}: is not readable as YAML; mend the indentation or quoting there") from None
    if not isinstance(content, dict):
        raise BadConfig(f"{path}: must hold fields with values, one a line")
    return content


def yaml_fault(path: Path, error: ValidationError) -> str:
    """Says what is wrong with a file that pydantic refused, in one sentence."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, fault["loc"])) or "(whole file)"
    what = {"missing": "is missing; add it", "extra_forbidden": "is no field here; take it out"}.get(fault["type"])
    return f"{path}: {place}: {what or fault['msg'].removeprefix('Value error, ')}"
