"""Processes that send with one credential keep its rate together, pause together, and let a graver alert overtake."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kentongan import concerns
from kentongan.bucket import LIFE
from kentongan.cap.model import Severity
from kentongan.clock import Process
from kentongan.ledger import buckets, throttled
from kentongan.ledger.buckets import Here
from kentongan.paging import Cause, Paging
from kentongan.seam import Accepted, Job, Mode, Outcome, Retryable
from tests.kentongan.sending import DIRECT, POLICY, Place, ScriptedChannel, finished, until

RATE = 100.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def sharing(name: str, credential: str = "account", **more: object) -> ScriptedChannel:
    channel = ScriptedChannel(name, traits=DIRECT, rate=RATE, **more)  # type: ignore[arg-type]
    channel.limits = replace(channel.limits, credential=credential)
    return channel


async def test_two_processes_together_keep_to_the_rate_of_their_credential(place: Place) -> None:
    place.subscribe(60)
    sent: list[float] = []

    def answer(job: Job, times: int) -> Outcome:
        sent.append(time.monotonic())
        return ScriptedChannel("x").answer(job, times)  # type: ignore[return-value]

    one, two = sharing("sms", answer=answer), sharing("sms-2", answer=answer)
    place.dispatch(one, id="alert-1")
    place.dispatch(two, id="alert-2", code="K7Q5")
    async with (
        place.sending(one, only=frozenset({"alert-1"})) as first,
        place.sending(two, only=frozenset({"alert-2"})) as second,
    ):
        await asyncio.gather(finished(first, "alert-1"), finished(second, "alert-2"))
    assert len(sent) == 120
    for begin, at in enumerate(sent):
        # A request is written some moments after its leave.
        assert sum(at <= other <= at + 0.5 for other in sent[begin:]) <= (0.5 + LIFE + 0.25) * RATE + 2


async def test_a_throttle_told_to_one_process_stops_all_with_that_credential_and_no_other(place: Place) -> None:
    place.subscribe(400)
    throttling = sharing("sms", answer=lambda job, times: Retryable("429", after=600.0, throttled=True))
    same, other = sharing("sms-2"), sharing("bot", credential="another account")
    place.dispatch(throttling, id="alert-1", deliver_within=300.0)
    async with place.sending(throttling, only=frozenset({"alert-1"})):
        place.dispatch(same, id="alert-2", code="K7Q5", deliver_within=300.0)
        place.dispatch(other, id="alert-3", code="K7Q6")
        async with place.sending(same, other, only=frozenset({"alert-2", "alert-3"})) as second:
            await until(lambda: len(place.events("instance.throttled")) >= 2)
            stopped = len(same.sent)
            await finished(second, "alert-3")
            assert len(other.sent) == 400
            assert len(same.sent) == stopped < 400
            assert len(throttling.sent) < 50
            waiting = place.ledger.read(throttled.standing)
            assert {each.alert_id for each in waiting} == {"alert-1", "alert-2"}
            found = place.ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={"sms": Mode.DRILL}))
            about = {each.about for each in found if each.cause is Cause.THROTTLED}
            assert about == {"throttled:alert-1:sms", "throttled:alert-2:sms-2"}
            # An officer's word ends it everywhere, where the provider has come to its senses.
            throttling.answer = same.answer
            place.ledger.write(lambda write: buckets.resume(write, ["account"]))
            await until(lambda: len(same.sent) > stopped)
            assert {each.alert_id for each in place.ledger.read(throttled.standing)} <= {"alert-1", "alert-2"}


async def test_a_throttle_without_a_word_how_long_backs_everybody_off_and_lets_them_return(place: Place) -> None:
    place.subscribe(60)
    refusing = True
    refused: list[float] = []

    def answer(job: Job, times: int) -> Outcome:
        if refusing:
            refused.append(time.monotonic())
            return Retryable("429", throttled=True)
        return Accepted(job.key)

    throttled_, same = sharing("sms", answer=answer), sharing("sms-2", answer=answer)
    other = sharing("bot", credential="another account")
    place.dispatch(throttled_, id="alert-1")
    place.dispatch(same, id="alert-2", code="K7Q5")
    place.dispatch(other, id="alert-3", code="K7Q6")
    policy = POLICY.model_copy(update={"backoff_first": 0.1, "backoff_most": 0.4})
    async with (
        place.sending(throttled_, only=frozenset({"alert-1"}), policy=policy) as first,
        place.sending(same, other, only=frozenset({"alert-2", "alert-3"}), policy=policy) as second,
    ):
        await finished(second, "alert-3")
        assert len(other.sent) == 60
        await until(lambda: _throttled(place) >= 3)
        refusing = False
        await asyncio.gather(finished(first, "alert-1"), finished(second, "alert-2"))
        assert _throttled(place) == 0
    assert place.words(instance="sms") == {"accepted": 60}
    assert place.words("alert-2", "sms-2") == {"accepted": 60}
    # Each pause let no more through than what was in flight in both processes: four requests each.
    assert len(refused) <= 5 * 8


def _throttled(place: Place) -> int:
    boot = Process.current().boot_id
    return place.ledger.read(lambda read: buckets.get(read, "account", Here(place.clock, boot))).throttled


async def test_an_absurd_wait_is_recorded_like_any_other(place: Place) -> None:
    place.subscribe(1)
    channel = sharing("sms", answer=lambda job, times: Retryable("429", after=1e300, throttled=True))
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        await finished(dispatcher)
        await until(lambda: place.ledger.read(throttled.standing))
    (found,) = place.ledger.read(lambda read: throttled.standing(read, "alert-1"))
    assert (found.instance, found.also) == ("sms", {})
    assert place.words(instance="sms") == {"expired": 1}


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_graver_alert_overtakes_a_campaign_on_the_same_credential(place: Place, processes: int) -> None:
    place.subscribe(120)
    order: list[str] = []
    channels = {}
    for name in ("campaign", "alert"):

        def answer(job: Job, times: int, name: str = name) -> Outcome:
            order.append(name)
            return ScriptedChannel(name).answer(job, times)  # type: ignore[return-value]

        channels[name] = sharing(name, answer=answer)
    place.dispatch(channels["campaign"], id="alert-1", severity=Severity.MINOR)
    async with contextlib.AsyncExitStack() as stack:
        senders = [
            await stack.enter_async_context(place.sending(*channels.values(), only=frozenset(alerts)))
            for alerts in ([["alert-1", "alert-2"]] if processes == 1 else [["alert-1"], ["alert-2"]])
        ]
        assert await senders[0].nudge("alert-1")
        await channels["campaign"].began.wait()
        place.dispatch(channels["alert"], id="alert-2", code="K7Q5", severity=Severity.EXTREME)
        assert await senders[-1].nudge("alert-2")
        await asyncio.gather(finished(senders[0], "alert-1"), finished(senders[-1], "alert-2"))
    assert sorted(order) == ["alert"] * 120 + ["campaign"] * 120
    begun = order.index("alert")
    last = len(order) - 1 - order[::-1].index("alert")
    # What had leave already goes: at most what a process may have in hand.
    assert order[begun:last].count("campaign") <= 12
    assert order[-1] == "campaign"
