"""The drill mark: an exact token that stands first and last in every text that is not live.

The tokens are read from templates/marks.yaml. Whether a text is marked is seen by position, never by searching for
words: a true correction may well say that something was only a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kentongan.cap.model import Status
from kentongan.errors import BadConfig
from kentongan.words.counting import is_gsm7
from kentongan.words.languages import read_yaml, yaml_fault

Form = Literal["long", "short"]


class _Tokens(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    long: str = Field(min_length=3)
    short: str = Field(min_length=3)


class _MarksFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    exercise: Mapping[str, _Tokens]
    test: Mapping[str, _Tokens]
    other_languages: str = Field(description="The language whose tokens serve where a language has none.")


class Marks:
    """All tokens, by status, language and form."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = _MarksFile.model_validate(read_yaml(path))
        except ValidationError as error:
            raise BadConfig(yaml_fault(path, error)) from None
        for name, tokens in (("exercise", self._file.exercise), ("test", self._file.test)):
            if self._file.other_languages not in tokens:
                raise BadConfig(f"{path}: {name}: has no {self._file.other_languages!r}, which other_languages names")
            for language, token in tokens.items():
                place = f"{path}: {name}.{language}"
                if not is_gsm7(token.short):
                    raise BadConfig(f"{place}.short: must keep to the GSM-7 alphabet, or it halves every short message")
                if any(text != " ".join(text.split()) for text in (token.long, token.short)):
                    raise BadConfig(f"{place}: a token has no leading, trailing or double spaces; take them out")

    def token(self, status: Status, language: str, form: Form) -> str:
        """The mark of a text of that CAP status in that language; "" for Actual, which bears none."""
        if status is Status.ACTUAL:
            return ""
        tokens = self._file.test if status is Status.TEST else self._file.exercise
        return getattr(tokens.get(language) or tokens[self._file.other_languages], form)  # type: ignore[no-any-return]

    def tokens(self) -> frozenset[str]:
        """Every token there is, in either form."""
        of = (*self._file.test.values(), *self._file.exercise.values())
        return frozenset(token for each in of for token in (each.long, each.short))


def marked(text: str, mark: str) -> bool:
    """Whether `text`, but for white space around it, begins and ends with `mark`: two tokens, not one seen twice."""
    stripped = text.strip()
    return not mark or (len(stripped) >= 2 * len(mark) and stripped.startswith(mark) and stripped.endswith(mark))
