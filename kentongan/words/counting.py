"""How long a text is, by the rule of the network that carries it.

rule        unit
characters  Unicode code points
mastodon    code points; a link counts 23, a remote mention only its local part
telegram    UTF-16 code units of the text after entity parsing
x           weighted characters: most scripts of Europe and the Near East 1, others and emoji 2, a link 23
sms         segments of a (concatenated) short message, 3GPP TS 23.038 and 23.040
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from kentongan.quick_dataclass import dataclass

# 3GPP TS 23.038 section 6.2.1: the default alphabet and its extension table (each of those costs two septets).
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM = _GSM_BASIC | _GSM_EXTENDED

_GSM_SINGLE, _GSM_PART = 160, 153
_UCS2_SINGLE, _UCS2_PART = 70, 67

_MASTODON_LINK = 23


class Encoding(enum.StrEnum):
    """The alphabet in which a short message travels."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Segments:
    """A short message as the network bills it; `units` are septets (GSM-7) or UTF-16 units (UCS-2)."""

    encoding: Encoding
    parts: int
    units: int


def is_gsm7(text: str) -> bool:
    """Whether every character stands in the GSM-7 default alphabet or its extension table."""
    return _GSM.issuperset(text)


def segments(text: str) -> Segments:
    """Splits `text` as a handset's network does; a two-unit character never straddles two parts."""
    if is_gsm7(text):
        widths = [2 if character in _GSM_EXTENDED else 1 for character in text]
        return Segments(Encoding.GSM7, parts(widths, single=_GSM_SINGLE, part=_GSM_PART), sum(widths))
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Segments(Encoding.UCS2, parts(widths, single=_UCS2_SINGLE, part=_UCS2_PART), sum(widths))


def parts(widths: Iterable[int], *, single: int, part: int) -> int:
    """Number of parts for characters of these widths: one up to `single` units, else parts of at most `part`."""
    total, used, count = 0, 0, 1
    for width in widths:
        total += width
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return 1 if total <= single else count


# What GSM-7 lacks and can be said in it without loss of meaning.
_PLAIN: Mapping[str, str] = {
    **dict.fromkeys("‘’‚‛‹›´`′", "'"),
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys(
        "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t", " "
    ),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    "…": "...",
    "•": "-",
    "·": "-",
    "→": "->",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "°": "",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "²": "2",
    "³": "3",
    "№": "No.",
    "ç": "c",
    "đ": "d",
    "Đ": "D",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
}


def to_gsm7(text: str, *, at_any_cost: bool = False) -> str:
    """Returns `text` in GSM-7 where that loses nothing a reader needs: typographic signs, accents and emoji only.

    Where a letter cannot be said in GSM-7 the text comes back in its own letters (composed), because the whole
    message then travels as UCS-2 and spoiling the rest would gain nothing. `at_any_cost` puts "?" for such letters.
    """
    composed = unicodedata.normalize("NFC", text)
    result = []
    for character in composed:
        if character in _GSM:
            result.append(character)
            continue
        plain = _PLAIN.get(character)
        if plain is None and unicodedata.category(character)[0] in "SMC":
            plain = ""
        if plain is None:
            plain = "".join(c for c in unicodedata.normalize("NFD", character) if not unicodedata.combining(c))
            if not plain.isascii() or not is_gsm7(plain):
                if not at_any_cost:
                    return composed
                plain = "" if result and result[-1] == "?" else "?"
        result.append(plain)
    plain_text = "".join(result)
    # A sign that takes several plain ones ("..." for one) can cost more than the alphabet saves.
    cheaper = at_any_cost or segments(plain_text).parts <= segments(composed).parts
    return plain_text if cheaper else composed


# Deliberately narrower than what Mastodon links (its own `config/initializers/twitter_regex.rb`): what is not surely
# a link is counted in full, so that a text never turns out longer there than here.
_LINK = re.compile(
    r"(?<![@$#\w])https?://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d+)?"
    r"(?:[/?](?:[A-Za-z0-9!*';:=+,.$/%#\[\]_~|&@?-]*[A-Za-z0-9=_#/+-])?)?"
)
_PUBLIC_HOST = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_REMOTE_MENTION = re.compile(r"(?<![=/\w])(@[A-Za-z0-9_]+(?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)@\w+(?:[.-]+\w+)*")


def _mastodon(text: str) -> int:
    def link(match: re.Match[str]) -> str:
        found = match.group(0)
        public = _PUBLIC_HOST.fullmatch(match.group("host")) is not None
        return "x" * (_MASTODON_LINK if public else max(_MASTODON_LINK, len(found)))

    return len(_REMOTE_MENTION.sub(r"\1", _LINK.sub(link, text)))


# twitter-text's configuration v3 (docs.x.com, fundamentals/counting-characters): these weigh 1, all others 2.
_X_LIGHT = ((0x0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
_X_LINK = 23
# Top-level domains that X surely knows; of others it makes no link, and their letters count in full.
_X_DOMAIN = re.compile(r"[A-Za-z0-9.-]+\.(?:[A-Za-z]{2}|com|org|net|int|gov|edu|mil|info|asia)", re.IGNORECASE)
# X makes a link of a domain without https:// as well, which then counts more than its few letters.
_BARE_DOMAIN = re.compile(
    r"(?<![@$#\w/.-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?:/[\w/%.=&?#~+-]*)?"
)
_PICTOGRAPH = "[\u2190-\u2bff\U0001f000-\U0001faff]"
_SKIN_OR_STYLE = "[\ufe0f\U0001f3fb-\U0001f3ff]{0,2}"
_EMOJI = re.compile(
    "[0-9#*]\ufe0f?\u20e3"
    "|[\U0001f1e6-\U0001f1ff]{2}"
    "|\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
    "|[\u00a9\u00ae\u203c\u2049\u2100-\u218f\u3030\u303d\u3297\u3299]\ufe0f?"
    f"|{_PICTOGRAPH}{_SKIN_OR_STYLE}(?:\u200d{_PICTOGRAPH}{_SKIN_OR_STYLE}){{0,4}}"
)


def _x(text: str) -> int:
    composed = unicodedata.normalize("NFC", text)
    total, end = 0, 0
    for match in _LINK.finditer(composed):
        total += _x_words(composed[end : match.start()])
        known = _X_DOMAIN.fullmatch(match.group("host")) is not None
        total += _X_LINK if known else max(_X_LINK, _x_weight(match.group(0)))
        end = match.end()
    return total + _x_words(composed[end:])


def _x_words(text: str) -> int:
    longer = sum(max(0, _X_LINK - _x_weight(match.group(0))) for match in _BARE_DOMAIN.finditer(text))
    return longer + _x_weight(text)


def _x_weight(text: str) -> int:
    emoji = 0

    def taken(_: re.Match[str]) -> str:
        nonlocal emoji
        emoji += 1
        return ""

    rest = _EMOJI.sub(taken, text)
    return 2 * emoji + sum(1 if any(a <= ord(sign) <= z for a, z in _X_LIGHT) else 2 for sign in rest)


_RULES: Mapping[str, Callable[[str], int]] = {
    "characters": len,
    "mastodon": _mastodon,
    "telegram": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    "x": _x,
    "sms": lambda text: segments(text).parts,
}

RULES = frozenset(_RULES)
"""Names of the counting rules, as they stand in `seam.Limits.counting`."""


def count(text: str, rule: str) -> int:
    """Length of `text` by the rule of that name; raises KeyError for a rule that is not in `RULES`."""
    return _RULES[rule](text)
