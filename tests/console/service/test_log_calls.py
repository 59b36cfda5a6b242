"""Every call of a logger in the house: a constant message, what changes in fields, and no field for what is secret."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOGGERS = ("_log", "log", "_logger", "logger", "logging")
METHODS = ("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log")
TAKEN = {*vars(logging.makeLogRecord({})), "asctime", "time", "level", "logger", "message", "exception", "place"}
_WORDS = (
    "address addressee recipient recipients phone telephone email mail to sender person"
    " secret password token credential key code authorization cookie url query uri"
    " text body words content payload request response headers data row parameters"
)
TELLING = tuple(_WORDS.split())


def faults(source: str, name: str = "it") -> Iterator[str]:
    """What is wrong with the calls of loggers in a module's text, each with its line."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS):
            continue
        where = f"{name}:{node.lineno}"
        message = node.args[0] if node.args else None
        if not (len(node.args) == 1 and isinstance(message, ast.Constant) and isinstance(message.value, str)):
            yield f"{where}: the message is no constant, or has more beside it than fields"
        for keyword in node.keywords:
            if keyword.arg != "extra":
                yield f"{where}: {keyword.arg}= is for no call of ours; `exception` tells where it is"
            elif not isinstance(keyword.value, ast.Dict):
                yield f"{where}: the fields do not stand in the call"
            else:
                yield from (f"{where}: {fault}" for fault in _field_faults(keyword.value))


def _field_faults(fields: ast.Dict) -> Iterator[str]:
    for field, value in zip(fields.keys, fields.values, strict=True):
        if not (isinstance(field, ast.Constant) and isinstance(field.value, str)):
            yield "a field has no constant name"
        elif field.value in TAKEN:
            yield f"the name {field.value!r} is taken"
        elif field.value in TELLING or field.value.endswith(tuple(f"_{word}" for word in TELLING)):
            yield f"a field named {field.value!r} may hold what nobody may read"
        if isinstance(value, ast.JoinedStr):
            yield "a field is put together in the call"


def test_every_message_is_constant_and_no_field_is_named_like_what_nobody_may_read() -> None:
    paths = [
        path for package in ("kentongan", "channels", "flows", "console") for path in (ROOT / package).rglob("*.py")
    ]
    found = [fault for path in paths for fault in faults(path.read_text("utf-8"), str(path.relative_to(ROOT)))]
    assert len(paths) > 200
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "call",
    [
        '_log.info(f"to {address}")',
        '_log.info("to %s", address)',
        '_log.info("sent to " + address)',
        "_log.info(said)",
        '_log.info("sent", extra={"to": address})',
        '_log.info("sent", extra={"provider_url": url})',
        '_log.info("sent", extra={"name": name})',
        '_log.info("sent", extra={"why": f"{error}"})',
        '_log.info("sent", extra=fields)',
        '_log.error("lost", exc_info=error)',
    ],
)
def test_a_call_that_could_tell_more_is_found(call: str) -> None:
    assert list(faults(call))
    assert not list(faults('_log.info("sent", extra={"instance": name, "count": len(jobs)})'))
