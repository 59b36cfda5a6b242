"""A drill, as Prefect runs and shows it: what is due by its schedule, or one that has begun, to its end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.house import House
from flows.instances import send_instances
from flows.whose import noted
from kentongan.desk import Desk, drills, due_drills
from kentongan.errors import BadConfig, Refused
from kentongan.ledger import Ledger, alerts
from kentongan.ledger import drills as register
from kentongan.ledger.drills import State as RunState
from kentongan.ledger.drills import StoredDrill

DUE = "due"
"""Stands for whatever is due by its schedule."""

_LOOK = 1.0


@flow(name="drill", flow_run_name="drill-{alert}", retries=0)
@noted
async def drill(alert: str = DUE) -> State[Any]:
    """Begins the drills that are due by their schedules, or joins the begun drill `alert` (its id or code).

    It starts nothing that officers have not approved, with its schedule or by itself. A flow run that Prefect starts
    late begins nothing: missed ones all come when a worker returns. Raises Refused, BadInput, BadConfig.
    """
    with await asyncio.to_thread(House.open, None, None) as house:
        if house.settings is None:
            raise BadConfig("no config is named, so there is no drill; name its folder with KENTONGAN_CONFIG")
        desk = house.desk()
        if alert != DUE:
            return Completed(message=_told(await _play(desk, _running(house.ledger, alert))))
        late_after = house.settings.drills.late_after
        if (late := _late()) > timedelta(seconds=late_after):
            minutes = late.total_seconds() / 60
            return Completed(name="Dropped", message=f"late by {minutes:.0f} min, so nothing was begun")
        begun = await asyncio.to_thread(due_drills.start_due, desk)
        runs = [await _play(desk, each.drill) if each.released is not None else each.drill for each in begun]
    return Completed(message="; ".join(_told(each) for each in runs) or "no drill is due")


def _running(ledger: Ledger, handle: str) -> StoredDrill:
    stored = ledger.read(lambda read: alerts.by_handle(read, handle))
    run = ledger.read(lambda read: register.of_alert(read, stored.id))
    if run is None or run.state is RunState.PREPARED:
        raise Refused(
            f"{stored.code} is no drill that has begun; run `kentongan drill run {stored.code}`", rule="state"
        )
    return run


async def _play(desk: Desk, run: StoredDrill) -> StoredDrill:
    """Sends a begun drill, and whatever is due of it, until it has ended."""
    assert run.alert_id is not None
    await send_instances(run.alert_id)
    while (run := desk.ledger.read(lambda read: register.drill(read, run.id))).state is RunState.RUNNING:
        for each in await asyncio.to_thread(drills.advance, desk):
            if each.released is not None:
                await send_instances(each.released.alert.id)
        await asyncio.sleep(_LOOK)
    return run


def _late() -> timedelta:
    """How long after its time Prefect has started this flow run."""
    planned = flow_run.scheduled_start_time
    return datetime.now(UTC) - planned if isinstance(planned, datetime) else timedelta()


def _told(run: StoredDrill) -> str:
    name = run.scenario or "drill"
    if run.score is None:
        return f"{name}: {run.state.value}{f', {run.why}' if run.why else ''}"
    return f"{name}: {run.score} of 100"
