"""Values that CAP packs into text: times, points, references and lists. Pure; None stands for "cannot be read"."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from kentongan.cap.lexical import collapse
from kentongan.cap.model import Reference

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_POINT = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})(?=[\s,]|$)")
_CIRCLE = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})[\s,]+({_NUMBER})\s*")
_ITEM = re.compile(r'"([^"]*)"|(\S+)')

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Point = tuple[float, float]


def printable(text: str) -> str:
    """Returns `text` without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("", text)


def read_time(text: str, zone: tzinfo) -> tuple[datetime, bool, bool] | None:
    """Reads a dateTime; also tells whether it lacked a zone (`zone` is then taken) and whether a fraction was dropped.

    The result has whole seconds and a fixed offset. None for what is no time or lies outside the years 1 to 9999 (in
    UTC as well, so that it can be compared with others).
    """
    match = _TIME.fullmatch(collapse(text))
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, offset = match.groups()[6:]
    # 24:00:00 is the end of that day, the one hour that Python does not know.
    later = timedelta(days=1) if hour == 24 else timedelta()
    try:
        time = datetime(year, month, day, hour % 24, minute, second) + later
        time = time.replace(tzinfo=_offset(offset) if offset else zone)
        time = time.replace(tzinfo=timezone(time.utcoffset() or timedelta()))
        time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time, offset is None, fraction is not None


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def read_polygon(text: str) -> tuple[Point, ...] | None:
    """Reads "lat,lon lat,lon ..." as it stands, open or closed; None where anything in it is no point on earth."""
    points: list[Point] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _POINT.match(text, at)
        point = _point(match.group(1), match.group(2)) if match is not None else None
        if match is None or point is None:
            return None
        points.append(point)
        at = match.end()
    return tuple(points)


def read_circle(text: str) -> tuple[float, float, float] | None:
    """Reads "lat,lon radius", the radius in kilometres."""
    match = _CIRCLE.fullmatch(text)
    if match is None:
        return None
    point, radius = _point(match.group(1), match.group(2)), float(match.group(3))
    return (*point, radius) if point is not None and math.isfinite(radius) and radius >= 0 else None


def _point(latitude_text: str, longitude_text: str) -> Point | None:
    latitude, longitude = float(latitude_text), float(longitude_text)
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def read_reference(text: str, zone: tzinfo) -> Reference | None:
    """Reads "sender,identifier,sent"."""
    sender, _, rest = text.partition(",")
    identifier, _, sent = rest.rpartition(",")
    time = read_time(sent, zone)
    if not sender or not identifier or time is None:
        return None
    return Reference(sender=sender, identifier=identifier, sent=time[0])


def read_items(text: str) -> tuple[str, ...]:
    """Reads words set apart by spaces, those with spaces in double quotes (addresses, incidents)."""
    items = (quoted.strip() or plain for quoted, plain in _ITEM.findall(text))
    return tuple(item for item in items if item)
