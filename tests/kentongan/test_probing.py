"""Asking the channels: whatever a provider does, every channel gets its word, and nothing leaves."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, probes
from kentongan.probing import probe
from kentongan.seam import Channel, Limits, Mode, Readiness, Traits

NOW = 1_800_000_000_000


@dataclass
class Scripted:
    """A channel whose provider answers as it is told."""

    answer: Readiness | Exception | asyncio.Event
    name: str = "sms"
    asked: int = 0
    kind: str = "kannel"
    mode: Mode = Mode.LIVE
    traits: Traits = field(default_factory=Traits)
    limits: Limits = field(default_factory=lambda: Limits("sms", 100, 1.0, 1, -4.9, 60.0))

    async def ready(self) -> Readiness:
        self.asked += 1
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
            return Readiness(True, "at last")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def channels(*scripted: Scripted) -> dict[str, Channel]:
    return {each.name: cast(Channel, each) for each in scripted}


async def test_every_channel_gets_its_word_whatever_the_others_do(ledger: Ledger) -> None:
    there = channels(
        Scripted(Readiness(True, "well."), "a"),
        Scripted(ValueError("secret-token"), "b"),
        Scripted(asyncio.Event(), "c"),
        Scripted(Readiness(False, "x" * 10_000), "d"),
    )
    seen = await probe(there, ledger, every=lambda name: 0, now=NOW)
    assert {name: each.seen.ready for name, each in seen.items()} == {"a": True, "b": False, "c": False, "d": False}
    assert seen["b"].seen.detail == "It could not be asked (ValueError)."
    assert "in time" in seen["c"].seen.detail
    assert len(seen["d"].seen.detail) == 500
    kept = ledger.read(probes.standings)
    assert {name: each.last.seen for name, each in kept.items()} == {name: each.seen for name, each in seen.items()}


async def test_a_mistake_of_an_adapter_tells_no_secret(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await probe(channels(Scripted(ValueError("secret-token"))), ledger, every=lambda name: 0, now=NOW)
    assert "secret-token" not in caplog.text
    assert "secret-token" not in str(ledger.read(lambda read: read.sql("SELECT detail FROM probe").all()))


async def test_two_at_once_ask_a_provider_once(ledger: Ledger) -> None:
    scripted = Scripted(Readiness(True, "well."))
    both = await asyncio.gather(
        *(probe(channels(scripted), ledger, every=lambda name: 180_000, now=NOW) for _ in range(2))
    )
    assert sorted(len(each) for each in both) == [0, 1]
    assert scripted.asked == 1


async def test_an_officer_who_asks_is_answered_although_somebody_has_just_asked(ledger: Ledger) -> None:
    scripted = Scripted(Readiness(True, "well."))
    for expected in (1, 2):
        await probe(channels(scripted), ledger, every=lambda name: 0, now=NOW)
        assert scripted.asked == expected


class _Refusing:
    async def write_soon(self, act: Any, **_: Any) -> None:
        raise LedgerUnavailable("the disk is full")


async def test_a_full_disk_loses_the_record_and_not_the_look() -> None:
    scripted = Scripted(Readiness(True, "well."))
    seen = await probe(channels(scripted), cast(Ledger, _Refusing()), every=lambda name: 0, now=NOW)
    assert seen["sms"].seen.ready
    with pytest.raises(LedgerUnavailable):
        await probe(channels(scripted), cast(Ledger, _Refusing()), every=lambda name: 60_000, now=NOW)
