"""Which of PyYAML's two safe loaders reads a text: the one in C, ten times as quick, wherever it is safe to."""

from __future__ import annotations

from typing import Any

import yaml

LONGEST = 8192
"""Letters up to which the loader in C is used. It goes one call deeper with every bracket and ends the process where
the stack does, while the one in Python raises RecursionError; so short a text cannot nest so deep."""

QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quicker loader; PyYAML may have been built without it."""


def safe_loader(text: str) -> Any:
    """The safe loader for a text."""
    return QUICK if len(text) <= LONGEST else yaml.SafeLoader
