"""What a recipient costs at a million and at ten thousand: the sender's processor time, and its memory at the most.

Every size has an installation of its own, whose people come in with `kentongan people import`. One alert goes to all of
them through the whole sender, in a process of its own, against the stand-in of `stand_in.py`.

    python benchmarks/million.py --recipients 1000000 --few 10000 --folder /var/lib/kentongan
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measures import Compare, Line, Measured, Round, at_most, number, print_alone, tell
from benchmarks.stand_in import stand_in
from benchmarks.throughput import cpu, with_record
from kentongan.ledger import alerts, views
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients

_ROOT = Path(__file__).resolve().parents[1]
_FEW, _MANY = 10_000, 1_000_000
_EVERY = 1.0
_LETTERS = str.maketrans("0123456789", "abcdefghij")


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert to `recipients`, of whom `accepted` have it.

    `cpu_us` is the sender's processor time for each, `tenths_cpu_us` the same for each tenth of the time that it took,
    which tells whether it grows on the way; `base_mb` and `peak_mb` are its resident memory before the press and at
    the most.
    """

    recipients: int
    accepted: int
    seconds: float
    cpu_us: float
    tenths_cpu_us: tuple[float, ...]
    base_mb: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    cpu: float
    begun: int


def prepare(root: Path, count: int, base_url: str, concurrency: int) -> Installation:
    """An installation below the new folder `root` with so many people who exist nowhere."""
    root.mkdir(mode=0o700, parents=True)
    settings = {
        "base_url": base_url,
        "rate": 100_000,
        "concurrency": concurrency,
        # On a slow machine a million take longer than a text message is otherwise of use.
        "deliver_within": 5 * 3600,
        **credentials("kannel", root),
    }
    nobody = Recipients.make("kannel", 0)
    installation = Installation.make(root, kind="kannel", channel=settings, policy={}, people=nobody)
    people = root / "people.csv"
    with people.open("w") as file:
        file.write("reference,phone,language,groups\n")
        # Digits alone could be those of the telephone, which no reference may hold.
        file.writelines(f"{str(n).translate(_LETTERS)},+62812{n:07d},id,all\n" for n in range(count))
    subprocess.run(
        installation.command("people", "import", str(people), "--json"),
        env=installation.environment(),
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    people.unlink()
    return installation


def send(installation: Installation) -> Sent:
    """Sends one alert to all people of an installation from a new process."""
    code = installation.approved(severity="Severe")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_send, args=(theirs, installation, code))
    process.start()
    theirs.close()
    try:
        sent: Sent = ours.recv()
    except EOFError:
        raise SystemExit("the sender ended without a result; its error stands above") from None
    finally:
        process.join()
    return sent


def _send(pipe: Connection, installation: Installation, code: str) -> None:
    with installation.open("send") as house:
        login = installation.login("ani").read(now=house.desk().now)
        base, ended = _memory("VmRSS"), threading.Event()
        samples = [_Sample(time.perf_counter(), cpu(), 0)]

        def sample() -> None:
            while not ended.wait(_EVERY):
                # What has an attempt has been begun; the rows lie in the order of their making.
                begun = house.ledger.read(lambda read: read.sql("SELECT max(rowid) FROM attempt").scalar_one())
                samples.append(_Sample(time.perf_counter(), cpu(), begun or 0))

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        seconds, used = asyncio.run(with_record(house, code, login))
        ended.set()
        sampler.join()
        peak = _memory("VmHWM")
        alert = house.ledger.read(lambda read: alerts.by_handle(read, code))
        (summary,) = house.ledger.read(lambda read: views.summaries(read, alert.id))
    pipe.send(
        Sent(
            recipients=summary.total,
            accepted=summary.words.get("accepted", 0),
            seconds=seconds,
            cpu_us=used / summary.total * 1e6,
            tenths_cpu_us=_tenths(samples),
            base_mb=base,
            peak_mb=peak,
        )
    )


def _tenths(samples: list[_Sample]) -> tuple[float, ...]:
    step = max(1, len(samples) // 10)
    kept = samples[::step]
    return tuple(
        (after.cpu - before.cpu) / (after.begun - before.begun) * 1e6
        for before, after in itertools.pairwise(kept)
        if after.begun > before.begun
    )


def _memory(name: str) -> float:
    """A figure of this process's memory in MB. The resource module's peak would be that of its parent too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"no {name} in /proc/self/status")


def measure(*, rounds: int, folder: Path, recipients: int = _MANY, few: int = _FEW, concurrency: int = 16) -> Measured:
    """Sends to `few` in every round and to all `recipients` once, in the middle of the rounds.

    The ledger of the many is left as `<folder>/<recipients>/state/ledger.db`.
    """
    taken: list[Round] = []
    with stand_in() as there:
        made = {count: prepare(folder / str(count), count, there.base, concurrency) for count in (few, recipients)}
        for count in [*[few] * (rounds - rounds // 2), recipients, *[few] * (rounds // 2)]:
            sent = send(made[count])
            _tell(sent)
            if sent.accepted != count:
                raise SystemExit(f"{sent.accepted:,} of {count:,} were accepted; nothing is measured by that")
            name = "many" if count == recipients else "few"
            taken.append(
                {
                    f"{name}_cpu_us": sent.cpu_us,
                    f"{name}_per_second": count / sent.seconds,
                    f"{name}_peak_mb": sent.peak_mb,
                    f"{name}_base_mb": sent.base_mb,
                    **{f"{name}_cpu_us_{n}": value for n, value in enumerate(sent.tenths_cpu_us, 1)},
                }
            )
    return Measured(
        name="million",
        rounds=taken,
        lines=(
            Line(
                title=f"processor time a recipient, {recipients:,} of them",
                ours="many_cpu_us",
                unit="us",
                against="few_cpu_us",
                against_title=f"{few:,} of them",
                goal=at_most(1.1),
            ),
            Line(
                title=f"peak memory of the sender at {recipients:,}",
                ours="many_peak_mb",
                unit="MB",
                goal=at_most(300),
                compare=Compare.ITSELF,
            ),
        ),
        facts={"recipients": recipients, "few": few, "concurrency": concurrency, "load": os.getloadavg()[0]},
    )


def _tell(sent: Sent) -> None:
    tell(
        f"{sent.recipients:,} people: {sent.recipients / sent.seconds:,.0f}/s, {sent.cpu_us:.0f} us CPU each"
        f" ({', '.join(number(value) for value in sent.tenths_cpu_us)} on the way),"
        f" peak {sent.peak_mb:.0f} MB of which {sent.base_mb:.0f} before it began; load {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    """Prints each round, the ratio and the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=_MANY)
    parser.add_argument("--few", type=int, default=_FEW, help="what they are compared with")
    parser.add_argument("--rounds", type=int, default=5, help="of the few; the many go once")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--folder", type=Path, help="where the ledgers are made; the disk is part of what is measured")
    parser.add_argument("--keep", type=Path, help="an empty folder to leave the ledgers in, as reading.py wants them")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-million-", dir=wanted.folder) as name:
        measured = measure(
            rounds=wanted.rounds,
            folder=wanted.keep or Path(name),
            recipients=wanted.recipients,
            few=wanted.few,
            concurrency=wanted.concurrency,
        )
    print_alone(measured, as_json=wanted.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
