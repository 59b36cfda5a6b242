"""The flow that shows whether the channels would pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kentongan.ledger import probes
from sandbox.server import Sandbox
from tests.installation import install, sms
from tests.prefect_server import ROOT, RunningServer

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

RUN = """
import asyncio
from flows.readiness import readiness
state = asyncio.run(readiness(return_state=True))
print(state.type.value, state.message)
"""


@pytest.mark.parametrize(("password", "says"), [("sandbox-kannel-password", "COMPLETED"), ("wrong", "FAILED")])
async def test_the_flow_says_whether_all_channels_would_pass_and_asks_nobody_twice(
    tmp_path: Path, prefect: RunningServer, password: str, says: str
) -> None:
    async with Sandbox() as sandbox:
        installation = install(tmp_path, {"sms": sms(sandbox)})
        environment = {**installation.environment, **prefect.environment(), "TEST_PASSWORD": password}
        for _ in range(2):
            process = await _run(environment)
            assert process.stdout.startswith(says), process.stderr
            assert f"If we sent now, {int(says == 'COMPLETED')} of 1 would pass" in process.stdout
        assert sandbox.requests == 1
        with installation.open() as house:
            assert house.ledger.read(probes.standings)["sms"].last.seen.ready == (says == "COMPLETED")


async def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    import asyncio

    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
