"""Where the config folder is; apart from reading it, which imports much that not every command needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kentongan.errors import BadConfig


def find_config(explicit: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the config folder: the one named, else KENTONGAN_CONFIG, else the XDG one; None where there is none.

    Raises BadConfig when one was named and is not there, or this user may not look where it is.
    """
    try:
        return _find(explicit, environment)
    except OSError as error:
        raise BadConfig(
            f"config folder: {error.filename} cannot be read: {error.strerror}; give this user the right to it and the"
            " folders above it"
        ) from None


def _find(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = explicit or (Path(environment["KENTONGAN_CONFIG"]) if environment.get("KENTONGAN_CONFIG") else None)
    if named is not None:
        if not named.is_dir():
            raise BadConfig(f"config folder {named} is not there; name an existing folder with --config")
        return named
    default = usual_folder(environment)
    return default if (default / "agency.yaml").is_file() else None


def usual_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a config is looked for that nobody names."""
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config")
    return home / "kentongan"
