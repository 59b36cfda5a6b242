"""What is done to every text that comes from outside before it meets a template."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

PARAGRAPH = "\u2029"
"""Stands between paragraphs inside the renderer, where every other white space is only a space."""

# Marks that turn the reading direction of what follows; letters of right-to-left scripts need none of them.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS = re.compile(r"[ \t]*(?:\r\n|\r|\n|\u2028|\u0085|\v|\f)[ \t]*")


def _allowed(character: str) -> bool:
    if character in _DIRECTION or character == "\ufeff":
        return False
    # Cc controls, Cs lone surrogates, Co private use (the slots of kentongan.seam); the last two of each plane are
    # no characters, and XML has no place for them.
    return unicodedata.category(character) not in ("Cc", "Cs", "Co") and ord(character) & 0xFFFE != 0xFFFE


def clean_paragraphs(text: str) -> tuple[str, ...]:
    """Returns the paragraphs of `text` (parted by empty lines), each on one line and free of unprintable signs."""
    lines = _BREAKS.sub("\n", text.replace(PARAGRAPH, "\n\n"))
    paragraphs = (clean(part) for part in re.split(r"\n{2,}", lines))
    return tuple(part for part in paragraphs if part)


def clean(text: str) -> str:
    """Returns `text` on one line without control, private-use and direction-turning characters."""
    if text.isprintable():
        # Nothing that is not allowed is printable, and most texts are.
        return " ".join(text.split())
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(filter(_allowed, spaced)).split())


def title_cased(name: str, keep: Collection[str] = ()) -> str:
    """Returns a place name that came in capitals with initial capitals; `keep` lists words that stay (DKI, NTT)."""
    if not name.isupper() or sum(map(str.isalpha, name)) < 4:
        return name

    def word(match: re.Match[str]) -> str:
        found = match.group(0)
        return found if found in keep else found[0] + found[1:].lower()

    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", word, name)


_SHOUTED = r"[^\W\d_a-z][^\W\d_a-z' .-]{2,}"
_SHOUTED_LIST = re.compile(rf"(?<!\w){_SHOUTED}(?:, {_SHOUTED})+(?!\w)")


def lists_title_cased(text: str, keep: Collection[str] = ()) -> str:
    """Returns running text in which lists of names in capitals ("DENGILO, MANANGGU") have initial capitals.

    A text that is in capitals throughout stays as its sender wrote it.
    """
    if not any(character.islower() for character in text):
        return text
    return _SHOUTED_LIST.sub(
        lambda match: ", ".join(title_cased(name, keep) for name in match.group(0).split(", ")), text
    )


def split_names(area: str) -> tuple[str, ...]:
    """Parts an area description into its place names: at semicolons, and at commas where there are three or more."""
    parts = area.split(";")
    names: list[str] = []
    for part in parts:
        names.extend(part.split(",") if part.count(",") >= 3 else [part])
    cleaned = (clean(name).strip(" .") for name in names)
    return tuple(dict.fromkeys(name for name in cleaned if name))
