"""The drills of the service: begins what is due by its schedule, and takes each running drill to its end."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable

from flows.house import House
from kentongan.clock import network_offset
from kentongan.desk import Desk, drills, due_drills
from kentongan.errors import KentonganError
from kentongan.ledger import drills as register

_log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between two looks at the ledger."""


class Drills:
    """Looks after drills while it runs: `start`, then `stop`. `send` is told the id of every alert that then leaves."""

    def __init__(self, house: House, send: Callable[[str], Awaitable[object]]) -> None:
        self._house = house
        self._send = send
        self._desk: Desk | None = None
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look, where there is a config."""
        if self._house.settings is not None:
            self._loop = asyncio.create_task(self._for_ever(), name="drills")

    async def stop(self) -> None:
        """Looks no more; a run that is under way is taken up by whoever looks next."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except KentonganError as error:
                _log.warning("drills wait", extra={"why": type(error).__name__})
            except Exception:
                # Whatever is wrong with a drill must never end the service, which is there for live alerts.
                _log.exception("drills not looked at")
            await asyncio.sleep(_LOOK)

    async def look(self) -> int:
        """Begins and moves on what is due now; returns how many alerts left. Raises KentonganError."""
        left = await asyncio.to_thread(self._move)
        for alert_id in left:
            await self._send(alert_id)
        return len(left)

    def _move(self) -> list[str]:
        if not self._house.ledger.read(lambda read: register.schedules(read) or register.running(read)):
            return []
        if self._desk is None:
            self._desk = self._house.desk()
        return move(dataclasses.replace(self._desk, clock_offset=network_offset()))


def move(desk: Desk) -> list[str]:
    """Moves running drills on and begins those that are due; the ids of the alerts that are to leave."""
    moved = [each.released for each in drills.advance(desk)]
    begun = [each.released for each in due_drills.start_due(desk)]
    return [each.alert.id for each in (*moved, *begun) if each is not None]
