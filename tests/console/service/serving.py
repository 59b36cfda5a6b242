"""The service as a process of its own, over an installation and stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.service import client
from flows.house import House
from kentongan.desk import Desk
from kentongan.ledger import views
from kentongan.state import State
from sandbox.server import Sandbox
from tests.installation import Installation, install, sms

ROOT = Path(__file__).parents[3]
SERVE = (
    "import sys; from console.service.serving import serve;"
    "sys.exit(serve(None, None, receipts=sys.argv[1], as_json=True, prefect=sys.argv[2] == 'prefect'))"
)


async def until(condition: Callable[[], object], patience: float = 20.0) -> None:
    """Returns as soon as `condition` holds; another process gives no event to wait for."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Scene:
    """An installation with one officer, its stand-ins, and this process's own look at the ledger."""

    installation: Installation
    sandbox: Sandbox
    house: House
    desk: Desk

    @property
    def state(self) -> State:
        return State(self.installation.state)

    def draft(self) -> str:
        return self.installation.draft(self.desk)

    def dispatch(self, alert_id: str) -> str:
        return self.installation.dispatch(self.desk, alert_id)

    async def nudge(self, alert_id: str) -> client.Nudged:
        return await asyncio.to_thread(client.nudge, self.state, alert_id)

    async def status(self) -> dict[str, Any]:
        answer = await asyncio.to_thread(client.status, self.state)
        assert answer is not None
        return answer

    def words(self, alert_id: str, instance: str = "sms") -> dict[str, int]:
        return self.house.ledger.read(lambda read: views.words(read, alert_id, instance))

    def events(self, *types: str) -> list[views.Event]:
        return self.house.ledger.read(lambda read: views.events(read, types=types))

    def attempts(self, alert_id: str) -> list[views.Attempt]:
        return self.house.ledger.read(lambda read: views.attempts_of(read, alert_id))

    def is_open(self, alert_id: str) -> bool:
        return self.house.ledger.read(lambda read: views.is_open(read, alert_id))

    def taken(self) -> dict[str, int]:
        recipients: dict[str, int] = self.sandbox.counts()["kannel"]["recipients"]
        return recipients

    @contextlib.asynccontextmanager
    async def serving(
        self, *, prefect: bool = False, receipts: str = "127.0.0.1:0", **environment: str
    ) -> AsyncIterator[Serving]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SERVE,
            receipts,
            "prefect" if prefect else "alone",
            env={**self.installation.environment, **environment},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(20):
                line = await process.stdout.readline()
            yield Serving(process, json.loads(line) if line else {})
        finally:
            if process.returncode is None:
                for number in (signal.SIGCONT, signal.SIGKILL):
                    process.send_signal(number)
            await process.wait()


@dataclass
class Serving:
    """A running service, and what it said when it was ready."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    async def end(self, number: signal.Signals = signal.SIGTERM, patience: float = 15.0) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(patience):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def scene(root: Path, people: int, **channel: object) -> AsyncIterator[Scene]:
    """An installation with so many people on one SMS channel."""
    async with Sandbox() as sandbox:
        installation = install(root, {"sms": sms(sandbox, **channel)})
        with installation.open() as house:
            installation.admit(house)
            installation.subscribe(house, people)
            yield Scene(installation, sandbox, house, house.desk())
