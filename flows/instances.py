"""The part that all sending flows share: a task an instance, which starts or joins the dispatcher's run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect import get_client, task
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.states import Completed, Failed

from flows import counts
from flows.hosts import ended, show_hosts
from flows.sending import current, sending
from kentongan.errors import Refused
from kentongan.ledger import alerts, dispatches, views

_log = logging.getLogger(__name__)

_PATIENCE = 4.0

KEPT_IN: Any = get_current_settings().results.local_storage_path
"""Where results would be kept, if any were; where none is named, Prefect asks its server three times before it begins.

Its types leave out that it takes a path.
"""


@task(name="instance", task_run_name="{name}", retries=0, persist_result=False)
async def send_share(alert_id: str, name: str, instances: Sequence[str]) -> State[Any]:
    """Sends through these instances; its final state says what the ledger then holds of them."""
    words = counts.total(await asyncio.gather(*(current().channel(alert_id, instance) for instance in instances)))
    return (Failed if counts.failed(words) else Completed)(message=counts.sentence(words))


async def send_instances(handle: str, *, run_name: str = "", takes_part: bool = False) -> State[Any]:
    """Sends every instance of a dispatched alert, by id or code; returns the state that the flow ends in.

    The flow's run gets the name `run_name`, unless that is empty, while it sends: Prefect itself would have it renamed
    before it begins. With `takes_part` it also sends where another sender owns the dispatch, and does not show the
    hosts below it. Raises Refused, BadInput.
    """
    async with sending(handle, takes_part=takes_part) as sender:
        stored = sender.ledger.read(lambda read: alerts.by_handle(read, handle))
        dispatch = sender.ledger.read(lambda read: dispatches.get(read, stored.id))
        if dispatch is None:
            raise Refused(f"alert {stored.code} is not dispatched; send it with `kentongan send`", rule="state")
        shares = {counts.name(share): share for share in counts.shares([i.name for i in dispatch.plan.instances])}
        run = flow_run.get_id()
        # Recorded while the tasks begin: nothing is sent a moment later for it.
        noted = sender.ledger.write_soon(
            lambda write: write.event("orchestration.began", alert=stored.id, flow_run=run, tasks=list(shares))
        )
        sender.course.began.set()
        shown = None if takes_part else asyncio.create_task(show_hosts(sender.ledger, stored.id, stored.code))
        sent = asyncio.gather(*(_send(stored.id, name, share) for name, share in shares.items()))
        named = asyncio.create_task(_name_run(run, run_name))
        states, _ = await asyncio.gather(sent, noted)
        summaries = sender.ledger.read(lambda read: views.summaries(read, stored.id))
        if shown is not None:
            await ended(await shown)
        sender.course.over.set()
    await named
    await _show_table(stored.code, summaries)
    message = counts.sentence(counts.total(summary.words for summary in summaries))
    bad = [name for name, state in zip(shares, states, strict=True) if not state.is_completed()]
    if bad:
        return Failed(message=f"{message}; failed: {', '.join(bad)}")
    return Completed(message=message)


async def _send(alert_id: str, name: str, share: Sequence[str]) -> State[Any]:
    # Prefect's types do not know that an async task called for its state is awaited as well.
    run: Any = send_share(alert_id, name, share, return_state=True)
    state: State[Any] = await run
    return state


async def _name_run(run: str | None, name: str) -> None:
    """Gives the run its name, best effort: it is for the eye."""
    if run is None or not name:
        return
    try:
        async with asyncio.timeout(_PATIENCE), get_client() as client:
            await client.update_flow_run(UUID(run), name=name)
    except Exception as error:
        _log.info("run not named", extra={"error": type(error).__name__})


async def _show_table(code: str, summaries: Sequence[views.InstanceSummary]) -> None:
    """Puts the counts beside the run, best effort: the table is for the eye, the ledger is the record."""
    rows = [
        {"channel": each.instance, "total": each.total, "state": counts.sentence(each.words), "retries": each.retries}
        for each in summaries
    ]
    try:
        async with asyncio.timeout(_PATIENCE):
            await acreate_table_artifact(
                key=f"alert-{code.lower()}", table=rows, description=f"Alert {code}, by channel"
            )
    except Exception as error:
        _log.info("table not shown", extra={"error": type(error).__name__})
