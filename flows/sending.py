"""How a flow reaches the sender: the resident service's in the service's own process, else one of its own.

Nothing here imports Prefect.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import field
from typing import TYPE_CHECKING

from flows.house import House
from kentongan.dispatcher.draining import drain, longest
from kentongan.ledger import alerts
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from kentongan.dispatcher import Dispatcher
    from kentongan.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Course:
    """How far a sending flow has come: its body has `began`, and is `over`; what comes after is Prefect's."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Sending:
    """A dispatcher that runs in `loop`, as a flow in another loop reaches it; `course` is set in the flow's loop."""

    dispatcher: Dispatcher
    loop: asyncio.AbstractEventLoop
    course: Course = field(default_factory=Course)

    @property
    def ledger(self) -> Ledger:
        """The ledger, which any thread may use."""
        return self.dispatcher.ledger

    async def channel(self, alert_id: str, instance: str) -> Mapping[str, int]:
        """Starts or joins the run of an instance; its counts by word when it is done. Raises Refused."""
        run = self.dispatcher.channel(alert_id, instance, "prefect")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run, self.loop))


_current: ContextVar[Sending | None] = ContextVar("sending", default=None)


@contextlib.contextmanager
def through(sending: Sending) -> Iterator[None]:
    """Lets flows called in this context send through an existing dispatcher."""
    token = _current.set(sending)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Sending:
    """The dispatcher of the running flow; raises LookupError outside one."""
    sending = _current.get()
    if sending is None:
        raise LookupError("no dispatcher in this context; call a flow, not its task")
    return sending


def own_sender() -> str:
    """The id of the resident sender in whose process the flow runs; "" in a process that Prefect started."""
    present = _current.get()
    return "" if present is None else present.dispatcher.sender


@contextlib.asynccontextmanager
async def sending(handle: str, *, takes_part: bool = False) -> AsyncIterator[Sending]:
    """The dispatcher to send an alert through, by its id or code.

    In a process that Prefect started it is one opened from config and environment, for this alert alone; with
    `takes_part` it sends of it too where another sender owns it. Raises
    BadInput, BadConfig, LedgerUnavailable.
    """
    present = _current.get()
    if present is not None:
        yield present
        return
    with await asyncio.to_thread(House.open, None, None, role="flow") as house:
        alert = house.ledger.read(lambda read: alerts.by_handle(read, handle))
        channels = house.open_channels()
        dispatcher = house.dispatcher(channels, only=frozenset({alert.id}), takes_part=takes_part)
        await dispatcher.start()
        here = Sending(dispatcher, asyncio.get_running_loop())
        try:
            with through(here):
                yield here
        finally:
            # A ledger that takes nothing any more must not keep Prefect's process from its end; a slow provider may.
            await drain(dispatcher, patience=longest(channels.values()))
            for channel in channels.values():
                await channel.close()


@contextlib.contextmanager
def reading() -> Iterator[Ledger]:
    """The ledger, for a flow that only shows what is in it."""
    present = _current.get()
    if present is not None:
        yield present.ledger
        return
    with House.open(None, None) as house:
        yield house.ledger
