"""The service ends in time whatever it waits for, and what it left is in doubt by the record."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from itertools import accumulate
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.service import serving as ending
from flows.sending import sending
from kentongan.dispatcher import draining
from kentongan.ledger import views
from sandbox.faults import Fault, Rule
from tests.console.service import serving
from tests.console.service.serving import scene, until

_STANDS_STILL = (
    "import time, console.service.serving as s; s.ENDS_WITHIN = 0.5; s.Service.stop = lambda self: time.sleep(60); "
)


async def test_what_waits_for_a_ledger_that_takes_nothing_keeps_no_process_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "PATIENCE", 0.2)
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with scene(tmp_path, 60, concurrency=4, rate=10_000) as there:
        with there.installation.open(role="send") as house:
            channels = house.open_channels()
            dispatcher = house.dispatcher(channels)
            await dispatcher.start()
            alert = there.draft()
            there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=0.05)])
            there.dispatch(alert)
            await dispatcher.nudge(alert)
            await until(lambda: len(there.taken()) > 4)
            file = there.house.ledger.path
            with contextlib.closing(sqlite3.connect(str(file), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                # From here outcomes wait, and requests for them.
                await until(lambda: house.ledger.commit_times.failed)
                began = time.monotonic()
                await draining.drain(dispatcher)
                took = time.monotonic() - began
                other.execute("ROLLBACK")
            for channel in channels.values():
                await channel.close()
        assert took < 5
        deliveries = there.house.ledger.read(lambda read: views.deliveries(read, alert))
        taken = there.taken()
        assert taken.keys() <= {number_of(there, each) for each in deliveries if each.word != "planned"}


async def test_a_flow_in_a_process_of_its_own_ends_although_the_ledger_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "MARGIN", 0.1)
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with scene(tmp_path, 60, concurrency=4, rate=10_000, deadline=0.1) as there:
        monkeypatch.setenv("KENTONGAN_CONFIG", str(there.installation.config))
        monkeypatch.setenv("KENTONGAN_STATE", str(there.installation.state))
        alert = there.draft()
        there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=0.05)])
        there.dispatch(alert)
        with contextlib.closing(sqlite3.connect(str(there.house.ledger.path), isolation_level=None)) as other:
            async with sending(alert) as flow:
                running = asyncio.create_task(flow.channel(alert, "sms"))
                await until(lambda: len(there.taken()) > 4)
                other.execute("BEGIN IMMEDIATE")
                await until(lambda: flow.ledger.commit_times.failed)
                began = time.monotonic()
            took = time.monotonic() - began
            other.execute("ROLLBACK")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert took < 8


async def test_a_flow_in_a_process_of_its_own_that_ends_early_tears_up_no_request_that_may_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Shorter than the channel's deadline, as the service's own is than that of mail.
    monkeypatch.setattr(draining, "PATIENCE", 0.0)
    monkeypatch.setattr(draining, "_LAST", 0.0)
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with scene(tmp_path, 60, concurrency=4, rate=10_000, deadline=30) as there:
        monkeypatch.setenv("KENTONGAN_CONFIG", str(there.installation.config))
        monkeypatch.setenv("KENTONGAN_STATE", str(there.installation.state))
        alert = there.draft()
        there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=0.3)])
        there.dispatch(alert)
        async with contextlib.AsyncExitStack() as fails:
            flow = await fails.enter_async_context(sending(alert))
            running = asyncio.create_task(flow.channel(alert, "sms"))
            await until(there.taken)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        words = there.words(alert)
        assert words.keys() == {"accepted", "planned"}
        assert words["accepted"] == len(there.taken()) < 60


def number_of(there: serving.Scene, delivery: views.Delivery) -> str:
    assert delivery.address_id is not None
    return there.house.open_addresses([delivery.address_id])[delivery.address_id].value


async def test_a_service_whose_loop_stands_still_ends_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SERVE", _STANDS_STILL + serving.SERVE)
    async with scene(tmp_path, 1) as there, there.serving() as service:
        assert await service.end() == 1
        assert service.process.stderr is not None
        told = (await service.process.stderr.read()).decode()
    assert "Timeout (" in told
    assert "in stop" in told or "in <lambda>" in told


async def test_a_second_signal_ends_a_service_at_once_whose_loop_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands_still = _STANDS_STILL.replace("time.sleep(60)", "(print('still', flush=True), time.sleep(60))")
    stands_still = stands_still.replace("ENDS_WITHIN = 0.5", "ENDS_WITHIN = 60; s.SECOND_SIGNAL_AFTER = 0")
    monkeypatch.setattr(serving, "SERVE", stands_still + serving.SERVE)
    async with scene(tmp_path, 1) as there, there.serving() as service:
        service.process.send_signal(signal.SIGTERM)
        assert service.process.stdout is not None
        assert (await service.process.stdout.readline()).strip() == b"still"
        # One that comes right before Python enters a call is seen behind it; an officer presses once more.
        for _ in range(4):
            with contextlib.suppress(TimeoutError):
                await service.end(signal.SIGINT, patience=4)
                break
        assert service.process.returncode == 1


async def test_a_signal_that_comes_twice_at_once_tears_up_no_request(tmp_path: Path) -> None:
    async with scene(tmp_path, 60, concurrency=4, rate=10_000) as there, there.serving() as service:
        alert = there.draft()
        there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=0.3)])
        there.dispatch(alert)
        await there.nudge(alert)
        await until(there.taken)
        # The terminal's to the whole group, the wrapper's handed on, and a supervisor's.
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            service.process.send_signal(number)
        async with asyncio.timeout(15):
            assert await service.process.wait() == 0
        words = there.words(alert)
        assert words.keys() == {"accepted", "planned"}
        assert words["accepted"] == len(there.taken()) < 60


@given(gaps=st.lists(st.floats(0, 3), max_size=6))
def test_it_ends_at_once_at_the_first_signal_that_comes_a_second_after_the_first(gaps: list[float]) -> None:
    moments = list(accumulate(gaps, initial=1000.0))
    ended: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ending, "faulthandler", Mock())
        patched.setattr(ending.os, "_exit", lambda code: ended.append(now[0]))
        now = [0.0]
        told = ending._EndInTime(now=lambda: now[0])
        for now[0] in moments:
            told(signal.SIGTERM, None)
    late = [moment for moment in moments if moment - moments[0] >= ending.SECOND_SIGNAL_AFTER]
    assert ended == late
