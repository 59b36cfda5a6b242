"""A list of regions as GeoJSON (RFC 7946), read a feature at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kentongan.area.rows import Fault, Found, Remark
from kentongan.errors import BadInput

_LARGEST = 64 << 20
"""Characters of one feature; a longer one is a broken file or no outline that can be matched in time."""

_BEGINNING = re.compile(r'"features"\s*:\s*\[')
_PLANE = re.compile(r'"crs"\s*:[^}]{0,300}?"name"\s*:\s*"(?P<name>[^"]*)"')
_ON_THE_GLOBE = ("CRS84", "4326")


def features(pieces: Iterator[str], place: str) -> Iterator[Found | Fault | Remark]:
    """The features of a FeatureCollection with their properties; raises BadInput where the file is none."""
    text = _Text(pieces)
    text.to_the_features(place)
    number = 0
    while (feature := text.next(place)) is not None:
        number += 1
        content, line = feature
        told = f"feature {number} (line {line})"
        properties = content.get("properties")
        if content.get("type") != "Feature" or not isinstance(properties, dict | None):
            yield Fault(line, f"{told} is no GeoJSON feature; export the file as a FeatureCollection")
            continue
        cells = {str(key): value for key, value in (properties or {}).items()}
        if "id" in content:
            cells.setdefault("id", content["id"])
        yield Found(line, told, cells, content.get("geometry"))


class _Text:
    """The text of a file, of which what is read is let go."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._line = 1
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        """Reads as much again as is kept, so that a large feature is tried a few times only."""
        before = len(self._text)
        grown = [self._text]
        added = 0
        while added <= before:
            piece = next(self._pieces, "")
            if not piece:
                break
            grown.append(piece)
            added += len(piece)
        self._text = "".join(grown)
        return added > 0

    def _let_go(self, end: int) -> None:
        self._line += self._text.count("\n", 0, end)
        self._text = self._text[end:]

    def to_the_features(self, place: str) -> None:
        """Reads up to the first feature."""
        while (found := _BEGINNING.search(self._text)) is None:
            if len(self._text) > 1 << 20 or not self._more():
                raise BadInput(f"{place} is no GeoJSON FeatureCollection; export the regions as one")
        plane = _PLANE.search(self._text, 0, found.start())
        if plane is not None and not any(known in plane.group("name") for known in _ON_THE_GLOBE):
            raise BadInput(f"{place} is in {plane.group('name')[:60]!r}; export it in WGS 84 (longitude and latitude)")
        self._let_go(found.end())

    def next(self, place: str) -> tuple[dict[str, Any], int] | None:
        """The next feature and the line where it begins, None after the last one."""
        while True:
            begin = re.match(r"[\s,]*", self._text)
            assert begin is not None
            self._let_go(begin.end())
            if self._text:
                break
            if not self._more():
                raise self._broken(place, "ends in the middle")
        if self._text[0] == "]":
            return None
        while True:
            try:
                content, end = self._decoder.raw_decode(self._text)
                break
            except (ValueError, RecursionError) as error:
                # What is no fault of the form (a number of 5,000 digits) more text does not mend.
                if not isinstance(error, json.JSONDecodeError) or len(self._text) > _LARGEST or not self._more():
                    raise self._broken(place, "is not readable as JSON") from None
        line = self._line
        self._let_go(end)
        if not isinstance(content, dict):
            raise self._broken(place, "holds a feature that is none")
        return content, line

    def _broken(self, place: str, what: str) -> BadInput:
        return BadInput(f"{place} {what} from line {self._line} on; export it again")
