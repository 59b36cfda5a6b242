"""An empty flow: the first call in a process costs much more than those that follow."""

from __future__ import annotations

from prefect import flow


@flow(name="warm-up", retries=0)
async def warm_up() -> None:
    """Does nothing, through the whole of Prefect."""
