"""What a reader sees of an HTML text, for checks by position and for looking up our own posts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_INLINE = frozenset(
    ("a", "abbr", "b", "code", "del", "em", "i", "ins", "s", "span", "strong", "time", "tg-spoiler", "u")
)
_UNSEEN = frozenset(("head", "script", "style", "template", "title"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag not in _INLINE:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag not in _INLINE:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)


def visible_text(html: str) -> str:
    """The text that a reader of `html` sees; all but inline elements break the line; trimmed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts).strip()


def stands_first_and_last(mark: str, text: str) -> bool:
    """Whether `mark` opens and closes `text`, as two marks and not one; surrounding space does not count."""
    trimmed = text.strip()
    return len(trimmed) >= 2 * len(mark) and trimmed.startswith(mark) and trimmed.endswith(mark)


def carries_code(code: str, text: str) -> bool:
    """Whether the whole alert code, not a part of a longer word, stands in `text`."""
    return re.search(rf"(?<![0-9A-Za-z-]){re.escape(code)}(?![0-9A-Za-z-])", text) is not None
