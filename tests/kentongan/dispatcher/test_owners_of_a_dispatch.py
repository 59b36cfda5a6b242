from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from kentongan import concerns
from kentongan.delivery import Phase
from kentongan.errors import LedgerUnavailable, Refused
from kentongan.ledger import claims, dispatches, senders, views, work
from kentongan.overview import overview
from kentongan.paging import Cause, Paging
from kentongan.seam import (
    Accepted,
    Job,
    Outcome,
)
from kentongan.settings import Policy
from tests.kentongan.sending import (
    KEYED_POST,
    UNFINDABLE,
    Place,
    ScriptedChannel,
    finished,
    until,
)


async def test_an_alert_that_officers_have_not_approved_is_not_sent(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    place.dispatch(channel)
    async with place.sending(channel, vouch=lambda read, alert_id: "nobody approved it") as dispatcher:
        assert not await dispatcher.nudge("alert-1")
        with pytest.raises(Refused, match="nobody approved it"):
            await dispatcher.channel("alert-1", "sms", "prefect")
    assert channel.sent == []
    assert len(place.events("dispatch.refused")) == 1
    # Nobody is to believe that it is on its way.
    seen = place.ledger.read(lambda read: overview(read, "alert-1"))
    assert (seen.said, seen.refused) == ("NOT BEING SENT", "nobody approved it")
    (concern,) = place.ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={}))
    assert (concern.cause, concern.alert_id, concern.values["reason"]) == (
        Cause.REFUSED,
        "alert-1",
        "nobody approved it",
    )
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        await dispatcher.finished("alert-1")
    seen = place.ledger.read(lambda read: overview(read, "alert-1"))
    assert (seen.said, seen.refused) == ("sent", "")
    assert place.ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={})) == []


async def test_a_nudge_that_comes_after_the_end_begins_nothing_again(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        await finished(dispatcher)
        await dispatcher.sweep()
        assert await dispatcher.nudge("alert-1"), "it was sent, which is what was asked for"
        assert await dispatcher.channel("alert-1", "sms", "prefect") == {"accepted": 1}
    assert len(place.events("instance.started")) == 1


async def test_a_nudge_that_comes_before_the_dispatch_spoils_nothing(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    async with place.sending(channel) as dispatcher:
        assert not await dispatcher.nudge("alert-1")
        place.dispatch(channel)
        assert await dispatcher.nudge("alert-1")
        await finished(dispatcher)
    assert place.words() == {"accepted": 1}


async def test_a_dispatch_that_nobody_takes_is_taken_by_the_sweep(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    async with place.sending(channel) as dispatcher:
        place.dispatch(channel)
        await finished(dispatcher)
    taken = place.events("dispatch.owned")[0].at
    assert 500 <= taken - place.events("alert.dispatched")[0].at < 1500


async def test_what_a_lost_sender_claimed_is_sent_and_what_it_intended_is_in_doubt(place: Place) -> None:
    place.subscribe(3)
    channel = ScriptedChannel(traits=UNFINDABLE)
    place.dispatch(channel)
    lost = place.dispatcher(channel)

    def leave(write) -> None:  # type: ignore[no-untyped-def]
        senders.register(write, sender=lost.sender, role="test", process=lost.process, clock=place.clock)
        dispatches.own(write, "alert-1", sender=lost.sender, gone=[])

    lost.ledger.write(leave)
    plan = place.ledger.read(lambda read: dispatches.get(read, "alert-1"))
    assert plan is not None
    from kentongan.ledger import planning

    while lost.ledger.write(lambda write: planning.expand(write, "alert-1", plan.plan, 1000)):
        pass
    claimed = lost.ledger.write(
        lambda write: claims.claim(write, sender=lost.sender, alert_id="alert-1", instance="sms", most=3)
    )
    ids = [each.id for each in claimed]
    lost.ledger.write(
        lambda write: claims.intend(write, sender=lost.sender, deliveries=ids[:1], phase=Phase.IRREVERSIBLE)
    )
    lost.ledger.write(
        lambda write: claims.intend(write, sender=lost.sender, deliveries=ids[1:2], phase=Phase.REVERSIBLE)
    )
    async with place.sending(channel, policy=Policy(repeat_after=3600)) as dispatcher:
        assert not await dispatcher.nudge("alert-1")
        place.clock.advance(11)
        await until(lambda: len(channel.sent) >= 2)
        await until(lambda: place.words() == {"accepted": 2, "in_doubt": 1})
    doubtful = next(delivery for delivery in place.deliveries() if delivery.word == "in_doubt")
    assert doubtful.id == ids[0]


async def test_a_sender_that_slept_through_its_lease_sends_nothing_of_what_it_held(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    place.dispatch(channel)
    sleeper = place.dispatcher(channel)
    await sleeper.start()
    gate = sleeper._sender.gate
    intended = place.clock.boot()
    assert gate.closed("alert-1", 0, place.clock.wall() + 10_000, intended=intended) is None
    place.clock.advance(9.5)
    why = gate.closed("alert-1", 0, place.clock.wall() + 10_000, intended=intended)
    await sleeper.close()
    assert why == "this sender slept through its lease"


async def test_a_beat_after_the_sleep_gives_back_nothing_that_was_intended_before_it(place: Place) -> None:
    place.subscribe(3)
    awake = asyncio.Event()

    async def slow(job: Job) -> Outcome:
        await awake.wait()
        return Accepted(job.key)

    channel = ScriptedChannel(answer=lambda job, times: slow(job), concurrency=1)
    place.dispatch(channel)
    async with place.sending(channel) as sleeper:
        assert await sleeper.nudge("alert-1")
        await until(lambda: place.words() == {"sending": 3} and channel.sent)
        gate, before = sleeper._sender.gate, place.clock.boot()
        place.clock.advance(11)
        # The first request is still under way, and two wait behind it, while the lease is renewed.
        await until(lambda: gate.beat_at > before + 10_000)
        awake.set()
        await finished(sleeper)
    assert place.words() == {"accepted": 3}
    attempts = Counter((attempt.evidence, attempt.reason) for attempt in place.attempts())
    assert attempts[("absent", "not sent: this sender slept through its lease")] == 2
    assert sum(attempt.evidence == "accepted" for attempt in place.attempts()) == 3


async def test_an_outcome_that_comes_after_the_lease_is_recorded_all_the_same(place: Place) -> None:
    place.subscribe(1)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(job: Job) -> Outcome:
        asked.set()
        await answered.wait()
        return Accepted("late-1")

    slow = ScriptedChannel(traits=UNFINDABLE, answer=lambda job, times: late(job))
    quick = ScriptedChannel(traits=UNFINDABLE)
    place.dispatch(slow)
    sleeper = place.dispatcher(slow)
    await sleeper.start()
    await sleeper.nudge("alert-1")
    async with asyncio.timeout(5):
        await asked.wait()
    for loop in sleeper._loops:  # it lives, but says so no more
        loop.cancel()
    place.clock.advance(11)
    async with place.sending(quick, policy=Policy(repeat_after=3600)):
        await until(lambda: place.words() == {"in_doubt": 1})
        answered.set()
        await until(lambda: place.words() == {"accepted": 1})
        await sleeper.close()
    assert quick.sent == []


async def test_a_graceful_end_records_what_is_in_flight_and_leaves_the_rest_planned(place: Place) -> None:
    place.subscribe(500)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(job: Job) -> Outcome:
        asked.set()
        await answered.wait()
        return Accepted(job.key)

    channel = ScriptedChannel(answer=lambda job, times: late(job))
    place.dispatch(channel)
    dispatcher = place.dispatcher(channel)
    await dispatcher.start()
    await dispatcher.nudge("alert-1")
    async with asyncio.timeout(5):
        await asked.wait()
    closing = asyncio.create_task(dispatcher.close())
    await asyncio.sleep(0)
    answered.set()
    async with asyncio.timeout(5):
        await closing
    words = place.words()
    assert words["accepted"] == len(channel.sent) <= channel.limits.concurrency
    assert set(words) == {"accepted", "planned"}
    async with place.sending(channel) as other:
        await finished(other)
    assert place.words() == {"accepted": 500}
    assert len(channel.sent) == 500


async def test_the_first_are_written_to_while_the_last_are_still_planned(place: Place) -> None:
    place.subscribe(9_500)
    channel = ScriptedChannel(rate=200.0, concurrency=16)
    place.dispatch(channel)
    async with place.sending(channel):
        await until(lambda: place.events("dispatch.expanded"), patience=60)
    assert len(place.events("deliveries.planned")) >= 10
    assert min(attempt.intent_at for attempt in place.attempts()) <= place.events("dispatch.expanded")[0].at


async def test_a_run_whose_ledger_failed_leaves_nothing_reserved(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from kentongan.errors import LedgerUnavailable

    place.subscribe(10)
    channel = ScriptedChannel()
    place.dispatch(channel)
    whole, failures = claims.intend, iter([LedgerUnavailable("ledger is locked; try again")])

    def failing(*args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        for failure in failures:
            raise failure
        return whole(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(claims, "intend", failing)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 10}


async def test_who_waits_for_a_channel_is_told_its_end_although_the_ledger_took_nothing_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.subscribe(10)
    channel = ScriptedChannel()
    place.dispatch(channel)
    claim, is_open, lost = claims.claim, views.is_open, iter(range(4))
    claimed: list[bool] = []

    def failing(act: Any) -> Any:
        def fails(*given: Any, **named: Any) -> Any:
            # What is claimed has been taken.
            claimed.extend([True] * (act is claim))
            if claimed and next(lost, None) is not None:
                raise LedgerUnavailable("ledger takes nothing")
            return act(*given, **named)

        return fails

    monkeypatch.setattr(claims, "claim", failing(claim))
    monkeypatch.setattr(views, "is_open", failing(is_open))
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.channel("alert-1", "sms", "prefect") == {"accepted": 10}
    assert next(lost, None) is None, "nothing was lost, so nothing was tried"


async def test_who_has_lost_a_dispatch_begins_nothing_of_it_while_its_requests_end(place: Place) -> None:
    place.subscribe(60)
    soon, late = asyncio.Event(), asyncio.Event()

    async def after(told: asyncio.Event, job: Job) -> Outcome:
        await told.wait()
        return Accepted(job.key)

    texts = ScriptedChannel("sms", answer=lambda job, times: after(soon, job))
    post = ScriptedChannel("post", traits=KEYED_POST, answer=lambda job, times: after(late, job))
    place.dispatch(texts, post)
    loser = place.dispatcher(texts, post)
    await loser.start()
    assert await loser.nudge("alert-1")
    await until(lambda: texts.sent and post.sent)
    owned = loser._taken.alerts["alert-1"]
    place.ledger.write(lambda write: write.sql("UPDATE dispatch SET owner = 'another'"))
    await loser.sweep()
    soon.set()
    await owned.runs["sms"]
    sent, ended = len(texts.sent), owned.runs["sms"]
    # Whoever asks, a flow too: what is still planned is for the other to send.
    assert not await loser.nudge("alert-1")
    loser._taken.starter.begin(owned, "sms", "prefect")
    await loser.sweep()
    assert owned.runs["sms"] is ended
    late.set()
    await until(lambda: "alert-1" not in loser._taken.alerts)
    await loser.close()
    assert len(texts.sent) == sent < 60
    assert place.words()["planned"] == 60 - sent


# --- Orchestration ----------------------------------------------------------------------------------------


async def test_every_instance_is_started_within_the_budget_when_the_orchestration_hangs(place: Place) -> None:
    place.subscribe(1)
    channels = [ScriptedChannel("sms"), ScriptedChannel("post", traits=KEYED_POST)]
    never = asyncio.Event()

    async def orchestrate(alert_id: str) -> None:
        await dispatcher.channel(alert_id, "sms", "prefect")
        await never.wait()

    dispatcher = place.dispatcher(*channels, orchestrate=orchestrate)
    await dispatcher.start()
    place.dispatch(*channels)
    await dispatcher.nudge("alert-1")
    await finished(dispatcher)
    await dispatcher.close()
    began = place.events("alert.dispatched")[0].at
    started = {
        event.data["instance"]: (event.data["through"], event.at - began) for event in place.events("instance.started")
    }
    assert started["sms"][0] == "prefect"
    assert started["post"][0] == "direct, the orchestration took too long"
    assert started["post"][1] < 1500


async def test_an_orchestration_that_fails_is_on_record_and_costs_nothing(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()

    async def orchestrate(alert_id: str) -> None:
        raise ConnectionError("http://user:secret@127.0.0.1")

    async with place.sending(channel, orchestrate=orchestrate) as dispatcher:
        place.dispatch(channel)
        await dispatcher.nudge("alert-1")
        await finished(dispatcher)
    lost = place.events("orchestration.lost")
    assert [dict(event.data) for event in lost] == [{"error": "ConnectionError", "why": ""}]
    assert place.words() == {"accepted": 1}


async def test_done_is_told_when_nothing_of_an_alert_is_left(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    done = asyncio.Event()
    async with place.sending(channel, done=lambda alert_id: done.set()) as dispatcher:
        place.dispatch(channel)
        await dispatcher.nudge("alert-1")
        async with asyncio.timeout(5):
            await done.wait()
        assert not place.ledger.read(lambda read: views.is_open(read, "alert-1"))
        assert place.ledger.read(work.open_dispatches) == []
