"""The table of all words, `make words`: their lengths on every kind of channel, and what is missing or hard to read.

Exits with 1 where anything is not as it should be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

import channels
from kentongan.data import data_path
from kentongan.settings import Agency
from kentongan.words.library import HazardLibrary, library
from kentongan.words.measuring import Outlet, Row, rows

_NOW = datetime(2026, 9, 30, 6, 30, tzinfo=UTC)
"""In the month with the longest name."""


def widest_agency(languages: Sequence[str]) -> Agency:
    """An agency whose name, zone and link are about as long as they get."""
    return Agency(
        name="BPBD Kabupaten Kepulauan Mentawai",
        names={"en": "Mentawai Islands Disaster Management Agency"},
        sender="bpbd@mentawaikab.example",
        languages=tuple(languages),
        timezone="Asia/Makassar",
        link="https://siaga.mentawaikab.example",
        contact="112 atau 0759 320 0112",
    )


def outlets() -> list[Outlet]:
    """Every kind of channel, with the limits of an instance that sets none of its own."""
    return [Outlet(kind, channels.default_limits(kind)) for kind in channels.kinds()]


def table(read: HazardLibrary, names: Iterable[str]) -> list[Row]:
    """The rows of these hazards, in the languages that have words for every form and then the others."""
    whole = sorted((code for code, language in read.languages.items() if language.whole), key=lambda code: code != "id")
    agency = widest_agency(whole)
    return [row for name in names for row in rows(read, read.get(name), outlets(), agency=agency, now=_NOW)]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.hazard,
        row.kind.value,
        row.language,
        *("-" if fit.length is None else f"{fit.length}/{fit.outlet.limits.length}" for fit in row.fits),
        str(row.plainness.longest) if row.plainness else "-",
        f"{row.plainness.mean:.1f}" if row.plainness else "-",
        str(len(row.faults) or ""),
    )


def main(arguments: Sequence[str]) -> int:
    """Prints the table of the hazards named, or of all, and returns the exit code."""
    read = library(data_path("templates"))
    found = table(read, arguments or read.names)
    kinds = [outlet.kind for outlet in outlets()]
    headings = ("hazard", "kind", "", *kinds, "sentence", "mean", "faults")
    lines = [headings, *(_cells(row) for row in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    faulty = [row for row in found if row.faults]
    for row in faulty:
        for fault, where in row.faults.items():
            others = f" and {len(where) - 1} more" if where[1:] else ""
            click.echo(f"{row.hazard}, {row.kind}, {row.language}: {fault} (with {where[0]}{others})")
    click.echo(f"{len(found)} sets of words, {len(faulty)} with faults.")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
