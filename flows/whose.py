"""Whose a flow run is, noted with it in Prefect: who dies in mid-run cannot say that it is over.

Of the flows that send, the ledger has it. Nothing here imports Prefect before a flow runs.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hmac
import json
import logging
import socket
import string
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flows.sending import own_sender
from kentongan.clock import Clock, Milliseconds, Process, SystemClock
from kentongan.ledger import Read, hosts
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

LABEL = "kentongan.whose"
"""The label of a flow run that says whose it is."""

_PATIENCE = 4.0
_MACHINE_ID = Path("/etc/machine-id")
_MACHINES_OWN = "pid:[4026531836]"
"""The process table of a machine itself, on every Linux (PROC_PID_INIT_INO of proc_ns.h); a container has another."""


@dataclass(frozen=True, slots=True)
class Whose:
    """The process that a flow runs in, on the machine `host`, where Prefect counts it as the run's `attempt`.

    `sender`: its id in the ledger where it sends for as long as it lives, "" elsewhere. `machine`: as `this_machine`
    names it, "" where nothing does. `noted`: by wall time.
    """

    host: str
    process: Process
    sender: str
    attempt: int
    machine: str = ""
    noted: Milliseconds = 0

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
            whose = cls(
                host=str(found["host"]),
                process=process,
                sender=str(found["sender"]),
                attempt=int(found["attempt"]),
                machine=str(found.get("machine", "")),
                noted=int(found.get("noted", 0)),
            )
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            return None
        return whose if whose.attempt == run.get("run_count") else None

    def has_left(self, read: Read, *, clock: Clock, process: Process) -> bool:
        """Whether it has certainly ended, by what `process` can know; a sender's end is seen from any host."""
        if self.sender:
            return hosts.has_left(read, self.sender, clock=clock, process=process)
        # Of another machine nothing is known here; this one may have been started anew.
        here = self.process.boot_id == process.boot_id or self._was_here(clock, process)
        return here and self.process.is_gone()

    def _was_here(self, clock: Clock, process: Process) -> bool:
        """Whether it ran on this very machine before that was started anew, which other machines look like in part.

        Many are called "localhost"; containers of one image may share a machine id, as copies of a machine do. What was
        noted since this machine started was noted elsewhere.
        """
        return (
            self.machine != ""
            and (self.machine, self.host) == (this_machine(), socket.gethostname())
            and self.process.namespace == process.namespace == _MACHINES_OWN
            and self.noted < clock.wall() - clock.boot()
        )


def this_machine() -> str:
    """A name of this machine that no other has, and that outlasts its starts; "" where it has none.

    Made of the machine id, which itself is to be shown to nobody (machine-id(5)).
    """
    try:
        id = _MACHINE_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    # It is empty or the word "uninitialized" in an image, and until the first start is over.
    if len(id) != 32 or not set(id) <= set(string.hexdigits) or set(id) == {"0"}:
        return ""
    return hmac.new(bytes.fromhex(id), LABEL.encode(), "sha256").hexdigest()[:32]


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
            whose = Whose(
                host=socket.gethostname(),
                process=Process.current(),
                sender=own_sender(),
                attempt=attempt,
                machine=this_machine(),
                noted=SystemClock().wall(),
            )
            await client.update_flow_run_labels(UUID(run), {LABEL: whose.label()})
    except Exception as error:
        _log.info("flow run not noted", extra={"error": type(error).__name__})
