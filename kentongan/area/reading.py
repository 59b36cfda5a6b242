"""Reading an agency's list of regions: a CSV list, an SQL dump, or GeoJSON boundaries and points.

| format  | what it holds                                                                                     |
| ------- | ------------------------------------------------------------------------------------------------- |
| CSV     | a header with `code`, and any of `name`, `timezone`, `lat`, `lon`; other columns are not kept       |
| SQL     | INSERT statements with such columns, as the `wilayah.sql` dump has them                            |
| GeoJSON | a FeatureCollection (RFC 7946) with a `code` property, of polygons (boundaries) or points (centres) |

Files are read a piece at a time. A boundary's holes are left out, so that whoever lives in one is warned as well.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any
from zoneinfo import ZoneInfo

from kentongan.area.codes import read_code
from kentongan.area.features import features
from kentongan.area.geometry import Point
from kentongan.area.listed import listed
from kentongan.area.rows import Fault, Found, RegionRow, Remark
from kentongan.area.statements import inserted
from kentongan.errors import BadInput

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "kode", "kode_wilayah", "region", "id"),
    "name": ("name", "nama", "nama_wilayah"),
    "timezone": ("timezone", "iana_tz", "tz"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "long", "longitude"),
}
"""What a list may hold, and the headings under which it is found, the first of them that is there."""

_LONGEST_NAME = 200


def read_regions(
    file: IO[str], *, place: str, code: str | None = None, name: str | None = None
) -> Iterator[RegionRow | Fault | Remark]:
    """Reads the regions in a file, whose format shows in its beginning; `place` names it in messages.

    `code` and `name` are the headings of those two where they are not the usual ones. While iterating, raises BadInput
    where the file as a whole cannot be read.
    """
    headings = dict(COLUMNS)
    for field, own in (("code", code), ("name", name)):
        if own is not None:
            headings[field] = (own.lower(),)
    seen = _Seen()
    faulty = False
    try:
        for found in _found(file, place, headings):
            if not isinstance(found, Found):
                faulty |= isinstance(found, Fault)
                yield found
                continue
            try:
                row = _row(found, headings)
            except ValueError as error:
                faulty = True
                yield Fault(found.line, f"{found.place}: {error}")
                continue
            repeated = seen.add(row)
            yield Fault(found.line, f"{found.place}: {repeated}") if repeated else row
    except UnicodeDecodeError:
        raise BadInput(f"{place} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{place} cannot be read: {error.strerror}") from None
    if not (seen.lines or faulty):
        raise BadInput(f"{place} holds no region that can be read; it needs a `code` in each row or feature")
    yield from seen.remarks()


def _found(file: IO[str], place: str, headings: Mapping[str, tuple[str, ...]]) -> Iterator[Found | Fault | Remark]:
    """The rows of a file in whichever format it has."""
    lines = _Lines(file)
    first = lines.peek()
    if first.lstrip().startswith(("{", "[")):
        yield from features(lines.rest(), place)
    elif re.match(r"\s*(--|/\*|#|insert\s|create\s|drop\s|set\s|begin|start\s)", first, re.IGNORECASE):
        yield from inserted(lines, place)
    else:
        yield from listed(lines, place, headings)


class _Lines:
    """The lines of a file, of which the first that says something can be looked at before it is read."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._kept: list[str] = []

    def peek(self) -> str:
        """The first line with something on it; "" where there is none."""
        while not self._kept or not self._kept[-1].strip("\ufeff \t\r\n"):
            line = self._file.readline(1 << 16)
            if not line:
                break
            self._kept.append(line.removeprefix("\ufeff") if not self._kept else line)
        return self._kept[-1] if self._kept else ""

    def __iter__(self) -> Iterator[str]:
        yield from self._kept
        yield from self._file

    def rest(self) -> Iterator[str]:
        """Everything in pieces of some size, for formats to which lines mean nothing."""
        yield "".join(self._kept)
        while piece := self._file.read(1 << 18):
            yield piece


def _row(found: Found, headings: Mapping[str, tuple[str, ...]]) -> RegionRow:
    """Judges one row; raises ValueError with what is wrong and what to do."""
    own = {str(column).strip().lower(): cell for column, cell in found.cells.items()}
    values = {field: _text(own, names) for field, names in headings.items()}
    if values["code"] is None:
        raise ValueError(f"has no code; known headings are {', '.join(headings['code'])}, or give --code")
    try:
        code = read_code(values["code"])
    except ValueError as error:
        raise ValueError(f"code {values['code'][:40]!r} {error}") from None
    name = values["name"]
    if name is not None and len(name) > _LONGEST_NAME:
        raise ValueError(f"the name of {code} is longer than {_LONGEST_NAME} characters; shorten it")
    row = RegionRow(found.line, code, name, _zone(values["timezone"], code), _point(values["lat"], values["lon"], code))
    return dataclasses.replace(row, **_geometry(found.geometry, code)) if found.geometry is not None else row


def _text(cells: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """What stands under the first of some headings that is filled, composed and trimmed."""
    for name in names:
        cell = cells.get(name)
        if cell is None or isinstance(cell, dict | list | bool):
            continue
        text = unicodedata.normalize("NFC", str(cell)).strip()
        # Private-use characters are our slots (`kentongan.seam`); controls belong in no name.
        if any(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") for character in text):
            raise ValueError(f"{name} holds characters that cannot be shown; type it anew")
        if text:
            return text
    return None


def _zone(name: str | None, code: str) -> str | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError):
        raise ValueError(f"the timezone of {code} is no IANA zone; write one such as Asia/Jakarta") from None


def _point(latitude: str | None, longitude: str | None, code: str) -> Point | None:
    if latitude is None and longitude is None:
        return None
    try:
        return _degrees(float(latitude or ""), float(longitude or ""))
    except ValueError:
        wanted = "write lat and lon in degrees with a decimal point, such as -7.72 and 109.01"
        raise ValueError(f"the place of {code} is no latitude and longitude; {wanted}") from None


def _geometry(geometry: Any, code: str) -> dict[str, Any]:
    """The point or the outer rings of a GeoJSON geometry."""
    wrong = ValueError(f"the shape of {code} is no Polygon, MultiPolygon or Point in degrees (WGS 84); export it so")
    try:
        kind, coordinates = geometry["type"], geometry["coordinates"]
        if kind == "Point":
            return {"point": _degrees(coordinates[1], coordinates[0])}
        polygons = {"Polygon": [coordinates], "MultiPolygon": coordinates}[kind]
        rings = [[_degrees(position[1], position[0]) for position in polygon[0]] for polygon in polygons if polygon]
    except (LookupError, TypeError, ValueError):
        raise wrong from None
    if not rings or any(len(set(points)) < 3 for points in rings):
        raise ValueError(f"the shape of {code} has a ring of fewer than three points; take it out or draw it again")
    return {"rings": rings}


def _degrees(latitude: Any, longitude: Any) -> Point:
    if isinstance(latitude, bool) or not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        raise ValueError("no number")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError("not on the globe")
    return float(latitude), float(longitude)


class _Seen:
    """The codes so far, to find repeats and those that a spreadsheet has cut."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        # By depth and length of the last part of a code: one example.
        self._forms: dict[int, dict[int, str]] = {}

    def add(self, row: RegionRow) -> str:
        """Takes a row in; returns what is wrong where its code stands twice."""
        if row.code in self.lines:
            return f"code {row.code} stands in line {self.lines[row.code]} already; keep one of the two"
        self.lines[row.code] = row.line
        parts = row.code.split(".")
        if len(parts) > 1 and parts[-1].isdigit():
            self._forms.setdefault(len(parts), {}).setdefault(len(parts[-1]), row.code)
        return ""

    def remarks(self) -> Iterator[Remark]:
        """Says where codes of one depth differ in length: a spreadsheet turns 33.10 into 33.1."""
        for forms in self._forms.values():
            if len(forms) > 1:
                short, long = forms[min(forms)], forms[max(forms)]
                told = f"code {short} in line {self.lines[short]} is shorter than {long}"
                yield Remark(f"{told}; a spreadsheet may have cut a final 0")
