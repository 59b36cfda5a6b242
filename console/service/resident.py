"""What the service and a worker have in common: a sender that stays, is looked at, signs, and is shown in Prefect."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import channels
from console.service.heads import Heads
from console.service.health import STUCK, Condition
from console.service.left_runs import LeftRuns
from console.service.looked_at import LookedAt
from console.service.prefect_server import PrefectServer
from console.service.signing import Signing
from flows.house import House
from flows.opened import OpenedChannels
from kentongan.dispatcher.draining import drain

if TYPE_CHECKING:
    from kentongan.dispatcher import Dispatcher


class Resident:
    """The frame: `start`, then `stop`, from one event loop, in the main thread.

    Who derives from it makes `dispatcher`, and the `_server` of Prefect where there is to be one.
    """

    dispatcher: Dispatcher

    def __init__(self, house: House, *, metrics: socket.socket | None) -> None:
        self.house = house
        self.pid = os.getpid()
        self.taking = False
        self._channels = OpenedChannels(house)
        self._looked_at = LookedAt(house, self._channels, metrics)
        self._signing = Signing(Heads(house, self._channels), self._signs)
        self._server: PrefectServer | None = None
        self._left_runs: LeftRuns | None = None

    def _signs(self) -> bool:
        """Whether it falls to this process to sign the record."""
        return True

    # --- How it is ---

    @property
    def metrics_address(self) -> str | None:
        """Where metrics and health are shown, as "HOST:PORT"."""
        return self._looked_at.address

    @property
    def condition(self) -> Condition:
        """How it is now."""
        return Condition(
            taking=self.taking,
            configured=self.house.settings is not None,
            channels=len(self._channels),
            pulse=self.dispatcher.pulse,
        )

    def goes_round(self) -> bool:
        """Whether its work goes on at all; a ledger that is locked, full or away is no reason to start it anew."""
        sweep = self.dispatcher.pulse.sweep
        return sweep is None or sweep < STUCK

    @property
    def channel_names(self) -> list[str]:
        """The channels that are open."""
        return sorted(self._channels)

    def key_fault(self) -> str | None:
        """Why it could not be started anew: the key of people's data is gone, or another. It reads the disk."""
        return self.house.keys.people_fault()

    @property
    def prefect_answers(self) -> bool | None:
        """Whether the Prefect server answers; None where there is none."""
        return None if self._server is None else self._server.available() is None

    # --- Its life ---

    async def start(self) -> None:
        """Begins to send; returns as soon as that is on record, and it can be asked."""
        await self.dispatcher.start()
        self.taking = True
        await self._open()
        await self._looked_at.start(lambda: self)
        await channels.prepare(self._channels.values())
        await self._begin()
        self._signing.start()
        if self._server is not None:
            self._server.start()
            self._left_runs = LeftRuns(self.house, self._server)
            self._left_runs.start()

    async def stop(self) -> None:
        """Takes nothing more, lets every request in flight end and be recorded, and ends what it started."""
        self.taking = False
        await self._take_no_more()
        await drain(self.dispatcher)
        if self._left_runs is not None:
            await self._left_runs.stop()
        await self._end()
        await self._looked_at.stop()
        await self._signing.stop()
        for channel in self._channels.values():
            await channel.close()

    async def _open(self) -> None:
        """Opens what it is asked at."""

    async def _begin(self) -> None:
        """Begins what it does beside sending."""

    async def _take_no_more(self) -> None:
        """Begins nothing more, while requests are still in flight."""

    async def _end(self) -> None:
        """Ends what it does beside sending, and where it is asked, once nothing is sent any more."""
