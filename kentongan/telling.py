"""How times, spans, counts and states are said to officers and reviewers, the same wherever they read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from kentongan.clock import Milliseconds, to_datetime
from kentongan.delivery import told


def printable(text: str) -> str:
    """What HTML has a place for; private-use signs are slots, of which none is left in what was sent."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn"))


def moment(at: Milliseconds, zone: ZoneInfo) -> str:
    """A local time to the millisecond with its zone."""
    local = to_datetime(at).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z}"


def minute(at: Milliseconds | datetime, zone: tzinfo | None) -> str:
    """A local time to the minute with its zone, for lists: "2026-11-21 14:05 WIB"."""
    local = (at if isinstance(at, datetime) else to_datetime(at)).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M %Z}"


def recorded(at: Milliseconds | datetime) -> str:
    """A local time's place in a sentence that goes on record, where it is in UTC: "2026-11-21 07:05 UTC"."""
    moment = at if isinstance(at, datetime) else to_datetime(at)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def local(sentence: str, zone: ZoneInfo) -> str:
    """A sentence of the record for officers: each time in it that `recorded` wrote is said in their zone."""

    def said(found: re.Match[str]) -> str:
        try:
            return minute(datetime.fromisoformat(found[1]).replace(tzinfo=UTC), zone)
        except (ValueError, OverflowError):  # no day of any month, or beyond the calendar
            return found[0]

    return _RECORDED.sub(said, sentence)


_RECORDED = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b", re.ASCII)


def clock_time(at: Milliseconds, zone: ZoneInfo) -> str:
    """The time of day alone, to the millisecond, for lines that stand under a date."""
    local = to_datetime(at).astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


def iso(at: Milliseconds | None) -> str | None:
    """A time as JSON has it, in UTC."""
    return None if at is None else to_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(span: Milliseconds | None) -> float | None:
    """A span for programs."""
    return None if span is None else span / 1000


def span(milliseconds: Milliseconds | None) -> str:
    """A span as short as it can be read: "0.4 s", "3 min 5 s", "2 h 10 min"; "-" for none."""
    if milliseconds is None:
        return "-"
    milliseconds = max(0, milliseconds)
    whole = round(milliseconds / 1000)
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def word(name: str) -> str:
    """A delivery's word as officers read it."""
    return name.replace("_", " ")


def states(counted: Mapping[str, int]) -> str:
    """Deliveries by word, what is surest first."""
    return told(counted) or "nothing planned"


def people(count: int) -> str:
    """So many people."""
    return "1 person" if count == 1 else f"{count:,} people"


def several(count: int, one: str, more: str = "") -> str:
    """So many of something."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def pruned(at: Milliseconds, zone: ZoneInfo) -> str:
    """What stands with figures that were counted before the deliveries went."""
    return f"Its deliveries were pruned from the record on {minute(at, zone)}; what was counted before is signed."
