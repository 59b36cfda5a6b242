"""What a phone makes of a short message: its alphabet and in how many parts it travels.

3GPP TS 23.038 (alphabets) and 23.040 (concatenation): 160 septets alone or 153 a part in the GSM alphabet; any other
character makes it UCS-2, 70 units alone or 67 a part. What takes two places never straddles two parts.
"""

from __future__ import annotations

from collections.abc import Sequence

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")


def gsm(text: str) -> bool:
    """Whether the whole text is in the GSM alphabet."""
    return all(character in _BASIC or character in _EXTENDED for character in text)


def as_gsm(text: str) -> str:
    """The text as it arrives when it is forced into the GSM alphabet: what is not in it becomes a question mark."""
    return "".join(character if gsm(character) else "?" for character in text)


def parts(text: str, *, in_gsm: bool) -> int:
    """In how many parts the text travels."""
    if in_gsm:
        return _parts([2 if character in _EXTENDED else 1 for character in text], 160, 153)
    return _parts([2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67)


def _parts(widths: Sequence[int], alone: int, each: int) -> int:
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return count
