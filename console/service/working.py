"""`kentongan worker`: the worker as a process of its own, with its log, and word to its supervisor."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from pathlib import Path

from console.service.log import Form, log_to
from console.service.serving import only_one, shown_at, until_told
from console.service.supervisor import Supervisor
from console.service.worker import Worker
from flows.house import House
from kentongan.errors import BadInput
from kentongan.ledger.hosts import WORKER
from kentongan.state import State


def work(
    config: Path | None,
    state: Path | None,
    *,
    as_json: bool = False,
    prefect: bool = True,
    say: Callable[[str], None] | None = None,
    metrics: str | None = None,
    log: Form | None = None,
    log_level: str = "info",
) -> int:
    """Runs a worker until SIGTERM or SIGINT; the command `kentongan worker`. Returns its exit code.

    A second signal, a second later or more, ends it at once: what was in flight is then in doubt. Raises BadConfig,
    BadInput, LedgerUnavailable before anything was started; OtherVersion, and ends, where another Kentongan has brought
    the ledger to its version.
    """
    supervisor = Supervisor()
    place = State.find(state)
    _refuse_keyless(place)
    with (
        only_one(place, WORKER),
        House.open(config, state, role=WORKER) as house,
        shown_at(house, metrics) as shown,
        log_to(place.log / "worker.log", on_stderr=log, level=log_level),
    ):
        worker = functools.partial(Worker, house, prefect=prefect, metrics=shown)
        ready = functools.partial(_ready, as_json=as_json)
        outdated = asyncio.run(until_told(worker, supervisor, say=say, ready=ready))
    if outdated is not None:
        raise outdated
    return 0


def _refuse_keyless(state: State) -> None:
    """A worker that is started first must not begin the ledger: what its service has then are other keys, or none."""
    if not state.keys.is_dir():
        raise BadInput(
            f"{state.keys} is missing, and a worker makes no keys; put a copy of the service's keys there"
            " (`kentongan keys copy` on its host), once `kentongan serve` has run"
        )


def _ready(worker: Worker, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "ready": True,
                "pid": worker.pid,
                "host": worker.host,
                "sender": worker.dispatcher.sender,
                "metrics": worker.metrics_address,
                "prefect": worker.prefect_url,
                "channels": worker.channel_names,
            }
        )
    place = worker.house.state.place
    told = f"Ready: {worker.host} sends on {len(worker.channel_names)} channels what is due in the ledger {place}"
    if worker.prefect_url is not None:
        told += f"; seen in Prefect at {worker.prefect_url}"
    if worker.metrics_address is not None:
        told += f"; shows metrics at http://{worker.metrics_address}/metrics"
    return told
