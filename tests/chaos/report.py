"""What a run of the chaos suite tells: a line a scenario, what was killed in which state, and what does not hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.chaos.checks import Finding
from tests.chaos.watch import STATES

_SHOWN = 20


@dataclass(slots=True)
class Played:
    """What came of one scenario; `killed`: by kind of process and state, how many deliveries at each kill."""

    scenario: str
    database: str
    seconds: float = 0.0
    alerts: int = 0
    deliveries: int = 0
    kills: int = 0
    words: dict[str, int] = field(default_factory=dict)
    marked: int = 0
    counted_twice: int = 0
    killed: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        """For machines; a kind's states hold [kills that found deliveries there, deliveries]."""
        return {
            "scenario": self.scenario,
            "database": self.database,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
            "alerts": self.alerts,
            "deliveries": self.deliveries,
            "kills": self.kills,
            "words": self.words,
            "marked": self.marked,
            "counted_twice": self.counted_twice,
            "killed": {kind: {state: [len(n), sum(n)] for state, n in found.items()} for kind, found in _of(self)},
            "findings": [{"broken": str(each.broken), "row": each.row} for each in self.findings],
            "notes": self.notes,
        }


def show(played: Sequence[Played], *, seed: int, as_json: bool) -> None:
    """Writes the report to standard output."""
    if as_json:
        content = {"seed": seed, "ok": all(not each.findings for each in played)}
        print(json.dumps({**content, "scenarios": [each.as_json() for each in played]}, indent=2))
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 132, highlight=False, markup=False)
    console.print(_scenarios(played))
    for each in played:
        if each.skipped:
            console.print(f"{each.scenario}: skipped, {each.skipped}", soft_wrap=True)
        for note in each.notes:
            console.print(f"{each.scenario}: {note}")
    if any(each.killed for each in played):
        console.print(_killed(played))
    broken = [(each, finding) for each in played for finding in each.findings]
    for each, finding in broken[:_SHOWN]:
        console.print(f"BROKEN {each.scenario}: {finding}", soft_wrap=True)
    if len(broken) > _SHOWN:
        console.print(f"... and {len(broken) - _SHOWN} more")
    kills = sum(each.kills for each in played)
    told = f"{len(broken)} findings" if broken else "0 lost, 0 unmarked repeats, every record verifies"
    console.print(f"{kills} kills, seed {seed}: {told}")


def _scenarios(played: Sequence[Played]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False)
    for name in ("scenario", "ledger"):
        table.add_column(name)
    for name in ("alerts", "deliveries", "kills", "in doubt", "marked", "counted twice", "broken", "seconds"):
        table.add_column(name, justify="right")
    for each in played:
        if each.skipped:
            table.add_row(each.scenario, each.database, *["-"] * 8)
            continue
        counts = (each.alerts, each.deliveries, each.kills, each.words.get("in_doubt", 0), each.marked)
        more = (each.counted_twice, len(each.findings), round(each.seconds))
        table.add_row(each.scenario, each.database, *(f"{count:,}" for count in (*counts, *more)))
    return table


def _killed(played: Sequence[Played]) -> Table:
    sums: dict[str, dict[str, list[int]]] = {}
    for each in played:
        for kind, states in each.killed.items():
            for state, counts in states.items():
                sums.setdefault(kind, {}).setdefault(state, []).extend(counts)
    table = Table(title="kills that found deliveries in a state / deliveries", box=box.SIMPLE, show_edge=False)
    table.add_column("killed")
    shown = [state for state in STATES if any(state in states for states in sums.values())]
    for state in shown:
        table.add_column(state, justify="right")
    for kind, states in sums.items():
        table.add_row(kind, *(f"{len(states[s]):,} / {sum(states[s]):,}" if states.get(s) else "-" for s in shown))
    return table


def _of(played: Played) -> list[tuple[str, dict[str, list[int]]]]:
    return list(played.killed.items())
