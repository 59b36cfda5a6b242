"""Senders in processes of their own: what they share is the ledger alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.kentongan.sending import UNFINDABLE, Place, ScriptedChannel, until

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("sender_process.py")


class Senders:
    def __init__(self, place: Place) -> None:
        self.root = place.root
        self.taken = place.root / "taken"
        self.taken.touch()
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self, pause: float = 0.002) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            str(self.root),
            str(self.taken),
            str(pause),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.running.append(process)
        return process

    async def all_ended(self) -> None:
        async with asyncio.timeout(60):
            for process in self.running:
                await process.wait()

    def counts(self) -> Counter[str]:
        return Counter(self.taken.read_text().split())


@pytest.fixture
async def processes(place: Place):  # type: ignore[no-untyped-def]
    started = Senders(place)
    yield started
    for process in started.running:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_two_senders_never_send_one_delivery_twice(place: Place, processes: Senders) -> None:
    place.subscribe(400)
    place.dispatch(ScriptedChannel(traits=UNFINDABLE))
    for _ in range(2):
        await processes.start()
    await processes.all_ended()
    assert [process.returncode for process in processes.running] == [0, 0]
    assert place.words() == {"accepted": 400}
    assert set(processes.counts().values()) == {1}
    assert len(processes.counts()) == 400


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [1, 60, 150])
async def test_a_killed_sender_loses_nobody_and_repeats_nothing_unmarked(
    place: Place, processes: Senders, killed_after: int
) -> None:
    place.subscribe(300)
    place.dispatch(ScriptedChannel(traits=UNFINDABLE))
    first = await processes.start()
    await until(lambda: len(processes.counts()) >= killed_after, patience=30)
    first.send_signal(signal.SIGKILL)
    await first.wait()
    await processes.start()
    await processes.all_ended()
    counts = processes.counts()
    deliveries = place.deliveries()
    assert len(deliveries) == 300
    assert {d.key for d in deliveries if d.word == "accepted"} <= set(counts)
    assert all(d.key in counts or d.word == "in_doubt" for d in deliveries)
    repeated = {key for key, count in counts.items() if count > 1}
    assert repeated <= {d.key for d in deliveries if d.possible_duplicate}
    assert not place.ledger.read(lambda read: read.sql("SELECT 1 FROM delivery WHERE stage <> 'done'").first())


@pytest.mark.slow
async def test_a_sender_that_was_stopped_and_wakes_sends_nothing_that_another_has_sent(
    place: Place, processes: Senders
) -> None:
    place.subscribe(300)
    place.dispatch(ScriptedChannel(traits=UNFINDABLE))
    first = await processes.start()
    await until(lambda: len(processes.counts()) >= 50, patience=30)
    first.send_signal(signal.SIGSTOP)
    second = await processes.start()
    async with asyncio.timeout(60):
        assert await second.wait() == 0
    if first.returncode is None:  # else it was stopped in mid-transaction and ended, to free the ledger
        first.send_signal(signal.SIGCONT)
    await processes.all_ended()
    repeated = {key for key, count in processes.counts().items() if count > 1}
    assert repeated <= {d.key for d in place.deliveries() if d.possible_duplicate}
    assert len(processes.counts()) == 300
    assert sum(place.words().values()) == 300
