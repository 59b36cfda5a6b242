"""Kills, cuts, fills and stops whatever a warning depends on, while alerts go out; then counts what came of it.

Exit 0 when every delivery of every alert is accounted for. `docs/testing.md` tells what is checked, and how to put
another counter and another killer in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# These need the path above.
from kentongan.database import VARIABLES
from tests.chaos import report
from tests.chaos.checks import Broken, Finding
from tests.chaos.counter import counter
from tests.chaos.options import Options, Skipped, share
from tests.chaos.postgres import server
from tests.chaos.rehearsal import Rehearsal, at_work
from tests.chaos.report import Played
from tests.chaos.scenarios import (
    black_hole,
    clock,
    database,
    fencing,
    full_disk,
    locked,
    prefect_server,
    provider,
    resident,
    sender,
    senders,
    workers,
)

SCENARIOS: Mapping[str, ModuleType] = {
    "sender": sender,
    "senders": senders,
    "service": resident,
    "prefect": prefect_server,
    "workers": workers,
    "database": database,
    "black-hole": black_hole,
    "provider": provider,
    "full-disk": full_disk,
    "locked": locked,
    "clock": clock,
    "fencing": fencing,
}
"""Each has `play`, the PEOPLE that it takes, and its WEIGHT: its part of the kills, 0 where it is played once."""

KILLS = "KENTONGAN_CHAOS_KILLS"
_FOREIGN = ("sender", "senders", "service", "prefect", "black-hole", "locked", "clock", "fencing")
"""What can be played against a stand-in of somebody else's, which sets its own faults."""


def main() -> int:
    """Plays the scenarios asked for, and tells what came of them."""
    # Whatever ends this, what it has started is to end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _arguments()
    names = arguments.scenario or [name for name in SCENARIOS if arguments.base_url is None or name in _FOREIGN]
    parts = dict(zip(names, share(arguments.kills, [SCENARIOS[name].WEIGHT for name in names]), strict=True))
    played: list[Played] = []
    for name in names:
        if SCENARIOS[name].WEIGHT and not parts[name]:
            continue
        if not arguments.json:
            print(f"{name} ...", file=sys.stderr, flush=True)
        played.append(_played(name, parts[name], arguments))
    report.show(played, seed=arguments.seed, as_json=arguments.json)
    return 1 if any(each.findings for each in played) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS], help="repeatable; default: all")
    parser.add_argument(
        "--kills", type=_count, default=os.environ.get(KILLS) or "30", help=f"in all; default {KILLS}, else 30"
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite", help="where ledgers are")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", action="store_true", help="the report as one JSON document")
    parser.add_argument("--recipients", type=_count, help="people in each scenario; default: its own number")
    parser.add_argument("--channel", choices=["kannel", "telegram"], help="default: the scenario's own")
    parser.add_argument("--severity", default="Severe", help="Severe: doubts are repeated once; Moderate: they stay")
    parser.add_argument("--rate", type=float, default=150, help="requests a second (default 150)")
    parser.add_argument("--base-url", help="another stand-in's address; it sets its own faults")
    parser.add_argument("--counts", help="where it tells counts: JSON {recipient: times}, or the sandbox's form")
    parser.add_argument("--settings", default="{}", help="JSON of more fields for the channel, such as credentials")
    parser.add_argument("--killer", help="a command that gets a sender's process id as last argument and kills it")
    parser.add_argument("--keep", type=Path, help="folder to keep config and ledger of each scenario in")
    return parser.parse_args()


def _count(given: str) -> int:
    if not given.isascii() or not given.isdigit():
        raise argparse.ArgumentTypeError(f"{given!r} is no number of them")
    return int(given)


def _played(name: str, kills: int, arguments: argparse.Namespace) -> Played:
    scenario = SCENARIOS[name]
    databases: Sequence[str] = getattr(scenario, "DATABASES", ("sqlite", "postgres"))
    # A scenario about one kind of ledger is played with that one.
    chosen = arguments.database if arguments.database in databases else databases[0]
    played = Played(name, chosen)
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            _play(stack, name, kills, chosen, arguments, played)
    except Skipped as why:
        played.skipped = str(why)
    except Exception as error:
        # The other scenarios are still worth playing.
        played.findings.append(Finding(Broken.COMMAND, f"the scenario itself failed: {type(error).__name__}: {error}"))
        if not arguments.json:
            sys.excepthook(type(error), error, error.__traceback__)
    played.seconds = time.monotonic() - began
    return played


def _play(
    stack: contextlib.ExitStack, name: str, kills: int, chosen: str, arguments: argparse.Namespace, played: Played
) -> None:
    scenario = SCENARIOS[name]
    channel = arguments.channel or getattr(scenario, "CHANNEL", "kannel")
    options = Options(
        kills=kills,
        recipients=arguments.recipients or scenario.PEOPLE,
        channel=channel,
        severity=arguments.severity,
        rate=arguments.rate,
        settings=json.loads(arguments.settings),
        killer=arguments.killer,
    )
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kentongan-chaos-")))
    running = stack.enter_context(server()) if chosen == "postgres" else None
    address = running.empty() if running is not None else None
    stack.enter_context(_ledger_in(address))
    stand_in = stack.enter_context(counter(channel, base=arguments.base_url, told=arguments.counts))
    chance = random.Random(f"{arguments.seed} {name}")
    rehearsal = Rehearsal(folder, options, chance, stand_in, database=address, server=running)
    try:
        with at_work(rehearsal):
            scenario.play(rehearsal)
    finally:
        rehearsal.told_to(played)
        if arguments.keep:
            shutil.copytree(folder, arguments.keep / name, dirs_exist_ok=True)


@contextlib.contextmanager
def _ledger_in(address: str | None) -> Iterator[None]:
    """Has this process and all that it starts keep their ledger there; None: in a file of the state folder."""
    before = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    if address is not None:
        os.environ[VARIABLES[0]] = address
    try:
        yield
    finally:
        os.environ.pop(VARIABLES[0], None)
        os.environ.update(before)


if __name__ == "__main__":
    sys.exit(main())
