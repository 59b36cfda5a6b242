"""The shape that every measure gives its figures in, and the arithmetic that makes lines of the table from them.

A measure is a module with `measure(*, rounds: int, folder: Path, ...) -> Measured`, which may be called again and
again; what it alone wants has a default. `folder` is an empty folder on the file system to measure on.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Round = Mapping[str, float]
"""What one round gave, by name; a figure that a round does not take is left out of it."""


class Cannot(Exception):
    """This machine or environment cannot take the measure; one sentence says why."""


class Compare(Enum):
    """What of a line is held against its goal."""

    RATIO = "ratio"
    DIFFERENCE = "difference"
    ITSELF = "itself"


class Sense(Enum):
    """On which side of the goal it is reached."""

    LEAST = ">="
    MOST = "<="


@dataclass(frozen=True)
class Goal:
    """What is to be reached, in the unit of what is compared."""

    sense: Sense
    value: float

    def reached(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value >= self.value if self.sense is Sense.LEAST else value <= self.value

    def __str__(self) -> str:
        return f"{self.sense.value} {self.value:g}"


def at_least(value: float) -> Goal:
    """A goal that is reached from a value on."""
    return Goal(Sense.LEAST, value)


def at_most(value: float) -> Goal:
    """A goal that is reached up to a value."""
    return Goal(Sense.MOST, value)


@dataclass(frozen=True)
class Line:
    """One line of the table: which figure of the rounds, against which other, and what is to be reached.

    A line without a goal is for information.
    """

    title: str
    ours: str
    unit: str
    against: str | None = None
    against_title: str = ""
    goal: Goal | None = None
    compare: Compare = Compare.RATIO

    def __post_init__(self) -> None:
        if (self.against is None) != (self.compare is Compare.ITSELF):
            raise ValueError(f"{self.title}: a line is compared with another figure, or is itself what counts")


@dataclass(frozen=True)
class Measured:
    """What a measure gave: every round as it was taken, the lines to make of them, and what else is to be known.

    `facts` are what the figures depend on (recipients, connections, versions), words or numbers.
    """

    name: str
    rounds: Sequence[Round]
    lines: Sequence[Line]
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A line with its values filled in: medians over the rounds, and whether the goal is reached (None: no goal)."""

    line: Line
    ours: float
    against: float | None
    compared: float
    reached: bool | None


def median(rounds: Iterable[Round], name: str) -> float:
    """The median of one figure over the rounds that took it."""
    taken = [each[name] for each in rounds if name in each]
    if not taken:
        raise ValueError(f"no round took {name!r}")
    return statistics.median(taken)


def show(measured: Measured) -> tuple[Shown, ...]:
    """The lines of a measure with their values: a ratio is of the medians, never a median of ratios."""
    return tuple(_shown(line, measured.rounds) for line in measured.lines)


def _shown(line: Line, rounds: Sequence[Round]) -> Shown:
    ours = median(rounds, line.ours)
    against = median(rounds, line.against) if line.against is not None else None
    compared = ours
    if against is not None:
        compared = ours / against if line.compare is Compare.RATIO else ours - against
    return Shown(line, ours, against, compared, line.goal.reached(compared) if line.goal is not None else None)


def to_json(measured: Measured) -> dict[str, object]:
    """A measure as it is kept in benchmarks/results: raw rounds, facts, and the lines made of them."""
    return {
        "name": measured.name,
        "facts": dict(measured.facts),
        "rounds": [dict(each) for each in measured.rounds],
        "lines": [
            {
                "title": each.line.title,
                "unit": each.line.unit,
                "ours": each.ours,
                "against": each.against,
                "against_title": each.line.against_title,
                "compare": each.line.compare.value,
                "compared": each.compared,
                "goal": str(each.line.goal) if each.line.goal is not None else None,
                "reached": each.reached,
            }
            for each in show(measured)
        ],
    }


_HEADINGS = ("figure", "ours", "against", "compared", "to reach", "reached")


def table(shown: Iterable[Shown]) -> str:
    """The table of all lines as text."""
    rows = [_HEADINGS, *(_cells(each) for each in shown)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADINGS))]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in ruled
    )


def _cells(shown: Shown) -> tuple[str, ...]:
    line = shown.line
    against = "" if shown.against is None else f"{number(shown.against)} {line.unit}, {line.against_title}"
    compared = {
        Compare.RATIO: f"{shown.compared:.2f}",
        Compare.DIFFERENCE: f"{shown.compared:+.2f} {line.unit}",
        Compare.ITSELF: "",
    }[line.compare]
    reached = {None: "", True: "yes", False: "NO"}[shown.reached]
    goal = "" if line.goal is None else str(line.goal)
    return (line.title, f"{number(shown.ours)} {line.unit}", against.rstrip(", "), compared, goal, reached)


def number(value: float) -> str:
    """A figure with three or so digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def tell(text: str) -> None:
    """Tells whoever waits how far it is, beside the figures."""
    print(text, file=sys.stderr, flush=True)


def print_alone(measured: Measured, *, as_json: bool = False) -> None:
    """Prints one measure, for a script that is run on its own: its rounds and its lines, or all of it as JSON."""
    if as_json:
        print(json.dumps(to_json(measured), indent=2, ensure_ascii=False))
        return
    for count, each in enumerate(measured.rounds, 1):
        print(f"round {count}: " + ", ".join(f"{name} {number(value)}" for name, value in each.items()))
    print(table(show(measured)))
