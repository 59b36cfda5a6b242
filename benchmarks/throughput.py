"""Recipients a second through the whole sender with its durable record, against the same requests in a bare loop.

Both use the same adapter, transport and number of requests in flight, and talk to a stand-in in a process of its own
that does nothing but answer. They take turns; the ratio of the medians is what the record and the sender's care cost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.house import House
from kentongan.clock import to_datetime
from kentongan.desk import releases
from kentongan.ledger import alerts, renderings, views
from kentongan.seam import Accepted, Job
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients

_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 25\r\n\r\n0: Accepted for delivery\n"


class _Answering(asyncio.Protocol):
    """Answers every request whose body has come."""

    def __init__(self) -> None:
        self._seen = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while True:
            head, end, rest = self._seen.partition(b"\r\n\r\n")
            if not end:
                return
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._seen = rest[length:]
            self._transport.write(_ANSWER)


def _serve(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)

    with contextlib.suppress(EOFError):
        asyncio.run(serve())


@contextlib.contextmanager
def stand_in() -> Iterator[str]:
    """A provider that takes everything, in a process of its own; gives its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.send(None)
        process.join(5)


def cpu() -> float:
    """Seconds of processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def with_record(house: House, code: str, login: Any) -> tuple[float, float]:
    """Sends an approved alert as the service would; returns seconds from press to the last outcome, and of CPU."""
    opened = house.open_channels()
    dispatcher = house.dispatcher(opened)
    await dispatcher.start()
    began, used = time.perf_counter(), cpu()
    released = releases.dispatch(house.desk(), code, login)
    await dispatcher.nudge(released.alert.id)
    await dispatcher.finished(released.alert.id)
    seconds, used = time.perf_counter() - began, cpu() - used
    await dispatcher.close()
    for channel in opened.values():
        await channel.close()
    return seconds, used


async def bare(house: House, code: str, concurrency: int) -> tuple[float, float]:
    """Sends the same message to the same addresses with nothing around the adapter; returns the same."""
    alert = house.ledger.read(lambda read: alerts.by_handle(read, code))
    (channel,) = house.open_channels().values()
    (message,) = house.ledger.read(lambda read: renderings.of(read, alert.id))
    sent = house.ledger.read(lambda read: views.deliveries(read, alert.id))
    addresses = house.open_addresses([each.address_id for each in sent if each.address_id is not None])
    now = to_datetime(house.clock.wall())
    jobs = [
        Job(key=each.key, to=addresses[each.address_id or 0], since=now, values={"validity_minutes": "30"}, handle=None)
        for each in sent
    ]
    left = iter(jobs)

    async def work() -> None:
        for job in left:
            (outcome,) = await channel.send(message, [job], None)
            assert isinstance(outcome, Accepted), outcome

    began, used = time.perf_counter(), cpu()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    seconds, used = time.perf_counter() - began, cpu() - used
    await channel.close()
    return seconds, used


def main() -> int:
    """Prints the figures of each round, their medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="kentongan-throughput-") as folder, stand_in() as base:
        root = Path(folder)
        installation = Installation.make(
            root,
            kind="kannel",
            channel={
                "base_url": base,
                "rate": 100_000,
                "concurrency": arguments.concurrency,
                **credentials("kannel", root),
            },
            policy={},
            people=Recipients.make("kannel", arguments.recipients),
        )
        codes = [installation.approved(severity="Severe") for _ in range(arguments.rounds)]
        for code in codes:
            with installation.open("send") as house:
                login = installation.login("ani").read(now=house.desk().now)
                seconds, used = asyncio.run(with_record(house, code, login))
                plain, plain_used = asyncio.run(bare(house, code, arguments.concurrency))
                rounds.append(
                    {
                        "with_record_per_second": arguments.recipients / seconds,
                        "bare_per_second": arguments.recipients / plain,
                        "with_record_cpu_us": used / arguments.recipients * 1e6,
                        "bare_cpu_us": plain_used / arguments.recipients * 1e6,
                    }
                )
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    ratio = medians["with_record_per_second"] / medians["bare_per_second"]
    if arguments.json:
        print(json.dumps({"recipients": arguments.recipients, "rounds": rounds, "medians": medians, "ratio": ratio}))
        return 0
    for each in rounds:
        print(
            f"with the record {each['with_record_per_second']:,.0f}/s ({each['with_record_cpu_us']:.0f} us CPU each),"
            f" bare {each['bare_per_second']:,.0f}/s ({each['bare_cpu_us']:.0f} us)"
        )
    print(f"ratio of the medians {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
