"""What a command writes: sentences, tables and JSON on standard output, warnings on standard error.

Meaning is in words; colour only repeats it. Rich is imported where a table is drawn.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from console.invocation import Invocation, current
from kentongan.banners import SANDBOX as SANDBOX

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROW = 80
"""Columns that every page fits into; also what a file or a pipe gets."""

WIDEST = 120

_kept: ContextVar[list[list[Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def kept() -> Iterator[list[list[Any]]]:
    """Keeps what is said, listed, tabled and warned in this context, fit for JSON, for `replay` in another process."""
    told: list[list[Any]] = []
    token = _kept.set(told)
    try:
        yield told
    finally:
        _kept.reset(token)


def replay(told: Sequence[Sequence[Any]]) -> None:
    """Writes what was kept elsewhere as if it had been written here."""
    acts: Mapping[str, Callable[..., None]] = {
        "say": say,
        "say_list": say_list,
        "warn": warn,
        "print_table": lambda headings, rows, layout: print_table(headings, rows, **layout),
    }
    for act, *given in told:
        acts[act](*given)


def _keep(act: str, *given: Any) -> bool:
    """Whether this context keeps what it would write."""
    told = _kept.get()
    if told is not None:
        told.append([act, *given])
    return told is not None


def wants_json() -> bool:
    """Whether the caller reads JSON."""
    return current().json


def document(content: Any, invocation: Invocation | None = None) -> None:
    """Writes the one JSON document; `invocation` is told by who writes outside of a command."""
    (invocation or current()).documented = True
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def say(text: str = "") -> None:
    """Writes lines to standard output, free of what could steer a terminal."""
    if not _keep("say", text):
        click.echo(printable(text))


def say_list(label: str, items: Sequence[str], between: str = ", ") -> None:
    """Writes a label and what it lists, broken between words into lines that fit everywhere."""
    if _keep("say_list", label, list(items), between):
        return
    text = between.join(items)
    click.echo(
        textwrap.fill(
            printable(text).replace("\n", " "),
            NARROW,
            initial_indent=label,
            subsequent_indent=" " * len(label),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def warn(text: str) -> None:
    """Writes one sentence to standard error."""
    if not _keep("warn", text):
        click.echo(f"kentongan: {printable(text)}", err=True)


def printable(text: str) -> str:
    """Returns `text` without control and direction-turning characters; lines stay."""
    return "".join(
        character
        for character in text
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs") or character == "\u200d"
    )


def terminal(*, error: bool = False) -> Console:
    """A console of at most WIDEST columns; plain where standard output is none or colour is not wanted."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    plain = current().no_color
    width = None if stream.isatty() else NARROW
    console = Console(file=stream, no_color=plain or None, highlight=False, markup=False, emoji=False, width=width)
    if console.width > WIDEST:
        console.width = WIDEST
    return console


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    clipped: Sequence[int] = (),
    whole: Sequence[int] = (),
    widest: Mapping[int, int] = MappingProxyType({}),
) -> Table:
    """A table without lines; the columns in `right` hold numbers, those in `clipped` take what room is left.

    What stands in those of `whole` is to be typed again, so it is never folded.
    `widest` says at how many characters a column is folded.
    """
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=bool(clipped))
    for number, heading in enumerate(headings):
        drawn.add_column(
            heading,
            justify="right" if number in right else "left",
            overflow="ellipsis" if number in clipped else "fold",
            no_wrap=number in clipped or number in whole,
            ratio=1 if number in clipped else None,
            max_width=widest.get(number),
        )
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    return drawn


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], **layout: Any) -> None:
    """Writes a table to standard output; `layout` is what `table` takes."""
    if _keep("print_table", headings, rows, layout):
        return
    drawn = None if layout.keys() - {"right"} or _is_drawn() else plain_table(headings, rows, **layout)
    if drawn is not None:
        click.echo(drawn)
    else:
        terminal().print(table(headings, rows, **layout))


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str | None:
    """The lines that Rich would write of a small table of plain letters; None for any other.

    A command that writes to a file or a pipe is spared the import, for which an alert would wait.
    """
    cells = [tuple(headings), *map(tuple, rows)]
    if not all(headings) or not all(
        cell.isascii() and cell.isprintable() and cell == cell.strip() for row in cells for cell in row
    ):
        return None
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > NARROW:
        return None
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def _is_drawn() -> bool:
    """Whether Rich would write more than letters."""
    return sys.stdout.isatty() or any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def is_terminal() -> bool:
    """Whether somebody sits at the other end and can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
