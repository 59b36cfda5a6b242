from __future__ import annotations

import asyncio

from kentongan.ledger import receipts
from kentongan.seam import (
    Accepted,
    Confirmed,
    Idempotent,
    InDoubt,
    Job,
    Outcome,
    Receipt,
    Rejected,
    Retryable,
    Traits,
    Why,
)
from tests.kentongan.sending import (
    Place,
    ScriptedChannel,
    finished,
    phone,
    until,
)

# --- Stop, expiry, correction -------------------------------------------------------------------------------


async def test_after_a_stop_no_intent_of_the_old_epoch_is_written(place: Place) -> None:
    place.subscribe(2000)
    channel = ScriptedChannel(rate=500.0)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await dispatcher.nudge("alert-1")
        await until(lambda: len(channel.sent) >= 50)
        place.stop("alert-1")
        stopped_at = place.events("alert.stopped")[0].at
        await finished(dispatcher)
    words = place.words()
    assert max(attempt.intent_at for attempt in place.attempts()) <= stopped_at
    assert words["accepted"] == len(channel.sent)
    assert sum(words.values()) == sum(event.data["count"] for event in place.events("deliveries.planned"))
    assert set(words) == {"accepted", "cancelled"}


async def test_what_is_too_late_is_not_sent(place: Place) -> None:
    place.subscribe(3)
    channel = ScriptedChannel(answer=lambda job, times: Retryable("busy"))
    place.dispatch(channel, deliver_within=1.0)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"expired": 3}
    deadline = place.deliveries()[0]
    assert max(attempt.intent_at for attempt in place.attempts()) < deadline.due_at + 1100


async def test_a_correction_reaches_exactly_those_who_were_or_may_have_been_reached(place: Place) -> None:
    place.subscribe(6)
    refused, doubtful = phone(1), phone(2)

    def answer(job: Job, times: int) -> Outcome:
        assert job.to is not None
        if job.to.value == refused:
            return Rejected("blocked", Why.ADDRESS)
        return InDoubt("hung up") if job.to.value == doubtful else Accepted(job.key)

    channel = ScriptedChannel(answer=answer)
    place.dispatch(channel, life_at_stake=False)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
        channel.sent.clear()
        place.dispatch(channel, id="correction-1", code="M3N4", predecessor="alert-1", life_at_stake=False)
        await finished(dispatcher, "correction-1")
    assert sorted(channel.recipients()) == sorted(phone(n) for n in range(6) if phone(n) != refused)


async def test_a_correction_follows_what_turns_out_to_have_gone_while_it_runs(place: Place) -> None:
    place.subscribe(2)
    slow = phone(1)
    answered = asyncio.Event()
    asked = asyncio.Event()

    async def late(job: Job) -> Outcome:
        asked.set()
        await answered.wait()
        return Accepted(job.key)

    channel = ScriptedChannel(
        answer=lambda job, times: (
            late(job) if job.to and job.to.value == slow and not asked.is_set() else Accepted(job.key)
        )
    )
    place.dispatch(channel)
    async with place.sending(channel):
        async with asyncio.timeout(5):
            await asked.wait()
        place.dispatch(channel, id="correction-1", code="M3N4", predecessor="alert-1")
        await until(lambda: place.words("correction-1") == {"accepted": 1})
        answered.set()
        await until(lambda: place.words("correction-1") == {"accepted": 2})
    assert place.words() == {"accepted": 2}


async def test_a_correction_marks_the_earlier_post_where_the_channel_edits(place: Place) -> None:
    traits = Traits(public=True, idempotent=Idempotent(3600.0), edit=True)
    channel = ScriptedChannel("post", traits=traits)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
        earlier = {delivery.provider_id for delivery in place.deliveries()}
        place.dispatch(channel, id="correction-1", code="M3N4", predecessor="alert-1")
        await finished(dispatcher, "correction-1")
    assert {posted.id for posted in channel.edited} == earlier
    assert place.words("correction-1", "post") == {"accepted": 2}


# --- Receipts ---------------------------------------------------------------------------------------------


async def test_a_receipt_that_comes_before_the_outcome_counts(place: Place) -> None:
    place.subscribe(1)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(job: Job) -> Outcome:
        asked.set()
        await answered.wait()
        return InDoubt("hung up")

    channel = ScriptedChannel(answer=lambda job, times: late(job))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        async with asyncio.timeout(5):
            await asked.wait()
        key = channel.sent[0].key
        receipt = Receipt(Confirmed.DELIVERED, key=key)
        place.ledger.write(lambda write: receipts.record(write, instance="sms", receipts=[receipt]))
        answered.set()
        await finished(dispatcher)
    assert place.words() == {"delivered": 1}
    assert len(channel.sent) == 1


async def test_a_receipt_spares_the_marked_repeat(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel(answer=lambda job, times: InDoubt("hung up"))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await until(lambda: place.words() == {"in_doubt": 1})
        receipt = Receipt(Confirmed.DELIVERED, key=channel.sent[0].key)
        place.ledger.write(lambda write: receipts.record(write, instance="sms", receipts=[receipt]))
        dispatcher.wake()
        await finished(dispatcher)
    assert place.words() == {"delivered": 1}
    assert len(channel.sent) == 1


async def test_a_receipt_by_a_name_that_is_not_known_yet_is_matched_later(place: Place) -> None:
    place.subscribe(1)
    early = Receipt(Confirmed.DELIVERED, provider_id="sms-77")
    place.ledger.write(lambda write: receipts.record(write, instance="sms", receipts=[early]))
    channel = ScriptedChannel(answer=lambda job, times: Accepted("sms-77"))
    place.dispatch(channel)
    async with place.sending(channel):
        await until(lambda: place.words() == {"delivered": 1})
