"""A list of regions in an SQL dump: the rows of its INSERT statements; all other statements are passed over."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from kentongan.area.rows import Fault, Found, Remark

_NAME = r'(?:[`"\[]?\w+[`"\]]?\.)?[`"\[]?\w+[`"\]]?'
_INSERT = re.compile(
    rf"\s*(?:INSERT\s+(?:IGNORE\s+)?|REPLACE\s+)INTO\s+{_NAME}\s*(?:\((?P<columns>[^()]*)\)\s*)?VALUES?\b",
    re.IGNORECASE,
)
_VALUE = r"""(?:'(?:[^'\\]++|''|\\.)*+'|"(?:[^"\\]++|""|\\.)*+"|[-+\w.]++)"""
_ROW = re.compile(rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*+\s*\)", re.DOTALL)
_ONE = re.compile(_VALUE, re.DOTALL)
_BETWEEN = re.compile(r"(?:[\s,]++|--[^\n]*+\n|/\*.*?\*/)*+", re.DOTALL)
_BEGUN = re.compile(r"\s*(INSERT|REPLACE)\b", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

_MOST_LINES = 20
"""A row that has not ended after so many lines has a quote too few."""


def inserted(lines: Iterable[str], place: str) -> Iterator[Found | Fault | Remark]:
    """The rows that a dump inserts, in its order. Where a statement names no columns they are code and name."""
    columns: list[str] | None = None
    text, at = "", 0  # what was read, and up to where it was taken: a dump may be one line of a million rows
    number = 0
    begun = 1  # the line where the rest begins
    in_comment = False
    # The empty last line says that no more will come to end a row that has begun.
    for line in itertools.chain(lines, [""]):
        number += 1
        text, at = text[at:], 0
        if columns is None and not text.strip():
            text, begun = "", number
            in_comment, line = _without_comments(line, in_comment)
        text += line
        while True:
            if columns is None:
                header = _INSERT.match(text, at)
                if header is None:
                    # Another statement, or one that goes on in the next line.
                    if ";" in line or not _BEGUN.match(text, at):
                        text, at = "", 0
                    break
                named = header.group("columns")
                columns = (
                    [part.strip().strip('`"[]').lower() for part in named.split(",")] if named else ["code", "name"]
                )
                begun += text.count("\n", at, header.end())
                at = header.end()
            skipped = _BETWEEN.match(text, at)
            assert skipped is not None
            begun += text.count("\n", at, skipped.end())
            at = skipped.end()
            if text.startswith(";", at) or _INSERT.match(text, at):
                columns = None
                at += text.startswith(";", at)
                continue
            if at == len(text):
                break
            row = _ROW.match(text, at)
            if row is None:
                if line and number - begun < _MOST_LINES and text.startswith("(", at):
                    break
                yield _broken(begun)
                end = text.find("\n", at)
                at = end + 1 if end >= 0 else len(text)
                begun += 1
                continue
            yield _row(row.group(), columns, begun)
            begun += row.group().count("\n")
            at = row.end()


def _broken(line: int) -> Fault:
    return Fault(line, f"line {line}: the row cannot be read; mend its quotes, commas and brackets")


def _row(text: str, columns: list[str], line: int) -> Found | Fault:
    values = [_value(each.group()) for each in _ONE.finditer(text, 1, len(text) - 1)]
    if len(values) != len(columns):
        return Fault(line, f"line {line}: the row has {len(values)} values where the statement names {len(columns)}")
    return Found(line, f"line {line}", dict(zip(columns, values, strict=True)))


def _value(text: str) -> str | None:
    quote = text[0]
    if quote not in "'\"":
        return None if text.upper() == "NULL" else text
    return _ESCAPE.sub(r"\1", text[1:-1].replace(quote * 2, quote))


def _without_comments(line: str, in_comment: bool) -> tuple[bool, str]:
    """Whether a comment goes on after this line, and what of the line is none. Only between statements."""
    kept = ""
    while line:
        if in_comment:
            _, end, line = line.partition("*/")
            in_comment = not end
            continue
        kept_now, begin, line = line.partition("/*")
        kept += kept_now
        in_comment = bool(begin)
    return in_comment, "" if kept.lstrip().startswith(("--", "#")) else kept
