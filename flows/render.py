"""The renderings of one alert, as the ledger holds them: a task an instance, with languages and lengths."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import counts
from flows.sending import reading
from flows.whose import noted
from kentongan.ledger import alerts, renderings
from kentongan.seam import Rendered


@task(name="rendering", task_run_name="{name}", retries=0, persist_result=False)
async def show_share(name: str, lengths: Sequence[str]) -> State[Any]:
    """Says in its final state which messages lie ready on these instances."""
    return Completed(message=", ".join(lengths))


@flow(name="render", flow_run_name="renderings-{alert}", retries=0)
@noted
async def render(alert: str) -> State[Any]:
    """Shows which messages `alert` (its id or code) has on which instance; no text, and nobody it goes to."""
    with reading() as ledger:
        stored = ledger.read(lambda read: alerts.by_handle(read, alert))
        messages = ledger.read(lambda read: renderings.of(read, stored.id))
    by_instance: dict[str, list[Rendered]] = {}
    for message in messages:
        by_instance.setdefault(message.instance, []).append(message)
    shares = counts.shares(list(by_instance))
    await asyncio.gather(
        *(
            show_share(counts.name(share), [_size(message) for name in share for message in by_instance[name]])
            for share in shares
        )
    )
    return Completed(message=f"{len(messages)} messages on {len(by_instance)} channels")


def _size(message: Rendered) -> str:
    parts = f"{message.language} {len(message.text):,} characters"
    if message.documents:
        parts += f" and {len(message.documents)} files"
    return parts
