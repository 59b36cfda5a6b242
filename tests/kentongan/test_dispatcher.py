from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.delivery import Phase
from kentongan.errors import Refused
from kentongan.ledger import alerts, claims, receipts, senders, views, work
from kentongan.seam import (
    Absent,
    Accepted,
    Confirmed,
    Credential,
    Idempotent,
    InDoubt,
    Job,
    Outcome,
    Pending,
    Receipt,
    Rejected,
    Retryable,
    Traits,
    Why,
)
from kentongan.settings import Policy
from tests.kentongan.sending import POLICY, Place, ScriptedChannel, phone, until

PUBLIC_POST = Traits(public=True, find=True, settling=0.0)
KEYED_POST = Traits(public=True, idempotent=Idempotent(3600.0), find=True)
UNFINDABLE = Traits(family="phone")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def first(*outcomes: Outcome):  # type: ignore[no-untyped-def]
    """Answers of each key in turn, then Accepted."""
    return lambda job, times: outcomes[times] if times < len(outcomes) else Accepted(f"sms-{job.key}")


async def finished(dispatcher, alert_id: str = "alert-1") -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(20):
        await dispatcher.finished(alert_id)


# --- What each outcome leads to ---------------------------------------------------------------------------


async def test_everybody_is_written_to_once(place: Place) -> None:
    place.subscribe(50)
    channel = ScriptedChannel()
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        await finished(dispatcher)
    assert sorted(channel.recipients()) == sorted(phone(n) for n in range(50))
    assert place.words() == {"accepted": 50}


async def test_what_never_left_is_sent_again_under_the_same_key(place: Place) -> None:
    place.subscribe(3)
    channel = ScriptedChannel(answer=first(Retryable("busy"), Retryable("busy")))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 3}
    assert all(sum(j.key == job.key for j in channel.sent) == 3 for job in channel.sent)
    assert not any(delivery.possible_duplicate for delivery in place.deliveries())


async def test_a_providers_wish_to_wait_is_kept_by_the_whole_instance(place: Place) -> None:
    place.subscribe(5)
    channel = ScriptedChannel(answer=first(Retryable("throttled", after=0.5)), concurrency=1)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 5}
    for attempt in place.attempts():
        if attempt.number > 1:
            earlier = next(a for a in place.attempts() if a.delivery == attempt.delivery and a.number == 1)
            assert earlier.outcome_at is not None
            assert attempt.intent_at - earlier.outcome_at >= 500


async def test_a_refusal_ends_one_delivery_and_closes_nothing(place: Place) -> None:
    place.subscribe(10)
    blocked = phone(3)
    channel = ScriptedChannel(
        answer=lambda job, times: (
            Rejected("blocked", Why.ADDRESS) if job.to and job.to.value == blocked else Accepted(job.key)
        )
    )
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 9, "rejected": 1}
    assert place.events("instance.held") == []


async def test_a_doubtful_message_is_repeated_once_and_marked_where_life_is_at_stake(place: Place) -> None:
    place.subscribe(2)
    channel = ScriptedChannel(traits=UNFINDABLE, answer=lambda job, times: InDoubt("hung up"))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"in_doubt": 2}
    assert len(channel.sent) == 4
    assert all(delivery.possible_duplicate for delivery in place.deliveries())


async def test_a_doubtful_message_is_left_to_an_officer_where_life_is_not(place: Place) -> None:
    place.subscribe(2)
    channel = ScriptedChannel(traits=UNFINDABLE, answer=lambda job, times: InDoubt("hung up"))
    place.dispatch(channel, life_at_stake=False)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"in_doubt": 2}
    assert len(channel.sent) == 2


async def test_a_doubtful_post_is_repeated_under_its_key_unmarked(place: Place) -> None:
    channel = ScriptedChannel("post", traits=KEYED_POST, answer=first(InDoubt("500")))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words(instance="post") == {"accepted": 2}
    assert len(channel.sent) == 4
    assert channel.finds == 0
    assert not any(delivery.possible_duplicate for delivery in place.deliveries())


@pytest.mark.parametrize(("there", "requests"), [(True, 2), (False, 4)])
async def test_a_doubtful_post_is_looked_up_before_it_is_repeated(place: Place, there: bool, requests: int) -> None:
    channel = ScriptedChannel("post", traits=PUBLIC_POST, answer=first(InDoubt("500")), deadline=0.1)
    channel.find_answer = lambda job: Accepted("found") if there else Absent()
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words(instance="post") == {"accepted": 2}
    assert channel.finds == 2
    assert len(channel.sent) == requests


async def test_an_adapter_that_raises_leaves_doubt_and_no_text_of_its_exception(place: Place) -> None:
    place.subscribe(1)

    def explode(job: Job, times: int) -> Outcome:
        raise RuntimeError(f"token of {job.to!r} 0123secret")

    channel = ScriptedChannel(traits=UNFINDABLE, answer=explode)
    place.dispatch(channel, life_at_stake=False)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"in_doubt": 1}
    assert "secret" not in "".join(attempt.reason for attempt in place.attempts())


async def test_a_second_step_follows_the_first(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel(answer=lambda job, times: Pending({"container": "7"}, 0.05, irreversible_next=True))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 1}
    assert channel.sent[-1].handle == {"container": "7"}


# --- Holds ------------------------------------------------------------------------------------------------


async def test_refused_credentials_hold_the_instance_until_a_probe_passes(place: Place) -> None:
    place.subscribe(5)
    broken = True
    channel = ScriptedChannel(
        answer=lambda job, times: Credential("wrong password") if broken else Accepted(job.key), concurrency=1
    )
    channel.is_ready = False
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await dispatcher.nudge("alert-1")
        await until(lambda: channel.probes >= 2)
        assert place.words() == {"planned": 5}
        tried = len(channel.sent)
        broken, channel.is_ready = False, True
        await finished(dispatcher)
    assert tried <= 4
    assert place.words() == {"accepted": 5}
    assert len(place.events("instance.held")) == len(place.events("instance.released")) == 1


async def test_five_people_refused_in_a_row_hold_the_instance(place: Place) -> None:
    place.subscribe(20)
    channel = ScriptedChannel(answer=lambda job, times: Rejected("no route", Why.ADDRESS), concurrency=1, rate=50)
    channel.is_ready = False
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await dispatcher.nudge("alert-1")
        await until(lambda: place.events("instance.held"))
    assert place.words()["rejected"] < 20


async def test_a_probe_that_hangs_holds_up_neither_beats_nor_other_channels(place: Place) -> None:
    place.subscribe(2)
    held = ScriptedChannel("held", answer=lambda job, times: Credential("wrong password"))
    never = asyncio.Event()

    async def hang() -> None:
        held.probes += 1
        await never.wait()

    held.ready = hang  # type: ignore[method-assign, assignment]
    other = ScriptedChannel("other", answer=first(Retryable("busy", after=0.5)), traits=KEYED_POST)
    place.dispatch(held, other)
    async with place.sending(held, other, policy=POLICY.model_copy(update={"probe_every": 4.0})) as dispatcher:
        await dispatcher.nudge("alert-1")
        async with asyncio.timeout(5):
            await until(lambda: place.events("instance.held"))
            place.clock.advance(4)
            await until(lambda: held.probes)
            await until(lambda: place.words(instance="other") == {"accepted": 2})


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


# --- Owners, leases, crashes ------------------------------------------------------------------------------


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
        alerts.own(write, "alert-1", sender=lost.sender, gone=[])

    lost.ledger.write(leave)
    plan = place.ledger.read(lambda read: alerts.get_dispatch(read, "alert-1"))
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
    assert gate.closed("alert-1", 0, place.clock.wall() + 10_000) is None
    place.clock.advance(9.5)
    why = gate.closed("alert-1", 0, place.clock.wall() + 10_000)
    await sleeper.close()
    assert why == "this sender slept through its lease"


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
    place.subscribe(3500)
    channel = ScriptedChannel(rate=5000.0, concurrency=16)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 3500}
    chunks = place.events("deliveries.planned")
    first_intent = min(attempt.intent_at for attempt in place.attempts())
    assert len(chunks) == 4
    assert first_intent <= place.events("dispatch.expanded")[0].at


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
