"""Senders that take part in what another owns, as workers on other hosts do."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from kentongan.ledger import senders, work
from kentongan.policy import Reason
from kentongan.seam import Accepted, Job, Outcome
from kentongan.settings import Policy
from tests.kentongan.sending import KEYED_POST, UNFINDABLE, Place, ScriptedChannel, finished, until


def slow(channel_name: str, seconds: float = 0.02) -> ScriptedChannel:
    async def answer(job: Job) -> Outcome:
        await asyncio.sleep(seconds)
        return Accepted(f"{channel_name}-{job.key}")

    return ScriptedChannel(traits=UNFINDABLE, answer=lambda job, times: answer(job), rate=200.0)


async def test_two_senders_send_one_alert_and_nobody_hears_it_twice(place: Place) -> None:
    place.subscribe(900)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    async with place.sending(first) as owner, place.sending(second, takes_part=True) as beside:
        assert await owner.nudge("alert-1")
        await finished(owner)
        await finished(beside)
    taken = Counter(first.recipients()) + Counter(second.recipients())
    assert len(taken) == 900
    assert set(taken.values()) == {1}
    assert min(len(first.sent), len(second.sent)) > 150
    (owned,) = place.events("dispatch.owned")
    (joined,) = place.events("dispatch.joined")
    assert joined.data["sender"] == beside.sender
    assert joined.at - owned.at < 1000
    assert len(place.events("instance.started")) == 1


async def test_a_sender_that_was_not_asked_to_takes_no_part(place: Place) -> None:
    place.subscribe(300)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    async with place.sending(first) as owner, place.sending(second):
        assert await owner.nudge("alert-1")
        await finished(owner)
    assert second.sent == []


async def test_what_is_stopped_is_stopped_on_all(place: Place) -> None:
    place.subscribe(3000)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    async with place.sending(first) as owner, place.sending(second, takes_part=True) as beside:
        await owner.nudge("alert-1")
        await until(lambda: first.sent and second.sent)
        place.stop("alert-1")
        await finished(owner)
        await finished(beside)
        sent = len(first.sent) + len(second.sent)
        words = place.words()
    assert sent < 3000
    # What had its intent at the stop may have left; what had not was cancelled, and what was not planned yet never was.
    assert words["accepted"] <= sent
    assert words["cancelled"] >= sum(words.values()) - sent
    assert set(words) <= {"accepted", "cancelled"}


async def test_a_hold_keeps_all_from_sending_until_it_is_released(place: Place) -> None:
    place.subscribe(500)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    unprobed = Policy(probe_every=3600)
    async with (
        place.sending(first, policy=unprobed) as owner,
        place.sending(second, takes_part=True, policy=unprobed),
    ):
        await owner.nudge("alert-1")
        await until(lambda: first.sent and second.sent)
        place.ledger.write(lambda write: senders.hold(write, instance="sms", reason="the account is closed"))
        await until(lambda: set(place.words()) == {"accepted", "planned"})
        held_at = len(first.sent) + len(second.sent)
        await asyncio.sleep(0.3)
        assert len(first.sent) + len(second.sent) == held_at
        place.ledger.write(lambda write: senders.release_hold(write, instance="sms", by="siti"))
        await finished(owner)
    assert place.words() == {"accepted": 500}
    assert min(len(first.sent), len(second.sent)) > 0


async def test_what_its_owner_has_no_channel_for_others_send_and_nobody_is_held_up(place: Place) -> None:
    place.subscribe(30)
    texts = slow("first")
    place.dispatch(texts, ScriptedChannel("post", traits=KEYED_POST))
    there = ScriptedChannel("post", traits=KEYED_POST)
    async with place.sending(slow("second"), there, takes_part=True), place.sending(texts, takes_part=True) as owner:
        assert await owner.nudge("alert-1")
        # As its task in Prefect does: it ends with what others have sent.
        assert await owner.channel("alert-1", "post", "prefect") == {"accepted": 2}
        await finished(owner)
    assert len(there.sent) == 2
    assert place.events("instance.held") == []


async def test_a_channel_that_nobody_has_is_held_and_goes_on_once_somebody_has_it(place: Place) -> None:
    place.subscribe(5)
    texts = slow("first")
    place.dispatch(texts, ScriptedChannel("post", traits=KEYED_POST))
    probing = Policy(probe_every=0.05)
    async with place.sending(texts, takes_part=True, policy=probing) as owner:
        await owner.nudge("alert-1")
        await until(lambda: place.events("instance.held"))
        (held,) = place.events("instance.held")
        assert "no process that sends has such a channel" in held.data["reason"]
        there = ScriptedChannel("post", traits=KEYED_POST)
        async with place.sending(there, takes_part=True, policy=probing):
            await until(lambda: len(there.sent) == 2)
            await finished(owner)
    assert len(place.events("instance.held")) == 1
    assert place.words(instance="post") == {"accepted": 2}


@pytest.mark.slow
async def test_whoever_takes_part_takes_over_what_its_owner_leaves(place: Place) -> None:
    place.subscribe(600)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    owner = place.dispatcher(first)
    await owner.start()
    await owner.nudge("alert-1")
    async with place.sending(second, takes_part=True, policy=Policy(repeat_after=1)) as beside:
        await until(lambda: first.sent and second.sent)
        # It falls silent with claims, intents and requests in flight, and with not everybody planned.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name() in ("beat", "sweep") and task in owner._loops:
                task.cancel()
        owned = owner._taken.alerts["alert-1"]
        for run in owned.live.values():
            run.halt.set()
        for task in owned._tasks:
            task.cancel()
        place.clock.advance(11)
        await finished(beside)
        assert place.ledger.read(work.open_dispatches) == []
        await owner.close()
    assert [event.data["set"]["owner"] for event in place.events("dispatch.owned")] == [owner.sender, beside.sender]
    assert sum(place.words().values()) == 600
    doubled = [key for key, count in Counter(job.key for job in (*first.sent, *second.sent)).items() if count > 1]
    assert {d.key for d in place.deliveries() if d.possible_duplicate} >= set(doubled)


async def test_a_channel_that_only_the_owner_has_is_not_held_for_it(place: Place) -> None:
    place.subscribe(10)
    sms, post = slow("first"), ScriptedChannel("post", traits=KEYED_POST)
    other = slow("second")
    place.dispatch(sms, post)
    async with place.sending(sms, post) as owner, place.sending(other, takes_part=True):
        await owner.nudge("alert-1")
        await finished(owner)
    assert place.ledger.read(senders.holds) == {}
    assert len(post.sent) == 2


async def test_a_sender_that_cannot_vouch_for_it_takes_no_part_and_says_why(place: Place) -> None:
    place.subscribe(300)
    first, second = slow("first"), slow("second")
    place.dispatch(first)
    doubting = place.dispatcher(second, takes_part=True, vouch=lambda read, alert_id: "its approval is not known here")
    async with place.sending(first) as owner:
        await doubting.start()
        await owner.nudge("alert-1")
        await finished(owner)
        await doubting.close()
    assert second.sent == []
    (joined,) = place.events("dispatch.joined")
    assert joined.data["why"] == "its approval is not known here"
    assert place.words() == {"accepted": 300}
    assert not any(attempt.reason == Reason.SENDER_GONE for attempt in place.attempts())
