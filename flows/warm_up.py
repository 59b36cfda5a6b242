"""An empty flow: the first call in a process costs much more than those that follow."""

from __future__ import annotations

from prefect import flow, task


@task(name="nothing", retries=0, persist_result=False)
async def _nothing() -> None:
    pass


@flow(name="warm-up", retries=0)
async def warm_up() -> None:
    """Does nothing, in a task, through the whole of Prefect."""
    await _nothing()
