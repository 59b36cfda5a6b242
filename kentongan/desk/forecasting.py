"""Forecasting: when an alert that is sent now would have reached everybody, channel by channel. It stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from kentongan import waves
from kentongan.area.codes import Waves, Within
from kentongan.bucket import cost_of, name_of
from kentongan.clock import Process
from kentongan.desk import targeting, unreached
from kentongan.desk.desk import Desk
from kentongan.desk.extent import People
from kentongan.errors import DamagedRecord
from kentongan.forecast import ASSUMED_LATENCY, Forecast, Way, forecast
from kentongan.ledger import Read, alerts, buckets, foreseen, probes
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.buckets import Here
from kentongan.quick_dataclass import dataclass
from kentongan.reach import Reach, reach_of
from kentongan.readiness import Standing
from kentongan.routes import Following
from kentongan.seam import Rendered
from kentongan.settings import InstanceSettings


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One channel's forecast. `also`: how many of those it is too late for another channel reaches too, by its name.

    None where that was not counted: nobody is too late, or the alert goes to those whom its thread has reached.
    `nearest` is the same forecast for the first wave of its people alone, None where that was not counted or nothing
    tells them apart.
    """

    forecast: Forecast
    also: Mapping[str, int] | None = None
    nearest: Forecast | None = None


def foresee(
    desk: Desk,
    stored: StoredAlert,
    instances: Mapping[str, InstanceSettings],
    *,
    people: People,
    messages: Collection[Rendered],
    within: Within | None,
    waves: Waves = (),
    following: Following,
    overlaps: bool = True,
) -> list[Foreseen]:
    """Foresees every instance that is written to at once; those that a fallback comes to are left out.

    `overlaps` counts who has several channels and who is nearest, which takes as long as counting whom a channel writes
    to.
    """
    at_once = {name: each for name, each in instances.items() if name not in _later(following)}

    def look(read: Read) -> list[Foreseen]:
        ways = _ways(desk, read, stored, at_once, people, messages)
        seen = [forecast(way, now=read.now, expires_at=stored.expires_at) for way in ways]
        counted = overlaps and stored.kind.widens
        reach = reach_of(stored.draft.cap, desk.settings.policy, desk.identify)
        if not counted:
            return [Foreseen(each) for each in seen]
        return [
            Foreseen(
                each,
                _also(desk, read, each, at_once, seen, within, waves, reach),
                _nearest(desk, read, stored, way, at_once, within, waves, reach),
            )
            for way, each in zip(ways, seen, strict=True)
        ]

    return desk.ledger.read(look)


def _later(following: Following) -> frozenset[str]:
    """The instances on which somebody waits for another one: what they will have to do is not known before."""
    waiting = {name for each in following.fallbacks for name in each.to}
    return frozenset(waiting | set(following.spare))


def _ways(
    desk: Desk,
    read: Read,
    stored: StoredAlert,
    instances: Mapping[str, InstanceSettings],
    people: People,
    messages: Collection[Rendered],
) -> list[Way]:
    held, asked = unreached.holds(desk, read, instances), probes.standings(read)
    paused = buckets.paused(read, Here(desk.clock, Process.current().boot_id))
    named = {name: name_of(name, desk.kinds.limits(each)) for name, each in desk.settings.channels.items()}
    before, beside = _others(read, stored, named)
    ways = []
    for name, settings in instances.items():
        own = [message for message in messages if message.instance == name]
        limits = desk.kinds.limits(settings)
        standing = asked.get(name)
        if not own:
            continue
        quotas = [limits.daily, standing.last.seen.quota_left if standing is not None else None]
        allowed = [quota for quota in quotas if quota is not None]
        ways.append(
            Way(
                instance=name,
                limits=limits,
                people=people.by_instance.get(name),
                posts=len(own),
                batch=desk.kinds.traits(settings.kind).batch,
                cost=cost_of(limits, limits.rate, own, {}),
                before=before.get(named[name], 0),
                beside=beside.get(named[name], 0),
                paused=paused.get(named[name], 0.0),
                latency=_latency(standing),
                takes=max(0, min(allowed) - foreseen.taken_lately(read, name)) if allowed else None,
                held=held.get(name),
            )
        )
    return ways


def _others(read: Read, stored: StoredAlert, named: Mapping[str, str]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """By credential, what graver alerts still have to send with it, and what equal ones have."""
    before: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    own = waves.rank(stored.draft)
    ranks: dict[str, int] = {}
    for (alert_id, instance), count in foreseen.waiting(read, besides=stored.id).items():
        if alert_id not in ranks:
            try:
                ranks[alert_id] = waves.rank(alerts.get(read, alert_id).draft)
            except DamagedRecord:
                # No sender can read it either.
                ranks[alert_id] = -1
        if ranks[alert_id] >= own:
            (before if ranks[alert_id] > own else beside)[named.get(instance, instance)] += count
    return before, beside


def _latency(standing: Standing | None) -> float:
    """Seconds in which the provider answered the last look at it."""
    if standing is None or not standing.last.seen.ready:
        return ASSUMED_LATENCY
    return max(0.001, standing.last.took / 1000)


def _also(
    desk: Desk,
    read: Read,
    late: Forecast,
    instances: Mapping[str, InstanceSettings],
    all_: Sequence[Forecast],
    within: Within | None,
    waves: Waves,
    reach: Reach,
) -> Mapping[str, int] | None:
    if not late.too_late or late.people is None:
        return None
    wanted = targeting.audiences(desk, instances)
    # A channel that is itself too late for somebody is no way out.
    in_time = {each.instance for each in all_ if not each.too_late}
    others = {name: each for name, each in wanted.items() if name in in_time and name != late.instance}
    return foreseen.also_reached(
        read, late.too_late, wanted[late.instance], others, within=within, waves=waves, reach=reach
    )


def _nearest(
    desk: Desk,
    read: Read,
    stored: StoredAlert,
    way: Way,
    instances: Mapping[str, InstanceSettings],
    within: Within | None,
    waves: Waves,
    reach: Reach,
) -> Forecast | None:
    if way.people is None or within is None or not waves:
        return None
    family, audience = targeting.audiences(desk, instances)[way.instance]
    first = foreseen.nearest(read, family, audience, within=within, waves=waves, reach=reach)
    return forecast(replace(way, people=first), now=read.now, expires_at=stored.expires_at) if first else None
