"""A command that goes on where another ended, once all was sent and the next channel is still to be tried."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.following import Follower
from kentongan.ledger import views
from kentongan.routes import Fallback, Following
from kentongan.state import State
from tests.console.test_a_ledger_lost_on_the_way import Told, place
from tests.kentongan.sending import Place, ScriptedChannel, until

__all__ = ["place"]

FOLLOWING = Following(fallbacks=(Fallback(after=300, on=("sms",), to=("wa",)),))


async def test_resume_waits_for_the_next_channel(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follower, "_sign", lambda follower: asyncio.sleep(0))
    place.subscribe(3)
    sms, wa = ScriptedChannel("sms"), ScriptedChannel("wa")
    place.dispatch(sms, wa, following=FOLLOWING)

    def sent() -> bool:
        over = not place.ledger.read(lambda read: views.is_open(read, "alert-1"))
        return over and place.words() == {"accepted": 3}

    async with place.sending(sms, wa):
        await until(sent)
    dispatcher = place.dispatcher(sms, wa)
    house = SimpleNamespace(
        ledger=dispatcher.ledger,
        clock=place.clock,
        state=State.find(place.root),
        dispatcher=lambda opened, only: dispatcher,
        sender=dispatcher.sender,
    )
    told = Told()
    follower = Follower(cast(Any, house), "alert-1", {"sms": cast(Any, sms), "wa": cast(Any, wa)}, told)
    going = asyncio.create_task(follower.run())
    await until(lambda: going.done() or told.told("waited for"))
    assert not going.done()
    assert not told.told("another process")
    place.clock.advance(300)
    await until(lambda: place.words(instance="wa") == {"accepted": 3})
    async with asyncio.timeout(20):
        await going
