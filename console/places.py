"""The place that an officer types before a live send: what counts as having typed it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from kentongan.words.cleaning import split_names

_LONG = 40


def names(areas: Sequence[str]) -> tuple[str, ...]:
    """The place names of an alert's areas, any of which may be typed, the shortest form of each.

    An area that is a whole sentence is named by its beginning, up to the first comma or bracket.
    """
    found: dict[str, None] = {}
    for area in areas:
        for name in split_names(area) or (area,):
            short = re.split(r"[,(:]", name)[0].strip() if len(name) > _LONG else name
            while len(short) > _LONG and " " in short:
                short = short.rpartition(" ")[0]
            if plain(short):
                found[short] = None
    return tuple(found)


def is_typed(text: str, areas: Sequence[str]) -> bool:
    """Whether `text` names one of the places; case, accents, punctuation and spaces do not count."""
    typed = plain(text)
    return bool(typed) and typed in {plain(name) for name in (*names(areas), *areas)}


def plain(text: str) -> str:
    """Letters and digits alone, without accents, in one case."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(re.findall(r"\w+", bare))
