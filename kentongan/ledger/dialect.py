"""Statements as SQLite reads them, put once into the words of Postgres.

The ledger's statements are written for SQLite, with `:named` parameters and lists handed over as JSON. Few of their
forms are unknown to Postgres, and only those are turned here; a statement that must differ in more than its words is
written twice, beside the other (`Read.either`). What a statement may use is told in docs/decisions/0019-postgres.md.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kentongan.quick_dataclass import dataclass

_LIST = r"\(\s*SELECT value FROM json_each\(:(?P<name>\w+)\)\s*\)"
_IN = re.compile(rf"\bIN {_LIST}")
_NOT_IN = re.compile(rf"\bNOT IN {_LIST}")
_ROWS = re.compile(r"\bjson_each\(:(?P<name>\w+)\)(?: (?:AS )?(?P<alias>(?!ON\b|WHERE\b|JOIN\b)\w+))?")
_FIELD = re.compile(r"(?<!:):(\w+) ->")
_IS = re.compile(r"\bIS :(\w+)")
_INDEX = re.compile(r" (?:INDEXED BY \w+|NOT INDEXED)\b")
_VALUES = re.compile(
    r"(?P<head>INSERT INTO .* VALUES )(?P<row>\((?:(?! ON CONFLICT ).)*\))(?P<tail>(?: ON CONFLICT DO NOTHING)?)",
    re.DOTALL,
)
_PLACE = re.compile(r"%\((\w+)\)s")
_NAME = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_NEW_KEY = "printf('%012x', :now) || lower(hex(randomblob(10)))"
_NEW_KEY_THERE = (
    "lpad(to_hex(CAST(:now AS bigint)), 12, '0') || substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 13)"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for Postgres; `lists` are the parameters that it takes as arrays, not as JSON."""

    text: str
    lists: frozenset[str]

    def run(self, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        """The text and the parameters of one run, or of a run for each; rows to be inserted go in together."""
        if isinstance(parameters, Mapping):
            return self.text, self.bind(parameters)
        values = _VALUES.fullmatch(self.text) if len(parameters) > 1 else None
        if values is None:
            return self.text, [self.bind(each) for each in parameters] or {}
        rows = ", ".join(_PLACE.sub(rf"%(\1.{number})s", values["row"]) for number in range(len(parameters)))
        bound = {
            f"{name}.{number}": value
            for number, each in enumerate(parameters)
            for name, value in self.bind(each).items()
        }
        return f"{values['head']}{rows}{values['tail']}", bound

    def bind(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as this statement takes them."""
        return {
            name: json.loads(value) if name in self.lists else _storable(value) for name, value in parameters.items()
        }


@functools.lru_cache(maxsize=1024)
def for_postgres(text: str) -> Statement:
    """The same statement for Postgres."""
    lists = frozenset(match["name"] for pattern in (_IN, _NOT_IN) for match in pattern.finditer(text))
    text = text.replace(_NEW_KEY, _NEW_KEY_THERE).replace("%", "%%")
    text = _NOT_IN.sub(r"<> ALL(:\g<name>)", text)
    text = _IN.sub(r"= ANY(:\g<name>)", text)
    text = _ROWS.sub(functools.partial(_rows, text), text)
    text = _FIELD.sub(r"CAST(:\1 AS jsonb) ->", text)
    text = _IS.sub(r"IS NOT DISTINCT FROM :\1", text)
    text = _INDEX.sub("", text)
    return Statement(_NAME.sub(r"%(\1)s", text), lists)


def _rows(text: str, match: re.Match[str]) -> str:
    """A list to select from: of objects where their fields are asked for, else of texts."""
    alias = match["alias"] or match["name"]
    objects = re.search(rf"\b{alias}\.value ->" if match["alias"] else r"\bvalue ->", text)
    elements = "jsonb_array_elements" if objects else "jsonb_array_elements_text"
    return f"{elements}(CAST(:{match['name']} AS jsonb)) AS {alias}(value)"


def _storable(value: Any) -> Any:
    """A text of Postgres holds no NUL: what an outcome says must not keep it from being recorded."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) and "\0" in value else value
