"""`kill -9` of the resident service, whose Prefect server has to die with it; a new one goes on."""

from __future__ import annotations

from tests.chaos import service as resident
from tests.chaos.checks import Broken, Finding
from tests.chaos.rehearsal import Rehearsal, is_there

WEIGHT = 3
PEOPLE = 600


def play(rehearsal: Rehearsal) -> None:
    """Kills the service while it sends what a command has handed to it."""
    while rehearsal.kills < rehearsal.options.kills:
        alert = rehearsal.approve()
        service = resident.start(rehearsal)
        command = rehearsal.start("send", alert.code, "--no-wait")
        # Not until it ends: what it hands over is under way before, and an alert to few people is over by then.
        rehearsal.until(lambda: rehearsal.is_dispatched(alert) or command.poll() is not None, patience=60.0)  # noqa: B023
        while rehearsal.kills < rehearsal.options.kills and rehearsal.is_open(alert):
            rehearsal.pause(1.0)
            prefect = resident.prefect_of(service)
            rehearsal.kill(service, "service with its Prefect server", alert)
            if prefect is not None and not rehearsal.until(lambda: not is_there(prefect), patience=5.0):  # noqa: B023
                rehearsal.findings.append(Finding(Broken.COMMAND, "the Prefect server outlived its service"))
            service = resident.start(rehearsal)
        command.wait(60)
        rehearsal.finish(alert)
        rehearsal.stop(service, "`serve`")
