"""Finding regions by their names: "Kab. Cilacap", "Kec. Kesugihan, Kab. Cilacap", "Cilacap dan Banyumas"."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kentongan.area.codes import covers, highest
from kentongan.area.regions import Regions
from kentongan.errors import BadConfig
from kentongan.quick_dataclass import dataclass

_MOST_ALIKE = 8
"""A name that so many regions of one level bear says nothing of where."""


class Words(BaseModel):
    """templates/places.yaml: how places are spoken of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schemes: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[str, ...]] = {}
    aliases: Mapping[str, str] = {}
    joins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """The codes that a text names, and what an officer should know of it."""

    codes: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Name:
    """One name, as compared: all of its words, those without its `kind`, and that kind ("" where none)."""

    whole: str
    bare: str
    kind: str


def read_words(templates: Path) -> Words:
    """Reads places.yaml in the templates folder; raises BadConfig. A folder without one knows no such words."""
    from kentongan.words.languages import read_yaml, yaml_fault

    path = templates / "places.yaml"
    if not path.is_file():
        return Words()
    try:
        return Words.model_validate(read_yaml(path))
    except ValidationError as error:
        raise BadConfig(yaml_fault(path, error)) from None


class Index:
    """Finds regions by name. A text may name several, and may say of each what it lies in."""

    def __init__(self, regions: Regions, words: Words) -> None:
        self._regions = regions
        self._kinds = {_plain(form): kind for kind, forms in words.kinds.items() for form in (kind, *forms)}
        self._aliases = {_plain(short): _plain(long) for short, long in words.aliases.items()}
        joins = "|".join(map(re.escape, words.joins))
        self._between = re.compile(rf"[,/()\n]|\s(?:{joins})\s" if joins else r"[,/()\n]", re.IGNORECASE)

    def find(self, text: str) -> Named:
        """The regions that a text names.

        Semicolons part lists. A name that follows one which lies in it only says where that is, if that one says what
        it is ("Kec. Adipala, Cilacap"); otherwise both are meant. Of several regions of a name, those that lie in
        another region of the list are meant, else those of the highest level.
        """
        found = Named()
        for listed in text.split(";"):
            parts = [name for part in self._between.split(listed) if (name := self._read(part)) is not None]
            self._list(parts, found)
        return found

    def _list(self, parts: Sequence[_Name], found: Named) -> None:
        alike = [self._alike(part) for part in parts]
        tops = [_uppermost(codes) for codes in alike]
        explains = [False] * len(parts)
        for number, part in enumerate(parts):
            meant = tops[number]
            places = [top for other, top in enumerate(tops) if other != number and _deeper(meant, top)]
            inner = {c for c in alike[number] if any(covers(over, c) and over != c for top in places for over in top)}
            meant = _uppermost(inner) if inner else meant
            tells = bool(part.kind) or explains[number]
            for later in range(number + 1, len(parts)):
                if tells and meant and all(any(covers(o, c) and o != c for o in tops[later]) for c in meant):
                    explains[later] = True
            if explains[number] or not meant:
                continue
            if len(meant) > 1:
                told = f"{part.whole!r} is the name of {len(meant)} regions"
                if len(meant) > _MOST_ALIKE:
                    found.remarks.append(f"{told} and takes in none; say which, as in `{part.whole}, the region above`")
                    continue
                found.remarks.append(f"{told}, and all are taken in: {', '.join(sorted(meant))}")
            found.codes.update(highest(meant))

    def _alike(self, name: _Name) -> set[str]:
        """All regions that may be meant by one name, of whatever level."""
        wholly: set[str] = set()
        barely: set[str] = set()
        for code, other in self._candidates(name):
            if other.whole == name.whole or (other.bare == name.bare and name.kind and other.kind == name.kind):
                wholly.add(code)
            elif (name.kind and other.whole == name.bare) or (not name.kind and other.bare == name.whole):
                barely.add(code)
        # "Cilacap" is the regency as well as a village; "Kec. Cilacap" is neither, where a district bears that name.
        return wholly | barely if not name.kind else wholly or barely

    def _candidates(self, name: _Name) -> Iterator[tuple[str, _Name]]:
        # Reading a name costs ten times what looking for its last word does.
        last = name.bare.rpartition(" ")[2]
        for code, region in self._regions.by_code.items():
            if last in (region.name.lower() if region.name.isascii() else _plain(region.name)):
                read = self._read(region.name)
                if read is not None:
                    yield code, read

    def _read(self, text: str) -> _Name | None:
        whole = _plain(text)
        if not whole:
            return None
        whole = self._aliases.get(whole, whole)
        words = whole.split(" ")
        for length in range(min(3, len(words) - 1), 0, -1):
            for stated, rest in ((words[:length], words[length:]), (words[-length:], words[:-length])):
                kind = self._kinds.get(" ".join(stated))
                if kind is not None:
                    bare = " ".join(rest)
                    return _Name(whole, self._aliases.get(bare, bare), kind)
        return _Name(whole, whole, "")


def _uppermost(codes: set[str]) -> set[str]:
    least = min((code.count(".") for code in codes), default=0)
    return {code for code in codes if code.count(".") == least}


def _deeper(these: set[str], those: set[str]) -> bool:
    """Whether regions of one level lie on a lower one than others."""
    if not these or not those:
        return False
    return min(code.count(".") for code in these) > min(code.count(".") for code in those)


@functools.lru_cache(maxsize=65_536)
def _plain(text: str) -> str:
    """A name as it is compared: lower case, without accents, a space for whatever is no letter or digit."""
    composed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in composed if not unicodedata.combining(character))
    return " ".join(re.sub(r"[^\w]|_", " ", bare).split())
