"""Two workers on hosts of their own, which share the ledger's database, are killed at random and started again."""

from __future__ import annotations

from tests.chaos.rehearsal import Rehearsal

WEIGHT = 3
PEOPLE = 1500
DATABASES = ("postgres",)

_HOSTS = ("host-1", "host-2")


def play(rehearsal: Rehearsal) -> None:
    """Kills one of them while both send what a command has left to them."""
    states = {name: rehearsal.installation.another_host(name) for name in _HOSTS}
    while rehearsal.kills < rehearsal.options.kills:
        alert = rehearsal.approve()
        workers = {name: rehearsal.start("worker", "--no-prefect", state=state) for name, state in states.items()}
        # It says that no service is there, which is so.
        rehearsal.start("send", alert.code, "--no-wait").wait(60)
        while rehearsal.kills < rehearsal.options.kills and rehearsal.is_open(alert):
            rehearsal.pause(2.0)
            name = rehearsal.chance.choice(_HOSTS)
            if workers[name].poll() is not None:
                rehearsal.hung("a worker that nobody has killed: it has ended")
                return
            rehearsal.kill(workers[name], "worker", alert)
            workers[name] = rehearsal.start("worker", "--no-prefect", state=states[name])
        rehearsal.finish(alert)
        for worker in workers.values():
            rehearsal.stop(worker, "`worker`")
