"""The machine's wall clock jumps back and forth under the senders; the clock of leases runs on, as it does."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from tests.chaos.options import Skipped
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 0
PEOPLE = 400

_LIBRARY = "libfaketimeMT.so.1"
_JUMPS = (600, -600, 0, -900, 45, -3, 900, -120, 0)
"""Seconds off the real time. Ahead further than a message is of use is another matter: that is meant to close it."""

_BETWEEN = 24
_PATIENCE = 120


def play(rehearsal: Rehearsal) -> None:
    """Sends; the clock jumps between any two dozen messages, and every now and then the sender dies just then."""
    file = rehearsal.root / "offset"
    environment = _environment(file, rehearsal.root)
    _set(file, 0)
    alert = rehearsal.approve()
    sender = rehearsal.start("send", alert.code, environment=environment)
    for number, jump in enumerate(_JUMPS):
        more = rehearsal.sent_since(_BETWEEN)
        if not rehearsal.until(lambda: more() or sender.poll() is not None):  # noqa: B023
            rehearsal.hung(f"{_BETWEEN} messages, before the clock jumped to {jump} s")
        if sender.poll() is not None:
            rehearsal.notes.append(f"all was sent after {number} jumps")
            break
        _set(file, jump)
        if number % 3 == 2:
            rehearsal.kill(sender, "sender under a clock that jumps", alert, note=False)
            sender = rehearsal.start("resume", alert.code, environment=environment)
    with contextlib.suppress(subprocess.TimeoutExpired):
        sender.wait(_PATIENCE)
    if sender.poll() is None:
        rehearsal.hung("a sender, after its clock has jumped")
        rehearsal.end(sender)
    rehearsal.finish(alert)


def _environment(file: Path, folder: Path) -> dict[str, str]:
    """What puts a process under that clock: the offset is read again at each question for the time."""
    # This library lets a sleep to a moment of the monotonic clock fail, and by that Python's sleep is made.
    (folder / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n", "ascii"
    )
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "PYTHONPATH": os.pathsep.join((str(folder), *filter(None, [os.environ.get("PYTHONPATH")]))),
    }


def _set(file: Path, offset: int) -> None:
    new = file.with_suffix(".new")
    new.write_text(f"{offset:+d}\n", "ascii")
    os.replace(new, file)


def _library() -> Path:
    for folder in ("/usr/lib", "/usr/local/lib"):
        for found in sorted(Path(folder).glob(f"**/faketime/{_LIBRARY}")):
            return found
    raise Skipped("libfaketime is not installed (Debian's package faketime; `make peers`)")
