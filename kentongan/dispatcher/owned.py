"""A dispatch that a sender of this process owns or takes part in: its runs, and the planning of whom they write to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from kentongan import waves
from kentongan.clock import Milliseconds
from kentongan.dispatcher.chunks import Chunks
from kentongan.dispatcher.run import Run
from kentongan.errors import KentonganError
from kentongan.ledger import Ledger, Read, alerts, dispatches, planning, renderings, work
from kentongan.plan import Plan
from kentongan.seam import Rendered

_log = logging.getLogger(__name__)

_AGAIN = 0.25
"""Seconds until the ledger is asked again that did not answer."""


@dataclass(slots=True)
class OwnedDispatch:
    """An alert on its way; `messages` by instance and language. `expanded` once all its deliveries are planned.

    `rank`: how it ranks among alerts (`kentongan.waves`). `ours` is False where another sender owns and plans it, and
    this one takes part: it claims what is planned and sends that. `left` once nothing more of it is begun here.
    """

    alert_id: str
    at: Milliseconds
    epoch: int
    plan: Plan
    messages: Mapping[str, Mapping[str, Rendered]]
    expanded: bool
    rank: int = 0
    ours: bool = True
    runs: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    live: dict[str, Run] = field(default_factory=dict)
    left: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def load(cls, read: Read, alert_id: str, *, ours: bool = True) -> OwnedDispatch:
        """Reads a dispatch that this sender has taken, or takes part in."""
        stored = alerts.get(read, alert_id)
        found = dispatches.get(read, alert_id)
        assert found is not None
        messages: dict[str, dict[str, Rendered]] = {}
        for message in renderings.of(read, alert_id):
            messages.setdefault(message.instance, {})[message.language] = message
        return cls(
            alert_id=alert_id,
            at=found.at,
            epoch=stored.epoch,
            plan=found.plan,
            messages=messages,
            expanded=found.expanded or stored.state != "dispatched",
            rank=waves.rank(stored.draft),
            ours=ours,
        )

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """The runs that have not ended."""
        return [task for task in self.runs.values() if not task.done()]

    @property
    def ended(self) -> bool:
        """Whether nothing of it goes on in this process."""
        return all(task.done() for task in (*self.runs.values(), *self._tasks))

    def spawn(self, act: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Does something for this dispatch beside its runs, until `leave`."""
        task = asyncio.create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def wake(self) -> None:
        """Lets its runs look at the ledger at once."""
        for run in self.live.values():
            run.woken.set()

    def leave(self) -> None:
        """Begins nothing more of it; its requests in flight end by themselves."""
        self.left = True
        for run in self.live.values():
            run.halt.set()
        for task in self._tasks:
            task.cancel()

    async def expand(self, ledger: Ledger, gives_way: Callable[[], bool] = lambda: False) -> None:
        """Plans the deliveries to people in chunks, while the first of them are already being sent.

        `gives_way` tells whether something graver is being sent.
        """
        expansion, chunks = planning.Expansion(self.alert_id, self.plan), Chunks()
        while not self.expanded:
            try:
                more = await ledger.write_soon(
                    chunks.timed(
                        lambda write, size: (
                            work.epochs(write, [self.alert_id])[self.alert_id][0] == "dispatched"
                            and expansion.advance(write, size)
                        )
                    ),
                    beside=True,
                )
            except KentonganError:
                _log.warning("expansion waits for the ledger", extra={"alert": self.alert_id})
                await asyncio.sleep(_AGAIN)
                continue
            self.expanded = not more
            self.wake()
            if more:
                await asyncio.sleep(chunks.rest(gives_way=gives_way()))
