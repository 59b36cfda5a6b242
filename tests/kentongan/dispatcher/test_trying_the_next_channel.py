"""With real senders: whoever is not reached is tried on the next channel, once, whoever takes the step."""

from __future__ import annotations

import asyncio

from kentongan.ledger import receipts, steps, views
from kentongan.routes import Fallback, Following
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.sending import Place, ScriptedChannel, phone, until

FOLLOWING = Following(fallbacks=(Fallback(after=300, on=("sms",), to=("wa",)),))


def delivered(place: Place, count: int) -> set[str]:
    """Receipts come for some; returns the keys of the others."""
    found = [each for each in place.deliveries() if each.instance == "sms"]
    said = [Receipt(Confirmed.DELIVERED, key=each.key) for each in found[:count]]
    place.ledger.write(lambda write: receipts.record(write, instance="sms", receipts=said))
    return {each.key for each in found[count:]}


async def test_whoever_has_no_receipt_in_time_is_tried_on_the_next_channel(place: Place) -> None:
    place.subscribe(6)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    place.dispatch(sms, wa, following=FOLLOWING)
    async with place.sending(sms, wa) as dispatcher:
        await until(lambda: len(sms.sent) == 6 and not place.ledger.read(lambda r: views.is_open(r, "alert-1")))
        assert wa.sent == []
        delivered(place, 4)
        place.clock.advance(300)
        await until(lambda: place.words(instance="wa") == {"accepted": 2})
        async with asyncio.timeout(20):
            await dispatcher.finished("alert-1")
    assert sorted(wa.recipients()) == [phone(4), phone(5)]
    assert len(sms.sent) == 6


async def test_a_step_that_came_while_nobody_ran_is_taken_by_the_next_sender(place: Place) -> None:
    place.subscribe(3)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    place.dispatch(sms, wa, following=FOLLOWING)
    async with place.sending(sms, wa):
        await until(lambda: place.words() == {"accepted": 3})
    place.clock.advance(400)
    async with place.sending(sms, wa):
        await until(lambda: place.words(instance="wa") == {"accepted": 3})
    assert len(sms.sent) == 3


async def test_two_senders_that_take_a_step_at_once_write_to_nobody_twice(place: Place) -> None:
    place.subscribe(40)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    place.dispatch(sms, wa, following=FOLLOWING)
    async with place.sending(sms, wa) as one, place.sending(sms, wa) as other:
        await until(lambda: place.words() == {"accepted": 40})
        place.clock.advance(300)
        await asyncio.gather(one.sweep(), other.sweep())
        await until(lambda: place.words(instance="wa") == {"accepted": 40})
    assert len(wa.recipients()) == len(set(wa.recipients())) == 40


async def test_a_stop_ends_the_wait(place: Place) -> None:
    place.subscribe(2)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    place.dispatch(sms, wa, following=FOLLOWING)
    async with place.sending(sms, wa) as dispatcher:
        await until(lambda: place.words() == {"accepted": 2})
        assert place.ledger.read(lambda read: steps.waiting(read, "alert-1")) is not None
        place.stop("alert-1")
        place.clock.advance(300)
        await dispatcher.sweep()
        await until(lambda: place.events("fallback.ended"))
    assert wa.sent == []


async def test_a_channel_that_is_held_is_no_reason_to_wait(place: Place) -> None:
    """What was never sent has reached nobody: the next channel is tried although the first is still to go."""
    place.subscribe(2)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    sms.is_ready = False
    place.dispatch(sms, wa, following=FOLLOWING)
    place.ledger.write(
        lambda write: write.sql("INSERT INTO hold (instance, reason, since) VALUES ('sms', 'token', :now)", {"now": 1})
    )
    async with place.sending(sms, wa):
        await until(lambda: place.words() == {"planned": 2})
        await until(lambda: not place.ledger.read(lambda r: r.sql("SELECT 1 FROM dispatch WHERE expanded = 0").first()))
        place.clock.advance(300)
        await until(lambda: place.words(instance="wa") == {"accepted": 2})
    assert sms.sent == []
