"""The machine's wall clock jumps back and forth under the senders; the clock of leases runs on, as it does."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from tests.chaos.options import Skipped
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 0
PEOPLE = 500

_LIBRARY = "libfaketimeMT.so.1"
_JUMPS = (600, -600, 0, -900, 45, -3)
"""Seconds off the real time. Back further than an approval lasts, or ahead further than a message is of use, is
another matter: that closes the alert, and is meant to."""


def play(rehearsal: Rehearsal) -> None:
    """Sends, and after each jump kills the sender or lets it go on."""
    library = _library()
    # Read again at each question for the time, so that it jumps for whoever runs already.
    file = rehearsal.root / "offset"
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    _set(file, 0)
    alert = rehearsal.approve()
    sender = rehearsal.start("send", alert.code, environment=environment)
    rehearsal.until(lambda: rehearsal.is_dispatched(alert) or sender.poll() is not None)
    for number, jump in enumerate(_JUMPS):
        _set(file, jump)
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(0.5)
        if number % 2 and sender.poll() is None:
            rehearsal.kill(sender, "sender under a clock that jumps", alert, note=False)
            _set(file, -jump)
            sender = rehearsal.start("resume", alert.code, environment=environment)
    _set(file, 0)
    with contextlib.suppress(subprocess.TimeoutExpired):
        sender.wait(120)
    if sender.poll() is None:
        rehearsal.hung("a sender, after its clock was put right")
        rehearsal.end(sender)
    rehearsal.finish(alert)


def _set(file: Path, offset: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(f"{offset:+d}\n", "ascii")
    os.replace(new, file)


def _library() -> Path:
    for folder in ("/usr/lib", "/usr/local/lib"):
        for found in sorted(Path(folder).glob(f"**/faketime/{_LIBRARY}")):
            return found
    raise Skipped("libfaketime is not installed (Debian's package faketime; `make peers`)")
