"""The alert code: four signs that name an alert on every channel, with the language of the text behind them.

The signs are Crockford's base32 (no I, L, O, U). A code always mixes letters and digits, so that it reads as no word
and no year and stands out from the text around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kentongan.errors import BadInput

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 4
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0"})

_TYPED = re.compile(r"\s*([0-9A-Za-z]{4})(?:-[A-Za-z]{2,3})?\s*")
_WITH_LANGUAGE = re.compile(rf"(?<![0-9A-Za-z-])([{ALPHABET}]{{{_LENGTH}}})-([A-Z]{{2,3}})(?![0-9A-Za-z-])")


def as_signs(typed: str) -> str:
    """What was typed, in the signs that codes are made of: any case, I and L for 1, O for 0."""
    return typed.upper().translate(_MISREAD)


def mixed(typed: str) -> bool:
    """Whether letters and digits are mixed, as in every code: a word such as HELP is none, though L may stand for 1."""
    return any(sign.isdigit() for sign in typed) and any(sign.isalpha() for sign in typed)


def new_code(random: Callable[[int], int]) -> str:
    """Draws a code; `random(n)` gives a number from 0 to n - 1, such as `secrets.randbelow`.

    Whether the code is free is the ledger's to say.
    """
    number = random(len(ALPHABET) ** _LENGTH)
    while True:
        rest, signs = number, ""
        for _ in range(_LENGTH):
            rest, sign = divmod(rest, len(ALPHABET))
            signs = ALPHABET[sign] + signs
        if mixed(signs):
            return signs
        number = (number + 1) % len(ALPHABET) ** _LENGTH


def parse_code(text: str) -> str:
    """Reads a code as a person types it: any case, I and L for 1, O for 0, with or without its language.

    Raises BadInput.
    """
    match = _TYPED.fullmatch(text)
    code = as_signs(match.group(1)) if match else ""
    if not code or any(sign not in ALPHABET for sign in code):
        raise BadInput(f"{text.strip()[:40]!r} is no alert code; type its four signs, such as K7Q4")
    return code


def with_language(code: str, language: str) -> str:
    """Returns the code as it stands in a text of that language: ("K7Q4", "id") gives "K7Q4-ID"."""
    return f"{code}-{language.split('-')[0].upper()}"


def codes_in(text: str) -> frozenset[str]:
    """The codes with language that stand in `text`, without their languages.

    Only what can be a code counts: letters and digits mixed, in capitals, as `new_code` and `with_language` make them.
    """
    return frozenset(code for code, _ in _WITH_LANGUAGE.findall(text) if mixed(code))
