"""Three senders on one ledger, all killed at random: whoever is left takes over at once."""

from __future__ import annotations

import subprocess

from tests.chaos.rehearsal import Rehearsal

WEIGHT = 8
PEOPLE = 500

_SENDERS = 3


def play(rehearsal: Rehearsal) -> None:
    """Kills one of them every now and then, and starts another in its place."""
    while rehearsal.kills < rehearsal.options.kills:
        alert = rehearsal.approve()
        first = rehearsal.start("send", alert.code)
        rehearsal.until(lambda: rehearsal.is_dispatched(alert) or first.poll() is not None)  # noqa: B023
        senders = [first, *(rehearsal.start("resume", alert.code) for _ in range(_SENDERS - 1))]
        while rehearsal.kills < rehearsal.options.kills:
            rehearsal.pause(1.0)
            alive = [each for each in senders if each.poll() is None]
            if not alive:
                break
            killed = rehearsal.chance.choice(alive)
            rehearsal.kill(killed, "one of three senders", alert)
            senders = [*(each for each in senders if each is not killed), rehearsal.start("resume", alert.code)]
        _end(rehearsal, senders)
        rehearsal.finish(alert)


def _end(rehearsal: Rehearsal, senders: list[subprocess.Popen[bytes]]) -> None:
    """Lets all but one go on to the end of the alert at once, so that none is killed unnoted."""
    for each in senders:
        try:
            each.wait(120)
        except subprocess.TimeoutExpired:
            rehearsal.hung("a sender that was not killed")
            rehearsal.end(each)
