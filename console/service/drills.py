"""The drills of the service: begins what is due by its schedule, and takes each running drill to its end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from console.service.looking import Looking
from flows.house import House
from kentongan.clock import network_offset
from kentongan.desk import Desk, drills, due_drills
from kentongan.ledger import drills as register

_LOOK = 1.0
"""Seconds between two looks at the ledger."""


class Drills:
    """Looks after drills while it runs: `start`, then `stop`. `send` is told the id of every alert that then leaves."""

    def __init__(self, house: House, send: Callable[[str], Awaitable[object]]) -> None:
        self._house = house
        self._send = send
        self._desk: Desk | None = None
        self._looking = Looking("drills", self.look, every=_LOOK)

    async def start(self) -> None:
        """Begins to look, where there is a config."""
        if self._house.settings is not None:
            self._looking.start()

    async def stop(self) -> None:
        """Looks no more; a run that is under way is taken up by whoever looks next."""
        await self._looking.stop()

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
