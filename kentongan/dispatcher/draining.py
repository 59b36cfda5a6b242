"""Ending a sender in order: nothing new is begun, and what is in flight ends and is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kentongan.dispatcher.dispatcher import Dispatcher

_log = logging.getLogger(__name__)

PATIENCE = 13.0
"""Seconds for requests in flight to end: the longest usual deadline and the core's overtime."""

_LAST = 3.0
"""Seconds more for what waits for a ledger that takes nothing to be told so."""


async def drain(dispatcher: Dispatcher, enough: Callable[[], Awaitable[object]] | None = None) -> None:
    """Lets every request in flight end and be recorded, and gives back what was only claimed.

    It takes PATIENCE at most, or until `enough` returns. What is not over by then is left: it is in doubt by the
    record, and whoever sends next goes on from there.
    """
    closing = asyncio.ensure_future(dispatcher.close())
    limit = asyncio.ensure_future(enough() if enough is not None else asyncio.sleep(PATIENCE))
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
