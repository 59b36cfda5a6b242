"""The hosts that take part in an alert, shown as flow runs below the broadcast's: best effort, for the eye alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.deployments import arun_deployment
from prefect.runtime import flow_run

from kentongan.clock import Process
from kentongan.ledger import Ledger, hosts

_log = logging.getLogger(__name__)

MOST = 16
"""Hosts that are shown; a burst of many runs makes Prefect's server refuse the flow that comes next."""

_PATIENCE = 6.0
"""Seconds for Prefect to take the run of one host."""

_END = 10.0
"""Seconds after the end of the alert in which the hosts' runs may say so before the broadcast's run ends."""

_LOOK = 0.5


async def show_hosts(ledger: Ledger, alert_id: str, code: str) -> list[UUID]:
    """Has each host on which a worker runs show its share of an alert; returns the ids of their flow runs.

    Which run is whose is recorded: a host that dies cannot say that it is over.
    """
    process = Process.current()
    working = await asyncio.to_thread(
        ledger.read, lambda read: hosts.working(read, clock=ledger.clock, process=process)
    )
    parent = flow_run.get_id()
    runs = []
    for host in working[:MOST]:
        try:
            async with asyncio.timeout(_PATIENCE):
                run = await arun_deployment(
                    "share/share",
                    parameters={"alert": code, "host": host},
                    timeout=0,
                    work_queue_name=host,
                    idempotency_key=f"{parent}-{host}",
                )
            runs.append(run.id)
            await ledger.write_soon(
                lambda write, host=host, run=str(run.id): write.event(  # type: ignore[misc]
                    "orchestration.asked", alert=alert_id, flow_run=run, host=host
                )
            )
        except Exception as error:
            _log.info("host not shown", extra={"host": host, "error": type(error).__name__})
            break
    return runs


async def ended(runs: Sequence[UUID]) -> None:
    """Returns once these runs have ended, or a few seconds later: one whose host has gone never does."""
    if not runs:
        return
    try:
        async with asyncio.timeout(_END), get_client() as client:
            left = list(runs)
            while left:
                read = [await client.read_flow_run(id) for id in left]
                left = [run.id for run in read if run.state is None or not run.state.is_final()]
                if left:
                    await asyncio.sleep(_LOOK)
    except Exception as error:
        _log.info("hosts not seen to their end", extra={"error": type(error).__name__})
