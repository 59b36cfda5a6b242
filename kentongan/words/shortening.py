"""Making a text fit: fewer names of a list, then a shorter account, never a cut word or name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from kentongan.quick_dataclass import dataclass
from kentongan.words.languages import Language


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a message may be said: so many names of each list, so many characters of each quoted text.

    `spare`: details that can be spared are said. `plain`: letters that the channel's alphabet lacks are given up.
    """

    names: int | None = None
    characters: int | None = None
    spare: bool = False
    plain: bool = False


class Shortener:
    """Says lists and quoted texts within a budget, and remembers how long the longest of them would have been."""

    def __init__(self, language: Language, link: str, budget: Budget) -> None:
        self._language = language
        self._link = link
        self._budget = budget
        self.most_names = 0
        self.most_characters = 0
        self.spared = False
        self._link_said = False

    def spare(self, caller: Callable[[], str]) -> str:
        """A detail that is said only where there is room: `{% call spare() %}...{% endcall %}`."""
        said = caller()
        self.spared = self.spared or bool(said.strip())
        return said if self._budget.spare else ""

    def listed(self, names: Iterable[str] | None) -> str:
        """The names as a phrase: "A, B and C", or "A, B and 7 more: link"."""
        all_names = tuple(dict.fromkeys(names or ()))
        self.most_names = max(self.most_names, len(all_names))
        kept = all_names if self._budget.names is None else all_names[: self._budget.names]
        rest = len(all_names) - len(kept)
        if not kept:
            return self._rest(self._language.all_names, rest) if rest else ""
        if rest:
            return f"{', '.join(kept)} {self._rest(self._language.more_names, rest)}"
        return " ".join(filter(None, (", ".join(kept[:-1]), self._language.and_ if kept[1:] else "", kept[-1])))

    def _rest(self, pattern: str, count: int) -> str:
        """How many more there are and where they stand; a second list need not say where again."""
        again = self._link_said and bool(self._language.more_again)
        self._link_said = True
        return (self._language.more_again if again else pattern).format(count=count, link=self._link)

    def clip(self, text: str | None) -> str:
        """A quoted text: long lists of names in it shortened, then cut after a sentence, else after a word."""
        said = self._shorter_lists(text or "")
        self.most_characters = max(self.most_characters, len(said))
        return said if self._budget.characters is None else clipped(said, self._budget.characters)

    def _shorter_lists(self, text: str) -> str:
        def shorter(match: re.Match[str]) -> str:
            names = match.group(0).split(", ")
            self.most_names = max(self.most_names, len(names))
            kept = self._budget.names
            return match.group(0) if kept is None or kept >= len(names) else self.listed(names)

        return _NAMES.sub(shorter, text)


# Five or more names in a row, each of one to four capitalised words.
_NAME = r"[^\W\d_a-z][\w'’-]*(?: [^\W\d_a-z][\w'’-]*){0,3}"
_NAMES = re.compile(rf"(?<!\w){_NAME}(?:, {_NAME}){{4,}}(?!\w)")

# A stop after a short word is more often an abbreviation than the end of a sentence; after a time of day it is one.
_SENTENCE_END = re.compile(r"(?:(?:(?<=\w{4})|(?<=\d[.:]\d\d)|(?<=[)%”]))[.!?]+(?=\s)|[。！？])")


def clipped(text: str, most: int) -> str:
    """Returns at most `most` characters of `text`: up to a sentence's end past a third, else a word's end and "...".

    A script without spaces is cut between two characters; a single word that is too long is left out whole.
    """
    if len(text) <= most:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text[: most + 1]) if match.end() <= most]
    if ends and ends[-1] >= most // 3:
        return text[: ends[-1]]
    room = max(most - 3, 0)
    cut = room
    while cut > 0 and not text[cut].isspace():
        cut -= 1
    if cut == 0:
        if not text[:room] or text[:room].isascii():
            return ""
        cut = room
        while cut > 0 and (unicodedata.category(text[cut]).startswith("M") or text[cut] == "\u200d"):
            cut -= 1
    kept = text[:cut].rstrip().rstrip(",;:-")
    return f"{kept}..." if kept else ""
