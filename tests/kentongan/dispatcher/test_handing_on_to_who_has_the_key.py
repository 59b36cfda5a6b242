"""A command without the key of people's data leaves its alert to whoever comes with it, and ends nothing it began."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from kentongan.dispatcher import chunks, starting
from kentongan.ledger import dispatches, senders
from kentongan.ledger.replay import Difference, check_rows
from kentongan.seam import Accepted, Job, Outcome
from kentongan.settings import Policy
from tests.kentongan.sending import KEYED_POST, Place, ScriptedChannel, finished, until

WHY = "people.key is missing: put its copy there"
ALONE = {"only": frozenset({"alert-1"}), "people_away": lambda: WHY}


@pytest.fixture
def place(on_either: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """One where it is looked often whether somebody has come."""
    monkeypatch.setattr(starting, "_LOOK", 0.05)
    monkeypatch.setattr(senders, "BEAT", 50)
    return on_either


def owner(place: Place) -> str | None:
    found = place.ledger.read(lambda read: dispatches.get(read, "alert-1"))
    assert found is not None
    return found.owner


async def test_people_are_written_to_by_who_comes_with_the_key_while_the_command_is_still_there(place: Place) -> None:
    place.subscribe(40)
    begun, answer = asyncio.Event(), asyncio.Event()

    async def slow(job: Job) -> Outcome:
        begun.set()
        await answer.wait()
        return Accepted(job.key)

    post = ScriptedChannel("post", traits=KEYED_POST, answer=lambda job, times: slow(job), deadline=30.0)
    sms, there, after = ScriptedChannel(), ScriptedChannel(), ScriptedChannel("post", traits=KEYED_POST)
    place.dispatch(sms, post)
    async with place.sending(sms, post, **ALONE) as command:
        await command.nudge("alert-1")
        async with asyncio.timeout(10):
            await begun.wait()
        await until(lambda: "sms" in place.ledger.read(senders.holds))
        async with place.sending(there, after) as service:
            # Nobody has stopped what the command has begun, and no one waits for its end.
            await until(lambda: place.words() == {"accepted": 40})
            assert owner(place) == service.sender
            assert len(post.sent) == 2
            answer.set()
            await finished(service)
            await finished(command)
        assert place.words(instance="post") == {"accepted": 2}
    assert (sms.sent, after.sent, len(post.sent)) == ([], [], 2)
    assert set(Counter(there.recipients()).values()) == {1}
    (handed,) = place.events("dispatch.handed_on")
    assert (handed.data["before"], handed.data["set"]) == (command.sender, {"owner": service.sender})
    differences: list[Difference] = []
    place.ledger.read(lambda read: check_rows(read, differences))
    assert [each for each in differences if each.place.startswith("dispatch")] == []


async def test_who_is_ending_is_handed_nothing(place: Place) -> None:
    place.subscribe(1)
    begun, answer = asyncio.Event(), asyncio.Event()

    async def slow(job: Job) -> Outcome:
        begun.set()
        await answer.wait()
        return Accepted(job.key)

    channel = ScriptedChannel(answer=lambda job, times: slow(job), deadline=30.0)
    place.dispatch(channel)
    service = place.dispatcher(channel)
    await service.start()
    await service.nudge("alert-1")
    async with asyncio.timeout(10):
        await begun.wait()

    def there() -> str | None:
        clock = place.ledger.clock
        return place.ledger.read(
            lambda read: senders.server(read, {"sms"}, but=set(), clock=clock, process=service.process)
        )

    assert there() == service.sender
    closing = asyncio.ensure_future(service.close())
    await until(lambda: there() is None)
    assert not closing.done(), "its request is still under way"
    answer.set()
    await closing


async def test_it_is_handed_on_to_nobody_who_cannot_go_on_with_all_that_is_open(place: Place) -> None:
    place.subscribe(10)
    answer = asyncio.Event()

    async def slow(job: Job) -> Outcome:
        await answer.wait()
        return Accepted(job.key)

    post = ScriptedChannel("post", traits=KEYED_POST, answer=lambda job, times: slow(job), deadline=30.0)
    sms, there = ScriptedChannel(), ScriptedChannel()
    place.dispatch(sms, post)
    away: list[str | None] = [WHY]
    async with (
        place.sending(sms, post, **ALONE) as command,
        place.sending(there, people_away=lambda: away[0]) as service,
    ):
        await command.nudge("alert-1")
        await until(lambda: len(post.sent) == 2)
        await command._taken.alerts["alert-1"].runs["sms"]
        away[0] = None
        await until(lambda: service._serves == ["sms"])
        runs = command._taken.alerts["alert-1"].runs
        # It has been asked since, and what it could not go on with is still open.
        await until(lambda: not runs["sms"].done())
        await runs["sms"]
        assert (owner(place), place.words()) == (command.sender, {"planned": 10})
        answer.set()
        await finished(command)
        assert owner(place) == service.sender
    assert (place.words(), place.words(instance="post")) == ({"accepted": 10}, {"accepted": 2})
    assert (len(there.sent), len(sms.sent), len(post.sent)) == (10, 0, 2)


async def test_what_was_handed_on_is_taken_back_where_the_other_dies_with_it(place: Place) -> None:
    place.subscribe(300)
    stuck = asyncio.Event()

    async def never(job: Job) -> Outcome:
        await stuck.wait()
        return Accepted(job.key)

    sms, there, mended = ScriptedChannel(), ScriptedChannel(answer=lambda job, times: never(job)), ScriptedChannel()
    place.dispatch(sms)
    async with place.sending(sms, **ALONE, policy=Policy(repeat_after=3600)) as command:
        await command.nudge("alert-1")
        service = place.dispatcher(there)
        await service.start()
        await until(lambda: there.sent)
        assert owner(place) == service.sender
        for loop in service._loops:  # it is there no more
            loop.cancel()
        place.ledger.write(lambda write: senders.end(write, sender=service.sender))
        await until(lambda: owner(place) == command.sender)
        async with place.sending(mended, policy=Policy(repeat_after=3600)) as following:
            await until(lambda: owner(place) == following.sender)
            # What was on its way when that one died is in doubt, and not sent again by the others.
            await until(lambda: set(place.words()) == {"accepted", "in_doubt"})
            stuck.set()
            await service.close()
            await until(lambda: place.words() == {"accepted": 300})
    assert sms.sent == []
    assert set(Counter([*there.recipients(), *mended.recipients()]).values()) == {1}


async def test_who_plans_on_after_a_command_plans_everybody_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.subscribe(400)
    monkeypatch.setattr(chunks, "LEAST", 10)
    monkeypatch.setattr(chunks, "MOST", 10)
    sms, there = ScriptedChannel(), ScriptedChannel()
    place.dispatch(sms)
    async with place.sending(there), place.sending(sms, **ALONE) as command:
        assert await command.nudge("alert-1")
        await finished(command)
        await until(lambda: place.words() == {"accepted": 400})
    assert set(Counter(there.recipients()).values()) == {1}


async def test_it_is_handed_on_to_nobody_who_refuses_it(place: Place) -> None:
    place.subscribe(3)
    sms, siren, theirs = ScriptedChannel(), ScriptedChannel("siren", traits=KEYED_POST), ScriptedChannel()
    place.dispatch(sms, siren)
    refusing = place.sending(theirs, ScriptedChannel("siren", traits=KEYED_POST), vouch=lambda read, id: "not by mine")
    async with place.sending(sms, siren, **ALONE) as command, refusing as service:
        await command.nudge("alert-1")
        await until(lambda: len(siren.sent) == 2)
        await until(lambda: place.events("dispatch.refused"))
        await until(lambda: owner(place) == command.sender and "alert-1" in command._taken.alerts)
        for _ in range(3):
            await until(lambda: "sms" in command._taken.alerts["alert-1"].runs)
            await command._taken.alerts["alert-1"].runs["sms"]
            await command.sweep()
        assert owner(place) == command.sender
        assert len(place.events("dispatch.handed_on")) <= 1
        (refused,) = place.events("dispatch.refused")
        assert (refused.data["sender"], refused.data["why"]) == (service.sender, "not by mine")
        differences: list[Difference] = []
        place.ledger.read(lambda read: check_rows(read, differences))
        assert [each for each in differences if each.place.startswith("dispatch")] == []
    assert theirs.sent == []


async def test_it_is_handed_on_to_nobody_who_beats_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.subscribe(3)
    sms, siren, theirs = ScriptedChannel(), ScriptedChannel("siren", traits=KEYED_POST), ScriptedChannel()
    service = place.dispatcher(theirs, ScriptedChannel("siren", traits=KEYED_POST))
    await service.start()
    for loop in service._loops:
        loop.cancel()
    place.clock.advance(1)
    place.dispatch(sms, siren)
    async with place.sending(sms, siren, **ALONE) as command:
        await command.nudge("alert-1")
        await until(lambda: len(siren.sent) == 2)
        for _ in range(3):
            await command._taken.alerts["alert-1"].runs["sms"]
            await command.sweep()
        assert owner(place) == command.sender
    assert not place.events("dispatch.handed_on")
