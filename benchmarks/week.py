"""A week of an agency in minutes: a hundred alerts a day and a drill, through the service itself, by a made-up clock.

The service runs in this process with all of its looks; a stand-in in a process of its own takes every message. The
clock is the machine's, put ahead between alerts. Deliveries are kept for two days. At each day's end the heads of all
days are verified, what is old is pruned, and memory and files are measured: from the third day to the seventh nothing
may grow by more than a twentieth. Ends with 1 where it does, or where a head does not verify.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml
from pydantic import SecretStr

from benchmarks.measures import tell
from benchmarks.stand_in import StandIn, stand_in
from console.service.log import log_to
from console.service.service import Service
from flows.house import House
from kentongan.cap.model import Status
from kentongan.clock import SystemClock, to_datetime
from kentongan.desk import Desk, approvals, drafts, drills, membership, releases, submitting
from kentongan.ledger import Ledger, views
from kentongan.ledger import drills as register
from kentongan.ledger.drills import State
from kentongan.ledger.verification import signed_head
from kentongan.login import Login, LoginFile
from tests.installation import Installation, install

DAYS = 7
FROM = 3
GROWTH = 0.05
DAY = 86_400_000
_ALERTED = 16 * 3_600_000
FACTS: Mapping[str, Any] = {"magnitude": 5.6, "place": "28 km barat laut Manna", "area": "Manna", "severity": "Severe"}
SCENARIO: Mapping[str, Any] = {
    "hazard": "earthquake",
    "facts": {**FACTS, "origin_time": "now-3min", "expires": "30min"},
    "correct_after": "5m",
    "settle": "1s",
}


class AheadClock(SystemClock):
    """The machine's clock, put ahead; boot time is its own, by which leases go."""

    def __init__(self) -> None:
        self.ahead = 0

    def wall(self) -> int:
        return super().wall() + self.ahead


@dataclass(frozen=True)
class Evening:
    """What a day has left behind, after pruning. Sizes are bytes; `files` are those of the state directory.

    `tables`: bytes of the ledger's file by table, with its indexes; "free" is what SQLite has for what comes next.
    """

    day: int
    sent: int
    seconds: float
    resident: int
    files: Mapping[str, int]
    rows: Mapping[str, int]
    tables: Mapping[str, int]
    pruned: int
    longest_prune: float
    verified: float
    differences: int

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


@dataclass
class Week:
    """What one run of it holds on to."""

    house: House
    desk: Desk
    service: Service
    clock: AheadClock
    logins: tuple[Login, Login]
    there: StandIn
    first: int
    root: Path
    heads: list[Path] = field(default_factory=list)
    sent: int = 0

    async def day(self, number: int, alerts: int) -> Evening:
        """Lives through one day and looks at what it leaves."""
        began, sent = time.perf_counter(), self.sent
        midnight = self.first + (number - 1) * DAY
        for each in range(alerts):
            # Not round the clock: no drill begins within six hours of a live alert.
            self._move(midnight + each * _ALERTED // alerts)
            await self._alert(Status.ACTUAL)
        self._move(midnight + DAY - 3_600_000)
        await self._drill()
        # What expired meanwhile ends before the day does.
        self._move(midnight + DAY - 1_000)
        await self.service.dispatcher.nudge("")
        seconds = time.perf_counter() - began
        await self.service._signing.look()
        head = self.house.ledger.read(lambda read: signed_head(read, self.house.keys))
        self.heads.append(self.root / f"head-{number}.json")
        self.heads[-1].write_text(json.dumps(head))
        await asyncio.to_thread(self.service._retention.retain)
        pruned = await asyncio.to_thread(self.service._pruning.prune)
        assert pruned is not None
        if pruned.waits:
            raise SystemExit("something was still on its way at the end of a day; nothing is measured by that")
        began = time.perf_counter()
        found = [await self._differences(number) for number in sorted({0, len(self.heads) - 1})]
        verified = time.perf_counter() - began
        return Evening(
            day=number,
            sent=self.sent - sent,
            seconds=round(seconds, 1),
            resident=resident(),
            files=sizes(self.house.state.root),
            rows=self.house.ledger.read(rows),
            tables=self.house.ledger.read(tables),
            pruned=pruned.deliveries,
            longest_prune=round(pruned.longest, 4),
            verified=round(verified, 1),
            differences=sum(found),
        )

    def _move(self, wall: int) -> None:
        self.clock.ahead += wall - self.clock.wall()

    async def _alert(self, status: Status) -> None:
        siti, budi = self._now(self.logins)
        observed = (to_datetime(self.clock.wall()) - timedelta(minutes=1)).isoformat(timespec="seconds")
        facts = {**FACTS, "origin_time": observed, "expires": "30min"}
        alert = drafts.from_fields(self.desk, "earthquake", facts, status=status, by="siti").alert
        submitting.submit(self.desk, alert.id, siti)
        approvals.approve(self.desk, alert.code, budi)
        releases.dispatch(self.desk, alert.code, siti)
        await self._sent(alert.id)

    async def _sent(self, alert_id: str) -> None:
        await self.service.dispatcher.nudge(alert_id)
        await self.service.dispatcher.finished(alert_id)
        for each in self.house.ledger.read(lambda read: views.summaries(read, alert_id)):
            self.sent += each.words.get("accepted", 0)
            if set(each.words) != {"accepted"}:
                raise SystemExit(f"{each.instance}: {dict(each.words)}; nothing is measured by that")

    async def _drill(self) -> None:
        """One drill with its correction, begun by hand and taken to its end by the service."""
        siti, budi = self._now(self.logins)
        made = drills.prepare(self.desk, "quake", siti)
        approvals.approve(self.desk, made.alert.code, budi)
        begun = drills.begin(self.desk, made.alert.code, siti)
        await self._sent(begun.alert.id)
        self.clock.ahead += 301_000

        def done() -> bool:
            run = self.house.ledger.read(lambda read: register.of_alert(read, begun.alert.id))
            return run is not None and run.state is State.DONE

        await until(done)

    def _now(self, logins: tuple[Login, Login]) -> tuple[Login, Login]:
        at = to_datetime(self.clock.wall())
        one, other = (replace(each, since=at, until=at + timedelta(hours=1)) for each in logins)
        return one, other

    async def _differences(self, number: int) -> int:
        """How many differences an officer's command finds behind the head of a day, in a process of its own."""
        command = (sys.executable, "-m", "console.main", "log", "verify", "--json", "--head", str(self.heads[number]))
        environment = {**os.environ, "KENTONGAN_STATE": str(self.house.state.root)}
        verifying = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE
        )
        said, _ = await verifying.communicate()
        found = json.loads(said)["differences"]
        for each in found[:5]:
            tell(f"{each['place']}: {each['sentence']}")
        return len(found)


async def until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    """Returns as soon as `condition` holds."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sizes(root: Path) -> dict[str, int]:
    """Bytes on the disk by what lies in a state directory."""
    found: dict[str, int] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            place = path.relative_to(root).parts[0]
            found[place] = found.get(place, 0) + path.stat().st_blocks * 512
    return found


def rows(read: Any) -> dict[str, int]:
    """Rows of the tables that could grow."""
    tables = ("alert", "rendering", "delivery", "attempt", "event", "link", "pruned", "checkpoint", "sender")
    return {name: read.sql(f"SELECT count(*) FROM {name}").scalar_one() for name in tables}


def tables(read: Any) -> dict[str, int]:
    """Bytes of the ledger's file by table, largest first, indexes included; and what is free in it."""
    found = read.sql(
        "SELECT coalesce(m.tbl_name, s.name) AS name, sum(s.pgsize) AS size FROM dbstat s"
        " LEFT JOIN sqlite_master m ON m.name = s.name WHERE s.aggregate = 1 GROUP BY 1 ORDER BY 2 DESC"
    ).all()
    free = read.sql("PRAGMA freelist_count").scalar_one() * read.sql("PRAGMA page_size").scalar_one()
    return {**{row.name: row.size for row in found}, "free": free}


@asynccontextmanager
async def opened(root: Path, people: int, *, prefect: bool) -> AsyncIterator[Week]:
    """An installation with so many people, its service in this process, and a clock."""
    os.environ["TEST_PASSWORD"] = "sandbox-kannel-password"
    with stand_in() as there:
        channel = {
            "kind": "kannel",
            "sandbox": True,
            "base_url": there.base,
            "username": "sandbox",
            "password": {"env": "TEST_PASSWORD"},
            "sender": "BPBD",
            "audience": "subscribers",
            "rate": 100_000,
            "concurrency": 16,
        }
        channels = {mode: {**channel, "mode": mode} for mode in ("live", "drill")}
        installation = install(root, channels, {"deliveries_kept_days": 2})
        (installation.config / "drills.yaml").write_text(yaml.safe_dump({"scenarios": {"quake": dict(SCENARIO)}}))
        clock = AheadClock()
        with clocked(installation, clock) as house, log_to(house.state.log / "service.log"):
            desk = house.desk()
            logins = await asyncio.to_thread(officers, desk, installation)
            installation.subscribe(house, people)
            service = Service(house, None, prefect=prefect)
            await service.start()
            try:
                yield Week(house, desk, service, clock, logins, there, clock.wall() // DAY * DAY + DAY, root)
            finally:
                await service.stop()


def clocked(installation: Installation, clock: AheadClock) -> House:
    """The house of a service, by another clock than the machine's."""
    with installation.open("service") as made:
        place, keys, settings, folder, sender = made.state, made.keys, made.settings, made.folder, made.sender
    ledger = Ledger.open(place.place, clock=clock, chain=sender)
    return House(place, settings, ledger, keys, clock, "service", sender, folder)


def officers(desk: Desk, installation: Installation) -> tuple[Login, Login]:
    """Two officers, logged in."""
    words = {name: SecretStr(f"correct horse battery {name}") for name in ("siti", "budi")}
    membership.add(desk, "siti", words["siti"], [])
    membership.add(desk, "budi", words["budi"], [membership.unsealed(desk, "siti", words["siti"])])
    made = []
    for name, secret in words.items():
        place = installation.root / "login" / name
        place.mkdir(mode=0o700, parents=True)
        file = LoginFile.find(installation.state, {"KENTONGAN_LOGIN": str(place)})
        made.append(membership.log_in(desk, name, secret, file))
    return made[0], made[1]


def grown(evenings: list[Evening]) -> dict[str, float]:
    """By how much memory and files were larger on the last day than on the third, as a share."""
    third, last = evenings[FROM - 1], evenings[-1]
    return {
        "memory": last.resident / third.resident - 1,
        "files": last.total / third.total - 1,
        **{f"files: {name}": last.files.get(name, 0) / size - 1 for name, size in third.files.items() if size},
    }


async def live(folder: Path, *, people: int, alerts: int, days: int, prefect: bool) -> list[Evening]:
    """Lives through the days; returns what each left behind."""
    evenings = []
    async with opened(folder, people, prefect=prefect) as week:
        for number in range(1, days + 1):
            evening = await week.day(number, alerts)
            evenings.append(evening)
            tell(
                f"day {number}: {evening.sent:,} sent in {evening.seconds:.0f} s, {evening.pruned:,} pruned"
                f" (longest transaction {evening.longest_prune * 1000:.0f} ms), memory {evening.resident / 1e6:.0f} MB,"
                f" files {evening.total / 1e6:.1f} MB, {evening.differences} differences in {evening.verified:.0f} s"
            )
    return evenings


def main() -> int:
    """Runs it and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000, help="to whom each alert goes")
    parser.add_argument("--alerts", type=int, default=100, help="alerts a day")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--prefect", action="store_true", help="with a Prefect server that shows every alert")
    parser.add_argument("--folder", type=Path, help="where the ledger lies while it runs; else a temporary folder")
    wanted = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        evenings = asyncio.run(
            live(Path(folder), people=wanted.people, alerts=wanted.alerts, days=wanted.days, prefect=wanted.prefect)
        )
    shares = grown(evenings) if len(evenings) > FROM else {}
    figures = {
        "people": wanted.people,
        "alerts_a_day": wanted.alerts,
        "seconds": round(time.perf_counter() - began, 1),
        "load": os.getloadavg()[0],
        "days": [{**asdict(each), "total": each.total} for each in evenings],
        f"grown_since_day_{FROM}": {name: round(share, 4) for name, share in shares.items()},
    }
    print(json.dumps(figures, indent=1))
    late = [name for name in ("memory", "files") if shares.get(name, 0.0) > GROWTH]
    for name in late:
        tell(f"{name} grew by {shares[name]:.1%} from day {FROM} to day {len(evenings)}")
    return 1 if late or any(each.differences for each in evenings) else 0


if __name__ == "__main__":
    sys.exit(main())
