"""`kentongan people import`: the people who are written to, from a list of any length."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from console import output
from console.command import command
from console.progress_bar import progress
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from kentongan.ledger.filling import Imported
    from kentongan.people import Fault

_MOST_FAULTS = 20
"""How many faulty rows are told; the file that `--faults` names has all."""


@command("import")
@click.argument("file", metavar="FILE.csv")
@click.option(
    "--region", metavar="ID", default="ID", show_default=True, help="Country of numbers written without one (ISO 3166)."
)
@click.option("--skip-faulty", is_flag=True, help="Import the other rows where some cannot be read.")
@click.option("--faults", metavar="FILE", type=Path, help="Write every row that cannot be read into a new file.")
@click.option("--replace", is_flag=True, help="The list is complete: take off whoever is not on it.")
@click.option("--yes", is_flag=True, help="With --replace: even where most people leave the list by that.")
def import_(file: str, region: str, skip_faulty: bool, faults: Path | None, replace: bool, yes: bool) -> None:
    """Import a list of people, one a row; a known reference is brought up to date. Names are never kept.

    Columns: phone, whatsapp, telegram, email, at least one of them; reference, language, groups and regions where
    there are any.
    Where a row cannot be read, nothing is imported, unless --skip-faulty is given. - reads standard input.
    Alerts go by the former list until the whole new one is in; an import that is cut changes nothing.
    """
    from console.office import Need, opened
    from kentongan.clock import Process
    from kentongan.importing import Importing
    from kentongan.ledger.filling import reference_of
    from kentongan.ledger.people import count_listed
    from kentongan.people import Fault, Remark, read_people
    from kentongan.staging import Staging

    with opened(Need.NOTHING, warn=False) as office, Staging() as staged, _Faults(faults) as wrong:
        office.house.refuse_other_keys()
        keys = office.house.keys
        source: Path | Iterable[str] = sys.stdin if file == "-" else Path(file)
        rows = read_people(source, default_region=region.upper(), identify=keys.address_hash)
        remarks = []
        with progress("Reading") as told:
            for item in rows:
                if isinstance(item, Fault):
                    wrong.add(item)
                elif isinstance(item, Remark):
                    remarks.append(item.sentence)
                elif not wrong.count or (skip_faulty and not replace):
                    staged.add(reference_of(item, keys), item)
                    told(staged.count)
        if wrong.count and (replace or not skip_faulty):
            name = "standard input" if file == "-" else file
            instead = "; with --replace they would leave the list" if replace else ", or give --skip-faulty"
            remedy = f"nothing was imported from {name}; mend these rows{instead}"
            raise BadInput("\n".join([*wrong.told(), remedy]))
        if replace and not yes:
            _hold_back(staged.count, office.house.ledger.read(count_listed))
        importing = Importing(office.house.ledger, keys, f"import-{secrets.token_hex(6)}", Process.current())
        with progress("Writing", staged.count) as told:
            done = importing.run(staged, replace=replace, told=told)
        _tell(staged.count, done, wrong, remarks, replace=replace)


def _hold_back(rows: int, listed: int) -> None:
    """Raises BadInput where a list that is said to be complete has less than half of the people there are."""
    if rows < listed / 2:
        raise BadInput(
            f"this list has {telling.people(rows)}, and {listed:,} are on the one in force; "
            "give --yes if the others are to leave it"
        )


def _tell(rows: int, done: Imported, wrong: _Faults, remarks: Sequence[str], *, replace: bool) -> None:
    for remark in remarks:
        output.warn(f"note: {remark}")
    if output.wants_json():
        output.document(
            {
                "rows": rows,
                "added": done.added,
                "updated": done.updated,
                "removed": done.removed,
                "faulty": wrong.count,
                "skipped": [{"row": fault.number, "sentence": fault.sentence} for fault in wrong.first],
                "notes": list(remarks),
            }
        )
        return
    for sentence in wrong.told():
        output.warn(f"skipped: {sentence}")
    left = f", {done.removed:,} no longer on the list" if replace else ""
    output.say(
        f"Imported {telling.people(rows)}: {done.added:,} new, {done.updated:,} known before{left};"
        f" {wrong.count:,} skipped."
    )


class _Faults:
    """The rows that cannot be read: the first are told, all are written into the file `path`."""

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self.first: list[Fault] = []
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> _Faults:
        if self._path is not None:
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                raise BadInput(f"{self._path} is there already; name a new file for the faulty rows") from None
            except OSError as error:
                raise BadInput(f"{self._path} cannot be written: {error.strerror}; name another file") from None
            self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            if not self.count:
                self._path.unlink(missing_ok=True)

    def add(self, fault: Fault) -> None:
        """Takes one in."""
        self.count += 1
        if self.count <= _MOST_FAULTS:
            self.first.append(fault)
        if self._file is not None:
            try:
                self._file.write(f"{fault.sentence}\n")
            except OSError as error:
                raise BadInput(f"{self._path} cannot be written: {error.strerror}; name another file") from None

    def told(self) -> Iterator[str]:
        """What is said of them, one sentence a line."""
        for fault in self.first:
            yield fault.sentence
        more = self.count - len(self.first)
        if more:
            where = f"all are in {self._path}" if self._path is not None else "give --faults FILE to have all of them"
            yield f"and {more:,} more {'row' if more == 1 else 'rows'}; {where}"
