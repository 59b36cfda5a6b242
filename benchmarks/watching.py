"""What it costs to be looked at: one alert to a million in the ledger, scraped while deliveries are being settled.

Run it on the disk that the ledger will lie on: `python benchmarks/watching.py --folder /var/lib/kentongan`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from console.service.health import Condition
from console.service.metrics import Metrics
from console.service.metrics_endpoint import application
from kentongan.dispatcher import Pulse
from kentongan.figures import Following
from kentongan.ledger import Ledger, Write
from tests.kentongan.ledger.scenes import direct, put_dispatch

HOUR = 3_600_000
CHUNK = 20_000
RESULTS = (*["accepted"] * 16, *["delivered"] * 3, "rejected")
TICK = 0.005


class Watched:
    """A service that is well."""

    condition = Condition(taking=True, configured=True, channels=1, pulse=Pulse(0.1, 0.1))
    channel_names = ("sms",)
    prefect_answers = None

    def key_fault(self) -> str | None:
        """None: the key of people's data is there."""
        return None


def fill(ledger: Ledger, count: int) -> None:
    """Puts an alert with so many deliveries on record, two thirds of them settled."""
    instance = direct("sms", ledger.clock.wall() + HOUR)
    ledger.write(lambda write: put_dispatch(write, [instance]))
    at = ledger.read(lambda read: read.sql("SELECT at FROM dispatch").scalar_one())
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        rows = [row(number, at, settled=number < count * 2 // 3) for number in numbers]
        ledger.write(lambda write, rows=rows: put(write, rows))  # type: ignore[misc]


def row(number: int, at: int, *, settled: bool) -> dict[str, Any]:
    """One delivery as it is kept."""
    result = RESULTS[number % len(RESULTS)] if settled else "none"
    reached = result in ("accepted", "delivered")
    return {
        "id": number + 1,
        "key": f"{number:032x}",
        "by": f"{number * 7919:032x}",
        "person": f"p{number:07}",
        "until": at + HOUR,
        "due": at,
        "stage": "done" if settled else "planned",
        "attempt": int(settled),
        "result": result,
        "accepted": at + number % 400_000 if reached else None,
        "provider": f"m{number:012}" if reached else None,
    }


def put(write: Write, rows: list[dict[str, Any]]) -> None:
    """Writes deliveries down."""
    write.sql(
        "INSERT INTO delivery (id, key, alert_id, instance, language, family, unique_by, person_id, address_id,"
        " deliver_by, stage, action, due_at, attempt, result, accepted_at, provider_id) VALUES (:id, :key, 'alert1',"
        " 'sms', 'id', 'phone', :by, :person, :id, :until, :stage, 'send', :due, :attempt, :result, :accepted,"
        " :provider)",
        rows,
    )
    write.event("deliveries.planned", alert="alert1", instance="sms", count=len(rows))


def look(following: Following) -> tuple[float, float]:
    """One look in this thread: seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.thread_time()
    following.look()
    return time.perf_counter() - clock, time.thread_time() - processor


async def scrape(ledger: Ledger, seconds: float) -> dict[str, Any]:
    """Scrapes twice a second while the alert changes at every turn; what that took, and how the event loop fared."""
    following = Following(ledger)
    app = application(Watched, ledger, following, Metrics())
    lags: list[float] = []
    took: list[float] = []
    over = asyncio.Event()

    async def feel() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            lags.append(time.perf_counter() - began - TICK)

    feeling = asyncio.create_task(feel())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://watched") as client:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await ledger.write_soon(lambda write: write.event("delivery.settled", alert="alert1"))
            began = time.perf_counter()
            (await client.get("/metrics")).raise_for_status()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.5)
    over.set()
    await feeling
    await following.close()
    return {
        "scrapes": len(took),
        "scrape_seconds_median": statistics.median(took),
        "scrape_seconds_most": max(took),
        "loop_lag_seconds_p99": sorted(lags)[int(len(lags) * 0.99)],
        "loop_lag_seconds_most": max(lags),
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to put the ledger (default: the temporary folder)")
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to scrape")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kentongan-watching-", dir=arguments.folder) as name,
        Ledger.open(Path(name) / "ledger.db") as ledger,
    ):
        fill(ledger, arguments.deliveries)
        following = Following(ledger)
        first = look(following)
        ledger.write(lambda write: write.event("delivery.settled", alert="alert1"))
        changed, unchanged = look(following), look(following)
        figures: dict[str, Any] = {"deliveries": arguments.deliveries}
        for kind, (clock, processor) in (("first", first), ("changed", changed), ("unchanged", unchanged)):
            figures |= {f"look_{kind}_seconds": clock, f"look_{kind}_processor_seconds": processor}
        figures |= asyncio.run(scrape(ledger, arguments.seconds))
    for kind, value in figures.items():
        print(f"{kind}: {value:,.4f}" if isinstance(value, float) else f"{kind}: {value:,}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
