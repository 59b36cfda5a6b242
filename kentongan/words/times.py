"""Times as the public reads them: local, with the zone's name, in the words of the language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from kentongan.words.languages import Language


def zone_name(moment: datetime, zone: ZoneInfo, language: Language) -> str:
    """The name of `zone` at that moment: the public's own (WIB), else the abbreviation, else the offset (UTC+3)."""
    known = language.zones.get(zone.key)
    if known is not None:
        return known
    local = moment.astimezone(zone)
    abbreviation = local.tzname() or ""
    if abbreviation.isalpha():
        return abbreviation
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def local_time(moment: datetime, zone: ZoneInfo, language: Language, *, short: bool = False) -> str:
    """`moment` (with a zone of its own) in the agency's zone, with day, month, year and zone name."""
    return _said(moment, zone, language, language.moment_short if short else language.moment)


def time_of_day(moment: datetime, zone: ZoneInfo, language: Language, *, today: datetime, short: bool = True) -> str:
    """The same without its day where it is that of `today` in the agency's zone."""
    same_day = moment.astimezone(zone).date() == today.astimezone(zone).date()
    dated = language.moment_short if short else language.moment
    return _said(moment, zone, language, language.clock if same_day else dated)


def _said(moment: datetime, zone: ZoneInfo, language: Language, pattern: str) -> str:
    local = moment.astimezone(zone)
    return pattern.format(
        day=local.day,
        month=language.months[local.month - 1],
        month_short=language.months_short[local.month - 1],
        year=local.year,
        hour=f"{local.hour:02}",
        minute=f"{local.minute:02}",
        zone=zone_name(moment, zone, language),
    )


def widest_time(zone: ZoneInfo, language: Language, *, short: bool = False) -> str:
    """The longest text that `local_time` can give in that zone, over all months and both halves of the year."""
    texts = (
        local_time(datetime(2028, month, 20, 12, tzinfo=UTC), zone, language, short=short) for month in range(1, 13)
    )
    return max(texts, key=len)
