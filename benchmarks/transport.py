"""Requests a second of the two transports, through the one reading of the wire, against a stand-in on loopback.

    python benchmarks/transport.py [--rounds 5] [--requests 4000] [--connections 16] [--json FILE]

Each round measures both in turn: "plain" is httpx's own with its connections kept, "bulk" what direct messages go
over. The stand-in is a bare protocol in a process of its own that answers 200 to whatever it is sent; how busy it was
says whether it held them up. A request is a message of 400 letters as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from benchmarks.stand_in import stand_in
from channels._http import IDLE, Wire
from channels._reading import Answer

_BODY = b'{"ok":true,"result":{"message_id":12345}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


@dataclass(frozen=True)
class Measured:
    """One round of one transport."""

    transport: str
    round: int
    requests_per_second: float
    cpu_microseconds_per_request: float
    stand_in_busy: float


async def measure(
    name: str, number: int, base: str, used: Callable[[], float], *, requests: int, connections: int
) -> Measured:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=IDLE)
    kept = httpx.AsyncHTTPTransport(trust_env=False, limits=limits) if name == "plain" else None
    wire = Wire(base, public=False, deadline=60.0, concurrency=connections, transport=kept)
    left = iter(range(requests))

    async def ask() -> None:
        for number in left:
            told = await wire.ask("POST", "/bot1/sendMessage", fields={"chat_id": str(number), "text": "x" * 400})
            assert isinstance(told, Answer), told

    await wire.prepare()
    served, spent, began = used(), time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    took, spent, served = time.perf_counter() - began, time.process_time() - spent, used() - served
    await wire.close()
    if kept is not None:
        await kept.aclose()
    return Measured(name, number, requests / took, spent / requests * 1e6, served / took)


def main() -> int:
    """Runs the rounds and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4_000, help="of each transport and round (default 4,000)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    arguments = parser.parse_args()
    with stand_in(ANSWER) as there:
        rounds = [
            asyncio.run(
                measure(
                    name,
                    number,
                    there.base,
                    lambda: there.seen().cpu,
                    requests=arguments.requests,
                    connections=arguments.connections,
                )
            )
            for number in range(arguments.rounds)
            for name in ("plain", "bulk")
        ]
    medians: dict[str, float] = {}
    for name in ("plain", "bulk"):
        those = [each for each in rounds if each.transport == name]
        medians[name] = statistics.median(each.requests_per_second for each in those)
        print(
            f"{name:5} {medians[name]:7,.0f} requests/s ({min(each.requests_per_second for each in those):,.0f} to "
            f"{max(each.requests_per_second for each in those):,.0f}), "
            f"{statistics.median(each.cpu_microseconds_per_request for each in those):,.0f} µs of CPU each, "
            f"stand-in busy {statistics.median(each.stand_in_busy for each in those):.0%}"
        )
    print(f"ratio {medians['bulk'] / medians['plain']:.1f}")
    if arguments.json is not None:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
        told = {"machine": machine, "connections": arguments.connections, "rounds": [asdict(each) for each in rounds]}
        arguments.json.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
