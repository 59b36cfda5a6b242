"""Whether the channels would pass if an alert was sent now, for the eye and on a schedule."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

import channels
from flows.house import House
from kentongan.errors import BadConfig
from kentongan.probing import probe, verdicts
from kentongan.readiness import Verdict, Word, interval, sentence, tally
from kentongan.seam import Channel


@flow(name="readiness", retries=0)
async def readiness(every: float = 180.0) -> State[Any]:
    """Asks the channels whose last look lies `every` seconds back, whoever made it, and says how all of them stand.

    It fails where a channel would fail. Raises BadConfig, LedgerUnavailable.
    """
    with await asyncio.to_thread(House.open, None, None) as house:
        found = await _look(house, round(every * 1000))
    failing = [each for each in found if each.word is not Word.PASSES]
    message = sentence(tally(found)) + "".join(f"\n{each.instance.name} {each.word}: {each.why}" for each in failing)
    return Failed(message=message) if failing else Completed(message=message)


async def _look(house: House, every: int) -> list[Verdict]:
    settings = house.settings
    if settings is None:
        raise BadConfig("no config is named, so there is no channel to ask; name its folder with KENTONGAN_CONFIG")
    opened: dict[str, Channel] = {}
    unopened: dict[str, str] = {}
    for name in settings.channels:
        try:
            opened |= house.open_channels([name])
        except BadConfig as error:
            unopened[name] = f"{error}."
    intervals = {name: interval(every, channels.limits(settings.channels[name])) for name in opened}
    try:
        seen = await probe(opened, house.ledger, every=intervals.__getitem__, now=house.clock.wall())
    finally:
        for channel in opened.values():
            await channel.close()
    return await asyncio.to_thread(
        house.ledger.read,
        lambda read: verdicts(
            read, settings, traits=channels.traits, limits=channels.limits, seen=seen, unopened=unopened
        ),
    )
