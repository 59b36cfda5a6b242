"""A correction while requests are on their way, after people were erased, and without a service to look after it."""

from __future__ import annotations

import asyncio

import pytest

from kentongan.ledger import views, work
from kentongan.seam import Accepted, Job, Outcome, Traits
from tests.kentongan.sending import Place, ScriptedChannel, phone, until


def expanded(place: Place, alert_id: str) -> bool:
    found = place.ledger.read(work.open_dispatches)
    return all(each.expanded for each in found if each.alert_id == alert_id)


async def test_a_sender_of_a_correction_waits_for_who_is_still_being_written_to(place: Place) -> None:
    place.subscribe(1)
    answered = asyncio.Event()

    async def slow(job: Job) -> Outcome:
        await answered.wait()
        return Accepted(job.key)

    first, second = ScriptedChannel(answer=lambda job, times: slow(job)), ScriptedChannel()
    place.dispatch(first)
    async with place.sending(second, only=frozenset({"alert-2"})) as withdrawing:
        async with place.sending(first, only=frozenset({"alert-1"})) as sending:
            assert await sending.nudge("alert-1")
            await first.began.wait()
            place.dispatch(second, id="alert-2", code="W9MN", predecessor="alert-1")
            assert await withdrawing.nudge("alert-2")
            await until(lambda: expanded(place, "alert-2"))
            # Nothing of it is planned, and yet its sender may not leave.
            assert place.deliveries("alert-2") == []
            assert place.ledger.read(lambda read: views.is_open(read, "alert-2"))
            answered.set()
            await sending.finished("alert-1")
        async with asyncio.timeout(10):
            await withdrawing.finished("alert-2")
    assert place.words("alert-2") == {"accepted": 1}
    assert second.recipients() == [phone(0)]


def erase(place: Place, *people: int) -> None:
    references = [place.keys.address_hash("reference", f"p{n}") for n in people]
    for reference in references:
        place.ledger.write(
            lambda write, r=reference: write.sql("UPDATE person SET key = NULL WHERE reference = :r", {"r": r})  # type: ignore[misc]
        )


@pytest.mark.parametrize("batch", [1, 10])
async def test_people_who_were_erased_keep_nobody_else_from_hearing_of_a_withdrawal(place: Place, batch: int) -> None:
    place.subscribe(20)
    traits = Traits(family="phone", batch=batch)
    channel = ScriptedChannel(traits=traits, concurrency=1)
    place.dispatch(channel)
    async with place.sending(channel, only=frozenset({"alert-1"})) as sender:
        assert await sender.nudge("alert-1")
        await sender.finished("alert-1")
    erase(place, *range(9))
    place.dispatch(channel, id="alert-2", code="W9MN", predecessor="alert-1")
    async with place.sending(channel, only=frozenset({"alert-2"})) as sender:
        assert await sender.nudge("alert-2")
        async with asyncio.timeout(10):
            await sender.finished("alert-2")
    assert place.words("alert-2") == {"accepted": 11, "rejected": 9}
    assert place.events("instance.held") == []
