"""What is left to do, for the eye: due, in doubt, held. The sweeping itself is a loop in every sender."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import counts
from flows.sending import reading
from flows.whose import noted
from kentongan.ledger import senders, views, work


@flow(name="sweep", retries=0)
@noted
async def sweep() -> State[Any]:
    """Shows open alerts with their counts, and held channels."""
    with reading() as ledger:
        open_ = ledger.read(work.open_dispatches)
        held = ledger.read(senders.holds)
        words = [
            summary.words
            for dispatch in open_
            for summary in ledger.read(lambda read, id=dispatch.alert_id: views.summaries(read, id))  # type: ignore[misc]
        ]
    message = f"{len(open_)} alerts open: {counts.sentence(counts.total(words))}"
    if held:
        message += f"; held: {', '.join(sorted(held))}"
    return Completed(message=message)
