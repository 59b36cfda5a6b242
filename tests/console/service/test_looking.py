"""What the service looks at every so often goes on whatever goes wrong with one look."""

from __future__ import annotations

import asyncio
import logging

import pytest

from console.service.looking import After, Looking
from kentongan.errors import LedgerUnavailable


async def test_no_fault_of_a_look_ends_it_and_a_look_may_ask_for_another_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[object] = [LedgerUnavailable("locked"), RuntimeError("ours"), 3, After(3600.0)]
    looked: list[object] = []
    rests = asyncio.Event()

    async def look() -> object:
        found = answers[len(looked)]
        looked.append(found)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, After):
            rests.set()
        return found

    looking = Looking("it", look, every=0.001)
    with caplog.at_level(logging.WARNING):
        looking.start()
        await asyncio.wait_for(rests.wait(), 10)
        await asyncio.sleep(0)
        await looking.stop()
    assert looked == answers
    said = [(record.message, getattr(record, "look", None)) for record in caplog.records]
    assert said == [("a look of the service waits", "it"), ("a look of the service failed", "it")]
    await looking.stop()
