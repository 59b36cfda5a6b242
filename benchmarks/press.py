"""From press to the first acceptance, through the resident service and Prefect, over 20 alerts spaced 3 s.

Press is the moment at which the dispatch is committed; the figure ends when the first delivery of the alert was
accepted by a stand-in. Also counted: how many alerts had all their channels begun by their task in Prefect.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from console.service.client import nudge
from kentongan.desk import releases
from kentongan.ledger import Read, views
from tests.chaos.counter import credentials, sandbox
from tests.chaos.installation import Installation, Recipients


def main() -> int:
    """Runs the alerts and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=20)
    parser.add_argument("--spacing", type=float, default=3.0, help="seconds between two presses (default 3)")
    parser.add_argument("--recipients", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kentongan-press-") as folder, sandbox("telegram") as base:
        root = Path(folder)
        installation = Installation.make(
            root,
            kind="telegram",
            channel={"base_url": base, "rate": 100, **credentials("telegram", root)},
            policy={},
            people=Recipients.make("telegram", arguments.recipients),
        )
        codes = [installation.approved(severity="Severe") for _ in range(arguments.alerts)]
        with service(installation), installation.open() as house:
            desk = house.desk()
            ids = []
            for code in codes:
                pressed = time.monotonic()
                login = installation.login("ani").read(now=desk.now)
                released = releases.dispatch(desk, code, login)
                nudge(house.state, released.alert.id)
                ids.append(released.alert.id)
                time.sleep(max(0.0, pressed + arguments.spacing - time.monotonic()))
            while any(house.ledger.read(lambda read, id=id: views.is_open(read, id)) for id in ids):
                time.sleep(0.1)
            waits = [house.ledger.read(lambda read, id=id: _wait(read, id)) for id in ids]
            begun = [house.ledger.read(lambda read, id=id: ways(read, id)) for id in ids]
    shown = sum(set(way) == {"prefect"} for way in begun)
    print(f"{len(waits)} alerts, {arguments.spacing:g} s apart, {arguments.recipients} people each")
    print(f"press to first acceptance: median {statistics.median(waits):.3f} s, worst {max(waits):.3f} s")
    print(f"begun in Prefect: {shown} of {len(begun)}; else: {sorted({w for way in begun for w in way} - {'prefect'})}")
    return 0


def _wait(read: Read, alert_id: str) -> float:
    pressed = next(e.at for e in views.events(read, alert_id=alert_id, types=["alert.dispatched"]))
    first = min(s.first_accepted for s in views.summaries(read, alert_id) if s.first_accepted is not None)
    return (first - pressed) / 1000


def ways(read: Read, alert_id: str) -> list[str]:
    """Through what each channel of an alert was begun."""
    return [str(e.data["through"]) for e in views.events(read, alert_id=alert_id, types=["instance.started"])]


@contextlib.contextmanager
def service(installation: Installation) -> Iterator[None]:
    """`kentongan serve` in a process of its own, until Prefect answers and is warmed up."""
    command = installation.command("--json", "serve", "--receipts", "127.0.0.1:0")
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"]
            log = installation.root / "state" / "log" / "service.log"
            deadline = time.monotonic() + 180
            while "Prefect server answers" not in (log.read_text() if log.exists() else ""):
                if time.monotonic() > deadline:
                    raise SystemExit("the Prefect server did not come up within three minutes")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
