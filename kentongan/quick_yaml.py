"""Reading YAML by the quicker of PyYAML's two safe loaders, the one in C, wherever that is safe."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml

LONGEST = 8192
"""Letters up to which the loader in C is used. It goes one call deeper with every bracket and ends the process where
the stack does, while the one in Python raises RecursionError; so short a text cannot nest so deep."""

QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quicker loader; PyYAML may have been built without it."""


def load(text: str, *, quick: Any = QUICK, patient: Any = yaml.SafeLoader) -> Any:
    """What a text says; `patient` is the loader in Python, which names a mistake where it is made, not where it shows.

    Raises yaml.YAMLError, and RecursionError where brackets nest too deep.
    """
    if len(text) <= LONGEST:
        with contextlib.suppress(yaml.YAMLError):
            return yaml.load(text, quick)  # noqa: S506 (both are safe)
    return yaml.load(text, patient)  # noqa: S506
