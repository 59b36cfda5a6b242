"""Reading YAML by the quicker of PyYAML's two safe loaders, the one in C, wherever that is safe."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml

DEEPEST = 8192
"""Levels up to which the loader in C is used. It goes one call deeper with every level and ends the process where the
stack does, while the one in Python raises RecursionError."""

QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quicker loader; PyYAML may have been built without it."""


def load(text: str, *, quick: Any = QUICK, patient: Any = yaml.SafeLoader) -> Any:
    """What a text says; `patient` is the loader in Python, which names a mistake where it is made, not where it shows.

    Raises yaml.YAMLError, and RecursionError where brackets nest too deep.
    """
    if _most_levels(text) <= DEEPEST:
        with contextlib.suppress(yaml.YAMLError):
            return yaml.load(text, quick)  # noqa: S506 (both are safe)
    return yaml.load(text, patient)  # noqa: S506


def _most_levels(text: str) -> int:
    """More levels than a text can nest: by its brackets, and by its columns, each of which begins two at the most.

    Two, because a list may stand below a key without being indented.
    """
    columns = max(map(len, text.splitlines()), default=0)
    return min(len(text), text.count("[") + text.count("{") + 2 * columns)
