"""Two workers on hosts of their own, which share the ledger's database, are killed at random and started again."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from tests.chaos.rehearsal import Rehearsal

WEIGHT = 3
PEOPLE = 900
DATABASES = ("postgres",)

_HOSTS = ("host-1", "host-2")


def play(rehearsal: Rehearsal) -> None:
    """Kills one of them while both send what a command has left to them."""
    states = {name: rehearsal.installation.another_host(name) for name in _HOSTS}
    while rehearsal.kills < rehearsal.options.kills:
        alert = rehearsal.approve()
        workers = {name: _start(rehearsal, state) for name, state in states.items()}
        # It says that no service is there, which is so.
        rehearsal.start("send", alert.code, "--no-wait").wait(60)
        while rehearsal.kills < rehearsal.options.kills and rehearsal.is_open(alert):
            name = rehearsal.chance.choice(_HOSTS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                workers[name].wait(rehearsal.chance.uniform(0.0, 0.8))
            rehearsal.kill(workers[name], "worker", alert)
            workers[name] = _start(rehearsal, states[name])
        rehearsal.finish(alert)
        for worker in workers.values():
            rehearsal.stop(worker, "`worker`")


def _start(rehearsal: Rehearsal, state: Path) -> subprocess.Popen[bytes]:
    """Starts a worker and returns once it is on record as a sender."""
    worker = rehearsal.start("worker", "--no-prefect", state=state)

    def there() -> bool:
        with rehearsal.looking() as rows:
            return bool(rows("SELECT 1 FROM sender WHERE pid = ? AND ended = 0", worker.pid))

    if not rehearsal.until(lambda: worker.poll() is not None or there(), patience=60.0) or worker.poll() is not None:
        rehearsal.hung("`worker`, while it was starting")
    return worker
