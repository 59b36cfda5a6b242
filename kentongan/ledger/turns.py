"""Whose turn it is: the people of an area in the order of waves, found by the regions they have.

An alert for one village of a million people on record looks at that village's people first, and at no others but those
who might live there for all that is known.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from kentongan.area.codes import Waves, Within, turns
from kentongan.ledger.editions import listed
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass

_MOST_CODES = 500
"""Regions that are looked at in one transaction: many may have few people."""

# As many steps as there are codes, not as there are people.
_CODES = (
    "WITH RECURSIVE used(code) AS (SELECT min(code) FROM person_region UNION ALL"
    " SELECT (SELECT min(r.code) FROM person_region r WHERE r.code > used.code) FROM used WHERE used.code IS NOT NULL)"
    " SELECT code FROM used WHERE code IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The next people of a wave, each perhaps more than once, and behind which code and person it goes on."""

    people: Sequence[str]
    code: str
    after: str
    whole: bool


class Turns:
    """The regions that people of an area have, by wave. Made once; it holds until the list of people changes."""

    def __init__(self, read: Read, within: Within, waves: Waves) -> None:
        self._codes: list[list[str]] = [[] for _ in range(len(waves) + 2)]
        turn = turns(within, waves)
        for code in read.sql(_CODES).scalars():
            number = turn(code)
            if number < len(self._codes):
                self._codes[number].append(code)
        for codes in self._codes:
            codes.sort()

    def __len__(self) -> int:
        """How many waves have people of a known region; whoever has none comes after them."""
        return len(self._codes)

    def next(self, read: Read, wave: int, code: str, after: str, size: int) -> Found:
        """Up to `size` people of a wave behind person `after` of `code`."""
        codes = self._codes[wave]
        people: list[str] = []
        begin = bisect.bisect_left(codes, code)
        for here in codes[begin : begin + _MOST_CODES]:
            if here != code:
                code, after = here, ""
            found = read.sql(
                "SELECT r.person_id FROM person_region r WHERE r.code = :code AND r.person_id > :after"
                f" AND {listed('r')} ORDER BY r.person_id LIMIT :size",
                {"code": code, "after": after, "size": size - len(people)},
            ).scalars()
            if own := found.all():
                people += own
                after = own[-1]
            if len(people) == size:
                return Found(people, code, after, whole=False)
        return Found(people, code, after, whole=begin + _MOST_CODES >= len(codes))
