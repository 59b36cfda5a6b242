"""What people mean by what they answer: "1" has read it, "AMAN" is safe, "TOLONG" needs help, "STOP" opts out.

The words stand in templates/languages; a person may answer in any of them, whatever language the message had.

A wrong "is safe" hides somebody who needs help, a wrong "needs help" costs a call. So a word of help counts wherever it
stands in an answer, and every other word only where it is the whole of it: "2 people are trapped" is no "2".
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterable, Mapping

from kentongan.quick_dataclass import dataclass
from kentongan.words.codes import ALPHABET, as_signs, mixed


class Meaning(enum.StrEnum):
    """What an answer says; UNREAD is one that only a person can understand."""

    READ = "read"
    SAFE = "safe"
    HELP = "help"
    STOP = "stop"
    START = "start"
    UNREAD = "unread"


TOLD: tuple[Meaning, ...] = (Meaning.READ, Meaning.SAFE, Meaning.HELP)
"""What somebody says of themselves: all of it means that they have read the message."""

LONGEST = 2_000
"""Characters of an answer that are kept."""

_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_CODE = re.compile(rf"(?<![^\W_-])([{ALPHABET}IOLiol]{{4}})(?:-[A-Z]{{2,3}})?(?![^\W_-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of all languages by meaning, each as its parts in small letters. Made by `vocabulary`."""

    phrases: Mapping[tuple[str, ...], Meaning]


def parts(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: without signs, accents of width, and capitals."""
    return tuple(_WORDS.findall(unicodedata.normalize("NFKC", text).casefold()))


def vocabulary(languages: Iterable[Mapping[str, Iterable[str]]]) -> Vocabulary:
    """Joins the languages' words; raises ValueError where two of them mean different things by one, or mean nothing."""
    phrases: dict[tuple[str, ...], Meaning] = {}
    for words in languages:
        for name, texts in words.items():
            if name not in tuple(Meaning) or name == Meaning.UNREAD:
                known = ", ".join(meaning for meaning in Meaning if meaning is not Meaning.UNREAD)
                raise ValueError(f"{name!r} is no meaning of an answer; known are {known}")
            for text in texts:
                phrase = parts(text)
                if not phrase:
                    raise ValueError(f"{text!r} holds no letter and no digit, so nobody can answer it")
                if phrases.setdefault(phrase, Meaning(name)) is not Meaning(name):
                    raise ValueError(f"{text!r} means both {phrases[phrase]} and {name}; give one of them another word")
    return Vocabulary(phrases)


def read(text: str, words: Vocabulary) -> Meaning:
    """What an answer means; alert codes in it are passed over."""
    said = parts(without_codes(text))
    for phrase, meaning in words.phrases.items():
        if meaning is Meaning.HELP and len(phrase[0]) > 1 and _stands_in(phrase, said):
            return Meaning.HELP
    return words.phrases.get(said) or words.phrases.get(parts(text)) or Meaning.UNREAD


def _stands_in(phrase: tuple[str, ...], said: tuple[str, ...]) -> bool:
    return any(said[at : at + len(phrase)] == phrase for at in range(len(said) - len(phrase) + 1))


def codes(text: str) -> tuple[str, ...]:
    """What may be alert codes in an answer, as codes are written; the ledger knows which of them are."""
    found = (match.group(1) for match in _CODE.finditer(text))
    return tuple(dict.fromkeys(as_signs(code) for code in found if mixed(code)))


def without_codes(text: str) -> str:
    """The text without what may be alert codes."""
    return _CODE.sub(lambda match: " " if mixed(match.group(1)) else match.group(0), text)
