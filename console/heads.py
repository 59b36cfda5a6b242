"""Signed heads for the command line: writing one now, and finding the newest."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kentongan.errors import BadConfig
from kentongan.state import State

if TYPE_CHECKING:
    from flows.house import House


def write(house: House) -> tuple[dict[str, Any], Path]:
    """Signs the ends of all chains as they are now; returns the head and its file.

    Raises BadConfig where it cannot be written.
    """
    from console.service.heads import LATEST, Heads

    asyncio.run(Heads(house, {}).publish())
    path = house.state.heads / LATEST
    try:
        signed: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise BadConfig(f"no head could be written to {house.state.heads}; make room there and try again") from None
    return signed, path


def newest(state: State) -> Path | None:
    """The newest head of this state directory, None where none was written yet."""
    from console.service.heads import LATEST

    path = state.heads / LATEST
    return path if path.exists() else None
