"""`kill -9` of the one sender, in every state of a delivery and at random moments."""

from __future__ import annotations

import contextlib
import subprocess

from tests.chaos import watch
from tests.chaos.counter import PARTNERS
from tests.chaos.rehearsal import Alert, Rehearsal

WEIGHT = 12
PEOPLE = 500

_AIMS = ("planned", "claimed", "sending", "sending", "sending", "repeat", "doubt", "random", "random", "random")
_FAULTS = (
    {"fault": "hang", "probability": 0.01, "times": None},
    {"fault": "accept-then-hang", "probability": 0.01, "times": None},
    {"fault": "throttle", "probability": 0.04, "times": None, "seconds": 0.3},
)
_LAST = "done"
_PATIENCE = 20.0


def play(rehearsal: Rehearsal) -> None:
    """Kills until the options' kills are done, in as many alerts as that takes."""
    wanted = rehearsal.options.kills
    while rehearsal.kills < wanted:
        alert = rehearsal.approve()
        rehearsal.stand_in.fault(_FAULTS)
        for name in PARTNERS:
            # Public posts go first and fast: let them be in flight for a while.
            rehearsal.stand_in.fault([{"fault": "slow", "seconds": 0.3, "times": None}], f"webhook/{name}")
        aims = [*_AIMS]
        rehearsal.chance.shuffle(aims)
        for aim in aims[: wanted - rehearsal.kills]:
            if not strike(rehearsal, alert, aim):
                break
        else:
            if rehearsal.kills < wanted:
                strike(rehearsal, alert, _LAST)
        rehearsal.stand_in.heal()
        rehearsal.finish(alert)


def strike(rehearsal: Rehearsal, alert: Alert, aim: str) -> bool:
    """Starts the sender and kills it where it is aimed at; False where it ended before that."""
    sender = rehearsal.sender(alert)
    if aim == "random":
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(rehearsal.chance.uniform(0.0, 2.5))
    else:
        _wait(rehearsal, alert, sender, aim)
    if sender.poll() is not None:
        return False
    rehearsal.kill(sender, "sender", alert)
    return True


def _wait(rehearsal: Rehearsal, alert: Alert, sender: subprocess.Popen[bytes], aim: str) -> None:
    def runs() -> bool:
        return sender.poll() is None

    # A ledger that the sender is only just making or recovering cannot be read yet.
    with rehearsal.looking() as rows:
        there = "SELECT 1 FROM sender WHERE pid = ? AND ended = 0"
        if not watch.wait_for(rows, there, sender.pid, while_=runs, patience=_PATIENCE):
            return
        statement, values = watch.AIMS[aim], [alert.id]
        if aim in ("claimed", "sending"):
            # Not what the one before has left.
            statement, values = f"{statement} AND sender = ?", [alert.id, watch.sender_of(rows, sender.pid)]
        hit = watch.wait_for(rows, statement, *values, while_=runs, patience=_PATIENCE)
    if hit and aim not in ("planned", "claimed"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            sender.wait(rehearsal.chance.uniform(0.0, 0.1))
