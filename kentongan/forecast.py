"""When each channel would have begun and have reached everybody, and how many that would be too late for.

All of it is pure and a forecast: it decides nothing and stops nothing. What it is made from is read by
`kentongan.desk.forecasting`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kentongan import telling
from kentongan.clock import Milliseconds, to_datetime
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits

if TYPE_CHECKING:
    from kentongan.ledger.throttled import Throttled

ASSUMED_LATENCY = 0.25
"""Seconds that a provider is taken to need for an answer where nobody has asked it yet."""

_MOST_NAMED = 2


class Bound(enum.StrEnum):
    """What ends the time in which a message is sent."""

    EXPIRY = "the alert expires"
    CHANNEL = "it is of use there"


@dataclass(frozen=True, slots=True)
class Way:
    """One channel as far as a forecast needs it.

    `people`: how many it writes to, None where it publishes `posts` messages. `cost`: seconds of its credential's time
    that a request takes, None where its rate says it. `before`: requests of graver alerts with that credential, which
    go first; `beside`: those of equal ones, with which it takes turns. `paused`: seconds for which it may not be asked.
    `latency`: seconds until a request is answered. `takes`: how many messages more its provider takes in these 24
    hours, None where nobody says. `held`: the reason of a hold.
    """

    instance: str
    limits: Limits
    people: int | None
    posts: int = 1
    batch: int = 1
    cost: float | None = None
    before: int = 0
    beside: int = 0
    paused: float = 0.0
    latency: float = ASSUMED_LATENCY
    takes: int | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would become of one channel's part.

    `begins_at` and `everyone_at` are wall times: of the first request, and of the answer to the last. None where that
    never comes: it is held, or its provider takes no more of them. Nothing is sent after `deliver_by`, which `bound`
    explains. `too_late`: people, or posts of a public channel, that it would not reach in time; `refused`: those of
    them whom its provider would not take in these 24 hours.
    """

    instance: str
    people: int | None
    begins_at: Milliseconds | None
    everyone_at: Milliseconds | None
    deliver_by: Milliseconds
    bound: Bound
    too_late: int
    refused: int = 0
    held: str | None = None


def forecast(way: Way, *, now: Milliseconds, expires_at: Milliseconds | None) -> Forecast:
    """Foresees one channel's part of an alert that is sent at `now`."""
    limits = way.limits
    deliver_by, bound = now + round(limits.deliver_within * 1000), Bound.CHANNEL
    if expires_at is not None and expires_at <= deliver_by:
        deliver_by, bound = expires_at, Bound.EXPIRY
    wanted = way.posts if way.people is None else way.people
    refused = max(0, wanted - way.takes) if way.takes is not None else 0
    if way.held is not None:
        return Forecast(way.instance, way.people, None, None, deliver_by, bound, wanted, refused, way.held)
    requests = math.ceil(wanted / way.batch)
    speed = min(1 / way.cost if way.cost is not None else limits.rate, limits.concurrency / way.latency)
    begins_at = now + round((way.paused + way.before / speed) * 1000)
    # Equal alerts take turns until the shorter of them is done.
    shared = min(way.beside, requests)
    lasts = (requests + shared) / speed + (way.latency if requests else 0.0)
    room = max(0, deliver_by - begins_at) / 1000 * speed
    mine = room / 2 if room < 2 * shared else room - shared
    in_time = min(wanted - refused, math.floor(mine) * way.batch)
    return Forecast(
        instance=way.instance,
        people=way.people,
        begins_at=begins_at,
        everyone_at=begins_at + round(lasts * 1000) if not refused else None,
        deliver_by=deliver_by,
        bound=bound,
        too_late=wanted - in_time,
        refused=refused,
    )


def everyone_by(seen: Forecast, *, now: Milliseconds, zone: ZoneInfo) -> str:
    """When everybody would have it, in a table: the local time, and how long that is from now."""
    if seen.everyone_at is None:
        return "not before it is released" if seen.held is not None else "not within 24 hours"
    lasts = seen.everyone_at - now
    return f"{_time(seen.everyone_at, now, zone)} ({_lasting(lasts) if lasts >= 60_000 else telling.span(lasts)})"


def warning(seen: Forecast, *, now: Milliseconds, zone: ZoneInfo, also: Mapping[str, int] | None = None) -> str | None:
    """What officers are told of a channel that would be too late for somebody; None where it would not.

    `also`: how many of those who would be too late have another channel of the alert too, by its name; None where that
    was not counted.
    """
    if not seen.too_late:
        return None
    if seen.held is not None:
        told = f"{seen.instance} is held ({telling.local(seen.held, zone)}) and reaches nobody until it is released"
        return f"{told}; {_others(seen.too_late, also)}" if any((also or {}).values()) else told
    name, late = seen.instance, seen.too_late
    if seen.people is None:
        assert seen.everyone_at is not None
        after = _lasting(max(0, seen.everyone_at - seen.deliver_by))
        return f"{name} will have posted at {_time(seen.everyone_at, now, zone)}, {after} after {seen.bound}"
    if seen.everyone_at is None:
        said = f"the provider of {name} takes {seen.people - seen.refused:,} more messages in these 24 hours"
        told = f"{said}, and {telling.people(seen.people)} are to be written to"
    else:
        after = _lasting(max(0, seen.everyone_at - seen.deliver_by))
        than = f"after {seen.bound}" if seen.bound is Bound.EXPIRY else f"later than {seen.bound}"
        reached = f"{name} will have reached {telling.people(seen.people)} at {_time(seen.everyone_at, now, zone)}"
        told = f"{reached}, {after} {than}"
    return f"{told}; {_others(late, also)}"


def throttled(found: Throttled) -> str:
    """What officers are told of a channel whose provider lets an alert wait for too long."""
    asked, left = _lasting(found.until - found.at), _lasting(max(0, found.deliver_by - found.at))
    said = f"its provider asks us to wait {asked}, and the alert is of use there for {left}"
    found_also = sorted(((count, name) for name, count in found.also.items() if count), reverse=True)[:_MOST_NAMED]
    if not found_also:
        return f"{said}; nobody who waits for it has another channel of this alert"
    named = " and ".join(f"{count:,} also have {name}" for count, name in found_also)
    return f"{said}; of the {found.waiting:,} who wait for it {named}"


def _others(late: int, also: Mapping[str, int] | None) -> str:
    if also is None:
        return f"{late:,} would be too late"
    found = sorted(((count, name) for name, count in also.items() if count), reverse=True)[:_MOST_NAMED]
    if not found:
        return f"none of the {late:,} who would be too late has another channel of this alert"
    named = " and ".join(
        f"{count:,} {f'of the {late:,} who would be too late ' if not place else ''}also have {name}"
        for place, (count, name) in enumerate(found)
    )
    return named


def _time(at: Milliseconds, now: Milliseconds, zone: ZoneInfo) -> str:
    """A time of day, with its date where that is not today's."""
    local = to_datetime(at).astimezone(zone)
    # A table of minutes that rounds down would promise too much.
    if local.second or local.microsecond:
        local = local.replace(second=0, microsecond=0) + timedelta(minutes=1)
    today = to_datetime(now).astimezone(zone).date() == local.date()
    return f"{local:%H:%M %Z}" if today else f"{local:%Y-%m-%d %H:%M %Z}"


def _lasting(span: Milliseconds) -> str:
    minutes = max(1, math.ceil(span / 60_000))
    if minutes < 120:
        return telling.several(minutes, "minute")
    return telling.several(round(minutes / 60), "hour")
