"""What follows an alert, on its way to all whom that reached, or may have reached, as Prefect runs and shows it."""

from __future__ import annotations

from prefect import flow

from flows.instances import KEPT_IN, send_instances


@flow(name="follow-up", retries=0, persist_result=False, result_storage=KEPT_IN)
async def follow_up(alert: str) -> object:
    """Sends the dispatched update, cancel, all-clear or correction `alert` (its own id or code)."""
    return await send_instances(alert, run_name=f"follow-up-{alert}")
