"""How long a provider asks us to wait: one reading of all the forms in use. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import JsonValue

# By name, seconds in one unit of the number that stands there. `retry_after` is Telegram's and Discord's,
# `retry_after_ms` Matrix's, `estimated_time_to_regain_access` Meta's (minutes).
_BODY_UNITS: Mapping[str, float] = {
    "retry_after_ms": 0.001,
    "retry_after": 1.0,
    "estimated_time_to_regain_access": 60.0,
}
_RESETS = ("x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset")
# X's limits of a quarter of an hour and of a day; each counts where nothing remains of it.
_WINDOWS = ("x-rate-limit", "x-user-limit-24hour", "x-app-limit-24hour")
# A smaller number in a reset header cannot be a moment of our time: it counts seconds from now.
_EARLIEST_EPOCH = 1_000_000_000


def asked_delay(headers: Mapping[str, str], body: JsonValue, now: datetime) -> float | None:
    """Returns the seconds a provider asks us to wait from `now`, None where it says nothing readable.

    The body beats the headers, Retry-After (seconds or an HTTP date) beats a rate limit's reset (ISO 8601, epoch
    seconds, or seconds from now), and of several limits that are used up the one that ends last counts. `headers` have
    lower-case names. Never negative, never infinite.
    """
    return _finite(
        _in_body(body),
        _in_usage(headers),
        _scaled(headers.get("retry-after-ms"), 0.001),
        _scaled(headers.get("retry-after"), 1.0),
        _until(headers.get("retry-after"), now),
        _scaled(headers.get("x-ratelimit-reset-after"), 1.0),
        _used_up(headers, now),
        *(_reset(headers.get(name), now) for name in _RESETS),
    )


def _finite(*candidates: float | None) -> float | None:
    for seconds in candidates:
        if seconds is not None and math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _in_body(body: JsonValue) -> float | None:
    if not isinstance(body, dict):
        return None
    for place in (body, body.get("parameters")):  # Telegram puts it in `parameters`
        if isinstance(place, dict):
            for name, unit in _BODY_UNITS.items():
                seconds = _scaled(place.get(name), unit)
                if seconds is not None and math.isfinite(seconds):
                    return seconds
    return None


def usages(headers: Mapping[str, str]) -> list[Mapping[str, JsonValue]]:
    """What Meta says of our use of it: X-App-Usage is one object, the other has a list of them for each business."""
    found: list[Mapping[str, JsonValue]] = []
    for name in ("x-app-usage", "x-business-use-case-usage"):
        try:
            content = json.loads(headers.get(name, "null"))
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            nested = [each for value in content.values() if isinstance(value, list) for each in value]
            found += [content, *(each for each in nested if isinstance(each, dict))]
    return found


def _in_usage(headers: Mapping[str, str]) -> float | None:
    """The longest that any business use case of ours is closed for; 0 minutes mean that none is."""
    waits = [_scaled(entry.get("estimated_time_to_regain_access"), 60.0) for entry in usages(headers)]
    return max((wait for wait in waits if wait is not None and 0 < wait < math.inf), default=None)


def _used_up(headers: Mapping[str, str], now: datetime) -> float | None:
    """Until the last of the windows ends of which nothing remains; None where something remains of each."""
    used_up = [name for name in _WINDOWS if headers.get(f"{name}-remaining", "").strip() == "0"]
    waits = [_reset(headers.get(f"{name}-reset"), now) for name in used_up]
    return max((wait for wait in waits if wait is not None and wait < math.inf), default=None)


def _scaled(value: JsonValue, unit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value) * unit
    except (ValueError, OverflowError):
        return None


def _until(text: str | None, now: datetime) -> float | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (_aware(moment) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reset(text: str | None, now: datetime) -> float | None:
    number = _scaled(text, 1.0)
    if number is not None:
        return number - now.timestamp() if number >= _EARLIEST_EPOCH else number
    if not text:
        return None
    try:
        return (_aware(datetime.fromisoformat(text.strip())) - now).total_seconds()
    except (ValueError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
