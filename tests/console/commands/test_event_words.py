"""Everything that is put on record can be read in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from console.event_words import WORDS, sentence
from kentongan.ledger.views import Event

REPOSITORY = Path(__file__).resolve().parents[3]
WRITERS = {"event", "_move", "_change", "_raise_evidence", "_note"}


def _types() -> Iterator[str]:
    """The types of events that the program writes, as they stand in its calls."""
    for package in ("kentongan", "flows", "console"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and _name(node.func) in WRITERS:
                    yield from _constants(node.args)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _constants(arguments: list[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        value = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(value, str) and re.fullmatch(r"[a-z]+[.][a-z_]+", value):
            yield value


def test_every_type_that_is_written_has_its_words() -> None:
    written = set(_types())
    assert len(written) > 20
    assert written - set(WORDS) == set()


@given(data=st.dictionaries(st.sampled_from(["by", "reason", "why", "error", "instance", "set"]), st.none()))
def test_an_event_of_an_older_version_is_still_shown(data: dict[str, None]) -> None:
    for type_ in (*WORDS, "some.thing"):
        assert sentence(Event("console", 1, 0, 0, type_, None, 7, data)).startswith("delivery 7: ")
