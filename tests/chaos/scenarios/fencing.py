"""A sender is stopped for longer than its lease and woken: what another has taken over it may not send any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

from kentongan.ledger.senders import LEASE
from tests.chaos import watch
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 0
PEOPLE = 700

_OVER = 1.5


def play(rehearsal: Rehearsal) -> None:
    """Stops the first in mid-sending, lets the second take over, wakes the first while that one sends."""
    alert = rehearsal.approve()
    first = rehearsal.start("send", alert.code)
    with rehearsal.looking() as rows:
        watch.wait_for(rows, watch.AIMS["sending"], alert.id, while_=lambda: first.poll() is None, patience=30)
    rehearsal.until(rehearsal.sent_since(50))
    os.kill(first.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    second = rehearsal.start("resume", alert.code)
    before = rehearsal.stand_in.total()
    taken_over = rehearsal.until(lambda: rehearsal.stand_in.total() > before + 5, patience=LEASE / 1000 + 20)
    if not taken_over:
        rehearsal.hung("a second sender, to take over from one that was stopped")
    rehearsal.notes.append(f"taken over after {time.monotonic() - stopped:.1f} s")
    rehearsal.until(lambda: time.monotonic() > stopped + LEASE / 1000 + _OVER)
    os.kill(first.pid, signal.SIGCONT)
    for process, name in ((first, "the one that was woken"), (second, "the one that took over")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(90)
        if process.poll() is None:
            rehearsal.hung(name)
            rehearsal.end(process)
    rehearsal.finish(alert)
