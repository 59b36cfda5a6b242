"""A config as text in which every field is explained: made from the config's own models, so it cannot say otherwise."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

_WIDTH = 110


def fields(model: type[BaseModel], values: Mapping[str, Any], *, without: Collection[str] = ()) -> list[str]:
    """The lines of one mapping: every field of `model` with its description, those that may be left out commented out.

    `values` are as YAML takes them; one that must be there and is not stands there empty. Fields in `without` are left
    out unless they have a value, and are not described.
    """
    lines: list[str] = []
    for name, field in model.model_fields.items():
        if name not in values and name in without:
            continue
        if name not in without and (about := _about(field)):
            lines += comment(about)
        if name in values:
            lines += entry(name, values[name])
        elif field.is_required():
            lines += entry(name, None)
        else:
            lines += commented(entry(name, _default(field)))
    return lines


def comment(text: str) -> list[str]:
    """Text as lines of a comment."""
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2, break_long_words=False)]


def commented(lines: Sequence[str]) -> list[str]:
    """Lines put out of force."""
    return [f"# {line}" if line else "#" for line in lines]


def below(lines: Sequence[str], depth: int = 1) -> list[str]:
    """Lines further in."""
    return ["  " * depth + line if line else line for line in lines]


def entry(name: str, value: Any) -> list[str]:
    """One field with its value; a list or mapping of plain values stands in one line."""
    if value is None:
        return [f"{name}:"]
    if not isinstance(value, dict | list | tuple) or not any(map(_is_nested, _parts(value))):
        return [f"{name}: {_line(value)}"]
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=None, width=_WIDTH)
    return [f"{name}:", *below(text.splitlines())]


def _parts(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _line(value: Any) -> str:
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _about(field: FieldInfo) -> str:
    told = (field.description or "").rstrip(".")
    words = [str(word) for word in _words(field.annotation)]
    parts = [told] if told else []
    if words and not all(word in told for word in words):
        parts.append(f"One of {', '.join(words)}")
    if field.is_required():
        parts.append("Must be there")
    return ". ".join(parts) + "." if parts else ""


def _words(annotation: Any) -> tuple[Any, ...]:
    """The words that a field takes, where it takes only some."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for inner in get_args(annotation) for word in _words(inner))


def _default(field: FieldInfo) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
    return adapter.dump_python(field.get_default(call_default_factory=True), mode="json", warnings=False)
