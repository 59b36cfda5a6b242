"""Prefect's own worker beside ours: it takes flow runs from the work pool, for this host and for any."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping

from console.service import child
from kentongan.state import State

_log = logging.getLogger(__name__)

POOL = "kentongan"
"""The process work pool of all flows (prefect.yaml)."""

_LIVED = 60.0
_WAITS = (1.0, 30.0)


class PrefectWork:
    """A process worker as a child of this process, started anew when it ends: `start`, then `stop`.

    It polls the queue that has this host's name, where `broadcast` puts what is to be seen of this host, and "default".
    Nothing waits for it: who sends here finds that in the ledger. `environment` names the server.
    """

    def __init__(self, state: State, environment: Mapping[str, str], host: str | None = None) -> None:
        self._state = state
        self._environment = environment
        self.host = host or socket.gethostname()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Begins to run it, where it does not run yet; returns at once."""
        if self._task is None and not self._stopping.is_set():
            self._task = asyncio.create_task(self._run(), name="prefect-work")

    async def stop(self) -> None:
        """Ends it, with the flow runs that it has begun."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        wait = _WAITS[0]
        while not self._stopping.is_set():
            began = time.monotonic()
            process = self._process = await self._spawn()
            reader = asyncio.create_task(child.keep_output(process, self._state.log / "prefect-worker.log"))
            exited = asyncio.create_task(process.wait())
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([exited, stopping], return_when=asyncio.FIRST_COMPLETED)
            await child.end(process, exited)
            # A flow run that outlives its worker keeps the pipe open.
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            if self._stopping.is_set():
                return
            wait = _WAITS[0] if time.monotonic() - began > _LIVED else min(wait * 2, _WAITS[1])
            _log.warning("Prefect worker ended", extra={"status": process.returncode, "again_in": wait})
            await asyncio.wait([stopping], timeout=wait)

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console.service.prefect_work_child",
            str(os.getpid()),
            POOL,
            self.host,
            env={**os.environ, **self._environment},
            cwd=self._state.prefect,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C at the terminal is for our worker, which ends this one in its turn.
            start_new_session=True,
        )
