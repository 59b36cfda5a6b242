"""Recipients a second through the whole sender with its durable record, against Apprise and against a bare loop.

The bare loop makes the same requests through the same adapter, transport and number of requests in flight with nothing
around it: the ratio is what the record and the sender's care cost. Apprise fans one notification out to as many
targets with its async notify, without a record. All talk to one stand-in in a process of its own that does nothing but
answer; how busy it was stands beside each. They take turns; ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import apprise_environments
from benchmarks.apprise_environments import Apprise
from benchmarks.measures import Compare, Line, Measured, Round, at_least, print_alone, tell
from benchmarks.stand_in import StandIn, stand_in
from console.main import collect_seldom
from flows.house import House
from kentongan.clock import to_datetime
from kentongan.desk import releases
from kentongan.ledger import alerts, renderings, views
from kentongan.seam import Accepted, Job
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients

_WRITER = "ledger-writer"


def cpu() -> float:
    """Seconds of processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def with_record(house: House, code: str, login: Any) -> tuple[float, float]:
    """Sends an approved alert as the service would; returns seconds from press to the last outcome, and of CPU."""
    opened = house.open_channels()
    dispatcher = house.dispatcher(opened)
    await dispatcher.start()
    desk = house.desk()
    began, used = time.perf_counter(), cpu()
    released = releases.dispatch(desk, code, login)
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


def ledger_cpu() -> float:
    """Seconds of processor time so far of the threads through which this process's ledgers are written."""
    writers = [thread.ident for thread in threading.enumerate() if thread.name == _WRITER]
    if not writers:
        raise RuntimeError(f"no thread is called {_WRITER!r}; the ledger's own time cannot be told")
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in writers if ident is not None)


@dataclass(frozen=True)
class _Setting:
    """What all rounds share."""

    installation: Installation
    there: StandIn
    recipients: int
    concurrency: int

    def ours(self) -> Round:
        """One alert with the durable record."""
        code = self.installation.approved(severity="Severe")
        with self.installation.open("send") as house:
            login = self.installation.login("ani").read(now=house.desk().now)
            served, written = self.there.forget(), ledger_cpu()
            seconds, used = asyncio.run(with_record(house, code, login))
            written = ledger_cpu() - written
            round_ = self._round("with_record", seconds, used, served.cpu)
            served = self.there.forget()
            plain, plain_used = asyncio.run(bare(house, code, self.concurrency))
        return {
            **round_,
            **self._round("bare", plain, plain_used, served.cpu),
            "ledger_cpu_us": written / self.recipients * 1e6,
            "around_the_adapter_cpu_us": (used - plain_used) / self.recipients * 1e6,
        }

    def theirs(self, apprise: Apprise) -> Round:
        """One notification by Apprise."""
        served = self.there.forget()
        told = apprise.notify(
            self.there.base, targets=self.recipients, threads=self.concurrency, body="Siaga banjir. " * 11
        )
        return self._round(apprise.name, told.seconds, told.cpu, served.cpu)

    def _round(self, name: str, seconds: float, used: float, served: float) -> Round:
        seen = self.there.seen()
        if seen.requests < self.recipients:
            raise SystemExit(f"{name}: the stand-in saw {seen.requests:,} requests only; nothing is measured by that")
        return {
            f"{name}_per_second": self.recipients / seconds,
            f"{name}_cpu_us": used / self.recipients * 1e6,
            f"{name}_stand_in_busy": (seen.cpu - served) / seconds,
        }


def measure(
    *,
    rounds: int,
    folder: Path,
    recipients: int = 20_000,
    concurrency: int = 64,
    apprises: Sequence[Apprise] | None = None,
) -> Measured:
    """Sends to all recipients with the record, in a bare loop, and by each Apprise, in every round."""
    # As every command does when it starts.
    collect_seldom()
    if apprises is None:
        apprises = [apprise_environments.newest(), apprise_environments.locked()]
    taken: list[Round] = []
    with stand_in() as there:
        root = folder / "throughput"
        root.mkdir(mode=0o700)
        channel = {"base_url": there.base, "rate": 100_000, "concurrency": concurrency, **credentials("kannel", root)}
        people = Recipients.make("kannel", recipients)
        installation = Installation.make(root, kind="kannel", channel=channel, policy={}, people=people)
        setting = _Setting(installation, there, recipients, concurrency)
        for number in range(rounds):
            tell(f"throughput: round {number + 1} of {rounds}")
            one = dict(setting.ours())
            for apprise in apprises:
                one.update(setting.theirs(apprise))
            one["stand_in_busy_most"] = max(value for name, value in one.items() if name.endswith("stand_in_busy"))
            taken.append(one)
    versions = {each.name: each.version for each in apprises}
    return Measured(
        name="throughput",
        rounds=taken,
        lines=(
            *(
                Line(
                    title="recipients a second with the durable record",
                    ours="with_record_per_second",
                    unit="/s",
                    against=f"{name}_per_second",
                    against_title=f"Apprise {version}, no record",
                    goal=at_least(4) if name == "apprise_newest" else None,
                )
                for name, version in versions.items()
            ),
            Line(
                title="the same",
                ours="with_record_per_second",
                unit="/s",
                against="bare_per_second",
                against_title="bare loop, no record",
                goal=at_least(0.85),
            ),
            Line(
                title="the ledger's own processor time a recipient",
                ours="ledger_cpu_us",
                unit="us",
                compare=Compare.ITSELF,
            ),
            Line(
                title="all processor time a recipient",
                ours="with_record_cpu_us",
                unit="us",
                against="bare_cpu_us",
                against_title="bare loop",
            ),
            Line(
                title="how busy the stand-in was, with whom it was busiest",
                ours="stand_in_busy_most",
                unit="of a core",
                compare=Compare.ITSELF,
            ),
        ),
        facts={"recipients": recipients, "concurrency": concurrency, **versions},
    )


def main() -> int:
    """Prints the figures of each round, their medians and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="where the ledger is made; the disk is part of what is measured")
    parser.add_argument("--apprise", action="store_true", help="against Apprise too, which takes the longest")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-throughput-", dir=wanted.folder) as folder:
        measured = measure(
            rounds=wanted.rounds,
            folder=Path(folder),
            recipients=wanted.recipients,
            concurrency=wanted.concurrency,
            apprises=None if wanted.apprise else [],
        )
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
