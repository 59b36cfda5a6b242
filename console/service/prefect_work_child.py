"""Runs Prefect's process worker as a child of ours: `python -m console.service.prefect_work_child PARENT POOL HOST`.

The same worker as `prefect worker start`, which ends with its parent, however that ends, and yields to whoever sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from console.service.prefect_child import end_with

_NICE = 10
"""What is shown never takes the processor from what is sent."""


def main(parent: int, pool: str, host: str) -> None:
    """Takes flow runs of the pool's queues "default" and `host` until told to end."""
    end_with(parent)
    os.nice(_NICE)
    asyncio.run(_work(pool, host))


async def _work(pool: str, host: str) -> None:
    from prefect.workers.process import ProcessWorker

    await _prepare(pool, host)
    worker = ProcessWorker(work_pool_name=pool, work_queues=[host, "default"], name=host)
    working = asyncio.ensure_future(worker.start())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        return


async def _prepare(pool: str, host: str) -> None:
    """Makes the pool and the host's queue where there are none; a worker that names an unknown queue gets nothing."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    async with get_client() as client:
        template = ProcessWorker.get_default_base_job_template()
        with contextlib.suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
        with contextlib.suppress(ObjectAlreadyExists):
            await client.create_work_queue(name=host, work_pool_name=pool)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
