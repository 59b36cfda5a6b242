"""`kentongan people erase`: forget people who ask for it.

People are named in a file, on standard input or when asked for, never on the command line: that stays in the shell's
history.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from console import output
from console.command import command
from console.commands.opt_outs import lines_of, named_in, region_option
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from kentongan.ledger import Read
    from kentongan.ledger.opt_outs import Named


@command("erase")
@click.argument("file", metavar="[FILE]", required=False)
@region_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(file: str | None, region: str, yes: bool) -> None:
    """Erase people for good: a reference or an address a line, in FILE; - reads standard input, without FILE it asks.

    phone:, whatsapp:, telegram: and email: may stand before an address. Their addresses, groups, regions and what
    they wrote can never be read again; an alert on its way does not reach them. What was sent to them stays on record
    without them, and so do their opt-outs. A new list that has them takes them in anew.
    Nobody is erased where a line cannot be read. Backups made before still have them: docs/people.md.
    """
    from console.office import Need, at_keyboard, opened
    from kentongan import retention
    from kentongan.ledger import erasing

    lines = _asked() if file is None else lines_of(file)
    with opened(Need.NOTHING, warn=False) as office:
        office.house.refuse_other_keys()
        ledger = office.house.ledger
        named = ledger.read(lambda read: _single(read, named_in(read, lines, office.house.keys, region.upper())))
        _confirm(len(named), sure=yes or file == "-" or output.wants_json())
        by, _ = at_keyboard(office.house.state)
        done = retention.erase(ledger, named, by=by)
        cleared = erasing.clear_journal(ledger)
        if output.wants_json():
            output.document(
                {
                    "named": len(named),
                    "erased": len(done.people),
                    "erased_before": len(done.before),
                    "unknown": done.unknown,
                    "journal_cleared": cleared,
                }
            )
            return
        output.say(f"{telling.people(len(done.people))} erased.")
        if done.before:
            output.say(f"{telling.people(len(done.before))} had been erased before.")
        if done.unknown:
            output.say(f"{done.unknown:,} of {len(named):,} named are on no record.")
        if not cleared:
            output.warn(
                "the ledger's journal is in use and may hold what was erased until the service ends; "
                "run this again when nothing is being sent"
            )


def _asked() -> list[tuple[int, str]]:
    if not output.is_terminal():
        raise BadInput("nobody is named; name a file with one reference or address a line, or - for standard input")
    click.echo("One reference or address a line; an empty line ends.", err=True)
    lines: list[tuple[int, str]] = []
    while line := sys.stdin.readline().strip():
        lines.append((len(lines) + 1, line))
    if not lines:
        raise BadInput("nobody is named; nothing was erased")
    return lines


def _single(read: Read, named: list[Named]) -> list[Named]:
    """Whoever is named, where each line means one person: who shares a telephone may not be erased with another."""
    from kentongan.ledger import erasing

    shared = [position for position, each in enumerate(named, 1) if len(erasing.owners(read, each)) > 1]
    if shared:
        which = ", ".join(map(str, shared[:20]))
        raise BadInput(
            f"number {which} of those named is the address of several people; name them by their references; "
            "nobody was erased"
        )
    return named


def _confirm(count: int, *, sure: bool) -> None:
    if sure:
        return
    if not output.is_terminal():
        raise BadInput("nobody can be asked here; give --yes to erase them")
    asked = f"Erase {telling.people(count)} for good?"
    if not click.confirm(asked, default=False, err=True):
        raise click.Abort
