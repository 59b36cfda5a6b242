"""Two worker hosts against one, and how soon the survivors send what a host held that was killed.

Each host is a `kentongan worker` with a state directory and a process table of its own, over one ledger in Postgres;
the provider answers in 50 ms, and a host has 16 requests in flight. A killed host is noticed by its silence alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measures import Cannot, Compare, Line, Measured, Round, at_least, at_most, print_alone, tell
from benchmarks.stand_in import stand_in
from flows.house import House
from kentongan.desk import releases
from kentongan.ledger import Read, senders, views
from tests.chaos.counter import credentials
from tests.chaos.installation import Installation, Recipients
from tests.postgres import Server, missing

_DELAY = 0.05
_IN_FLIGHT = 16
_PATIENCE = 180.0
_ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_LEASE = senders.LEASE / 1000


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[str]
    sender: str

    def kill(self) -> None:
        """As a host ends that loses its power: all of it at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        # `unshare` hands no signal on; the worker is its only child.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        os.kill(int(children[0]), signal.SIGTERM)
        self.process.wait(30)


def measure(*, rounds: int, folder: Path, recipients: int = 6000) -> Measured:
    """Sends the same drill with one host and with two, in turn, then with two of which one is killed."""
    why = missing() or _denied()
    if why:
        raise Cannot(why)
    taken: list[Round] = []
    people = Recipients.make("kannel", recipients)
    with _postgres(folder) as address, stand_in(delay=_DELAY) as provider:
        installation = Installation.make(
            folder / "installation",
            kind="kannel",
            channel={
                "base_url": provider.base,
                "rate": 100_000,
                "concurrency": _IN_FLIGHT,
                **credentials("kannel", folder),
            },
            policy={"repeat_after": 1},
            people=people,
        )
        with installation.open() as house, _working(installation, "one", address):
            for number in range(rounds):
                one = _rate(installation, house)
                with _working(installation, "two", address):
                    two = _rate(installation, house)
                with _working(installation, "two", address) as doomed:
                    takeover = _takeover(installation, house, doomed, recipients)
                taken.append({"one_per_second": one, "two_per_second": two, "takeover_seconds": takeover})
                tell(f"round {number + 1}: one {one:,.0f}/s, two {two:,.0f}/s, takeover {takeover:.1f} s")
    return Measured(
        "hosts",
        taken,
        [
            Line(
                "recipients a second, two worker hosts", "two_per_second", "/s", "one_per_second", "one", at_least(1.8)
            ),
            Line(
                "after kill -9 of a worker, until the survivors send its rows",
                "takeover_seconds",
                "s",
                goal=at_most(_LEASE + 2),
                compare=Compare.ITSELF,
            ),
        ],
        {"recipients": recipients, "in_flight": _IN_FLIGHT, "delay_seconds": _DELAY, "lease_seconds": _LEASE},
    )


def _denied() -> str:
    if shutil.which("unshare") is None:
        return "there is no unshare, so a host's end would be seen by its process alone"
    done = subprocess.run([*_ALONE, "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"a process table of its own is denied ({done.stderr.strip()})"


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    os.chmod(folder, 0o755)
    server = Server(folder / "postgres")
    try:
        # The disk is part of what is measured.
        server.act("ALTER SYSTEM SET fsync = on")
        server.act("SELECT pg_reload_conf()")
        address = server.empty()
        before = os.environ.get("KENTONGAN_DATABASE_URL")
        os.environ["KENTONGAN_DATABASE_URL"] = address
        try:
            yield address
        finally:
            os.environ.pop("KENTONGAN_DATABASE_URL")
            if before is not None:
                os.environ["KENTONGAN_DATABASE_URL"] = before
    finally:
        server.stop()


@contextlib.contextmanager
def _working(installation: Installation, name: str, address: str) -> Iterator[_Worker]:
    state = installation.root / f"host-{name}"
    if not state.exists():
        state.mkdir(mode=0o700)
        shutil.copytree(installation.root / "state" / "keys", state / "keys")
    command = installation.command("--json", "worker", "--no-prefect")
    command[command.index("--state") + 1] = str(state)
    environment = {**os.environ, "KENTONGAN_DATABASE_URL": address}
    process = subprocess.Popen(
        [*_ALONE, *command], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    worker = None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("a worker did not start")
        worker = _Worker(process, json.loads(line)["sender"])
        yield worker
        if process.poll() is None:
            worker.end()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _begin(installation: Installation, house: House) -> str:
    code = installation.approved(severity="Severe")
    desk = house.desk()
    return releases.dispatch(desk, code, installation.login("ani").read(now=desk.now)).alert.id


def _rate(installation: Installation, house: House) -> float:
    """Recipients a second, from the first intent to the last acceptance."""
    alert = _begin(installation, house)
    _until(lambda: not house.ledger.read(lambda read: views.is_open(read, alert)))
    row = _row(
        house,
        "SELECT count(*) AS n, min(first_intent_at) AS first, max(accepted_at) AS last FROM delivery"
        " WHERE alert_id = :alert AND result = 'accepted'",
        {"alert": alert},
    )
    return float(row.n / (row.last - row.first) * 1000)


def _takeover(installation: Installation, house: House, doomed: _Worker, recipients: int) -> float:
    """Seconds from the kill of a worker in mid-alert to the first attempt of another at what it held."""
    alert = _begin(installation, house)

    def made() -> int:
        return int(_row(house, "SELECT count(*) AS n FROM attempt WHERE sender = :sender", {"sender": doomed.sender}).n)

    _until(lambda: made() > recipients / 10)
    gone = time.time() * 1000
    doomed.kill()
    held = house.ledger.read(
        lambda read: [
            row.id
            for row in read.sql(
                "SELECT id FROM delivery WHERE sender = :sender AND stage IN ('claimed', 'sending')",
                {"sender": doomed.sender},
            )
        ]
    )
    if not held:
        raise SystemExit("the worker held nothing when it was killed; ask for more recipients")
    _until(lambda: not house.ledger.read(lambda read: views.is_open(read, alert)))
    first = _row(
        house,
        "SELECT min(intent_at) AS first FROM attempt WHERE sender <> :sender"
        " AND delivery_id IN (SELECT value FROM json_each(:ids))",
        {"sender": doomed.sender, "ids": json.dumps(held)},
    ).first
    return float((first - gone) / 1000)


def _row(house: House, statement: str, values: dict[str, Any]) -> Any:
    def act(read: Read) -> Any:
        return read.sql(statement, values).one()

    return house.ledger.read(act)


def _until(condition: Callable[[], object]) -> None:
    last = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > last:
            raise SystemExit(f"not within {_PATIENCE:.0f} s")
        time.sleep(0.1)


def main() -> int:
    """Prints the rounds and the lines that they make."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recipients", type=int, default=6000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-hosts-") as folder:
        measured = measure(rounds=arguments.rounds, folder=Path(folder), recipients=arguments.recipients)
    print_alone(measured, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
