"""Senders that sleep, wake, and find that another has gone on; ledgers that do not answer; clocks that are set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kentongan.delivery import Action, Evidence, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, claims, dispatches, outcomes, planning, senders
from kentongan.ledger.replay import Difference, check_deliveries
from kentongan.policy import Decision, Reason
from kentongan.seam import Accepted, InDoubt, Retryable, Traits
from tests.kentongan.sending import MovableClock, Place, ScriptedChannel, until


class SettableClock(MovableClock):
    """A clock whose wall time somebody sets, as a time service does after a start with a wrong one."""

    offset = 0

    def wall(self) -> int:
        return super().wall() + self.offset


async def test_a_sender_that_lost_an_alert_takes_it_back_when_the_other_has_ended(place: Place) -> None:
    place.subscribe(1)
    busy = Retryable("busy", after=30.0, throttled=True)
    slow, quick = ScriptedChannel(answer=lambda job, times: busy), ScriptedChannel()
    place.dispatch(slow)
    async with place.sending(slow) as sleeper:
        assert await sleeper.nudge("alert-1")
        await until(lambda: slow.sent)
        place.ledger.write(
            lambda write: senders.register(
                write, sender="other", role="send", process=sleeper.process, clock=place.clock
            )
        )
        place.ledger.write(lambda write: write.sql("UPDATE dispatch SET owner = 'other'"))
        await until(lambda: not sleeper._taken.alerts)
        assert not await sleeper.nudge("alert-1")
        place.ledger.write(lambda write: senders.end(write, sender="other"))
        await until(lambda: "alert-1" in sleeper._taken.alerts)
        assert quick.sent == []


def test_an_old_look_up_says_nothing_of_a_later_attempt(place: Place) -> None:
    place.subscribe(1)
    channel = ScriptedChannel()
    place.dispatch(channel)
    dispatched = place.ledger.read(lambda read: dispatches.get(read, "alert-1"))
    assert dispatched is not None
    while place.ledger.write(lambda write: planning.expand(write, "alert-1", dispatched.plan, 100)):
        pass
    looking = Decision(Evidence.IN_DOUBT, Reason.LOOK_UP, action=Action.FIND, due_at=0)

    def claim(sender: str) -> claims.Claimed:
        (claimed,) = place.ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id="alert-1", instance="sms", most=1)
        )
        return claimed

    def attempt(sender: str) -> None:
        claimed = claim(sender)
        (intent,) = place.ledger.write(
            lambda write: claims.intend(write, sender=sender, deliveries=[claimed.id], phase=Phase.IRREVERSIBLE)
        )
        settled = outcomes.Settled(claimed.id, intent.attempt, looking)
        place.ledger.write(lambda write: outcomes.settle(write, sender=sender, outcomes=[settled]))

    absent = Decision(Evidence.ABSENT, Reason.NOT_FOUND, due_at=0)
    attempt("one")
    old = claim("one")
    place.ledger.write(lambda write: claims.release(write, sender="one", deliveries=[old.id]))
    again = claim("two")
    place.ledger.write(lambda write: outcomes.settle_find(write, sender="two", claimed=again, decision=absent))
    attempt("two")
    place.ledger.write(lambda write: outcomes.settle_find(write, sender="one", claimed=old, decision=absent))
    assert place.words() == {"in_doubt": 1}
    assert [a.evidence for a in place.attempts()] == ["absent", "in_doubt"]


async def test_a_ledger_that_cannot_be_read_right_before_the_request_costs_no_delivery(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.subscribe(3)
    channel = ScriptedChannel()
    place.dispatch(channel)
    failures = iter(range(2))
    read = Ledger.read

    def sometimes(ledger: Ledger, act: Callable[[Any], Any]) -> Any:
        if "epochs" in act.__code__.co_names and next(failures, None) is not None:
            raise LedgerUnavailable("ledger cannot be used; try again")
        return read(ledger, act)

    monkeypatch.setattr(Ledger, "read", sometimes)
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        async with asyncio.timeout(10):
            await dispatcher.finished("alert-1")
    assert place.words() == {"accepted": 3}


async def test_a_clock_set_back_by_hours_delays_nothing(tmp_path: Path) -> None:
    clock = SettableClock()
    place = Place(tmp_path, clock)
    place.subscribe(4)
    doubtful = iter([InDoubt("hung up")])
    channel = ScriptedChannel(
        traits=Traits(family="phone"),
        answer=lambda job, times: next(doubtful, Accepted(job.key)),
        rate=2.0,
        concurrency=1,
    )
    place.dispatch(channel)
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge("alert-1")
        await until(lambda: place.words().get("in_doubt"))
        clock.offset = -7 * 3_600_000
        async with asyncio.timeout(20):
            await dispatcher.finished("alert-1")
    assert place.words() == {"accepted": 4}
    assert sum(delivery.possible_duplicate for delivery in place.deliveries()) == 1
    differences: list[Difference] = []
    place.ledger.read(lambda read: check_deliveries(read, differences))
    assert differences == []
    place.close()
