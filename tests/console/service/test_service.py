from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from console.service import client
from console.service.client import Nudged
from kentongan.ledger.holder import holder
from kentongan.ledger.verification import verify
from kentongan.state import State
from sandbox.faults import Fault, Rule
from tests.console.service.serving import Scene, scene, until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")


async def test_a_nudged_dispatch_is_owned_at_once_and_sent(tmp_path: Path) -> None:
    async with scene(tmp_path, 30) as there, there.serving() as service:
        assert service.ready["channels"] == ["sms"]
        alert = there.dispatch(there.draft())
        began = time.monotonic()
        assert await there.nudge(alert) is Nudged.OWNED
        assert time.monotonic() - began < 0.3
        await until(lambda: not there.is_open(alert))
        assert there.words(alert) == {"accepted": 30}
        assert set(there.taken().values()) == {1}
        assert await service.end() == 0


async def test_a_dispatch_that_nobody_tells_of_is_sent_all_the_same(tmp_path: Path) -> None:
    async with scene(tmp_path, 3) as there, there.serving():
        alert = there.dispatch(there.draft())
        await until(lambda: there.words(alert) == {"accepted": 3}, patience=3)


def test_without_a_service_nobody_listens(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert client.nudge(State(tmp_path), "a" * 16) is Nudged.NOBODY
    assert client.status(State(tmp_path)) is None


async def test_sigterm_in_mid_broadcast_records_every_request_in_flight(tmp_path: Path) -> None:
    async with scene(tmp_path, 2000, rate=300, deadline=3) as there, there.serving() as service:
        there.sandbox.add_faults("kannel", [Rule(Fault.ACCEPT_THEN_HANG, times=5, after_requests=100)])
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: len(there.taken()) >= 120)
        began = time.monotonic()
        assert await service.end() == 0
        assert time.monotonic() - began < 15
        words = there.words(alert)
        attempts = there.attempts(alert)
    assert all(attempt.evidence != "open" for attempt in attempts)
    assert words["accepted"] + words.get("in_doubt", 0) == len(there.taken())
    assert "sending" not in words
    assert "claimed" not in words
    assert words["planned"] > 0


async def test_what_a_stopped_service_left_is_finished_by_the_next(tmp_path: Path) -> None:
    async with scene(tmp_path, 600, rate=300) as there:
        async with there.serving() as service:
            alert = there.dispatch(there.draft())
            await there.nudge(alert)
            await until(lambda: len(there.taken()) >= 100)
            await service.end()
        async with there.serving():
            await until(lambda: there.words(alert) == {"accepted": 600})
    assert set(there.taken().values()) == {1}


async def test_a_service_killed_in_mid_broadcast_loses_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path, 600, rate=300) as there:
        async with there.serving() as service:
            alert = there.dispatch(there.draft())
            await there.nudge(alert)
            await until(lambda: len(there.taken()) >= 100)
            await service.end(signal.SIGKILL)
        async with there.serving():
            await until(lambda: not there.is_open(alert))
        words = there.words(alert)
        marked = there.house.ledger.read(
            lambda read: read.sql("SELECT count(*) FROM delivery WHERE possible_duplicate = 1").scalar_one()
        )
    assert len(there.taken()) + words.get("in_doubt", 0) >= 600
    assert sum(count - 1 for count in there.taken().values()) <= marked


async def test_a_second_service_on_one_state_directory_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with scene(tmp_path, 1) as there, there.serving() as first, there.serving() as second:
        await second.process.wait()
        assert second.process.returncode != 0
        assert second.process.stderr is not None
        said = (await second.process.stderr.read()).decode().strip().splitlines()[-1]
        assert f"runs on {there.state.root} already (process {first.ready['pid']})" in said


async def test_a_taken_receipt_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        async with scene(tmp_path, 1) as there, there.serving(receipts=where) as service:
            assert service.ready == {}
            await service.process.wait()
            assert service.process.stderr is not None
            assert f"receipts cannot be taken at {where}: " in (await service.process.stderr.read()).decode()


async def test_a_hang_up_of_the_terminal_ends_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, 1) as there, there.serving() as service:
        service.process.send_signal(signal.SIGHUP)
        alert = there.dispatch(there.draft())
        assert await there.nudge(alert) is Nudged.OWNED
        assert await service.end() == 0


async def test_a_wedged_service_gives_no_answer_and_another_sender_takes_over_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, 5) as there, there.serving() as service:
        service.process.send_signal(signal.SIGSTOP)
        while holder(there.state.ledger) == service.process.pid:
            # Stopped in the middle of a write it would be ended by whoever writes next, which is another test.
            service.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0)
            service.process.send_signal(signal.SIGSTOP)
        alert = there.draft()
        began = time.monotonic()
        there.dispatch(alert)
        assert await there.nudge(alert) is Nudged.NO_ANSWER
        first = await _send_here(there, alert)
        assert first - began < 1.5


async def test_a_service_wedged_after_taking_ownership_is_taken_over_from_within_12_seconds(tmp_path: Path) -> None:
    async with scene(tmp_path, 400, rate=20) as there, there.serving() as service:
        alert = there.dispatch(there.draft())
        assert await there.nudge(alert) is Nudged.OWNED
        service.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        first = await _send_here(there, alert)
        assert first - began < 12


async def _send_here(there: Scene, alert: str) -> float:
    """Sends from this process as `kentongan send` does; returns when the first request left."""
    before = there.sandbox.requests
    with there.installation.open("send") as house:
        channels = house.open_channels()
        dispatcher = house.dispatcher(channels, only=frozenset({alert}))
        await dispatcher.start()
        await until(lambda: there.sandbox.requests > before)
        moment = time.monotonic()
        await dispatcher.close()
        for channel in channels.values():
            await channel.close()
    return moment


async def test_heads_are_signed_at_the_end_of_an_alert_and_hold(tmp_path: Path) -> None:
    async with scene(tmp_path, 2) as there, there.serving() as service:
        latest = there.state.heads / "latest.json"
        await until(latest.exists)
        before = latest.read_text()
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: not there.is_open(alert))
        await until(lambda: latest.read_text() != before)
        await service.end()
        head = json.loads(latest.read_text())
        verdict = there.house.ledger.read(
            lambda read: verify(read, head=head, public_key=there.house.keys.head_public_key)
        )
        assert verdict.differences == []
        assert verdict.behind_head > 0


async def test_status_and_metrics_tell_the_same(tmp_path: Path) -> None:
    async with scene(tmp_path, 400, rate=50) as there, there.serving() as service:
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: there.words(alert))
        status = await there.status()
        assert status["pid"] == service.ready["pid"] == service.process.pid
        assert [each["alert_id"] for each in status["open"] if each["ours"]] == [alert]
        socket_ = there.state.run / "officers.sock"
        assert os.stat(socket_).st_mode & 0o777 == 0o600
        text = await asyncio.to_thread(_metrics, there.state)
        assert 'kentongan_deliveries{instance="sms",word=' in text


def _metrics(state: State) -> str:
    connection = client._Connection(state, 2.0)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
