"""The Prefect server beside the service: started, watched, started anew when it dies or falls silent, and ended."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import httpx

from console.service import child
from flows import settings
from kentongan import database, people_key_place
from kentongan.keys import write_private
from kentongan.state import State

_log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_LOOK_EVERY = 2.0
_PATIENCE = 3.0
"""Seconds for one answer of /health."""

_SILENCES = 4
"""Looks in a row without an answer after which a server that still runs is ended."""

_START = 120.0
"""Seconds in which a server must come up; the first start makes its database."""

_LIVED = 60.0
_WAITS = (0.5, 30.0)
_DROPPED = (
    *("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE"),
    *database.VARIABLES,
    *people_key_place.VARIABLES,
)


class PrefectServer:
    """The server at `external`, else a child of this process on a free loopback port, with its data in `state`.

    `ready` is awaited whenever it has come up. Start it with `start`, end it with `stop`, from one event loop.
    """

    def __init__(self, state: State, *, external: str | None, ready: Callable[[], Awaitable[object]]) -> None:
        self._state = state
        self._ready = ready
        self._external = external
        self._auth = None if external else f"kentongan:{secrets.token_urlsafe(24)}"
        self._port = 0 if external else _free_port()
        self.url = external or f"http://{_HOST}:{self._port}/api"
        self._word: str | None = "starting"
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._told: set[asyncio.Task[object]] = set()
        self._stopping = asyncio.Event()

    def available(self) -> str | None:
        """None when the server answers, else a word for the record."""
        return self._word

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process must be told to use this server."""
        return settings.client(self._state.prefect, url=self.url, auth=self._auth)

    def start(self) -> None:
        """Begins to run and watch it; returns at once."""
        if self._external is None:
            self._leave_word()
        self._task = asyncio.create_task(self._watch() if self._external else self._run())

    async def stop(self) -> None:
        """Ends the watch and the child."""
        self._stopping.set()
        self._word = "stopped"
        for task in self._told:
            task.cancel()
        if self._task is not None:
            await self._task
        if self._external is None:
            _env_file(self._state).unlink(missing_ok=True)

    def _leave_word(self) -> None:
        """Tells an officer's shell, and workers, where the server is; the secret is good for this start only."""
        path = _env_file(self._state)
        path.unlink(missing_ok=True)
        lines = f"PREFECT_API_URL={self.url}\nPREFECT_API_AUTH_STRING={self._auth}\n"
        write_private(path, lines.encode())

    # --- The child ---

    async def _run(self) -> None:
        wait = _WAITS[0]
        while not self._stopping.is_set():
            self._word = "starting"
            began = time.monotonic()
            process = self._process = await self._spawn()
            reader = asyncio.create_task(child.keep_output(process, self._state.log / "prefect.log"))
            exited = asyncio.create_task(process.wait())
            if await self._comes_up(exited):
                await self._watch(exited)
            self._word = "restarting" if not self._stopping.is_set() else "stopped"
            await child.end(process, exited)
            await reader
            if self._stopping.is_set():
                return
            wait = _WAITS[0] if time.monotonic() - began > _LIVED else min(wait * 2, _WAITS[1])
            _log.warning("Prefect server ended", extra={"status": process.returncode, "again_in": wait})
            await self._pause(wait)

    async def _spawn(self) -> asyncio.subprocess.Process:
        inherited = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        assert self._auth is not None
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console.service.prefect_child",
            str(os.getpid()),
            _HOST,
            str(self._port),
            env={**inherited, **settings.server(self._state.prefect, auth=self._auth)},
            cwd=self._state.prefect,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C at the terminal is for the service, which ends the server in its turn.
            start_new_session=True,
        )

    async def _comes_up(self, exited: asyncio.Task[int]) -> bool:
        until = time.monotonic() + _START
        while time.monotonic() < until and not exited.done() and not self._stopping.is_set():
            if await self._answers():
                return not exited.done()
            await self._pause(0.1, exited)
        return False

    # --- Watching ---

    async def _watch(self, exited: asyncio.Task[int] | None = None) -> None:
        """Looks after a server until it has exited or, being ours, has fallen silent."""
        silences = 0
        while not self._stopping.is_set() and not (exited is not None and exited.done()):
            if await self._answers():
                silences = 0
                if self._word is not None and not self._stopping.is_set():
                    self._word = None
                    told = asyncio.ensure_future(self._ready())
                    self._told.add(told)
                    told.add_done_callback(self._told.discard)
            else:
                silences += 1
                self._word = "not answering"
                if exited is not None and silences >= _SILENCES:
                    return
            await self._pause(_LOOK_EVERY, exited)

    async def _answers(self) -> bool:
        try:
            async with (
                asyncio.timeout(_PATIENCE),
                httpx.AsyncClient(timeout=_PATIENCE, trust_env=self._external is not None) as client,
            ):
                return (await client.get(f"{self.url}/health")).status_code == httpx.codes.OK
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return False

    async def _pause(self, seconds: float, exited: asyncio.Task[int] | None = None) -> None:
        """Waits, but no longer than until the child exits or the service stops."""
        stopping = asyncio.create_task(self._stopping.wait())
        waited: set[asyncio.Task[bool] | asyncio.Task[int]] = {stopping}
        if exited is not None:
            waited.add(exited)
        await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


def _env_file(state: State) -> Path:
    return state.run / "prefect.env"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
