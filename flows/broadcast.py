"""The broadcast of one alert, as Prefect runs and shows it: a task an instance, each with its true result."""

from __future__ import annotations

from prefect import flow

from flows.instances import KEPT_IN, send_instances


@flow(name="broadcast", retries=0, persist_result=False, result_storage=KEPT_IN)
async def broadcast(alert: str) -> object:
    """Sends what the ledger holds as dispatched of `alert` (its id or code), through the service or by itself."""
    return await send_instances(alert, run_name=f"alert-{alert}")
