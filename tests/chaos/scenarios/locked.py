"""Another program locks the ledger for seconds, again and again, while an alert goes out."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kentongan.ledger.postgres_writing import LOCK
from kentongan.ledger.senders import LEASE
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 0
PEOPLE = 500

_SPELLS = (1.0, LEASE / 1000 + 2.0, 3.0, 5.0)
"""Seconds: shorter and longer than a writer waits for another, and than a sender may be silent."""

_HOLDER = Path(__file__).parents[1] / "holder.py"


def play(rehearsal: Rehearsal) -> None:
    """Two senders have to outlast every spell, and one of them, whichever it is by then, to send on between them."""
    alert = rehearsal.approve()
    first = rehearsal.start("send", alert.code)
    rehearsal.until(lambda: rehearsal.is_dispatched(alert) or first.poll() is not None)
    senders = (first, rehearsal.start("resume", alert.code))
    spells = 0
    while rehearsal.is_open(alert) and spells < 2 * len(_SPELLS):
        rehearsal.until(rehearsal.sent_since(10), patience=3.0)
        with _locked(rehearsal.place):
            time.sleep(_SPELLS[spells % len(_SPELLS)])
        spells += 1
    rehearsal.notes.append(f"locked {spells} times")
    for sender in senders:
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(90)
        if sender.poll() is None:
            rehearsal.hung("a sender, after the ledger was unlocked")
            rehearsal.end(sender)
    rehearsal.finish(alert)


@contextlib.contextmanager
def _locked(place: Path | str) -> Iterator[None]:
    """A process of its own holds the writers' lock of the ledger."""
    with subprocess.Popen(
        [sys.executable, str(_HOLDER), str(place), str(LOCK)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "locked\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(30)
