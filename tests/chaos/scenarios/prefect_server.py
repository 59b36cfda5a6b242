"""`kill -9` of the Prefect server alone, before and while an alert goes out: nobody may notice but the officers."""

from __future__ import annotations

import os
import signal
import time

from tests.chaos import service as resident
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 2
PEOPLE = 150

_EACH_SERVICE = 4
"""Kills after which the service waits for long before it starts its Prefect server again."""

_DURING = 0.75
"""Part of the kills that fall into the sending; the others come before the dispatch."""

PROMPT = 5.0
"""Seconds from dispatch to the first intent; one is what the service gives Prefect, the rest a busy machine."""


def play(rehearsal: Rehearsal) -> None:
    """Kills the server at another moment of each alert."""
    while rehearsal.kills < rehearsal.options.kills:
        with resident.serving(rehearsal) as service:
            for _ in range(min(_EACH_SERVICE, rehearsal.options.kills - rehearsal.kills)):
                rehearsal.until(lambda: resident.prefect_of(service) is not None)
                alert = rehearsal.approve()
                sending = rehearsal.start("send", alert.code, "--no-wait")
                if rehearsal.chance.random() < _DURING:
                    rehearsal.until(lambda: rehearsal.is_dispatched(alert) or sending.poll() is not None)  # noqa: B023
                time.sleep(rehearsal.chance.uniform(0.0, 0.6))
                prefect = resident.prefect_of(service)
                if prefect is not None:
                    os.kill(prefect, signal.SIGKILL)
                    rehearsal.kills += 1
                    rehearsal.note("Prefect server alone", alert)
                sending.wait(60)
                rehearsal.finish(alert)
                rehearsal.prompt(alert, PROMPT)
