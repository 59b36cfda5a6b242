"""How the command says numbers, times, modes and states: whole words, thousands set apart, local time with its zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from kentongan.banners import BANNERS
from kentongan.clock import Milliseconds, to_datetime
from kentongan.delivery import told
from kentongan.errors import BadInput
from kentongan.seam import Mode


def banner(mode: Mode) -> str:
    """The first line of every page about an alert."""
    return f"*** {BANNERS[mode]} ***"


def number(value: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{value:,}"


def people(count: int) -> str:
    """So many people."""
    return "1 person" if count == 1 else f"{count:,} people"


def several(count: int, one: str, more: str = "") -> str:
    """So many of something."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def word(name: str) -> str:
    """A delivery's word as officers read it."""
    return name.replace("_", " ")


def states(counted: Mapping[str, int]) -> str:
    """Deliveries by word, what is surest first: "3,120 accepted, 2 in doubt"."""
    return told(counted) or "nothing planned yet"


def moment(at: Milliseconds | datetime, zone: ZoneInfo) -> str:
    """A local time with its zone: "2026-11-21 14:05:12 WIB"."""
    local = (at if isinstance(at, datetime) else to_datetime(at)).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"


def minute(at: Milliseconds | datetime, zone: ZoneInfo) -> str:
    """A local time to the minute, for lists: "2026-11-21 14:05 WIB"."""
    local = (at if isinstance(at, datetime) else to_datetime(at)).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M %Z}"


def clock_time(at: Milliseconds, zone: ZoneInfo) -> str:
    """The time of day alone, to the millisecond, for lines that stand under a date."""
    local = to_datetime(at).astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


def iso(at: Milliseconds | None) -> str | None:
    """A time as JSON has it, in UTC."""
    return None if at is None else to_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lasting(milliseconds: Milliseconds | None) -> str:
    """A span of time, as short as it can be read: "0.4 s", "3 min 5 s", "2 h 10 min"."""
    if milliseconds is None:
        return "-"
    seconds = max(0, milliseconds) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def since(text: str, *, now: datetime, zone: ZoneInfo, option: str = "--since") -> datetime:
    """The moment that an officer means by "2h" (ago) or "2026-11-21 14:00" (local); raises BadInput."""
    from kentongan.words.fields import duration

    span: timedelta | None = duration(text)
    if span is not None:
        return now - span
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{option} {text!r} is no time; give one such as 2h or 2026-11-21 14:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
