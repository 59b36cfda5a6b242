"""The benchmark: every row of the table in turn, its raw rounds as JSON, a picture, and the table itself.

    python benchmarks/bench.py [--row cold --row resident] [--million] [--rounds 5] [--folder /var/lib/kentongan]

README.md beside this file says how to read what comes out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, plot
from benchmarks.measures import Cannot, Measured, Shown, show, table, tell, to_json

ROOT = Path(__file__).resolve().parents[1]

LOADED = 0.25
"""From this share of its processors in use on, right before the start, a run is marked as one of a busy machine."""


@dataclass(frozen=True)
class Row:
    """One measure: where it is defined ("module:function"), and its rounds unless others are asked for."""

    place: str
    rounds: int
    million: bool = False

    def measure(self) -> Callable[..., Measured]:
        """Imports it."""
        module, _, name = self.place.partition(":")
        found: Callable[..., Measured] = getattr(importlib.import_module(f"benchmarks.{module}"), name)
        return found


ROWS = {
    "throughput": Row("throughput:measure", 5),
    "cold": Row("first_request:measure_cold", 9),
    "resident": Row("first_request:measure_resident", 7),
    "hanging": Row("hanging:measure", 5),
    "hosts": Row("hosts:measure", 5),
    "million": Row("million:measure", 5, million=True),
    "reading": Row("reading:measure", 5, million=True),
    "overtaking": Row("overtaking:measure", 5, million=True),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a row: what it measured, else in one sentence why not; `failed`: that is a fault."""

    name: str
    seconds: float
    load: float
    measured: Measured | None = None
    why_not: str = ""
    failed: bool = False

    def lines(self) -> tuple[Shown, ...]:
        """Its lines of the table."""
        return show(self.measured) if self.measured is not None else ()

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        told = to_json(self.measured) if self.measured is not None else {"not_measured": self.why_not}
        return {"row": self.name, "seconds": round(self.seconds, 1), "load_at_start": round(self.load, 2), **told}


def take(name: str, measure: Callable[..., Measured], **arguments: Any) -> Outcome:
    """Takes one row; a row that goes wrong is told and keeps no other from being taken."""
    began, load = time.monotonic(), os.getloadavg()[0]
    tell(f"--- {name}, load {load:.2f}")
    measured, why, failed = None, "", False
    try:
        measured = measure(**arguments)
        show(measured)
    except Cannot as error:
        why = str(error)
    except (Exception, SystemExit) as error:
        measured, why, failed = None, f"{type(error).__name__}: {error}", True
    if why:
        tell(f"{name} was not measured: {why}")
    return Outcome(name, time.monotonic() - began, load, measured, why, failed)


def document(about: dict[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One run as it is kept."""
    return {**about, "rows": [each.to_json() for each in outcomes]}


def keep(about: dict[str, Any], outcomes: Sequence[Outcome], folder: Path, stem: str) -> Path:
    """Writes one run down as JSON and as a picture; returns the JSON's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(document(about, outcomes), indent=2, ensure_ascii=False) + "\n", "utf-8")
    shown = [line for each in outcomes for line in each.lines()]
    title = f"Kentongan, {about['at']}, {str(about['commit'])[:12]}{', loaded machine' if about['loaded'] else ''}"
    path.with_suffix(".svg").write_text(plot.svg(title, shown), "utf-8")
    return path


def main() -> int:
    """Runs the rows, keeps what they gave, and prints the table; 1 where a row failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=ROWS, help="repeatable; default: all that need no million")
    parser.add_argument("--million", action="store_true", help="the rows of a million deliveries too")
    parser.add_argument("--rounds", type=int, help="of every row, instead of its own number")
    parser.add_argument("--folder", type=Path, help="where the ledgers are made; the disk is part of what is measured")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    wanted = parser.parse_args()
    names = wanted.row or [name for name, row in ROWS.items() if wanted.million or not row.million]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="kentongan-bench-", dir=wanted.folder) as name:
        folder = Path(name)
        started = datetime.now(UTC)
        about: dict[str, Any] = {
            "at": started.isoformat(timespec="seconds"),
            "commit": machine.commit(ROOT),
            "loaded": machine.busy() > LOADED,
            "machine": machine.describe(folder),
        }
        stem = f"{started:%Y-%m-%dT%H%M%S}{'-loaded' if about['loaded'] else ''}"
        made: dict[str, Any] = {}
        for row in names:
            rounds = wanted.rounds or ROWS[row].rounds
            more = made if row == "reading" else {}
            outcomes.append(take(row, ROWS[row].measure(), rounds=rounds, folder=folder, **more))
            # Kept after every row: what was measured stays where a later one ends it all.
            path = keep(about, outcomes, wanted.results, stem)
            if row == "million" and outcomes[-1].measured is not None:
                recipients = outcomes[-1].measured.facts["recipients"]
                made = {"made": folder / str(recipients)}
    print(table(line for each in outcomes for line in each.lines()))
    for each in outcomes:
        if each.why_not:
            print(f"{each.name} was not measured: {each.why_not}")
    fsync, load = about["machine"]["fsync_ms"], about["machine"]["load_at_start"][0]
    print(f"fsync of 4 KiB: median {fsync['median']} ms, p99 {fsync['p99']} ms; load at the start {load}")
    print(f"kept in {path} and {path.with_suffix('.svg').name}")
    return 1 if any(each.failed for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
