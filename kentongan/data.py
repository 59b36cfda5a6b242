"""Where the templates and configs that ship with Kentongan are found."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_path(name: str) -> Path:
    """Returns the folder `templates` or `configs`, in a checkout and in a built wheel alike.

    Raises FileNotFoundError where neither holds it, which means a damaged installation.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        candidate = root / name
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is missing beside the kentongan package; install Kentongan again")
