"""What a shortened message does not say of what it says in full, sentence by sentence, for officers to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_CUT = "..."
_FEWEST = 2
"""With so many words alike at their beginning, one sentence is taken for another with something left out."""

_MOST = 50
"""Among so many that begin alike the likest is looked for, however long a text may be."""

# A stop and what closes a quotation behind it, before what can begin a sentence; scripts without spaces have their own.
_END = re.compile(r"(?<![.!?])[.!?]+[)”\"']*(?=\s+[^\Wa-z_]|\s+[(“\"'\ue000])|(?<=[。！？])(?=\S)")
_LAST_WORD = re.compile(r"\w+$")
_EDGES = re.compile(r"^[,;:.!?]+|[,;:.!?]+$")


def left_out(full: Sequence[str], said: Sequence[str], *, other_words: bool = False) -> tuple[str, ...]:
    """Returns the sentences of the paragraphs `full` that `said` does not have word for word, in their order.

    Of one that it says with something left out, such as a list whose last names are only counted, what is gone is
    given alone, between "..."; not where it is written in `other_words`, of which a few are alike by chance.
    """
    there = [tuple(map(_bare, sentence.split())) for paragraph in said for sentence in sentences(paragraph)]
    alike: dict[tuple[str, ...], list[Sequence[str]]] = {}
    for words in there:
        alike.setdefault(words[:_FEWEST], []).append(words)
    wanted = (sentence.split() for paragraph in full for sentence in sentences(paragraph))
    known = frozenset(there)
    gone = (words for words in wanted if tuple(map(_bare, words)) not in known)
    return tuple(dict.fromkeys(" ".join(words) if other_words else _gone(words, alike) for words in gone))


def sentences(text: str) -> Iterator[str]:
    """The sentences of a paragraph; a stop behind a short name ("Kab. Kaur") ends none."""
    begin = 0
    for match in _END.finditer(text):
        word = _LAST_WORD.search(text[begin : match.start()])
        if word is not None and match.group() == "." and _is_short(word.group()):
            continue
        yield text[begin : match.end()].strip()
        begin = match.end()
    if rest := text[begin:].strip():
        yield rest


def _is_short(word: str) -> bool:
    """Whether a word reads as the beginning of a longer one: "Kab", "Jl", "S", and not "WIB" or "sea"."""
    return word[0].isupper() and len(word) <= 3 and (len(word) == 1 or not word.isupper())


def _gone(words: Sequence[str], alike: Mapping[tuple[str, ...], Sequence[Sequence[str]]]) -> str:
    """The words of a sentence without those that the likest one of the message begins and ends with, too."""
    bare = [_bare(word) for word in words]
    near = alike.get(tuple(bare[:_FEWEST]), ())[:_MOST]
    first, last = max((_alike(bare, other) for other in near), default=(0, 0))
    if first < _FEWEST or first + last >= len(words):
        return " ".join(words)
    return " ".join([_CUT, *words[first : len(words) - last], *([_CUT] if last else [])])


def _alike(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many words both begin with, and end with behind those."""
    first = _run(one, other)
    return first, _run(one[first:][::-1], other[first:][::-1])


def _run(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((place for place, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(one), len(other)))


def _bare(word: str) -> str:
    return _EDGES.sub("", word).casefold() or word
