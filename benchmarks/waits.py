"""How long a sender waits behind each command that maintains the ledger, while it runs.

One ledger, on which one command after the other runs in a process of its own: reading it again, backing it up,
rotating the key, erasing, importing, retaining, settling doubts, hastening, pruning. Beside each, this process commits
one event after another, as a sender does, and notes how long each took. `longest_wait` is the answer; `nothing` is what
the disk and the machine take by themselves. Deliveries to settle and to hasten are as many as the people,
or `--many` times as many.

    python benchmarks/waits.py --people 100000 --folder /var/lib/kentongan
    python benchmarks/waits.py --people 10000 --many 100 --only resolve --only retry
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import people_import, reading
from benchmarks.measures import tell
from kentongan import pruning, retention
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, Write, alerts, dispatches
from kentongan.pruning import DAY
from tests.chaos.installation import Installation
from tests.kentongan.ledger.scenes import direct, put_dispatch

_ROOT = Path(__file__).resolve().parents[1]
_EVERY = 0.01
_HOUR = 3_600_000
_COLUMNS = (
    "language, family, person_id, address_id, deliver_by, instance, action, attempt, stage, result, doubted, due_at,"
    " unique_by, alert_id, key"
)


@dataclass(frozen=True, slots=True)
class Act:
    """A command, or what stands for it in this file (`--act`); `prepare` makes the ledger ready for it."""

    name: str
    arguments: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    here: bool = False


class Beside(threading.Thread):
    """Commits an event every hundredth of a second, as a sender does, until it is ended; the seconds of each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._ended = threading.Event()
        self.waits: list[float] = []
        self.refused = 0

    def run(self) -> None:
        """Commits until it is ended."""
        with Ledger.open(self._path, chain="beside") as ledger:
            while not self._ended.wait(_EVERY):
                began = time.perf_counter()
                try:
                    ledger.write(lambda write: write.event("note"))
                except LedgerUnavailable:
                    self.refused += 1
                self.waits.append(time.perf_counter() - began)

    def end(self) -> None:
        """Ends it after the commit that is under way."""
        self._ended.set()
        self.join()


def put_many(write: Write, code: str, source: str, many: int, *, doubted: bool) -> None:
    """An alert as `source` was, so many times over, all of it in doubt, or all of it waiting for an hour to come."""
    instance = direct("sms", write.now + DAY)
    put_dispatch(write, [instance], id=code.lower(), code=code)
    standing = "1, 'done', 'in_doubt', 1, :now" if doubted else "0, 'planned', 'none', 0, :later"
    write.sql(
        f"INSERT INTO delivery ({_COLUMNS}) WITH RECURSIVE times(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < :many) SELECT language, family, person_id, address_id,"
        f" :until, 'sms', 'send', {standing}, unique_by || n, :id, :code || n || key FROM delivery, times"
        " WHERE alert_id = :source",
        {
            "many": many,
            "id": code.lower(),
            "code": code,
            "source": source,
            "until": write.now + DAY,
            "now": write.now,
            "later": write.now + _HOUR,
        },
    )
    if doubted:
        write.sql(
            "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence, reason)"
            " SELECT id, 1, 'gone', 'irreversible', :now, 'in_doubt', 'read timeout' FROM delivery"
            " WHERE alert_id = :id",
            {"id": code.lower(), "now": write.now},
        )


def end_all(write: Write) -> None:
    """Lets every alert have ended: nothing more comes of it."""
    write.sql("UPDATE alert SET state = 'ended' WHERE state = 'dispatched'")
    write.sql("UPDATE delivery SET stage = 'done', closed = 'expired' WHERE stage <> 'done'")
    write.sql("UPDATE delivery SET result = 'accepted' WHERE result = 'in_doubt'")


def act_here(installation: Installation, name: str) -> None:
    """Does in this process what a command would refuse to do so soon."""
    with installation.open() as house:
        assert house.settings is not None
        now = house.clock.wall()
        if name == "prune":
            agency = house.settings.agency
            done = pruning.prune(house.ledger, house.keys, agency, before=now + DAY, by="bench")
            tell(f"pruned {done.deliveries:,}; stayed: {'; '.join(each.why for each in done.stays)}")
        else:
            policy = house.settings.policy.model_copy(update={"people_kept_days": -1, "answers_kept_days": -1})
            tell(f"erased {retention.retain(house.ledger, policy, by='bench')}")


def peak_of(pid: int) -> int:
    """KiB that a process has had in memory at most since it began its program; what it was forked from has more."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def measured(installation: Installation, act: Act) -> dict[str, Any]:
    """Runs one of them and says how long it and the other writer took."""
    act.prepare()
    command = installation.command(*act.arguments)
    if act.here:
        command = [sys.executable, __file__, "--act", act.name, "--made", str(installation.root), installation.instance]
    beside = Beside(installation.root / "state" / "ledger.db")
    beside.start()
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=installation.environment(), cwd=_ROOT, stdout=said, stderr=said)
        peak = 0
        while (found := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, peak_of(process.pid))
            time.sleep(0.02)
        _, status, usage = found
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        beside.end()
        said.seek(0)
        told = said.read().decode().strip()
    if process.returncode:
        raise SystemExit(f"{act.name} failed: {told}")
    waits = sorted(beside.waits)
    return {
        "act": act.name,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(peak / 1024),
        "median_wait": round(waits[len(waits) // 2], 4),
        "wait_p99": round(waits[int(len(waits) * 0.99)], 3),
        "longest_wait": round(waits[-1], 3),
        "refused": beside.refused,
        "told": told.splitlines()[-1] if told else "",
    }


def acts(installation: Installation, folder: Path, people: int, many: int) -> list[Act]:
    """All of them, in an order in which each finds what it needs."""

    def write(act: Callable[[Write], object]) -> None:
        with Ledger.open(installation.root / "state" / "ledger.db", chain="bench") as ledger:
            ledger.write(act)

    with installation.open() as house:
        source = house.ledger.read(lambda read: read.sql("SELECT alert_id FROM dispatch ORDER BY at LIMIT 1").scalar())
        code = house.ledger.read(lambda read: alerts.get(read, source)).code
        assert house.ledger.read(lambda read: dispatches.get(read, source)) is not None
    erased, listed = folder / "erased.txt", folder / "listed.csv"
    erased.write_text("".join(f"phone:+62812{n:07d}\n" for n in range(0, people, 10)))
    people_import.write_list(listed, people)
    return [
        Act("nothing", ("status", "--help")),
        Act("log verify", ("log", "verify")),
        Act("report", ("report", code, "-o", str(folder / "report.html"))),
        Act("backup", ("backup", str(folder / "kept"))),
        Act("people rotate-key", ("people", "rotate-key")),
        Act("people erase", ("people", "erase", str(erased), "--yes")),
        Act(
            "resolve",
            ("resolve", "--alert", "DUBS", "--not-sent"),
            lambda: write(lambda write: put_many(write, "DUBS", source, many, doubted=True)),
        ),
        Act(
            "retry",
            ("retry", "WAZT"),
            lambda: write(lambda write: put_many(write, "WAZT", source, many, doubted=False)),
        ),
        Act("people import", ("people", "import", str(listed), "--replace", "--yes"), lambda: write(end_all)),
        Act("retain", (), here=True),
        Act("prune", (), lambda: write(end_all), here=True),
    ]


def main() -> int:
    """Prints each as it is measured, as a line of JSON, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1, help="deliveries to settle and to hasten for each person")
    parser.add_argument("--folder", type=Path, help="where the ledger lies; its disk is part of what is measured")
    parser.add_argument("--only", action="append", help="one of them; may be repeated")
    parser.add_argument("--act", help=argparse.SUPPRESS)
    parser.add_argument("--made", type=Path, nargs="+", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.act:
        act_here(Installation(wanted.made[0], str(wanted.made[1])), wanted.act)
        return 0
    with tempfile.TemporaryDirectory(prefix="kentongan-waits-", dir=wanted.folder) as name:
        tell(f"making a ledger of {wanted.people:,} people and as many deliveries")
        installation = reading.make(Path(name) / "made", wanted.people, batch=64)
        found = []
        for act in acts(installation, Path(name), wanted.people, wanted.many):
            if wanted.only and act.name not in wanted.only:
                continue
            found.append({"people": wanted.people, "load": os.getloadavg()[0], **measured(installation, act)})
            print(json.dumps(found[-1]), flush=True)
    for each in found:
        tell(
            f"| `{each['act']}` | {each['seconds']:.0f} s | {each['cpu_seconds']:.0f} s | {each['peak_mib']} MB |"
            f" {each['wait_p99'] * 1000:.0f} ms | {each['longest_wait'] * 1000:.0f} ms |"
        )
    return 1 if any(each["longest_wait"] > 0.5 or each["refused"] for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
