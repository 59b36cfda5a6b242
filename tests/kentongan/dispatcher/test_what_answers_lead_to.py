from __future__ import annotations

import asyncio

import pytest

from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Job,
    Outcome,
    Pending,
    Rejected,
    Retryable,
    Why,
)
from tests.kentongan.sending import (
    KEYED_POST,
    POLICY,
    PUBLIC_POST,
    UNFINDABLE,
    Place,
    ScriptedChannel,
    finished,
    first,
    phone,
    until,
)


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
    channel = ScriptedChannel(answer=first(Retryable("throttled", after=0.5, throttled=True)), concurrency=1)
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
    assert place.words() == {"accepted": 5}
    refused = [attempt.intent_at for attempt in place.attempts() if attempt.reason.endswith("throttled")]
    assert len(refused) == 5
    for attempt in place.attempts():
        if attempt.evidence == "accepted":
            assert attempt.outcome_at is not None
            assert not any(0 <= attempt.outcome_at - at < 500 for at in refused)


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
        async with asyncio.timeout(20):
            await until(lambda: place.events("instance.held"))
            place.clock.advance(4)
            await until(lambda: held.probes)
            await until(lambda: place.words(instance="other") == {"accepted": 2})
