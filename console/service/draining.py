"""Ending a sender in order: nothing new is begun, and what is in flight ends and is recorded."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kentongan.errors import KentonganError

if TYPE_CHECKING:
    from kentongan.dispatcher import Dispatcher

_log = logging.getLogger(__name__)

PATIENCE = 13.0
"""Seconds for requests in flight to end: the longest usual deadline and the core's overtime."""


async def drain(dispatcher: Dispatcher) -> None:
    """Lets every request in flight end and be recorded, and gives back what was only claimed."""
    try:
        async with asyncio.timeout(PATIENCE):
            await dispatcher.close()
    except KentonganError:
        _log.warning("the ledger did not take our leave")
    except TimeoutError:
        # They are in doubt by the record, and whoever sends next goes on from there.
        _log.error("requests left in flight")
