"""A list of regions as CSV; comma, semicolon and tab are told apart by the header."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

from kentongan.area.rows import Fault, Found, Remark
from kentongan.errors import BadInput


def listed(
    lines: Iterable[str], place: str, headings: Mapping[str, tuple[str, ...]]
) -> Iterator[Found | Fault | Remark]:
    """The rows of a CSV list; `headings` are those that are known, by what they mean."""
    source = iter(lines)
    skipped = 0
    for header in source:
        skipped += 1
        if header.strip():
            break
    else:
        return
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    columns = [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])]
    if not any(column in headings["code"] for column in columns):
        known = ", ".join(headings["code"])
        raise BadInput(f"{place} line {skipped} must name the columns, one of them {known}; or give --code COLUMN")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise BadInput(f"{place} line {skipped} names {', '.join(map(repr, repeated))} twice; keep one column of each")
    dropped = [column for column in columns if not any(column in names for names in headings.values())]
    if dropped:
        yield Remark(f"not kept: column {', '.join(dropped)}")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = skipped + reader.line_num
            raise BadInput(f"{place} line {line} cannot be read as CSV ({error}); mend the quotes there") from None
        line = skipped + reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            told = f"line {line} has {len(cells)} cells where the header has {len(columns)}"
            yield Fault(line, f"{told}; put cells that hold a separator in quotes")
            continue
        yield Found(line, f"line {line}", dict(zip(columns, cells, strict=True)))
