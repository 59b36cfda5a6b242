"""A secret that fails in the middle of a broadcast and is mended: what was held goes out by itself, nobody twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from console.service.service import Service
from flows.house import House
from kentongan.ledger import senders, views
from sandbox.server import Sandbox
from tests.console.service.serving import until
from tests.installation import install, sms

pytestmark = pytest.mark.slow

PEOPLE = 60
RIGHT = "sandbox-kannel-password"


async def test_a_secret_that_fails_in_mid_broadcast_and_is_mended_lets_the_held_rows_out_by_themselves(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "password"
    secret.write_text(RIGHT)
    async with Sandbox() as sandbox:
        channel = sms(sandbox, password={"file": str(secret)}, rate=20)
        installation = install(tmp_path, {"sms": channel}, {"probe_every": 1})
        with House.open(installation.config, installation.state, role="service") as house:
            await asyncio.to_thread(installation.admit, house)
            installation.subscribe(house, PEOPLE)
            desk = house.desk()
            alert_id = installation.draft(desk)
            service = Service(house, None, prefect=False)
            await service.start()
            try:
                installation.dispatch(desk, alert_id)
                await service.dispatcher.nudge(alert_id)

                def words() -> dict[str, int]:
                    summaries = house.ledger.read(lambda read: views.summaries(read, alert_id))
                    return dict(summaries[0].words) if summaries else {}

                await until(lambda: words().get("accepted", 0) >= 5)
                secret.write_text("another")
                await until(lambda: "sms" in house.ledger.read(senders.holds))
                before = words()
                assert 5 <= before["accepted"] < PEOPLE
                assert sum(before.values()) == PEOPLE
                assert not {"rejected", "in_doubt"} & before.keys()
                secret.write_text(RIGHT)
                await until(lambda: words() == {"accepted": PEOPLE})
            finally:
                await service.stop()
            types = ("instance.held", "instance.released")
            events = house.ledger.read(lambda read: views.events(read, types=types))
            assert [event.type for event in events] == list(types)
        written = Counter(message.recipient for message in sandbox.stand_in("kannel").messages)
        assert len(written) == PEOPLE
        assert set(written.values()) == {1}
