"""The written forms of the XML Schema types that CAP uses (W3C XML Schema part 2), for the validity check.

Each function answers whether a value, as it stands in the document, is of that type. Where the recommendation leaves
room, the reading is that of libxml2, because that is what senders and aggregators validate with.
"""

from __future__ import annotations

import re

_SPACE = "\t\n\r "
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_DATE_TIME = re.compile(
    r"(-?)([0-9]{4,})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"(?:(?:Z|[+-]([0-9]{2}):([0-9]{2}))[\t\n\r ]*)?"
)
# CAP 1.2 schema; its comma is a slip of the pen that no dateTime can use.
_CAP_1_2_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[-,+][0-9]{2}:[0-9]{2}")
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_GREATEST_YEAR = 2**63 - 1


def collapse(value: str) -> str:
    """Returns `value` with XML white space collapsed, as every type but string has it."""
    return " ".join(part for part in re.split(f"[{_SPACE}]+", value) if part)


def is_string(value: str) -> bool:
    """Any text at all."""
    return True


def is_integer(value: str) -> bool:
    """xs:integer."""
    return _INTEGER.fullmatch(collapse(value)) is not None


def is_decimal(value: str) -> bool:
    """xs:decimal: no exponent, no infinity."""
    return _DECIMAL.fullmatch(collapse(value)) is not None


def is_language(value: str) -> bool:
    """xs:language: subtags of up to eight characters, as RFC 3066 has them."""
    return _LANGUAGE.fullmatch(collapse(value)) is not None


def is_date_time(value: str) -> bool:
    """xs:dateTime of CAP 1.0 and 1.1: fractions and a missing zone are allowed.

    White space around it would be allowed by the recommendation, but is refused where libxml2 does: all of it but that
    after a zone.
    """
    match = _DATE_TIME.fullmatch(value)
    if match is None:
        return False
    sign, year_text, *rest = match.groups()
    month, day, hour, minute, second = (int(part) for part in rest[:5])
    fraction, zone_hour, zone_minute = rest[5:]
    if len(year_text) > 4 and (year_text[0] == "0" or len(year_text) > len(str(_GREATEST_YEAR))):
        return False
    year = int(year_text)
    if year == 0 or year > _GREATEST_YEAR:
        return False
    if not 1 <= month <= 12 or not 1 <= day <= _days(-year if sign else year, month):
        return False
    end_of_day = hour == 24 and minute == 0 and second == 0 and not (fraction or "").strip(".0")
    if not end_of_day and (hour > 23 or minute > 59 or second > 59):
        return False
    if zone_hour is None:
        return True
    return int(zone_minute) <= 59 and int(zone_hour) * 60 + int(zone_minute) <= 14 * 60


def is_cap_1_2_date_time(value: str) -> bool:
    """The dateTime of CAP 1.2 (section 3.3.2): whole seconds, zone as hours and minutes, never "Z"."""
    value = collapse(value)
    return _CAP_1_2_DATE_TIME.fullmatch(value) is not None and is_date_time(value)


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _MONTH_DAYS[month - 1]
