"""The trace of a mistake of ours, kept where only this user reads it."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from kentongan.errors import KentonganError
from kentongan.state import State


def keep(error: BaseException, state: Path | None) -> str:
    """Writes where `error` came about into the state directory's log; returns the sentence for the officer.

    The texts of the errors are left out, since that of a foreign one may hold an address or a secret.
    """
    name = type(error).__name__
    try:
        path = State.find(state).log / f"mistake-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(places(error))
    except (KentonganError, OSError):
        return f"a mistake of Kentongan's own ({name}), and its trace could not be written; look at `kentongan status`"
    return f"a mistake of Kentongan's own ({name}); its trace is in {path}; look at `kentongan status`"


def places(error: BaseException) -> str:
    """Where an error and its causes came about, with their kinds and without their texts."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        parts.append(f"{type(seen).__name__}\n{''.join(traceback.format_tb(seen.__traceback__))}")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)
