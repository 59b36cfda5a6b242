"""How X counts a post and what it stores of it."""

from __future__ import annotations

import html
import re
import unicodedata

MAX_WEIGHT = 280
LINK_WEIGHT = 23

_SCHEME_LINK = re.compile(r"https?://[^\s<>\"]+?(?=[.,;:!?)\]']*(?:\s|$))")
_PIECES = re.compile(
    r"(?P<keycap>[0-9#*]\ufe0f?\u20e3)"
    r"|(?P<flag>[\U0001f1e6-\U0001f1ff]{2})"
    r"|(?P<sign>[\u00a9\u00ae]\ufe0f?)"
    r"|(?P<joined>[\u2190-\u2bff\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"
    r"(?:\u200d[\u2190-\u2bff\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*)*)"
    r"|(?P<light>[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037])"
    r"|(?P<heavy>.)",
    re.DOTALL,
)


def weight_of(text: str) -> int:
    """Counts as docs.x.com (counting-characters) does: a link 23, an emoji 2, other signs 1 or 2 by their script."""
    composed = unicodedata.normalize("NFC", text)
    without, links = _SCHEME_LINK.subn("", composed)
    weights = (1 if piece.lastgroup == "light" else 2 for piece in _PIECES.finditer(without))
    return LINK_WEIGHT * links + sum(weights)


def stored(text: str, shorten: dict[str, str]) -> str:
    """What X gives back of a text: links as t.co ones, which it adds to `shorten`, and &, < and > escaped."""

    def short(match: re.Match[str]) -> str:
        return shorten.setdefault(match.group(), f"https://t.co/{len(shorten):010d}")

    return html.escape(_SCHEME_LINK.sub(short, unicodedata.normalize("NFC", text)), quote=False)
