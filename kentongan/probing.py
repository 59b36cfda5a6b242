"""Looking at the channels: asks their providers, harmlessly, and keeps what was seen (`kentongan.readiness`)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from kentongan.clock import Milliseconds
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, Read, Write, people, probes, senders
from kentongan.readiness import Instance, Probe, Verdict, judge
from kentongan.seam import Channel, Limits, Readiness, Traits
from kentongan.settings import InstanceSettings, Settings

_log = logging.getLogger(__name__)

_AT_ONCE = 4
_OVERTIME = 5.0
_MOST_DETAIL = 500


async def probe(
    channels: Mapping[str, Channel], ledger: Ledger, *, every: Callable[[str], Milliseconds], now: Milliseconds
) -> dict[str, Probe]:
    """Asks those channels whose last look lies `every(name)` or longer back (0: all), and returns what was seen.

    Nothing that a provider or an adapter does raises. A ledger that takes nothing loses the record, not the look.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str, channel: Channel) -> Probe | None:
        async with gate:
            return await _look(name, channel, ledger, every=every(name), now=now)

    looks = await asyncio.gather(*(one(name, channel) for name, channel in channels.items()))
    return {each.instance: each for each in looks if each is not None}


async def _look(name: str, channel: Channel, ledger: Ledger, *, every: Milliseconds, now: Milliseconds) -> Probe | None:
    def begin(write: Write) -> str | None:
        return probes.begin(write, name, every=every)

    id: str | None = None
    try:
        id = await ledger.write_soon(begin)
        if id is None:
            return None
    except LedgerUnavailable:
        if every > 0:
            raise
    began = time.monotonic()
    seen = await _ask(channel)
    took = round((time.monotonic() - began) * 1000)
    if id is not None:
        kept = id
        try:
            await ledger.write_soon(lambda write: probes.settle(write, kept, seen, took=took))
        except LedgerUnavailable:
            _log.warning("look not kept", extra={"instance": name})
    return Probe(name, now, seen, took)


async def _ask(channel: Channel) -> Readiness:
    try:
        async with asyncio.timeout(channel.limits.deadline + _OVERTIME):
            seen = await channel.ready()
    except TimeoutError:
        return Readiness(False, "The provider gave no answer in time.")
    except Exception as error:
        # Only the type: what an adapter says of its own mistake may hold a secret.
        _log.error("channel not asked", extra={"instance": channel.name, "error": type(error).__name__})
        return Readiness(False, f"It could not be asked ({type(error).__name__}).")
    if len(seen.detail) <= _MOST_DETAIL:
        return seen
    return Readiness(seen.ready, seen.detail[:_MOST_DETAIL], seen.expires_at, seen.quota_left)


def instances(
    read: Read,
    settings: Settings,
    *,
    traits: Callable[[str], Traits],
    limits: Callable[[InstanceSettings], Limits],
) -> list[Instance]:
    """What the config and the ledger say of every configured instance; nobody is asked."""
    held = senders.holds(read)
    return [
        Instance(
            name=name,
            kind=each.kind,
            mode=each.mode,
            sandbox=each.sandbox,
            limits=limits(each),
            batch=traits(each.kind).batch,
            people=_people(read, settings, each, traits(each.kind).family),
            held=held.get(name),
        )
        for name, each in settings.channels.items()
    ]


def _people(read: Read, settings: Settings, instance: InstanceSettings, family: str | None) -> int | None:
    if instance.audience is None or family is None:
        return None
    return people.count_people(read, family=family, audience=settings.audiences[instance.audience])


def verdicts(
    read: Read,
    settings: Settings,
    *,
    traits: Callable[[str], Traits],
    limits: Callable[[InstanceSettings], Limits],
    seen: Mapping[str, Probe] | None = None,
    unopened: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """Judges every configured instance by its last look: by `seen` where it stands there, else by the record.

    `unopened`: instances that cannot even be opened, with the reason.
    """
    recorded = probes.standings(read)
    faults = unopened or {}
    fresh = seen or {}
    result = []
    for instance in instances(read, settings, traits=traits, limits=limits):
        last = fresh.get(instance.name)
        if last is None and instance.name in faults:
            last = Probe(instance.name, read.now, Readiness(False, faults[instance.name]), 0)
        if last is None and instance.name in recorded:
            last = recorded[instance.name].last
        before = round(settings.service.warn_before * 1000)
        result.append(judge(instance, last, now=read.now, warn_before=before))
    return result
