"""A ledger from a backup that was made while a service was sending: nothing lost, nothing sent again unasked."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kentongan.clock import SystemClock
from kentongan.desk import settling
from kentongan.ledger import views
from kentongan.ledger.verification import verify
from kentongan.safekeeping import restoring
from kentongan.state import State
from sandbox.server import Sandbox
from tests.console.service.serving import Scene, until
from tests.installation import Installation, install, sms
from tests.kentongan.safekeeping.installations import backed_up

pytestmark = pytest.mark.slow

PEOPLE = 110


@contextlib.asynccontextmanager
async def opened(installation: Installation, sandbox: Sandbox) -> AsyncIterator[Scene]:
    with installation.open() as house:
        yield Scene(installation, sandbox, house, house.desk())


def latest_beat(there: Scene) -> int:
    return int(there.house.ledger.read(lambda read: read.sql("SELECT max(beat) FROM sender").scalar_one()))


async def test_what_a_backup_cannot_know_is_sent_again_only_by_an_officers_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with Sandbox() as sandbox:
        installation = install(tmp_path, {"sms": sms(sandbox, rate=60)})
        async with opened(installation, sandbox) as there:
            installation.admit(there.house)
            installation.subscribe(there.house, PEOPLE)
            async with there.serving() as service:
                alert = there.dispatch(there.draft())
                await there.nudge(alert)
                await until(lambda: len(there.taken()) >= 30)
                made = await asyncio.to_thread(
                    backed_up, there.state, there.house.keys, tmp_path / "kept", clock=SystemClock()
                )
                at_backup = len(there.taken())
                await until(lambda: len(there.taken()) >= at_backup + 30)
                service.process.send_signal(signal.SIGKILL)
                await service.process.wait()
        sent = dict(there.taken())
        assert at_backup < len(sent) < PEOPLE
        state = State(installation.state)
        restoring.restore(state, made.place, keys_from=None, over=True, clock=SystemClock(), by="siti")

        async with opened(installation, sandbox) as there, there.serving():
            # The service looks at everything that is due, and at what it is told of, and sends nothing.
            await there.nudge(alert)
            beat = latest_beat(there)
            await until(lambda: latest_beat(there) > beat)
            words = there.words(alert)
            assert set(words) == {"accepted", "in_doubt"}
            assert sum(words.values()) == PEOPLE
            assert there.taken() == sent
            settled = settling.resolve_all(
                there.desk, alert, installation.login, channel=None, by_restoring=True, sent=False, again=True
            )
            assert settled == words["in_doubt"]
            assert there.words(alert) == {"accepted": words["accepted"], "planned": settled}
            assert there.taken() == sent
            settling.resume_restored(there.desk, installation.login)
            await until(lambda: not there.is_open(alert))

            taken = there.taken()
            assert len(taken) == PEOPLE
            twice = [person for person, times in taken.items() if times > 1]
            assert set(twice) <= set(sent)
            assert max(taken.values()) == 2
            marked = there.house.ledger.read(
                lambda read: sum(1 for each in views.deliveries(read, alert) if each.possible_duplicate)
            )
            assert marked == settled >= len(twice) > 0
            found = there.house.ledger.read(
                lambda read: verify(read, head=None, public_key=there.house.keys.head_public_key)
            )
            assert found.differences == []
