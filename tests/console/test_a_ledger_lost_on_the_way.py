"""A sender without a service whose ledger is lost while the alert is on its way: it waits, says so, and goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy.exc

from console import following, outage
from console.following import Follower
from console.progress import Quiet
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger
from kentongan.state import State
from tests.kentongan.sending import Place, ScriptedChannel, until

PEOPLE = 100
SIGN = Follower._sign
EIO = sqlalchemy.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "SOON", 0.1)
    # What signs the record is not of this place.
    monkeypatch.setattr(Follower, "_sign", lambda follower: asyncio.sleep(0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


class Told(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, sentence: str) -> None:
        self.lines.append(sentence)

    def told(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]


class Lost:
    """Takes a ledger away from its process: all of it, or with `reads` only the writing, as a disk that fails."""

    def __init__(self, ledger: Ledger, patch: pytest.MonkeyPatch, *, reads: bool) -> None:
        self.away = False
        write, read = ledger._transact, ledger.read

        def writing(group: Any) -> Any:
            if self.away and group:
                raise EIO
            return write(group)

        def reading(act: Any) -> Any:
            if self.away and not reads:
                raise LedgerUnavailable("ledger of the test does not answer")
            return read(act)

        patch.setattr(ledger, "_transact", writing)
        patch.setattr(ledger, "read", reading)


def follower(place: Place, channel: ScriptedChannel, told: Told) -> Follower:
    dispatcher = place.dispatcher(channel)
    house = SimpleNamespace(
        ledger=dispatcher.ledger,
        clock=place.clock,
        state=State.find(place.root),
        dispatcher=lambda opened, only: dispatcher,
        sender=dispatcher.sender,
    )
    return Follower(cast(Any, house), "alert-1", {channel.name: cast(Any, channel)}, told)


@pytest.mark.parametrize("reads", [False, True], ids=["database-away", "disk-fails"])
async def test_it_sends_nothing_says_why_and_goes_on_by_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setattr(outage, "EVERY", 0.3)
    place.subscribe(PEOPLE)
    channel, told = ScriptedChannel("sms", rate=100.0), Told()
    place.dispatch(channel)
    followed = follower(place, channel, told)
    lost = Lost(followed.house.ledger, monkeypatch, reads=reads)
    going = asyncio.create_task(followed.run())
    await until(lambda: len(channel.sent) > 5)
    lost.away = True
    await until(lambda: len(told.told("until it is back")) >= 2)
    sent = len(channel.sent)
    await until(lambda: len(told.told("until it is back")) >= 3)
    assert len(channel.sent) == sent < PEOPLE
    why = "its disk fails (input/output error); look at the disk of" if reads else "ledger of the test does not answer"
    assert all(why in line for line in told.told("until it is back"))
    lost.away = False
    async with asyncio.timeout(20):
        seen, ended = await going
    assert ended
    assert seen.unfinished == 0
    assert len(told.told("can be used again")) == 1
    assert sorted(channel.recipients()) == sorted(set(channel.recipients()))
    assert place.words() == {"accepted": PEOPLE}


async def test_ctrl_c_says_what_is_unsent_and_how_it_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.subscribe(PEOPLE)
    channel, told = ScriptedChannel("sms", rate=100.0), Told()
    place.dispatch(channel)
    followed = follower(place, channel, told)
    lost = Lost(followed.house.ledger, monkeypatch, reads=False)
    going = asyncio.create_task(followed.run())
    # As long as it takes until it was looked at with all people planned.
    await until(lambda: len(channel.sent) > PEOPLE * 3 // 4)
    lost.away = True
    await until(lambda: told.told("until it is back"))
    followed.interrupt()
    await until(lambda: told.told("`kentongan resume K7Q4` goes on where it ended"))
    for _ in range(2):
        followed.interrupt()
        await asyncio.sleep(2 * following._LOOK)
    async with asyncio.timeout(20):
        seen, ended = await going
    assert not ended
    assert seen.unfinished > 0


async def test_who_leaves_a_ledger_that_nobody_can_write_is_not_told_that_the_sending_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.subscribe(PEOPLE)
    channel, told = ScriptedChannel("sms"), Told()
    place.dispatch(channel)
    followed = follower(place, channel, told)
    lost = Lost(followed.house.ledger, monkeypatch, reads=True)
    lost.away = True
    going = asyncio.create_task(followed.run())
    await until(lambda: told.told("until it is back"))
    followed.interrupt()
    async with asyncio.timeout(20):
        _, ended = await going
    assert not ended
    assert channel.sent == []
    assert followed.sent_here


async def test_a_record_that_cannot_be_signed_does_not_hide_how_it_ended(place: Place) -> None:
    channel, told = ScriptedChannel("sms"), Told()
    (place.root / "heads").write_text("where a folder belongs")
    await SIGN(follower(place, channel, told))
    (line,) = told.lines
    assert line.startswith(f"the record was not signed: {place.root / 'heads'} cannot be used: ")


async def test_it_waits_no_longer_than_anything_can_be_sent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.subscribe(PEOPLE)
    channel, told = ScriptedChannel("sms", rate=50.0), Told()
    place.dispatch(channel, deliver_within=60.0)
    followed = follower(place, channel, told)
    lost = Lost(followed.house.ledger, monkeypatch, reads=False)
    going = asyncio.create_task(followed.run())
    await until(lambda: len(channel.sent) > 5)
    lost.away = True
    await until(lambda: told.told("until it is back"))
    place.clock.advance(61)
    await until(lambda: told.told("Ctrl-C leaves it in doubt") or going.done())
    followed.interrupt()
    with pytest.raises(LedgerUnavailable, match=r"too late to send more of K7Q4; .*`kentongan resume K7Q4`"):
        await asyncio.wait_for(going, 20)


def test_a_ledger_that_says_nothing_is_said_to_be_silent_and_once_that_it_answers() -> None:
    now, told = [0.0], Told()
    silence = outage.Silence(told.say, "in Postgres", lambda: now[0])
    silence.expected(2.0)
    for now[0] in range(80):
        silence.look()
    assert [line.split(";")[0] for line in told.lines] == [
        f"ledger in Postgres has not answered for {seconds} s" for seconds in (5, 35, 65)
    ]
    silence.expected(0.25)
    silence.look()
    silence.look()
    assert told.lines[3:] == ["the ledger answers again; the sending goes on by itself"]
