"""Reads BMKG's open earthquake data (data.bmkg.go.id/DataMKG/TEWS, the .json files) into the facts of an alert.

BMKG publishes three files of one shape: autogempa (the latest quake, an object), gempaterkini and gempadirasakan
(lists, newest first). All values are text, and times are repeated in WIB wherever the quake was.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from pydantic import JsonValue

from kentongan.cap.model import Certainty, Severity, Urgency
from kentongan.errors import BadInput
from kentongan.quick_dataclass import dataclass
from kentongan.seam import SLOT_CLOSE, SLOT_OPEN
from kentongan.sources.bmkg_places import plain_name, plain_place
from kentongan.sources.bmkg_proposals import felt_radius, greatest_intensity, propose_severity, propose_urgency

Tsunami = Literal["none", "possible", "unknown"]

_LARGEST = 1024 * 1024
_REMEDY = "give a file of BMKG such as autogempa.json"
# Indonesian first, English as BMKG's older files have it.
_MONTH_NAMES = (
    ("jan", "januari"), ("feb", "februari", "peb"), ("mar", "maret"), ("apr", "april"), ("mei", "may"),
    ("jun", "juni"), ("jul", "juli"), ("agu", "agt", "agustus", "aug"), ("sep", "september"),
    ("okt", "oktober", "oct"), ("nov", "november", "nop"), ("des", "desember", "dec"),
)  # fmt: skip
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names}
_ZONES = {"WIB": 7, "WITA": 8, "WIT": 9, "UTC": 0}
_LOCAL_DATE = re.compile(r"(\d{1,2})[ -]([A-Za-z]+)[ -](\d{4})")
_LOCAL_TIME = re.compile(r"(\d{1,2})[:.](\d{2})[:.](\d{2})\s*([A-Z]*)")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_FELT = re.compile(r"(?:MMI\s*)?([IVX]+(?:\s*[-–]\s*[IVX]+)?)(?:\s*MMI)?\s+(?:di\s+)?(.+)")


@dataclass(frozen=True, slots=True)
class Felt:
    """How strongly one place shook: `mmi` as BMKG has it ("III-IV"; "" where none is given)."""

    mmi: str
    place: str

    def __str__(self) -> str:
        return f"{self.mmi} {self.place}".strip()


@dataclass(frozen=True, slots=True)
class Earthquake:
    """One earthquake as BMKG reports it, with what an officer may take over from it.

    `depth_km` in kilometres, `latitude` and `longitude` in degrees (south and west negative), `origin_time` in UTC.
    `place` is Indonesian plain language. `shakemap` is the name of a picture, "" where there is none.

    BMKG gives no CAP severity or urgency. `severity`, `urgency` and `certainty` are proposals that an officer may
    change, made as `kentongan.sources.bmkg_proposals` says; `circle` is (latitude, longitude, radius in km).
    """

    magnitude: float
    depth_km: float
    origin_time: datetime
    latitude: float
    longitude: float
    place: str
    felt: tuple[Felt, ...]
    tsunami: Tsunami
    shakemap: str
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, JsonValue]:
        """The values of the hazard *earthquake*'s fields: numbers, texts, a list of texts, the time as ISO 8601.

        What BMKG does not tell is left out.
        """
        return {
            "magnitude": self.magnitude,
            "depth_km": self.depth_km,
            "origin_time": self.origin_time.isoformat(),
            "latitude": self.latitude,
            "longitude": self.longitude,
            "place": self.place,
            **({"felt": [str(felt) for felt in self.felt]} if self.felt else {}),
            "tsunami": self.tsunami,
            "source": "BMKG",
        }

    @property
    def felt_places(self) -> tuple[str, ...]:
        """The places that shook, without their intensities, each once."""
        return tuple(dict.fromkeys(felt.place for felt in self.felt))

    @property
    def severity(self) -> Severity:
        """Proposed from the greatest intensity felt, else from magnitude and depth; Extreme with a tsunami possible."""
        intensity = max((greatest_intensity(felt.mmi) for felt in self.felt), default=0)
        return propose_severity(self.magnitude, self.depth_km, intensity, tsunami=self.tsunami == "possible")

    @property
    def urgency(self) -> Urgency:
        """Immediate where people must act now, Expected where they should look around, Past for the rest."""
        return propose_urgency(self.severity)

    @property
    def certainty(self) -> Certainty:
        """Observed: an earthquake that is reported has been measured."""
        return Certainty.OBSERVED

    @property
    def circle(self) -> tuple[float, float, float]:
        """Where it may have been felt, by magnitude."""
        return self.latitude, self.longitude, felt_radius(self.magnitude)


def read(data: bytes, *, index: int = 0) -> Earthquake:
    """Reads one earthquake; `index` chooses from a list, 0 being the newest.

    Raises BadInput, naming the field, for what is no such file or holds what cannot be so.
    """
    record = _record(data, index)
    warnings: list[str] = []
    latitude, longitude = _position(record, warnings)
    return Earthquake(
        magnitude=_number(record, "Magnitude", -2, 10),
        depth_km=_number(record, "Kedalaman", 0, 800),
        origin_time=_origin_time(record, warnings),
        latitude=latitude,
        longitude=longitude,
        place=plain_place(_required(record, "Wilayah")),
        felt=_felt(record, warnings),
        tsunami=_tsunami(_text(record, "Potensi")),
        shakemap=_text(record, "Shakemap"),
        warnings=tuple(warnings),
    )


def _record(data: bytes, index: int) -> Mapping[str, object]:
    if len(data) > _LARGEST:
        raise BadInput(f"the file has {len(data):,} bytes, far more than BMKG's; {_REMEDY}")
    if not data.strip():
        raise BadInput(f"the file is empty; {_REMEDY}")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise BadInput(f"the file is a web page or XML, not BMKG's JSON; {_REMEDY}")
    try:
        content: object = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput(f"the file is not UTF-8 text; {_REMEDY}") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"line {error.lineno}: the file is not whole JSON; {_REMEDY}") from None
    except (RecursionError, ValueError):
        raise BadInput(f"the file is no JSON that BMKG publishes; {_REMEDY}") from None
    outer = content.get("Infogempa") if isinstance(content, dict) else None
    if not isinstance(outer, dict):
        if isinstance(content, dict) and ("statusCode" in content or "error" in content):
            told = str(content.get("message") or content.get("error"))[:80]
            raise BadInput(f"the file holds an error of the service ({told!r}), not an earthquake; fetch it again")
        raise BadInput(f"field Infogempa is missing; {_REMEDY}")
    quakes = outer.get("gempa")
    if isinstance(quakes, dict):
        quakes = [quakes]
    if not isinstance(quakes, list) or not quakes:
        raise BadInput(f"field Infogempa.gempa holds no earthquake; {_REMEDY}")
    if not 0 <= index < len(quakes):
        raise BadInput(f"the file has no earthquake {index}: it holds {len(quakes)}, counted from 0; choose another")
    record = quakes[index]
    if not isinstance(record, dict):
        raise BadInput(f"field Infogempa.gempa[{index}] is no earthquake; {_REMEDY}")
    return record


def _text(record: Mapping[str, object], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"field {field} is no text; {_REMEDY}")
    # What comes from outside may hold no token of ours, and no line break within a value.
    return " ".join(str(value).replace(SLOT_OPEN, "").replace(SLOT_CLOSE, "").split())


def _required(record: Mapping[str, object], field: str) -> str:
    text = _text(record, field)
    if not text:
        raise BadInput(f"field {field} is missing; {_REMEDY}")
    return text


def _number(record: Mapping[str, object], field: str, least: float, most: float) -> float:
    text = _required(record, field)
    match = re.fullmatch(rf"({_NUMBER.pattern})\s*(?:km)?", text, re.IGNORECASE | re.ASCII)
    return _bounded(match.group(1) if match is not None else "", text, field, least, most)


def _bounded(number_text: str, shown: str, field: str, least: float, most: float) -> float:
    number = float(number_text.replace(",", ".")) if number_text else math.nan
    if not least <= number <= most:
        raise BadInput(f"field {field} is {shown[:40]!r}, not a number from {least:g} to {most:g}; check it with BMKG")
    return number


def _position(record: Mapping[str, object], warnings: list[str]) -> tuple[float, float]:
    coordinates = _text(record, "Coordinates")
    lettered = [
        _lettered(record, "Lintang", {"LS": -1, "LU": 1}, 90),
        _lettered(record, "Bujur", {"BT": 1, "BB": -1}, 180),
    ]
    if not coordinates:
        if lettered[0] is None or lettered[1] is None:
            raise BadInput(f"field Coordinates is missing; {_REMEDY}")
        return lettered[0], lettered[1]
    parts = re.split(r"\s*,\s*", coordinates)
    if len(parts) != 2 or not all(re.fullmatch(r"[+-]?\d+(\.\d+)?", part, re.ASCII) for part in parts):
        raise BadInput(f"field Coordinates is {coordinates[:40]!r}, not latitude,longitude; check it with BMKG")
    latitude = _bounded(parts[0], coordinates, "Coordinates", -90, 90)
    longitude = _bounded(parts[1], coordinates, "Coordinates", -180, 180)
    for name, number, other in (("Lintang", latitude, lettered[0]), ("Bujur", longitude, lettered[1])):
        if other is not None and abs(number - other) > 0.05:
            warnings.append(f"{name} and Coordinates disagree; Coordinates was taken")
    return latitude, longitude


def _lettered(record: Mapping[str, object], field: str, signs: Mapping[str, int], most: float) -> float | None:
    text = _text(record, field)
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*([A-Z]{2})", text.upper(), re.ASCII)
    if match is None or match.group(2) not in signs:
        raise BadInput(f"field {field} is {text[:40]!r}, not degrees with {' or '.join(signs)}; check it with BMKG")
    return signs[match.group(2)] * _bounded(match.group(1), text, field, 0, most)


def _origin_time(record: Mapping[str, object], warnings: list[str]) -> datetime:
    local = _local_time(record)
    text = _text(record, "DateTime")
    if not text:
        if local is None:
            raise BadInput(f"field DateTime is missing and Tanggal and Jam give no time; {_REMEDY}")
        warnings.append("DateTime is missing; the time was taken from Tanggal and Jam")
        return local
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=time.tzinfo or UTC, microsecond=0).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"field DateTime is {text[:40]!r}, not an ISO 8601 time; check it with BMKG") from None
    if local is not None and abs(local - time) > timedelta(seconds=60):
        warnings.append(
            f"Tanggal and Jam say {local:%Y-%m-%d %H:%M:%S} UTC, DateTime {time:%Y-%m-%d %H:%M:%S} UTC;"
            " DateTime was taken, check it with BMKG"
        )
    return time


def _local_time(record: Mapping[str, object]) -> datetime | None:
    date = _LOCAL_DATE.fullmatch(_text(record, "Tanggal"))
    clock = _LOCAL_TIME.fullmatch(_text(record, "Jam"))
    if date is None or clock is None:
        return None
    month = _MONTHS.get(date.group(2).lower())
    hours = _ZONES.get(clock.group(4) or "WIB")
    if month is None or hours is None:
        return None
    day, year = int(date.group(1)), int(date.group(3))
    hour, minute, second = (int(part) for part in clock.groups()[:3])
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta(hours=hours)))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _felt(record: Mapping[str, object], warnings: list[str]) -> tuple[Felt, ...]:
    found: list[Felt] = []
    for item in re.split(r"[,;]", _text(record, "Dirasakan")):
        item = item.strip(" .-–")
        if not item:
            continue
        match = _FELT.fullmatch(item)
        if match is None or not greatest_intensity(match.group(1).replace("–", "-")):
            warnings.append(f"Dirasakan gives no intensity for {item[:60]!r}")
            found.append(Felt("", plain_name(item)))
        else:
            found.append(Felt(re.sub(r"\s*[-–]\s*", "-", match.group(1)), plain_name(match.group(2))))
    return tuple(found)


def _tsunami(potential: str) -> Tsunami:
    # "Tidak berpotensi tsunami" holds the words "berpotensi tsunami": the denial is looked for first.
    text = potential.lower()
    if "tsunami" not in text:
        return "unknown"
    if re.search(r"\b(tidak|tdk|tak|bukan|nihil|tanpa)\b", text):
        return "none"
    return "possible" if "potensi" in text else "unknown"
