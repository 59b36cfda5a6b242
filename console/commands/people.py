"""`kentongan people import`: the people who are written to, from a list."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import output
from console.command import Lazy, LazyGroup, command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from flows.house import House
    from kentongan.people import Fault, Remark, Row

_CHUNK = 1_000
_MOST_FAULTS = 50

people = LazyGroup(
    name="people",
    help="Import the people who are written to, and note who does not want to be.",
    lazy={
        "import": Lazy("console.commands.people:import_", "Import a list of people; names are never kept."),
        "opt-out": Lazy("console.commands.opt_outs:opt_out", "Note that people do not want our messages."),
        "opt-in": Lazy("console.commands.opt_outs:opt_in", "Take opt-outs back."),
    },
)


@command("import")
@click.argument("file", metavar="FILE.csv")
@click.option(
    "--region", metavar="ID", default="ID", show_default=True, help="Country of numbers written without one (ISO 3166)."
)
@click.option("--skip-faulty", is_flag=True, help="Import the other rows where some cannot be read.")
def import_(file: str, region: str, skip_faulty: bool) -> None:
    """Import a list of people, one a row; a known reference is brought up to date. Names are never kept.

    Columns: phone, whatsapp, telegram, email, at least one of them; reference, language, groups and regions where
    there are any.
    Where a row cannot be read, nothing is imported, unless --skip-faulty is given. - reads standard input.
    """
    from console.office import Need, opened

    source = _Source(file)
    with opened(Need.NOTHING, warn=False) as office:
        faults, remarks, sound = source.check(office.house, region.upper())
        if faults and not skip_faulty:
            told = [fault.sentence for fault in faults[:_MOST_FAULTS]]
            if len(faults) > _MOST_FAULTS:
                told.append(f"and {len(faults) - _MOST_FAULTS:,} more rows")
            told.append(f"nothing was imported from {source.name}; mend these rows, or give --skip-faulty")
            raise BadInput("\n".join(told))
        added, updated = _import(office.house, source.rows(office.house, region.upper()))
        for remark in remarks:
            output.warn(f"note: {remark.sentence}")
        if output.wants_json():
            output.document(
                {
                    "rows": sound,
                    "added": added,
                    "updated": updated,
                    "skipped": [{"row": fault.number, "sentence": fault.sentence} for fault in faults],
                    "notes": [remark.sentence for remark in remarks],
                }
            )
            return
        for fault in faults:
            output.warn(f"skipped: {fault.sentence}")
        output.say(
            f"Imported {telling.people(sound)}: {added:,} new, {updated:,} known before; {len(faults):,} skipped."
        )


class _Source:
    """A list that is read twice: once to find every fault, once to import. Standard input is kept in memory."""

    def __init__(self, file: str) -> None:
        self.name = "standard input" if file == "-" else file
        self._lines = sys.stdin.readlines() if file == "-" else None
        self._path = Path(file)

    def _read(self, house: House, region: str) -> Iterator[Row | Fault | Remark]:
        from kentongan.people import read_people

        source: Path | Iterable[str] = self._path if self._lines is None else self._lines
        return read_people(source, default_region=region, identify=house.keys.address_hash)

    def check(self, house: House, region: str) -> tuple[list[Fault], list[Remark], int]:
        """Returns what is wrong, what is odd, and how many rows are sound."""
        from kentongan.people import Fault, Remark

        faults: list[Fault] = []
        remarks: list[Remark] = []
        sound = 0
        for item in self._read(house, region):
            if isinstance(item, Fault):
                faults.append(item)
            elif isinstance(item, Remark):
                remarks.append(item)
            else:
                sound += 1
        return faults, remarks, sound

    def rows(self, house: House, region: str) -> Iterator[Row]:
        """The sound rows alone."""
        from kentongan.people import Row

        return (item for item in self._read(house, region) if isinstance(item, Row))


def _import(house: House, rows: Iterator[Row]) -> tuple[int, int]:
    """Writes the rows in chunks, so that no sender waits long for the ledger."""
    import itertools

    from kentongan.ledger import Write
    from kentongan.ledger import people as register
    from kentongan.ledger.filling import Imported

    added = updated = 0
    while chunk := list(itertools.islice(rows, _CHUNK)):

        def write(write: Write, chunk: list[Row] = chunk) -> Imported:
            return register.import_people(write, chunk, keys=house.keys)

        done = house.ledger.write(write)
        added += done.added
        updated += done.updated
    return added, updated
