"""A sender under which another Kentongan has brought the ledger to its own version."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest

from kentongan.errors import OtherVersion
from kentongan.ledger import senders
from kentongan.seam import Accepted, Job, Outcome
from tests.kentongan.sending import UNFINDABLE, Place, ScriptedChannel, until


def bring_to(place: Place, version: str) -> None:
    """What a migration leaves behind."""
    with contextlib.closing(sqlite3.connect(place.root / "ledger.db", timeout=10)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


async def test_it_begins_nothing_more_lets_its_requests_end_and_says_why(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "BEAT", 20)
    place.subscribe(40)
    answer = asyncio.Event()
    ended: list[str] = []

    async def late(job: Job) -> Outcome:
        await answer.wait()
        ended.append(job.key)
        return Accepted("m1")

    channel = ScriptedChannel(traits=UNFINDABLE, answer=lambda job, _: late(job))
    place.dispatch(channel)
    dispatcher = place.dispatcher(channel)
    await dispatcher.start()
    await dispatcher.nudge("alert-1")
    await until(lambda: channel.sent)
    before = place.ledger.read(lambda read: read.sql("SELECT version_num FROM alembic_version").scalar_one())
    bring_to(place, "9999")
    async with asyncio.timeout(10):
        await dispatcher.gave_way.wait()
    assert "is of version 9999 now" in dispatcher.pulse.outdated
    asked = len(channel.sent)
    answer.set()
    with pytest.raises(OtherVersion):
        await dispatcher.finished("alert-1")
    with pytest.raises(OtherVersion):
        await dispatcher.channel("alert-1", "sms", "prefect")
    assert not await dispatcher.nudge("alert-1")
    with pytest.raises(OtherVersion):
        await dispatcher.close()
    assert len(ended) == len(channel.sent) == asked < 40

    # Whoever comes next finds in doubt what had gone, and sends the rest.
    bring_to(place, before)
    place.clock.advance(senders.LEASE / 1000 + 1)
    async with place.sending(channel) as following:
        await following.nudge("alert-1")
        await following.finished("alert-1")
    assert place.words() == {"accepted": 40}
    keys = [job.key for job in channel.sent]
    marked = {delivery.key for delivery in place.deliveries() if delivery.possible_duplicate}
    assert {key for key in keys if keys.count(key) > 1} == set(ended[:asked]) <= marked
