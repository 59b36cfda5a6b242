"""`make hosts`: two hosts send one alert; one is killed in mid-shard, then one loses its network. What became of it.

Two workers in network namespaces of their own; Postgres (for the ledger and for Prefect), the Prefect server and a
provider that counts are in a third. Everything is run by the commands that docs/operating.md names.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flows import counts  # noqa: E402
from kentongan.ledger import Ledger, hosts, senders, verification, views  # noqa: E402
from tests.chaos.counter import credentials  # noqa: E402
from tests.chaos.installation import Installation, Recipients  # noqa: E402
from tests.hosts import centre  # noqa: E402
from tests.hosts.centre import Centre  # noqa: E402
from tests.hosts.network import Denied, Host, network  # noqa: E402

NAMES = ("host-a", "host-b")
_PATIENCE = 90.0


class Failed(Exception):
    """Something that must hold does not."""


@dataclass(frozen=True)
class Seen:
    """What became of one alert whose host was lost. Seconds count from the loss."""

    case: str
    people: int
    words: Mapping[str, int]
    by_host: Mapping[str, int]
    held: int
    first_of_them: float
    held_up: float
    lost: int
    unmarked_twice: int
    marked: int
    in_prefect: str


@dataclass(frozen=True)
class Times:
    """When a host was lost and when another first tried what it had held, wall time; and how long all were held up."""

    gone: int
    first: int
    held_up: float


def until(condition: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Waits for what other processes do."""
    last = time.monotonic() + patience
    while not condition():
        if time.monotonic() > last:
            raise Failed(f"{what}: not within {patience:.0f} s")
        time.sleep(0.05)


class Layout:
    """The hosts with their workers over one installation."""

    def __init__(self, installation: Installation, place: Centre, hosts: list[Host], people: Recipients) -> None:
        self.installation, self.place, self.hosts, self.people = installation, place, hosts, people
        self.house = installation.open()
        self.ledger: Ledger = self.house.ledger
        self.before: Counter[str] = Counter()

    def work(self, host: Host) -> None:
        """Starts a worker on a host: its own state directory, the same config and keys."""
        state = self.installation.root / host.name
        if not state.exists():
            state.mkdir(mode=0o700)
            shutil.copytree(self.installation.root / "state" / "keys", state / "keys")
        environment = {
            **self.place.environment(),
            "KENTONGAN_CONFIG": str(self.installation.root / "config"),
            "KENTONGAN_STATE": str(state),
        }
        command = [str(Path(sys.executable).with_name("kentongan")), "worker", "--log", "json"]
        host.run(command, environment, self.installation.root / f"{host.name}.log")
        until(lambda: host.name in self.working(), f"a worker on {host.name}")

    def working(self) -> list[str]:
        """Hosts whose worker is on record as running."""
        from kentongan.clock import Process

        process = Process.current()
        return self.ledger.read(lambda read: hosts.working(read, clock=self.house.clock, process=process))

    def taken(self) -> Counter[str]:
        """What the provider has accepted by recipient since the last alert."""
        with urllib.request.urlopen(f"{self.place.provider}/counts", timeout=5) as answer:
            return Counter(json.load(answer)) - self.before

    def attempts(self, alert: str) -> Counter[str]:
        """How many attempts each host has made."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT s.host, count(*) AS n FROM attempt t JOIN delivery d ON d.id = t.delivery_id"
                " JOIN sender s ON s.id = t.sender WHERE d.alert_id = :alert GROUP BY s.host",
                {"alert": alert},
            ).all()
        )
        return Counter({row.host: row.n for row in rows})

    def sender_on(self, host: Host) -> str:
        """The newest sender on a host."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT id FROM sender WHERE host = :host AND role = 'worker' ORDER BY beat DESC", {"host": host.name}
            ).all()
        )
        return str(rows[0].id)

    def held(self, sender: str) -> list[int]:
        """The deliveries that a sender has claimed or is sending."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT id FROM delivery WHERE sender = :sender AND stage IN ('claimed', 'sending')",
                {"sender": sender},
            ).all()
        )
        return [row.id for row in rows]

    def first_attempt(self, ids: list[int], *, but: str) -> int | None:
        """When another sender first tried one of these deliveries, wall time."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT min(intent_at) AS first FROM attempt WHERE sender <> :but"
                " AND delivery_id IN (SELECT value FROM json_each(:ids))",
                {"but": but, "ids": json.dumps(ids)},
            ).all()
        )
        found = rows[0].first
        return int(found) if found is not None else None

    def lose(self, case: str, host: Host, *, prefect: bool) -> Seen:
        """Sends an alert with both hosts, loses one of them in mid-shard, and tells what became of it."""
        from kentongan.desk import releases

        self.before = self.before + self.taken()
        code = self.installation.approved(severity="Severe")
        desk = self.house.desk()
        alert = releases.dispatch(desk, code, self.installation.login("ani").read(now=desk.now)).alert.id
        at_work = len(self.people.numbers) // 10
        until(lambda: min(self.attempts(alert)[each.name] for each in self.hosts) > at_work, "both hosts send")
        lost = self.sender_on(host)
        if case == "killed":
            gone = round(time.time() * 1000)
            host.kill()
            held = self.held(lost)
        else:
            gone = round(time.time() * 1000)
            host.unplug()
            # What it had committed on the way out is in the ledger by now.
            time.sleep(0.5)
            held = self.held(lost)
        if not held:
            raise Failed(f"{host.name} held nothing when it was lost; ask for more people")
        first: list[int] = []

        def taken_over() -> bool:
            found = self.first_attempt(held, but=lost)
            first.extend([found] if found is not None else [])
            return bool(first)

        try:
            until(taken_over, "another host sends what it held", 30)
        except Failed as error:
            raise Failed(f"{error}\n{self.activity()}") from None
        until(lambda: not self.ledger.read(lambda read: views.is_open(read, alert)), "the end of the alert")
        if case != "killed":
            host.plug()
            until(lambda: host.name in self.working(), f"{host.name} is back", 30)
            until(lambda: not self.held(lost), "it holds nothing any more")
        times = Times(gone, first[0], self.held_up(lost, gone, first[0]))
        return self._seen(case, alert, code, len(held), times, prefect=prefect)

    def activity(self) -> str:
        """What the database is doing, a line a connection: who waits for whom is seen here."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT client_addr, pid, state, wait_event_type, wait_event, pg_blocking_pids(pid) AS by,"
                " CAST(extract(epoch FROM clock_timestamp() - xact_start) AS int) AS age, left(query, 150) AS query"
                " FROM pg_stat_activity WHERE datname = 'kentongan' ORDER BY xact_start"
            ).all()
        )
        return "\n".join(" | ".join(str(value) for value in row) for row in rows)

    def held_up(self, lost: str, gone: int, first: int) -> float:
        """The longest that the others began nothing after a loss, while there was something that nobody held."""
        rows = self.ledger.read(
            lambda read: read.sql(
                "SELECT DISTINCT intent_at AS at FROM attempt WHERE sender <> :lost"
                " AND intent_at >= :gone - 500 AND intent_at < :first ORDER BY intent_at",
                {"lost": lost, "gone": gone, "first": first},
            ).all()
        )
        at = [row.at for row in rows]
        return max((later - before for before, later in itertools.pairwise(at)), default=0) / 1000

    def _seen(self, case: str, alert: str, code: str, held: int, times: Times, *, prefect: bool) -> Seen:
        deliveries = self.ledger.read(lambda read: views.deliveries(read, alert))
        opened = self.house.open_addresses([d.address_id for d in deliveries if d.address_id is not None])
        taken = self.taken()
        lost = unmarked = 0
        for each in deliveries:
            number = taken[opened[each.address_id or 0].value]
            lost += number == 0 and each.word not in ("in_doubt", "cancelled", "expired", "rejected", "unreachable")
            unmarked += number > 1 and not each.possible_duplicate
        shares = self.ledger.read(lambda read: hosts.shares(read, alert))
        return Seen(
            case=case,
            people=len(deliveries),
            words=Counter(each.word for each in deliveries),
            by_host={name: sum(words.values()) for name, words in sorted(shares.items())},
            held=held,
            first_of_them=(times.first - times.gone) / 1000,
            held_up=times.held_up,
            lost=lost + len(self.people.numbers) - len(deliveries),
            unmarked_twice=unmarked,
            marked=sum(each.possible_duplicate for each in deliveries),
            in_prefect=self._in_prefect(code, shares) if prefect else "not asked",
        )

    def _in_prefect(self, code: str, shares: Mapping[str, Mapping[str, int]]) -> str:
        """What Prefect shows of the hosts, compared with the ledger."""
        told: dict[str, Any] = {}
        survivor = self.hosts[0].name

        def there() -> bool:
            told.update({run["name"]: run for run in self._flow_runs(code)})
            run = told.get(f"{code}-on-{survivor}")
            return run is not None and run["state_type"] in ("COMPLETED", "FAILED")

        until(there, f"Prefect shows the share of {survivor}", 45)
        run = told[f"{code}-on-{survivor}"]
        wanted = counts.sentence(shares[survivor])
        if run["state"]["message"] != wanted or run["parent_task_run_id"] is None:
            raise Failed(f"Prefect shows {run['state']['message']!r} of {survivor}, the ledger {wanted!r}")
        return f"{survivor}: {wanted}; {self._left_in_prefect(code)}"

    def _left_in_prefect(self, code: str) -> str:
        """What Prefect shows of the host that was lost, once those that are left have said so."""
        lost = self.hosts[1].name

        def over() -> bool:
            runs = [run for run in self._flow_runs(code) if run["state_type"] in ("RUNNING", "PENDING")]
            return not runs

        until(over, "Prefect shows no run of the alert as under way", 90)
        for run in self._flow_runs(code):
            if run["name"] == f"{code}-on-{lost}":
                # What it had not begun waits for its return.
                if run["state_type"] not in ("CRASHED", "SCHEDULED"):
                    raise Failed(f"Prefect shows {run['state_type']} of {lost}: {run['state']['message']!r}")
                return f"{lost}: {run['state_type'].lower()}"
        return f"{lost}: lost before it was shown"

    def _flow_runs(self, code: str) -> list[dict[str, Any]]:
        import httpx

        user, _, password = self.place.auth.partition(":")
        where = {"flow_runs": {"name": {"like_": code}}}
        answer = httpx.post(f"{self.place.prefect}/flow_runs/filter", json=where, auth=(user, password), timeout=10)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found


def play(arguments: argparse.Namespace, found: list[Host], folder: Path) -> list[Seen]:
    """Both cases over one installation."""
    people = Recipients.make("kannel", arguments.people)
    with centre.running(folder, prefect=arguments.prefect, seconds=0.05) as place:
        os.environ["KENTONGAN_DATABASE_URL"] = place.ledger
        root = folder / "installation"
        channel = {"base_url": place.provider, "rate": 100_000, "concurrency": 16, **credentials("kannel", folder)}
        installation = Installation.make(
            root, kind="kannel", channel=channel, policy={"repeat_after": 1}, people=people
        )
        layout = Layout(installation, place, found, people)
        if arguments.prefect:
            centre.wait_for_prefect(place)
            _prefect("work-pool", "create", "kentongan", "--type", "process", place=place)
            _prefect("--no-prompt", "deploy", "--all", place=place)
        for host in found:
            layout.work(host)
        if arguments.prefect:
            _until_prefect_works(layout)
        seen = []
        if arguments.kill:
            seen.append(layout.lose("killed", found[1], prefect=arguments.prefect))
        if arguments.partition:
            if arguments.kill:
                layout.work(found[1])
            seen.append(layout.lose("cut off", found[1], prefect=False))
        layout.ledger.read(lambda read: _verify(read, layout))
        layout.house.close()
        return seen


def _verify(read: Any, layout: Layout) -> None:
    verdict = verification.verify(read, head=None, public_key=layout.house.keys.head_public_key)
    if verdict.differences:
        raise Failed(f"the record does not verify: {verdict.differences[0]}")


def _prefect(*arguments: str, place: Centre) -> None:
    command = [str(Path(sys.executable).with_name("prefect")), *arguments]
    done = subprocess.run(
        command, env=place.environment(), cwd=ROOT, capture_output=True, text=True, check=False, timeout=90
    )
    if done.returncode:
        raise Failed(f"prefect {' '.join(arguments)}: {done.stdout[-500:]}{done.stderr[-500:]}")


def _until_prefect_works(layout: Layout) -> None:
    import httpx

    user, _, password = layout.place.auth.partition(":")

    def online() -> bool:
        answer = httpx.post(
            f"{layout.place.prefect}/work_pools/kentongan/workers/filter", json={}, auth=(user, password), timeout=10
        )
        there = {each["name"] for each in answer.json() if each.get("status") == "ONLINE"}
        return set(NAMES) <= there

    until(online, "Prefect's workers on both hosts")


def told(seen: Seen) -> str:
    """One case as a line."""
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(seen.words.items()))
    by_host = ", ".join(f"{name} {count:,}" for name, count in seen.by_host.items())
    return (
        f"{seen.case}: {seen.people:,} people: {words}; by host: {by_host}; it held {seen.held:,}, the first of which"
        f" another host sent after {seen.first_of_them:.1f} s (lease {senders.LEASE / 1000:.0f} s), and began nothing"
        f" for {seen.held_up:.1f} s at the longest; lost {seen.lost},"
        f" twice unmarked {seen.unmarked_twice}, marked {seen.marked}; Prefect: {seen.in_prefect}"
    )


def main() -> int:
    """Plays it and prints what was seen; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--prefect", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--kill", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--partition", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything, logs too, in this new folder")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        centre.postgres_binaries()
        with network(NAMES) as (namespace, found), _folder(arguments.keep) as folder:
            _enter(namespace)
            seen = play(arguments, found, folder)
    except Denied as why:
        print(f"skipped: {why}")
        return 0
    except Failed as why:
        print(f"FAILED: {why}")
        return 1
    for each in seen:
        print(json.dumps(asdict(each)) if arguments.json else told(each))
    late = [each for each in seen if each.first_of_them > senders.LEASE / 1000 + 2]
    bad = [each for each in seen if each.lost or each.unmarked_twice]
    if late or bad:
        print("FAILED: " + "; ".join(f"{each.case}" for each in (*late, *bad)))
    return 1 if late or bad else 0


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="kentongan-hosts-") as made:
        yield Path(made)


def _enter(namespace: str) -> None:
    """Puts this process into a network namespace (setns(2)), before it has any thread."""
    import ctypes

    with open(f"/run/netns/{namespace}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):
            raise Denied(os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    sys.exit(main())
