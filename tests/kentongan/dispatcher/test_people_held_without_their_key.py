"""A sender without the key of people's data posts to the public, and holds or leaves to others what goes to people."""

from __future__ import annotations

from collections import Counter

import pytest

from kentongan.clock import Process
from kentongan.dispatcher import starting
from kentongan.ledger import senders
from tests.kentongan.sending import DIRECT, KEYED_POST, UNFINDABLE, Place, ScriptedChannel, finished, until

WHY = "people.key is missing: put its copy there"


@pytest.fixture
def place(on_either: Place) -> Place:
    return on_either


async def test_public_posts_go_and_people_wait_until_the_key_is_back(place: Place) -> None:
    place.subscribe(40)
    away: list[str | None] = [WHY]
    sms, post = ScriptedChannel("sms", traits=DIRECT), ScriptedChannel("post", traits=KEYED_POST)
    async with place.sending(sms, post, people_away=lambda: away[0]) as sender:
        # Before there is an alert, so that officers know it by day.
        assert place.ledger.read(senders.holds) == {"sms": f"{senders.NO_ADDRESSES}{WHY}"}
        place.dispatch(sms, post)
        await sender.nudge("alert-1")
        await until(lambda: place.words(instance="post") == {"accepted": 2})
        await until(lambda: place.words() == {"planned": 40})
        # Whoever lets it go on without the key does not let it go astray.
        place.ledger.write(lambda write: senders.release_hold(write, instance="sms", by="siti"))
        await until(lambda: "sms" in place.ledger.read(senders.holds))
        assert (sms.sent, place.words()) == ([], {"planned": 40})
        away[0] = None
        await finished(sender)
        assert place.words() == {"accepted": 40}
        assert set(Counter(sms.recipients()).values()) == {1}
    assert [event.data.get("by") for event in place.events("instance.released")] == ["siti", "key"]


async def test_a_sender_that_has_the_key_sends_for_one_that_has_not(place: Place) -> None:
    place.subscribe(40)
    without, beside = ScriptedChannel(traits=UNFINDABLE), ScriptedChannel(traits=UNFINDABLE)
    place.dispatch(without)
    async with (
        place.sending(beside, takes_part=True),
        place.sending(without, takes_part=True, people_away=lambda: WHY) as sender,
    ):
        await sender.nudge("alert-1")
        await until(lambda: place.words() == {"accepted": 40})
    assert (len(without.sent), len(beside.sent)) == (0, 40)
    assert place.events("instance.held") == []


async def test_what_was_held_for_the_key_goes_on_with_the_first_sender_that_has_it(place: Place) -> None:
    place.subscribe(10)
    sms = ScriptedChannel("sms")
    async with place.sending(sms, people_away=lambda: WHY) as sender:
        place.dispatch(sms)
        await sender.nudge("alert-1")
    async with place.sending(sms) as following:
        assert place.ledger.read(senders.holds) == {}
        await following.nudge("alert-1")
        await finished(following)
    assert place.words() == {"accepted": 10}


async def test_a_channel_that_is_held_for_another_reason_stays_held_when_the_key_comes(place: Place) -> None:
    sms = ScriptedChannel("sms")
    place.ledger.write(lambda write: senders.hold(write, instance="sms", reason="the password is wrong"))
    away: list[str | None] = [WHY]
    async with place.sending(sms, people_away=lambda: away[0]) as sender:
        away[0] = None
        assert sender._usable.look()
        await sender._tell_key()
    assert place.ledger.read(senders.holds) == {"sms": "the password is wrong"}


async def test_where_a_service_is_there_a_sender_of_one_alert_without_the_key_holds_nothing_for_all(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_LOOK", 0.05)
    place.subscribe(10)
    sms, post = ScriptedChannel("sms", traits=DIRECT), ScriptedChannel("post", traits=KEYED_POST)
    place.dispatch(sms, post)
    process = Process.current()
    async with place.sending(sms, post, only=frozenset({"alert-1"}), people_away=lambda: WHY) as sender:
        place.ledger.write(
            lambda write: senders.register(write, sender="there", role="service", process=process, clock=place.clock)
        )
        await sender.nudge("alert-1")
        await until(lambda: place.words(instance="post") == {"accepted": 2})
        await until(lambda: "sms" in sender._taken.alerts["alert-1"].runs)
        await sender._taken.alerts["alert-1"].runs["sms"]
        assert place.ledger.read(senders.holds) == {}
    assert place.words() == {"planned": 10}
