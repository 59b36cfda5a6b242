"""One look at all channels of an installation, as every process makes it; nothing here imports Prefect."""

from __future__ import annotations

import asyncio

import channels
from flows.house import House
from kentongan.errors import BadConfig
from kentongan.probing import probe, verdicts
from kentongan.readiness import Verdict, interval


async def look(house: House, *, every: float = 0.0) -> list[Verdict]:
    """Asks the channels whose last look lies `every` seconds back, whoever made it (0: all), and judges all of them.

    Raises BadConfig where there is no config, and LedgerUnavailable.
    """
    settings = house.settings
    if settings is None:
        raise BadConfig("no config is named, so there is no channel to ask; name its folder with --config")
    opened, faults = house.open_each()
    lasting = round(every * 1000)
    intervals = {name: interval(lasting, opened[name].limits) if lasting else 0 for name in opened}
    try:
        seen = await probe(opened, house.ledger, every=intervals.__getitem__, now=house.clock.wall())
    finally:
        for channel in opened.values():
            await channel.close()
    return await asyncio.to_thread(
        house.ledger.read,
        lambda read: verdicts(
            read, settings, traits=channels.traits, limits=channels.limits, seen=seen, unopened=faults
        ),
    )
