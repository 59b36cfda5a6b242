"""A real Kannel (bearerbox and smsbox) in front of a scripted SMSC, on free loopback ports.

`make peers` installs what it needs (`install.sh`). `smsc.cjs` says what each number's last two digits do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SMPP = HERE.parents[1] / ".peers" / "node_modules" / "smpp"
BEARERBOX, SMSBOX = Path("/usr/sbin/bearerbox"), Path("/usr/sbin/smsbox")

USERNAME, PASSWORD = "agency", "peer-test-only"

_CONFIG = """\
group = core
admin-port = {admin}
admin-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
dlr-storage = internal
log-level = 1

group = smsc
smsc = smpp
smsc-id = scripted
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = kannel
system-type = ""
interface-version = 34
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
global-sender = 2000
log-level = 1

group = sms-service
keyword = default
max-messages = 0
text = ""

group = sendsms-user
username = {username}
password = {password}
max-messages = 5
concatenation = true
"""


@dataclass
class Smsc:
    """What the scripted SMSC was handed, in order; `arrived` is set at each submission."""

    submissions: list[Mapping[str, Any]] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def submitted(self, to: str, times: int = 1) -> list[Mapping[str, Any]]:
        """Waits until `to` was submitted `times` times; returns those submissions."""

        def those() -> list[Mapping[str, Any]]:
            return [s for s in self.submissions if s["to"].lstrip("+") == to.lstrip("+")]

        async with self.arrived, asyncio.timeout(20):
            await self.arrived.wait_for(lambda: len(those()) >= times)
            return those()


@dataclass(frozen=True)
class Kannel:
    """A running gateway: `url` is that of sendsms; `status_url` needs `password`."""

    base_url: str
    status_url: str
    username: str
    password: str
    smsc: Smsc


def _installed() -> bool:
    return BEARERBOX.exists() and SMSBOX.exists() and shutil.which("node") is not None and SMPP.exists()


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(15):
        while True:
            assert process.returncode is None, f"ended at once:\n{_tail(log)}"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def _smsc(log: Path) -> AsyncIterator[tuple[Smsc, int, asyncio.Event]]:
    smsc, bound = Smsc(), asyncio.Event()
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "smsc.cjs"),
            str(SMPP),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    async with asyncio.timeout(15):
        first = await process.stdout.readline()
    assert first, f"the SMSC ended at once:\n{_tail(log)}"

    async def read(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            fact = json.loads(line)
            if "bound" in fact:
                bound.set()
            if "submitted" in fact:
                async with smsc.arrived:
                    smsc.submissions.append(fact)
                    smsc.arrived.notify_all()

    reader = asyncio.create_task(read(process.stdout))
    try:
        yield smsc, json.loads(first)["listening"], bound
    finally:
        await _stop(process)
        await reader


@pytest.fixture
async def kannel() -> AsyncIterator[Kannel]:
    """One Kannel for one test, stopped by its process ids; skips where the peers are not installed."""
    if not _installed():
        pytest.skip("Kannel, Node.js or the npm library smpp is not installed; run `make peers`")
    admin, boxes, sendsms = _free_ports(3)
    with tempfile.TemporaryDirectory(prefix="kannel-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            smsc, port, bound = await stack.enter_async_context(_smsc(folder / "smsc.log"))
            config = folder / "kannel.conf"
            config.write_text(
                _CONFIG.format(
                    admin=admin, boxes=boxes, sendsms=sendsms, smsc=port, username=USERNAME, password=PASSWORD
                ),
                "utf-8",
            )
            for box, listens in ((BEARERBOX, boxes), (SMSBOX, sendsms)):
                log = folder / f"{box.name}.log"
                with log.open("wb") as output:
                    process = await asyncio.create_subprocess_exec(
                        str(box), str(config), cwd=folder, stdout=output, stderr=asyncio.subprocess.STDOUT
                    )
                stack.push_async_callback(_stop, process)
                await _listening(listens, process, log)
            async with asyncio.timeout(15):
                await bound.wait()
            yield Kannel(
                base_url=f"http://127.0.0.1:{sendsms}",
                status_url=f"http://127.0.0.1:{admin}/status.txt",
                username=USERNAME,
                password=PASSWORD,
                smsc=smsc,
            )
