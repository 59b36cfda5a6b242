"""A sender is stopped for longer than its lease and woken: what another has taken over it may not send any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import channels
from kentongan.ledger.holder import holder
from kentongan.ledger.senders import LEASE
from tests.chaos import watch
from tests.chaos.checks import Broken, Finding
from tests.chaos.rehearsal import Alert, Rehearsal

WEIGHT = 0
PEOPLE = 250

_SLOW = 0.25
"""Seconds in which the provider answers, so that there is always more intended than can be in flight."""

_MORE = 80
_PATIENCE = LEASE / 1000 + 30


def play(rehearsal: Rehearsal) -> None:
    """Stops the first in mid-sending, lets the second take over and send all of it, and wakes the first."""
    rehearsal.stand_in.fault([{"fault": "slow", "seconds": _SLOW, "times": None}])
    alert = rehearsal.approve()
    first = rehearsal.start("send", alert.code)
    with rehearsal.looking() as rows:
        watch.wait_for(rows, watch.AIMS["sending"], alert.id, while_=lambda: first.poll() is None, patience=30)
    rehearsal.until(rehearsal.sent_since(50))
    _stop(rehearsal, first)
    stopped = time.monotonic()
    second = _take_over(rehearsal, alert)
    rehearsal.notes.append(f"{_MORE} were sent by another {time.monotonic() - stopped:.1f} s after the stop")
    # Woken before that, it would be recorded before the other repeats, and nothing would be counted twice.
    rehearsal.until(lambda: second.poll() is not None, patience=_PATIENCE)
    if first.poll() is not None:
        rehearsal.hung("the sender that was stopped: it has not lived to be woken")
    else:
        os.kill(first.pid, signal.SIGCONT)
    for process, name in ((first, "the one that was woken"), (second, "the one that took over")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(90)
        if process.poll() is None:
            rehearsal.hung(name)
            rehearsal.end(process)
    rehearsal.finish(alert)
    # What was in flight may have been taken twice. What had its intent and no request yet, the one that was woken has
    # to leave: the other has marked all of it, so that no mark would show that it was sent again.
    most = _in_flight(rehearsal)
    if rehearsal.counted_twice > most:
        told = f"{rehearsal.counted_twice} were counted twice, though no more than {most} were in flight"
        rehearsal.findings.append(Finding(Broken.UNFENCED, told))


def _in_flight(rehearsal: Rehearsal) -> int:
    with rehearsal.installation.open() as house:
        assert house.settings is not None
        return channels.limits(house.settings.channels[rehearsal.installation.instance]).concurrency


def _take_over(rehearsal: Rehearsal, alert: Alert) -> subprocess.Popen[bytes]:
    """Starts a second sender, again where it ends because the stopped one still holds the database's lock, as it says.

    Returns when that one sends.
    """
    # What is in flight may still arrive; more than that comes from the second alone.
    more = rehearsal.sent_since(_MORE)
    until = time.monotonic() + _PATIENCE
    while True:
        second = rehearsal.start("resume", alert.code)
        rehearsal.until(lambda: more() or second.poll() is not None, patience=_PATIENCE)  # noqa: B023
        if more():
            return second
        if second.poll() is None or time.monotonic() > until:
            rehearsal.hung("a second sender, to take over from one that was stopped")
            return second
        rehearsal.notes.append("a second sender gave up, for the stopped one held the ledger's lock")


def _stop(rehearsal: Rehearsal, sender: subprocess.Popen[bytes]) -> None:
    """Stops it at a moment when it does not hold a file's write lock; one that does is ended by the next writer."""
    place = rehearsal.place
    while sender.poll() is None:
        os.kill(sender.pid, signal.SIGSTOP)
        # On another processor a thread of it goes on for a moment, and may just take the lock.
        rehearsal.until(lambda: _has_stopped(sender.pid), patience=5.0)
        if isinstance(place, str) or holder(place) != sender.pid:
            return
        os.kill(sender.pid, signal.SIGCONT)
        time.sleep(rehearsal.chance.uniform(0.0, 0.01))


def _has_stopped(pid: int) -> bool:
    """Whether every thread of a process stands still, or it has ended."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(thread.read_text("utf-8", "replace").rpartition(")")[2].split()[0])
    return all(state in "TtZX" for state in states)
