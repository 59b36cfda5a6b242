"""How the command says modes, numbers, states and moments; what others say alike stands in `kentongan.telling`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from kentongan.banners import BANNERS
from kentongan.clock import Milliseconds, to_datetime
from kentongan.delivery import told
from kentongan.errors import BadInput
from kentongan.seam import Mode

UNITS: Mapping[str, str] = {
    "characters": "characters",
    "mastodon": "characters",
    "telegram": "characters",
    "x": "characters",
    "sms": "SMS parts",
}
"""What a message's length is counted in, by its channel's counting rule."""


def banner(mode: Mode) -> str:
    """The first line of every page about an alert."""
    return f"*** {BANNERS[mode]} ***"


def number(value: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{value:,}"


def states(counted: Mapping[str, int]) -> str:
    """Deliveries by word, what is surest first: "3,120 accepted, 2 in doubt"."""
    return told(counted) or "nothing planned yet"


def moment(at: Milliseconds | datetime, zone: ZoneInfo) -> str:
    """A local time with its zone: "2026-11-21 14:05:12 WIB"."""
    local = (at if isinstance(at, datetime) else to_datetime(at)).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"


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
