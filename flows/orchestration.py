"""The service's side of Prefect: its flows in a thread of their own, which delivery never waits for.

Not in the service's own loop: a signal that arrives while a flow runs in the main thread would end the process. A
server that is down, wedged or slow costs nothing but the picture.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flows.sending import Course, Sending, through
from kentongan.alert import Kind
from kentongan.errors import KentonganError
from kentongan.ledger import Ledger, alerts

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

MOST_WAITING = 3
"""Calls that may wait for an answer of the server before further ones are not made."""

MOST_CALLS = 32
"""Calls that may be under way in all; a held channel keeps its flow open for long."""

_RENDERINGS_AFTER = 1.0
"""Seconds after the broadcast has begun until its renderings are shown: by then every channel has been started."""


class NotShown(KentonganError):
    """An alert is not shown in Prefect; the message says why, for the record."""


@dataclass(slots=True)
class Orchestration:
    """Calls flows for the resident service. `start` it in the service's loop, and `close` it there.

    `environment` is what `flows.settings.client` says; `available` tells whether the server answers: None, or a word
    for the record ("starting", "not answering").
    """

    ledger: Ledger
    environment: Mapping[str, str]
    available: Callable[[], str | None]
    _sending: Sending | None = None
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _thread: threading.Thread | None = None
    _courses: dict[int, Course] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _clients: asyncio.Task[None] | None = None
    _with_clients: contextvars.Context | None = None
    _warm: bool = False
    _closing: bool = False

    def start(self, sending: Sending) -> None:
        """Starts the thread; nothing of Prefect is imported yet. `sending` names the dispatcher and its loop."""
        self._sending = sending
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="orchestration", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def close(self, patience: float = 2.0) -> None:
        """Lets flows whose body is over say so, for `patience` seconds, then leaves them."""
        self._closing = True
        if self._thread is None:
            return
        try:
            async with asyncio.timeout(patience + 1.0):
                await self._call(self._end(patience))
        except TimeoutError:
            _log.warning("flows left behind", extra={"count": len(self._courses)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, patience)

    async def _end(self, patience: float) -> None:
        kept = (asyncio.current_task(), self._clients)
        others = [task for task in asyncio.all_tasks() if task not in kept]
        if others:
            _, pending = await asyncio.wait(others, timeout=patience)
            for task in pending:
                task.cancel()
        if self._clients is not None:
            self._clients.cancel()
            await asyncio.wait([self._clients])

    # --- Flows ---

    async def warm_up(self) -> bool:
        """Imports Prefect and calls an empty flow, so that the first alert need not pay; False where that failed."""
        if self._closing or self._thread is None:
            return False
        try:
            await self._call(self._warm_up())
        except Exception as error:
            _log.warning("warm-up failed", extra={"error": type(error).__name__})
            return False
        self._warm = True
        return True

    async def _warm_up(self) -> None:
        os.environ.update(self.environment)
        # Late: Prefect takes a second or two to import, and reads its settings once.
        from flows import broadcast, follow_up, render  # noqa: F401
        from flows.warm_up import warm_up

        if self._clients is None or self._clients.done():
            opened = asyncio.get_running_loop().create_future()
            self._clients = asyncio.create_task(self._keep_clients(opened), name="Prefect's clients")
            self._with_clients = await opened
        await self._with_clients_open(warm_up())

    async def _keep_clients(self, opened: asyncio.Future[contextvars.Context]) -> None:
        """Keeps Prefect's clients open for all flows; `opened` gets the context in which they find them.

        Left to itself each flow makes three of its own, and reads the machine's certificates anew for each.
        """
        from prefect.context import AsyncClientContext, SyncClientContext

        try:
            async with AsyncClientContext():
                with SyncClientContext():
                    opened.set_result(contextvars.copy_context())
                    await asyncio.get_running_loop().create_future()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    async def _with_clients_open(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        assert self._with_clients is not None
        return await asyncio.create_task(coroutine, context=self._with_clients.copy())

    async def show(self, alert_id: str) -> None:
        """Calls the flow of a dispatch and returns when that has ended; raises NotShown where it is not even tried.

        The ledger says whether it began, ended or was lost. Cancelling this leaves the flow to end by itself.
        """
        why = self.obstacle()
        if why is not None:
            raise NotShown(why)
        task = asyncio.create_task(self._show(alert_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    def obstacle(self) -> str | None:
        """Why an alert would not be shown now; None where it would."""
        if self._closing or self._thread is None:
            return "the service is stopping"
        if (why := self.available()) is not None:
            return f"the Prefect server is {why}"
        if not self._warm:
            return "Prefect is not warmed up yet"
        waiting = [c for c in self._courses.values() if not c.began.is_set() or c.over.is_set()]
        if len(waiting) >= MOST_WAITING:
            return f"{len(waiting)} calls still wait for an answer of the Prefect server"
        if len(self._courses) >= MOST_CALLS:
            return f"{len(self._courses)} flows are still open"
        return None

    async def _show(self, alert_id: str) -> None:
        course = Course()
        self._courses[id(course)] = course
        try:
            state = await self._call(self._with_clients_open(self._flow(alert_id, course)))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            phase = "began, but its end was not taken" if course.began.is_set() else "did not begin"
            await self._note(alert_id, "orchestration.lost", error=type(error).__name__, why=f"the flow {phase}")
        else:
            if course.began.is_set():
                await self._note(alert_id, "orchestration.ended", state=state)
            else:
                await self._note(alert_id, "orchestration.lost", error="", why=f"the flow did not begin: {state}")
        finally:
            del self._courses[id(course)]

    async def _flow(self, alert_id: str, course: Course) -> str:
        """Runs in the orchestration's own loop; returns the name of the flow's final state."""
        from flows.broadcast import broadcast
        from flows.follow_up import follow_up

        assert self._sending is not None
        stored = self.ledger.read(lambda read: alerts.get(read, alert_id))
        flow: Any = broadcast if stored.kind is Kind.ALERT else follow_up
        renderings = asyncio.create_task(self._renderings(stored.code, course))
        try:
            with through(dataclasses.replace(self._sending, course=course)):
                state = await flow(stored.code, return_state=True)
        finally:
            if not course.began.is_set():
                renderings.cancel()
        await asyncio.wait([renderings])
        return str(state.name)

    async def _renderings(self, code: str, course: Course) -> None:
        """Shows the renderings as well, once the broadcast has begun: nothing may stand in its way."""
        from flows.render import render

        await course.began.wait()
        await asyncio.sleep(_RENDERINGS_AFTER)
        assert self._sending is not None
        flow: Any = render
        try:
            with through(self._sending):
                await flow(code, return_state=True)
        except Exception as error:
            _log.info("renderings not shown", extra={"error": type(error).__name__})

    async def _note(self, alert_id: str, event: str, **data: Any) -> None:
        await self.ledger.write_soon(lambda write: write.event(event, alert=alert_id, **data), must=True)

    async def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))
