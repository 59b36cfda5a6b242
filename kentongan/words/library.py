"""Everything under templates/ by name: hazards, languages, scales and marks, read when they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from kentongan.errors import BadConfig, BadInput
from kentongan.words.cleaning import clean

if TYPE_CHECKING:
    from kentongan.words.hazards import Hazard
    from kentongan.words.languages import Language
    from kentongan.words.marks import Marks
    from kentongan.words.scales import Scale

_AHEAD = frozenset({"onset", "expires"})
"""The times that every hazard has; no hazard can name a field of its own so, and both may lie ahead."""

GENERAL = "general"
"""The hazard that can say any CAP alert, and whose short form stands in for what does not render."""

_T = TypeVar("_T")


class _Late(Mapping[str, _T]):
    """A mapping that is read when it is first looked into."""

    def __init__(self, read: Callable[[], Mapping[str, _T]]) -> None:
        self._read = read

    def __getitem__(self, name: str) -> _T:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class HazardLibrary:
    """Everything under templates/: hazards, languages, scales and marks.

    Each is read when it is first asked for, which raises BadConfig where a file is wrong: whoever sends what was
    rendered before reads next to none of them, and imports nothing that reads them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._hazards: dict[str, Hazard] = {}

    @functools.cached_property
    def languages(self) -> Mapping[str, Language]:
        """The languages, by code."""
        from kentongan.words.languages import read_languages

        return read_languages(self.root / "languages")

    @functools.cached_property
    def marks(self) -> Marks:
        """The marks of drills and tests."""
        from kentongan.words.marks import Marks

        return Marks(self.root / "marks.yaml")

    @functools.cached_property
    def scales(self) -> Mapping[str, Scale]:
        """The scales, by name."""
        from kentongan.words.scales import read_scales

        return read_scales(self.root / "scales.yaml")

    @functools.cached_property
    def _folders(self) -> Mapping[str, Path]:
        found = sorted(path.parent for path in (self.root / "hazards").glob("*/hazard.yaml"))
        if not any(folder.name == GENERAL for folder in found):
            home = self.root / "hazards" / GENERAL
            raise BadConfig(f"{home}: is missing; restore it, for it stands in for all others")
        return {folder.name: folder for folder in found}

    def read(self) -> None:
        """Reads all that was not read yet; raises BadConfig where a file is wrong."""
        _ = self.languages, self.marks, self.scales
        for name in self.names:
            self.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all hazards, in alphabetical order."""
        return tuple(self._folders)

    def get(self, name: str) -> Hazard:
        """The hazard of that name; raises BadInput, which lists the known ones and the nearest."""
        if name in self._hazards:
            return self._hazards[name]
        if name in self._folders:
            from kentongan.words.hazards import Hazard

            languages, scales = _Late(lambda: self.languages), _Late(lambda: self.scales)
            hazard = Hazard(self._folders[name], languages=languages, scales=scales)
            return self._hazards.setdefault(name, hazard)
        import difflib

        near = difflib.get_close_matches(name, self._folders, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadInput(f"{clean(name)[:40]!r} is no hazard; {hint}known are {', '.join(self._folders)}")

    def observed(self, name: str, facts: Mapping[str, JsonValue]) -> dict[str, datetime]:
        """The times among the facts of a hazard that must lie in the past; reads nothing where no fact can be one."""
        own = (value for field, value in facts.items() if field not in _AHEAD)
        return self.get(name).observed(facts) if any(map(_is_time, own)) else {}

    @property
    def reasons(self) -> tuple[str, ...]:
        """The names of the reasons for which a message may be withdrawn."""
        return tuple(next(iter(self.languages.values())).reasons)


def _is_time(value: JsonValue) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def library(root: Path) -> HazardLibrary:
    """Reads all hazards, languages and marks under `root` (the templates folder); raises BadConfig."""
    found = HazardLibrary(root)
    found.read()
    return found
