"""Workers as processes of their own: hosts that share a ledger, each with a state directory and the same keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator

from tests.console.service.serving import ROOT, Scene, Serving


@contextlib.asynccontextmanager
async def working(
    scene: Scene, name: str, *, prefect: bool = False, ready: bool = True, **environment: str
) -> AsyncIterator[Serving]:
    """A worker on a made-up host: its own state directory, with a copy of the keys; "state" is the installation's own.

    With `ready` it must come up.
    """
    state = scene.installation.root / name
    if not state.exists():
        state.mkdir(mode=0o700)
        shutil.copytree(scene.installation.state / "keys", state / "keys")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "console.main",
        "--json",
        "worker",
        "--prefect" if prefect else "--no-prefect",
        env={**scene.installation.environment, "KENTONGAN_STATE": str(state), **environment},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        assert line or not ready, (await process.stderr.read()).decode() if process.stderr is not None else ""
        yield Serving(process, json.loads(line) if ready else {})
    finally:
        if process.returncode is None:
            for number in (signal.SIGCONT, signal.SIGKILL):
                process.send_signal(number)
        await process.wait()
