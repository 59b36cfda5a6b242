"""Who belongs to an audience, and the language each person gets."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from kentongan.settings import Audience


def matches(audience: Audience, groups: Iterable[str], regions: Iterable[str]) -> bool:
    """Whether a person of these groups and regions belongs to the audience; an empty filter lets all through.

    An audience's region holds itself and all that lie in it by code: "33" holds "33.05" but not "3305".
    """
    own_groups = {plain(group) for group in groups}
    if audience.groups and not any(plain(group) in own_groups for group in audience.groups):
        return False
    if not audience.regions:
        return True
    own_regions = [plain(region) for region in regions]
    return any(
        region == wanted or region.startswith(f"{wanted}.")
        for wanted in map(plain, audience.regions)
        for region in own_regions
    )


def choose_language(own: str | None, available: Sequence[str]) -> str:
    """Returns the language a person gets: their own where the alert has it ("id" serves "id-ID"), else the first.

    `available` are the languages that rendered, the agency's first one first; raises ValueError where there is none.
    """
    if not available:
        raise ValueError("no language rendered")
    if own is not None:
        exact = [language for language in available if language.lower() == own.lower()]
        alike = [language for language in available if _primary(language) == _primary(own)]
        for language in (*exact, *alike):
            return language
    return available[0]


def plain(text: str) -> str:
    """Returns a group or region as it is compared: trimmed, composed, in lower case."""
    return unicodedata.normalize("NFC", text.strip()).lower()


def _primary(language: str) -> str:
    return language.lower().split("-")[0]
