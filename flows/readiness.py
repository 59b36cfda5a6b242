"""Whether the channels would pass if an alert was sent now, for the eye and on a schedule."""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.house import House
from flows.looking import look
from flows.whose import noted
from kentongan.readiness import Word, sentence, tally


@flow(name="readiness", retries=0)
@noted
async def readiness(every: float = 180.0) -> State[Any]:
    """Asks the channels whose last look lies `every` seconds back, whoever made it, and says how all of them stand.

    It fails where a channel would fail. Raises BadConfig, LedgerUnavailable.
    """
    with await asyncio.to_thread(House.open, None, None) as house:
        found = await look(house, every=every)
    failing = [each for each in found if each.word is not Word.PASSES]
    message = sentence(tally(found)) + "".join(f"\n{each.instance.name} {each.word}: {each.why}" for each in failing)
    return Failed(message=message) if failing else Completed(message=message)
