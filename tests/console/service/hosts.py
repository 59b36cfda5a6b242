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

WORK = "import sys; from console.service.working import work; sys.exit(work(None, None, as_json=True, prefect=False))"


@contextlib.asynccontextmanager
async def working(scene: Scene, name: str, **environment: str) -> AsyncIterator[Serving]:
    """A worker on a made-up host: its own state directory, with a copy of the keys."""
    state = scene.installation.root / name
    if not state.exists():
        state.mkdir(mode=0o700)
        shutil.copytree(scene.installation.state / "keys", state / "keys")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORK,
        env={**scene.installation.environment, "KENTONGAN_STATE": str(state), **environment},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode() if process.stderr is not None else ""
        yield Serving(process, json.loads(line))
    finally:
        if process.returncode is None:
            for number in (signal.SIGCONT, signal.SIGKILL):
                process.send_signal(number)
        await process.wait()
