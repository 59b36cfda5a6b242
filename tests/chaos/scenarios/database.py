"""The database dies: its postmaster is killed, or shut down at once, and started again while an alert goes out."""

from __future__ import annotations

import time

from tests.chaos import service as resident
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 3
PEOPLE = 800
DATABASES = ("postgres",)


def play(rehearsal: Rehearsal) -> None:
    """Kills it under the service, which has to go on by itself each time."""
    assert rehearsal.server is not None
    while rehearsal.kills < rehearsal.options.kills:
        alert = rehearsal.approve()
        with resident.serving(rehearsal):
            rehearsal.start("send", alert.code, "--no-wait").wait(60)
            while rehearsal.kills < rehearsal.options.kills and rehearsal.is_open(alert):
                time.sleep(rehearsal.chance.uniform(0.0, 1.0))
                if rehearsal.chance.random() < 0.5:
                    rehearsal.server.kill()
                else:
                    rehearsal.server.shut_down_at_once()
                rehearsal.kills += 1
                time.sleep(rehearsal.chance.uniform(0.0, 1.0))
                rehearsal.server.start()
                rehearsal.note("database", alert)
                rehearsal.until(rehearsal.sent_since(), patience=5.0)
            rehearsal.finish(alert)
