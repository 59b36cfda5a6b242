from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from console.service.client import Nudged
from tests.console.service.serving import Scene, Serving, scene, until
from tests.prefect_server import RunningServer

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")


@asynccontextmanager
async def answering(there: Scene, prefect: RunningServer) -> AsyncIterator[Serving]:
    """A service whose Prefect server answers and is warm."""
    prefect.lend_database(there.state.prefect)
    async with there.serving(prefect=True) as service:
        log = there.state.log / "service.log"
        await until(lambda: log.exists() and "Prefect server answers" in log.read_text(), 60)
        yield service


async def server_pid(there: Scene) -> int:
    pid = (await there.status())["prefect"]["pid"]
    assert isinstance(pid, int)
    return pid


def is_there(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


async def sent_after_a_nudge(there: Scene) -> tuple[str, float]:
    """Dispatches and nudges; returns the alert and the seconds until its first intent was on disk."""
    alert = there.draft()
    began = time.time()
    there.dispatch(alert)
    assert await there.nudge(alert) is Nudged.OWNED
    await until(lambda: not there.is_open(alert))
    return alert, min(attempt.intent_at for attempt in there.attempts(alert)) / 1000 - began


async def test_through_prefect_when_it_answers_and_without_it_when_it_was_killed(
    tmp_path: Path, prefect: RunningServer
) -> None:
    async with scene(tmp_path, 10) as there, answering(there, prefect) as service:
        alert, waited = await sent_after_a_nudge(there)
        await until(lambda: there.events("orchestration.ended"))
        assert there.events("orchestration.lost") == []
        pid = await server_pid(there)
        os.kill(pid, signal.SIGKILL)
        second, waited = await sent_after_a_nudge(there)
        assert waited < 1.5
        assert there.words(alert) == there.words(second) == {"accepted": 10}
        assert set(there.taken().values()) == {2}
        lost = there.events("orchestration.lost")
        assert [event.alert_id for event in lost] == [second]
        assert lost[0].data["why"]
        # It comes back, and the next alert goes through it again.
        await until(lambda: _log(there).count("Prefect server answers") == 2, 60)
        third, waited = await sent_after_a_nudge(there)
        await until(lambda: len(there.events("orchestration.ended")) == 2)
        assert {event.alert_id for event in there.events("orchestration.began")} >= {alert, third}
        assert await service.end() == 0


async def test_a_server_killed_in_mid_broadcast_costs_nothing_but_the_picture(
    tmp_path: Path, prefect: RunningServer
) -> None:
    async with scene(tmp_path, 400, rate=100) as there, answering(there, prefect) as service:
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: there.events("orchestration.began") and len(there.taken()) > 50)
        os.kill(await server_pid(there), signal.SIGKILL)
        await until(lambda: there.words(alert) == {"accepted": 400}, 30)
        assert set(there.taken().values()) == {1}
        # Its end is taken only where the server is back in time; in either case the record says so.
        await until(lambda: there.events("orchestration.lost", "orchestration.ended"), 30)
        assert await service.end() == 0


async def test_a_port_that_accepts_and_never_answers_in_its_place_costs_nothing(
    tmp_path: Path, prefect: RunningServer
) -> None:
    async with scene(tmp_path, 10) as there, answering(there, prefect) as service:
        port = urlsplit(service.ready["prefect"]).port
        assert port is not None
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            os.kill(await server_pid(there), signal.SIGKILL)
            await _bind(deaf, port)
            for _ in range(3):
                alert, waited = await sent_after_a_nudge(there)
                assert waited < 1.5
                assert there.words(alert) == {"accepted": 10}
            assert set(there.taken().values()) == {3}
            began = time.monotonic()
            assert await service.end() == 0
            assert time.monotonic() - began < 15


async def _bind(listener: socket.socket, port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                await asyncio.sleep(0.001)
            else:
                listener.listen(64)
                return


async def test_a_configured_server_that_never_answers_costs_less_than_the_budget(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/api"
        async with scene(tmp_path, 10) as there, there.serving(prefect=True, PREFECT_API_URL=url) as service:
            assert service.ready["prefect"] == url
            alert, waited = await sent_after_a_nudge(there)
            assert waited < 1.5
            assert there.words(alert) == {"accepted": 10}
            assert there.events("orchestration.lost")[0].data["error"] == "NotShown"
            assert await service.end() == 0


async def test_sending_does_not_wait_for_a_server_that_is_starting(tmp_path: Path) -> None:
    async with scene(tmp_path, 5) as there, there.serving(prefect=True) as service:
        _, waited = await sent_after_a_nudge(there)
        assert waited < 1.0
        assert "starting" in there.events("orchestration.lost")[0].data["why"]
        assert await service.end() == 0


async def test_a_killed_service_leaves_no_server_behind(tmp_path: Path, prefect: RunningServer) -> None:
    async with scene(tmp_path, 1) as there, answering(there, prefect) as service:
        pid = await server_pid(there)
        assert is_there(pid)
        await service.end(signal.SIGKILL)
        await until(lambda: not is_there(pid), 5)


async def test_a_wedged_server_is_started_anew(tmp_path: Path, prefect: RunningServer) -> None:
    async with scene(tmp_path, 1) as there, answering(there, prefect) as service:
        os.kill(await server_pid(there), signal.SIGSTOP)
        await until(lambda: _log(there).count("Prefect server answers") == 2, 100)
        assert await service.end() == 0


async def test_a_second_service_finds_its_prefect_secret_in_a_private_file(tmp_path: Path) -> None:
    async with scene(tmp_path, 1) as there, there.serving(prefect=True) as service:
        path = there.state.run / "prefect.env"
        assert path.stat().st_mode & 0o777 == 0o600
        assert f"PREFECT_API_URL={service.ready['prefect']}" in path.read_text().splitlines()
        secret = path.read_text().partition("AUTH_STRING=")[2].strip()
        assert await service.end() == 0
        assert secret not in _log(there)
        assert not path.exists()


def _log(there: Scene) -> str:
    return (there.state.log / "service.log").read_text()
