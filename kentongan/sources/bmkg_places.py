"""Rewrites BMKG's names of places for plain reading: run-together compass words, abbreviations, capitals."""

from __future__ import annotations

import re

_DISTANCE = re.compile(
    r"(?:pusat\s+gempa\s+(?:berada\s+)?)?(?:di\s+)?(?:(?P<side>laut|darat)\s*,?\s+)?"
    r"(?P<distance>\d+(?:[.,]\d+)?)\s*km\s+(?:(?:di|ke|arah|sebelah)\s+)*"
    r"(?P<compass>barat\s*laut|barat\s*daya|timur\s*laut|tenggara|timur|selatan|barat|utara)\s+(?:dari\s+)?(?P<near>.+)",
    re.IGNORECASE,
)
_RUN_TOGETHER = re.compile(r"\b(barat|timur)(laut|daya)\b", re.IGNORECASE)
# The provinces as BMKG abbreviates them, and the words before a name.
_PROVINCES = {
    "BABEL": "Kepulauan Bangka Belitung",
    "DIY": "Daerah Istimewa Yogyakarta",
    "DKI": "DKI Jakarta",
    "JABAR": "Jawa Barat",
    "JATENG": "Jawa Tengah",
    "JATIM": "Jawa Timur",
    "KALBAR": "Kalimantan Barat",
    "KALSEL": "Kalimantan Selatan",
    "KALTARA": "Kalimantan Utara",
    "KALTENG": "Kalimantan Tengah",
    "KALTIM": "Kalimantan Timur",
    "KEPRI": "Kepulauan Riau",
    "MALUT": "Maluku Utara",
    "NTB": "Nusa Tenggara Barat",
    "NTT": "Nusa Tenggara Timur",
    "PABAR": "Papua Barat",
    "SULBAR": "Sulawesi Barat",
    "SULSEL": "Sulawesi Selatan",
    "SULTENG": "Sulawesi Tengah",
    "SULTRA": "Sulawesi Tenggara",
    "SULUT": "Sulawesi Utara",
    "SUMBAR": "Sumatera Barat",
    "SUMSEL": "Sumatera Selatan",
    "SUMUT": "Sumatera Utara",
}
_PREFIXES = {"KAB": "Kabupaten", "KEP": "Kepulauan", "KEC": "Kecamatan", "P": "Pulau", "PROV": "Provinsi"}
_PREFIX = re.compile(r"\b(" + "|".join(_PREFIXES) + r")\.\s*(?=[A-Z])", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_ROMAN = re.compile(r"[IVX]+")


def plain_place(text: str) -> str:
    """Returns where a quake was, in Indonesian: "127 km barat laut Tahuna, Kepulauan Sangihe, Sulawesi Utara".

    The opening "Pusat gempa berada di" is dropped, whether it was at sea or on land is kept ("di laut, 25 km ...").
    Text of another shape keeps its words.
    """
    match = _DISTANCE.fullmatch(text.strip())
    if match is None:
        return plain_name(_RUN_TOGETHER.sub(r"\1 \2", text))
    compass = _RUN_TOGETHER.sub(r"\1 \2", " ".join(match["compass"].lower().split()))
    side = f"di {match['side'].lower()}, " if match["side"] else ""
    return f"{side}{match['distance'].replace('.', ',')} km {compass} {plain_name(match['near'])}"


def plain_name(text: str) -> str:
    """Returns the name of a place without shouting and abbreviations; what is written in mixed case keeps its letters.

    Hyphens between names in capitals become commas ("RUTENG-NTT"); doubled names keep theirs ("TOLI-TOLI").
    """
    text = _PREFIX.sub(lambda match: _PREFIXES[match.group(1).upper()] + " ", " ".join(text.split()))
    return ", ".join(_plain_part(part) for part in _parts(text))


def _parts(text: str) -> list[str]:
    shouted = not re.search(r"[a-z]", re.sub(r"\b(" + "|".join(_PREFIXES.values()) + r")\b", "", text))
    if not shouted:
        return [text]
    parts: list[str] = []
    for part in text.split("-"):
        part = part.strip()
        if parts and part == parts[-1]:
            parts[-1] += f"-{part}"
        elif part:
            parts.append(part)
    return parts or [text]


def _plain_part(part: str) -> str:
    if part.upper() in _PROVINCES:
        return _PROVINCES[part.upper()]
    return _WORD.sub(lambda match: _plain_word(match.group()), part)


def _plain_word(word: str) -> str:
    if not word.isupper() or len(word) == 1 or _ROMAN.fullmatch(word):
        return word
    if word in _PROVINCES:
        return _PROVINCES[word]
    # An island's name is often run together with the word for island.
    island = re.fullmatch(r"PULAU([A-Z]{3,})", word)
    if island is not None and not island.group(1).startswith("PULAU"):
        return f"Pulau {island.group(1).capitalize()}"
    return word.capitalize()
