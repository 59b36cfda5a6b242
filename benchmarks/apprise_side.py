"""Apprise's fan-out, to be run by the Python of an environment that has Apprise: one notification to many targets.

Prints JSON: version, seconds and processor seconds of `async_notify` alone; adding the targets is not counted. Each
target is a `json://` address, the plugin with the least to do: one POST, without a rate limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import apprise


async def notify(fan: apprise.Apprise, body: str, threads: int) -> tuple[bool, float, float]:
    """Notifies all targets; returns whether all took it, seconds, and processor seconds."""
    if threads:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    began, used = time.perf_counter(), time.process_time()
    taken = await fan.async_notify(body=body)
    return bool(taken), time.perf_counter() - began, time.process_time() - used


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="host:port of the stand-in")
    parser.add_argument("--targets", type=int, default=20_000)
    parser.add_argument("--body", default="x" * 150)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as asyncio gives by itself")
    arguments = parser.parse_args()
    fan = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=True))
    for number in range(arguments.targets):
        if not fan.add(f"json://{arguments.base}/{number}"):
            raise SystemExit("Apprise refused a target")
    taken, seconds, used = asyncio.run(notify(fan, arguments.body, arguments.threads))
    print(json.dumps({"version": apprise.__version__, "taken": taken, "seconds": seconds, "cpu": used}))


if __name__ == "__main__":
    main()
