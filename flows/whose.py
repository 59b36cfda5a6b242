"""Whose a flow run is, noted with it in Prefect: who dies in mid-run cannot say that it is over.

Of the flows that send, the ledger has it. Nothing here imports Prefect before a flow runs.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from flows.sending import own_sender
from kentongan.clock import Clock, Process
from kentongan.ledger import Read, hosts
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

LABEL = "kentongan.whose"
"""The label of a flow run that says whose it is."""

_PATIENCE = 4.0


@dataclass(frozen=True, slots=True)
class Whose:
    """The process that a flow runs in, on the machine `host`, where Prefect counts it as the run's `attempt`.

    `sender`: its id in the ledger where it sends for as long as it lives, "" elsewhere.
    """

    host: str
    process: Process
    sender: str
    attempt: int

    def label(self) -> str:
        """As the flow run has it; `of` reads it."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Whose | None:
        """Whose a flow run is, as the server shows it; None where nothing says so, or of an earlier attempt alone."""
        try:
            found = json.loads((run.get("labels") or {})[LABEL])
            process = Process(
                boot_id=str(found["process"]["boot_id"]),
                namespace=str(found["process"]["namespace"]),
                pid=int(found["process"]["pid"]),
                started=int(found["process"]["started"]),
            )
            whose = cls(str(found["host"]), process, str(found["sender"]), int(found["attempt"]))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        return whose if whose.attempt == run.get("run_count") else None

    def has_left(self, read: Read, *, clock: Clock, process: Process) -> bool:
        """Whether it has certainly ended, by what `process` can know; a sender's end is seen from any host."""
        if self.sender:
            return hosts.has_left(read, self.sender, clock=clock, process=process)
        # Of another machine nothing is known here; this one may have been started anew.
        here = self.process.boot_id == process.boot_id or self.host == socket.gethostname()
        return here and self.process.is_gone()


def noted(flow: Callable[_P, Awaitable[_T]]) -> Callable[_P, Awaitable[_T]]:
    """A flow's function that notes whose its run is, beside what it does: best effort, and nothing begins later."""

    @functools.wraps(flow)
    async def noting(*given: _P.args, **named: _P.kwargs) -> _T:
        note = asyncio.create_task(_note())
        try:
            return await flow(*given, **named)
        finally:
            await note

    return noting


async def _note() -> None:
    from uuid import UUID

    from prefect import get_client
    from prefect.runtime import flow_run

    run = flow_run.get_id()
    if run is None:
        return
    try:
        async with asyncio.timeout(_PATIENCE), get_client() as client:
            # What this process has of its run may be from before it began.
            attempt = (await client.read_flow_run(UUID(run))).run_count
            whose = Whose(socket.gethostname(), Process.current(), own_sender(), attempt)
            await client.update_flow_run_labels(UUID(run), {LABEL: whose.label()})
    except Exception as error:
        _log.info("flow run not noted", extra={"error": type(error).__name__})
