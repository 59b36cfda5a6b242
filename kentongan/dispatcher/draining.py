"""Ending a sender in order: nothing new is begun, and what is in flight ends and is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from kentongan.dispatcher.dispatcher import Dispatcher
from kentongan.seam import Channel

_log = logging.getLogger(__name__)

MARGIN = 3.0
"""Seconds beyond a channel's deadline until its request has ended and is recorded: the core's overtime and a commit."""

PATIENCE = 10.0 + MARGIN
"""Seconds for requests in flight to end, within the usual deadline; a supervisor waits for the process's whole end."""

_LAST = 3.0
"""Seconds more for what waits for a ledger that takes nothing to be told so."""


def longest(channels: Iterable[Channel]) -> float:
    """Seconds after which every request on these channels that is in flight now has ended and is recorded."""
    return max((channel.limits.deadline for channel in channels), default=0.0) + MARGIN


async def drain(
    dispatcher: Dispatcher, enough: Callable[[], Awaitable[object]] | None = None, *, patience: float | None = None
) -> None:
    """Lets every request in flight end and be recorded, and gives back what was only claimed.

    It takes `patience` seconds at most (PATIENCE unless given), or until `enough` returns. What is not over by then is
    left: it is in doubt by the record, and whoever sends next goes on from there.
    """
    closing = asyncio.ensure_future(dispatcher.close())
    seconds = PATIENCE if patience is None else patience
    limit = asyncio.ensure_future(enough() if enough is not None else asyncio.sleep(seconds))
    await asyncio.wait([closing, limit], return_when=asyncio.FIRST_COMPLETED)
    limit.cancel()
    if not closing.done():
        _log.error("requests left in flight")
        # Cancelling it would help nothing while outcomes wait for the ledger: a request is never torn up.
        dispatcher.ledger.give_up()
        await asyncio.wait([closing], timeout=_LAST)
    if not closing.done():
        closing.cancel()
    elif (error := closing.exception()) is not None:
        _log.warning("the ledger did not take our leave", extra={"error": type(error).__name__})
