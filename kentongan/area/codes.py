"""Region codes and what lies in what: a region lies in the one whose code, with a dot, begins its own.

"33.01.02" lies in "33.01", and that in "33". Any dotted code works, of whatever country and depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from kentongan.audiences import plain

_CODE = re.compile(r"[0-9a-z]+([.-][0-9a-z]+)*")

Waves = tuple[tuple[str, ...], ...]
"""Region codes in the order in which their people are written to (`kentongan.nearness`)."""


class Within(BaseModel):
    """Which people an alert's area takes in.

    Those with a code in `codes`, below one of them or above one (somebody known to live in the district may live in
    its struck village). `unplaced`: those of no region on record too; `strays` are codes that people have and no
    loaded region knows, so that whoever has only these counts as of no region.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codes: tuple[str, ...]
    unplaced: bool = False
    strays: tuple[str, ...] = ()


def is_code(text: str) -> bool:
    """Whether this is written as region codes are, in small letters."""
    return _CODE.fullmatch(text) is not None


def read_code(text: str) -> str:
    """Returns a region code as it is compared; raises ValueError saying what is wrong."""
    code = plain(text)
    if not is_code(code):
        raise ValueError("is no region code; write one such as 33.05, letters and digits with dots between")
    if len(code) > 64:
        raise ValueError("is longer than 64 characters; write the region's code alone")
    return code


def above(code: str) -> Iterator[str]:
    """The codes of all that a region lies in, the nearest first."""
    while "." in code:
        code = code.rpartition(".")[0]
        yield code


def covers(code: str, other: str) -> bool:
    """Whether a region is another or holds it."""
    return code == other or other.startswith(f"{code}.")


def highest(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes without those that lie in another of them, sorted."""
    wanted = set(codes)
    return tuple(sorted(code for code in wanted if wanted.isdisjoint(above(code))))


def takes_in(within: Within, regions: Collection[str]) -> bool:
    """Whether a person of these regions is within; `kentongan.ledger.within` says the same in SQL.

    `regions` are as people have them (`kentongan.audiences.plain`).
    """
    wanted, strays = set(within.codes), set(within.strays)
    upper = {over for code in wanted for over in above(code)}
    if any(code in upper or not wanted.isdisjoint((code, *above(code))) for code in regions):
        return True
    return within.unplaced and not any(strays.isdisjoint((code, *above(code))) for code in regions)


def turns(within: Within, waves: Waves) -> Callable[[str], int]:
    """Returns what tells the wave of a region code, 0 the first; `kentongan.ledger.within` says the same in SQL.

    Behind all waves come regions elsewhere in the area, those above it, and all others. A person's wave is the first
    of their regions'; that of a person of no region the last.
    """
    numbers: dict[str, int] = {}
    for number, codes in enumerate((*waves, within.codes)):
        for code in codes:
            numbers.setdefault(code, number)
    upper = {over for code in within.codes for over in above(code)}

    def turn(code: str) -> int:
        found = [numbers[each] for each in (code, *above(code)) if each in numbers]
        return min(found, default=len(waves) + (1 if code in upper else 2))

    return turn


def stray_codes(used: Iterable[str], loaded: Collection[str]) -> tuple[str, ...]:
    """Which of the codes that people have no loaded region knows, each as the highest code that says so.

    Known is what is loaded, what lies above it, and what lies in a loaded region of which no part is loaded.
    """
    known = set(loaded)
    upper = {over for code in known for over in above(code)}
    strays = set()
    for code in used:
        chain = (code, *above(code))
        if code in known or code in upper:
            continue
        nearest = next((over for over in chain[1:] if over in known), None)
        if nearest is not None and nearest not in upper:
            continue
        strays.add(min((each for each in chain if each not in known and each not in upper), key=len))
    return highest(strays)
