"""Recording what requests have shown: gathered while the last commit is on its way, and never more than some ahead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from kentongan.dispatcher.part import Part
from kentongan.ledger import Write, outcomes, senders
from kentongan.ledger.claims import Intent
from kentongan.ledger.outcomes import Settled
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one request has shown: outcomes, or intents whose request was not written and `why`; what it `holds`."""

    settled: tuple[Settled, ...] = ()
    unsent: tuple[Intent, ...] = ()
    why: str = ""
    hold: str | None = None

    def record(self, write: Write, part: Part) -> None:
        """Writes it to the ledger."""
        if self.settled:
            outcomes.settle(write, sender=part.sender.name, outcomes=self.settled)
        if self.unsent:
            outcomes.note_unsent(write, intents=self.unsent, why=self.why)
        if self.hold is not None:
            senders.hold(write, instance=part.channel.name, reason=self.hold)


class Recorder:
    """Commits what is handed in, all of it that has come by then at once, and sets `woken` after each commit.

    Up to `most` may wait for their commit; whoever hands in more waits, and so does the provider. A crash leaves them
    in doubt, as it does what is in flight.
    """

    def __init__(self, part: Part, *, most: int, woken: asyncio.Event) -> None:
        self._part = part
        self._most = most
        self._woken = woken
        self._waiting: list[Shown] = []
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._recorded = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to record."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    async def put(self, shown: Shown) -> None:
        """Takes what a request has shown; returns when more may be handed in, after a hold once it is recorded."""
        self._waiting.append(shown)
        self._some.set()
        recorded = self._recorded
        if len(self._waiting) >= self._most:
            self._room.clear()
        if shown.hold is not None:
            await recorded.wait()
        await self._room.wait()

    async def close(self) -> None:
        """Returns when all that was handed in is recorded."""
        self._closing = True
        self._some.set()
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        while not self._closing or self._waiting:
            await self._some.wait()
            self._some.clear()
            shown, self._waiting = self._waiting, []
            recorded, self._recorded = self._recorded, asyncio.Event()
            self._room.set()
            if shown:
                await self._record(shown)
                self._woken.set()
            recorded.set()

    async def _record(self, shown: Sequence[Shown]) -> None:
        try:
            await self._write(shown)
        except Exception:
            if len(shown) == 1:
                # Its rows stay in `sending` and are in doubt once this sender has ended.
                _log.exception("outcome not recorded", extra={"instance": self._part.channel.name})
                return
            # One that cannot be recorded keeps no other from it.
            for each in shown:
                await self._record([each])

    async def _write(self, shown: Sequence[Shown]) -> None:
        settled = tuple(each for one in shown for each in one.settled)
        rest = [one for one in shown if one.unsent or one.hold is not None]

        def record(write: Write) -> None:
            Shown(settled).record(write, self._part)
            for one in rest:
                Shown(unsent=one.unsent, why=one.why, hold=one.hold).record(write, self._part)

        await self._part.sender.ledger.write_soon(record, must=True, beside=all(one.hold is None for one in rest))
