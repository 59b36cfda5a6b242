"""One-time codes: how an officer who has only a telephone can be the second person.

An officer prints a sheet of codes beforehand and signs the digests of all of them. A code that they say on the
telephone is spent with the approval it was said for, and every entry point can hold it against the signed sheet. It is
no signature over the alert: docs/decisions/0006-the-night.md.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import JsonValue

from kentongan.errors import BadInput
from kentongan.keys import verify_signature
from kentongan.officers import Officer, Signed, read_statement, statement
from kentongan.quick_dataclass import dataclass
from kentongan.words.codes import ALPHABET, as_signs

CODES = 20
"""Codes on a sheet."""

MOST_WRONG = 5
"""Wrong answers in a row that lock a sheet."""

_SIGNS = 8
# 40 bits at 16 MiB and some 40 ms a guess: whoever reads the ledger cannot try them all.
_SCRYPT_N, _SCRYPT_R = 2**14, 8
_KIND = "codes.issue"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One officer's sheet as the ledger keeps it: `digests` of its codes, in their order, as the officer signed them.

    `spent` codes are used up, the first ones first; `wrong` answers came in a row. A sheet that is locked or replaced
    takes no more codes, and what was approved with it before still stands.
    """

    id: str
    officer: str
    digests: Sequence[str]
    signed: Signed = field(repr=False)
    spent: int
    wrong: int
    locked: bool
    replaced: bool

    @property
    def left(self) -> int:
        """How many codes can still be used."""
        return 0 if self.locked or self.replaced else len(self.digests) - self.spent


def new_codes(random: Callable[[int], int] = secrets.randbelow) -> tuple[str, ...]:
    """Draws the codes of a sheet; `random(n)` gives a number from 0 to n - 1."""
    return tuple("".join(ALPHABET[random(len(ALPHABET))] for _ in range(_SIGNS)) for _ in range(CODES))


def shown(code: str) -> str:
    """A code as it is printed and read out: two groups of four."""
    return f"{code[: _SIGNS // 2]} {code[_SIGNS // 2 :]}"


def read_code(text: str) -> str:
    """Reads a code as it was typed: any case, I and L for 1, O for 0, gaps anywhere; raises BadInput, without it."""
    code = as_signs("".join(character for character in text if character.isalnum()))
    if len(code) != _SIGNS or any(sign not in ALPHABET for sign in code):
        raise BadInput(f"this is no one-time code; type its {_SIGNS} signs as they stand on the sheet")
    return code


@functools.lru_cache(maxsize=64)
def code_digest(sheet: str, number: int, code: str) -> str:
    """Digest of the code that stands at `number` (from 1) on a sheet; slow on purpose."""
    salt = hashlib.sha256(f"kentongan code 1\n{sheet}\n{number}".encode()).digest()
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=1).derive(code.encode("utf-8", "replace")).hex()


def issue(sheet: str, codes: Sequence[str], now: datetime) -> bytes:
    """Returns the statement that an officer signs on their sheet: the digests of its codes."""
    digests: list[JsonValue] = [code_digest(sheet, number, code) for number, code in enumerate(codes, 1)]
    return statement(_KIND, {"sheet": sheet, "digests": digests}, now)


def digests_of(signed: Signed) -> tuple[str, ...]:
    """The digests that a signed sheet names; raises BadInput where it is none."""
    digests = read_statement(signed.statement).fields.get("digests")
    if not isinstance(digests, list):
        raise BadInput("a sheet of codes in the ledger is damaged; run `kentongan log verify`")
    return tuple(map(str, digests))


def is_theirs(sheet: Sheet, officer: Officer) -> bool:
    """Whether the officer signed this very sheet."""
    if sheet.officer != officer.name or sheet.signed.officer != officer.name:
        return False
    if not verify_signature(officer.public_key, sheet.signed.statement, sheet.signed.signature):
        return False
    said = read_statement(sheet.signed.statement)
    return (
        said.kind == _KIND and said.fields.get("sheet") == sheet.id and said.fields.get("digests") == [*sheet.digests]
    )


def fits(sheet: Sheet, number: int, code: str) -> bool:
    """Whether this is the code at `number` (from 1) of the sheet; compared in constant time."""
    if not 1 <= number <= len(sheet.digests):
        return False
    return secrets.compare_digest(code_digest(sheet.id, number, code), sheet.digests[number - 1])
