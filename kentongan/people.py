"""People: reading an agency's list of recipients.

No names are kept. The list is a CSV file in UTF-8 with a header row; see `read_people` for its columns.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import NoReturn

from kentongan.addresses import FAMILIES, mask, normalise
from kentongan.area.codes import is_code
from kentongan.audiences import plain
from kentongan.errors import BadInput
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address

COLUMNS = ("reference", "name", *FAMILIES, "language", "groups", "regions")

_DELIMITERS = (",", ";", "\t")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_REFERENCE = re.compile(r"[\w.:/-]{1,64}")


@dataclass(frozen=True, slots=True)
class Row:
    """One person of a list; `number` counts rows as a spreadsheet does, the header being row 1.

    `reference` is the agency's own id or one made from the keyed hash of an address; groups and regions are in lower
    case, sorted and without repeats; `language` is None where the person has no choice on record. `hashes` are the
    keyed hashes of the reference and of each address, as `identify` of `read_people` makes them; none where nobody has.
    """

    number: int
    reference: str
    addresses: tuple[Address, ...]
    language: str | None
    groups: tuple[str, ...]
    regions: tuple[str, ...]
    hashes: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be imported; the sentence names row, column and remedy and masks addresses."""

    number: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the officer should know that stops no row."""

    sentence: str


def read_people(
    source: Path | Iterable[str], *, default_region: str, identify: Callable[[str, str], str]
) -> Iterator[Row | Fault | Remark]:
    """Reads a list of people, one person a row, in the order of the file.

    Columns: `reference` (the agency's own id, optional), `phone`, `whatsapp`, `telegram` (a chat id), `email`,
    `language`, `groups` and `regions` (several with semicolons); `name` is dropped with a remark. At least one address
    is needed a row.
    Comma, semicolon and tab are told apart by the header. `default_region` is the ISO 3166 country of numbers written
    without one. `identify(family, value)` gives the keyed hash (`StateKeys.address_hash`) that stands in for an absent
    reference. While iterating, raises BadInput where the file as a whole cannot be read.
    """
    with contextlib.ExitStack() as stack:
        place = str(source) if isinstance(source, Path) else "the list"
        lines: Iterable[str] = stack.enter_context(_opened(source)) if isinstance(source, Path) else source
        try:
            yield from _read(iter(lines), place, default_region, identify)
        except UnicodeDecodeError:
            raise BadInput(f"{place} is not UTF-8; save it from the spreadsheet as `CSV UTF-8`") from None
        except OSError as error:
            raise BadInput(f"{place} cannot be read: {error.strerror}") from None
        except sqlite3.OperationalError as error:
            raise no_room(error) from None


def no_room(error: sqlite3.OperationalError) -> BadInput:
    """What an officer is told where a temporary file cannot be written."""
    return BadInput(
        f"the folder for temporary files cannot be used ({error}); make room there, or let TMPDIR name another"
    )


def _opened(path: Path) -> io.TextIOWrapper:
    try:
        return path.open(encoding="utf-8-sig", errors="strict", newline="")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; name a CSV file") from None


def _read(
    lines: Iterator[str], place: str, default_region: str, identify: Callable[[str, str], str]
) -> Iterator[Row | Fault | Remark]:
    first = next(lines, "").removeprefix("\ufeff")
    delimiter, columns = _header(first, place)
    if "name" in columns:
        yield Remark("column name is not kept: no names are stored")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    with contextlib.closing(_Seen()) as seen:
        yield from _rows(reader, columns, seen, place, default_region, identify)


def _rows(
    reader: Iterator[list[str]],
    columns: Sequence[str],
    seen: _Seen,
    place: str,
    default_region: str,
    identify: Callable[[str, str], str],
) -> Iterator[Row | Fault | Remark]:
    number, width = 1, len(columns)
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise BadInput(f"{place} row {number} cannot be read as CSV ({error}); mend the quotes there") from None
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if len(cells) != width:
            yield Fault(
                number,
                f"row {number} has {len(cells)} cells where the header has {len(columns)}; "
                "put cells that hold a separator in quotes",
            )
            continue
        try:
            by_column = _plain(dict(zip(columns, cells, strict=True)))
            row = _row(number, by_column, default_region, identify)
            seen.add(row)
        except _Wrong as wrong:
            yield Fault(number, f"row {number}, {wrong.column}: {wrong.sentence}")
            continue
        yield row
    yield from seen.remarks()


def _header(line: str, place: str) -> tuple[str, list[str]]:
    """The delimiter under which most columns are known, and the columns in their order."""

    def columns_by(delimiter: str) -> list[str]:
        with contextlib.suppress(csv.Error):
            return [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
        return []

    delimiter = max(_DELIMITERS, key=lambda each: sum(column in COLUMNS for column in columns_by(each)))
    columns = columns_by(delimiter)
    known = ", ".join(COLUMNS)
    if not any(family in columns for family in FAMILIES):
        one_of = " or ".join(FAMILIES)
        raise BadInput(f"{place} row 1 must name the columns, {one_of} among them; known are {known}")
    unknown = [(position, column) for position, column in enumerate(columns, 1) if column not in COLUMNS]
    if unknown:
        position, column = unknown[0]
        # Where the header is not truly one, its cells may be anybody's address.
        named = f" {column!r}" if column.isalpha() else ""
        raise BadInput(f"{place} row 1, column {position}{named}: no such column; known are {known}")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise BadInput(f"{place} row 1 names {', '.join(repeated)} twice; keep one column of each")
    return delimiter, columns


class _Wrong(Exception):
    def __init__(self, column: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column
        self.sentence = sentence


def _plain(cells: dict[str, str]) -> dict[str, str]:
    """The cells in one form of Unicode (NFC); raises _Wrong."""
    # Nearly every row is printable ASCII, which is so already.
    together = "".join(cells.values())
    if together.isascii() and together.isprintable():
        return cells
    found = {column: unicodedata.normalize("NFC", cell) for column, cell in cells.items()}
    for column, cell in found.items():
        # Private-use characters are our slots (`kentongan.seam`); controls never belong in a list.
        if not cell.isprintable() and any(unicodedata.category(each) in ("Cc", "Co", "Cs") for each in cell):
            raise _Wrong(column, "holds characters that cannot be shown; type the cell anew")
    return found


def _row(number: int, cells: dict[str, str], default_region: str, identify: Callable[[str, str], str]) -> Row:
    addresses = []
    for family in FAMILIES:
        text = cells.get(family, "")
        if text:
            try:
                addresses.append(normalise(family, text, default_region=default_region))
            except ValueError as error:
                shown = mask(Address(family, "".join(filter(str.isprintable, text))))
                raise _Wrong(family, f"{shown} {error}") from None
    if not addresses:
        raise _Wrong(
            " or ".join(family for family in FAMILIES if family in cells),
            "is empty; give an address or take the row out",
        )
    language = cells.get("language", "").lower().replace("_", "-") or None
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise _Wrong("language", "is no language code; write one such as id or en")
    regions = _regions(cells.get("regions", ""))
    if regions is None:
        raise _Wrong("regions", "holds what is no region code; write codes such as 33.05 with semicolons between")
    hashes = [identify(*_pair(address)) for address in addresses]
    reference = _reference(cells.get("reference", ""), addresses) or f"p-{hashes[0][:20]}"
    hashes.insert(0, identify(REFERENCE, reference))
    groups = _several(cells.get("groups", ""))
    return Row(number, reference, tuple(addresses), language, groups, regions, tuple(hashes))


REFERENCE = "reference"
"""The family under which a person's reference is hashed."""


def _pair(address: Address) -> tuple[str, str]:
    return address.family, address.value


def _reference(reference: str, addresses: Sequence[Address]) -> str:
    if not reference:
        return ""
    # References stand in the ledger and on the screen as they are.
    digits = re.sub(r"\D", "", reference).lstrip("0")
    if len(digits) >= 6 and any(each.value.endswith(digits) for each in addresses):
        raise _Wrong("reference", "is the person's own address; use an id that says nothing, or leave it empty")
    if not _REFERENCE.fullmatch(reference):
        raise _Wrong("reference", "is no id; use up to 64 letters, digits and . : / - _, or leave it empty")
    return reference


@functools.lru_cache(maxsize=65_536)
def _regions(cell: str) -> tuple[str, ...] | None:
    """The regions of a cell, which many people share; None where one is no region code."""
    regions = _several(cell)
    return regions if all(is_code(region) for region in regions) else None


@functools.lru_cache(maxsize=65_536)
def _several(cell: str) -> tuple[str, ...]:
    return tuple(sorted({plain(part) for part in cell.split(";") if part.strip()}))


class _Seen:
    """What the rows so far hold, to find repeats and codes that a spreadsheet has cut.

    Addresses and references are kept by their keyed hashes, in a file without a name: a list may have millions.
    """

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -32768",
            "CREATE TABLE seen (hash TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._file.execute(statement)
        self._cursor = self._file.cursor()
        # By depth and length of the last part of a region code: one example and its row.
        self._forms: dict[int, dict[int, tuple[str, int]]] = {}

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def add(self, row: Row) -> None:
        """Takes a row in; raises _Wrong where an earlier one has its reference or an address of it."""
        families = (*(address.family for address in row.addresses), REFERENCE)
        # Half of a hash tells two of a hundred million apart.
        hashes = [
            f"{family} {hash[:32]}" for family, hash in zip(families, (*row.hashes[1:], row.hashes[0]), strict=True)
        ]
        own = [(hash, row.number) for hash in hashes]
        if self._cursor.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", own).rowcount < len(hashes):
            self._take_out(row, hashes)
        for region in row.regions:
            *_, last = parts = region.split(".")
            if len(parts) > 1 and last.isdigit():
                self._forms.setdefault(len(parts), {}).setdefault(len(last), (region, row.number))

    def _take_out(self, row: Row, hashes: Sequence[str]) -> NoReturn:
        """Takes a row out again and raises _Wrong with the first that an earlier one has."""
        find = "SELECT number FROM seen WHERE hash = ?"
        holders = [self._cursor.execute(find, (hash,)).fetchone()[0] for hash in hashes]
        own = [(hash,) for hash, holder in zip(hashes, holders, strict=True) if holder == row.number]
        self._cursor.executemany("DELETE FROM seen WHERE hash = ?", own)
        position, other = next((at, holder) for at, holder in enumerate(holders) if holder != row.number)
        if position == len(row.addresses):
            raise _Wrong("reference", f"{row.reference} stands in row {other} already; give each person their own")
        address = row.addresses[position]
        raise _Wrong(address.family, f"{mask(address)} stands in row {other} already; keep one of the two rows")

    def remarks(self) -> Iterator[Remark]:
        """Says where region codes of one depth differ in length: a spreadsheet turns 33.10 into 33.1."""
        for forms in self._forms.values():
            if len(forms) > 1:
                (short, short_row), (long, _) = forms[min(forms)], forms[max(forms)]
                yield Remark(
                    f"regions: {short} in row {short_row} is shorter than {long}; a spreadsheet may have cut a final 0"
                )
