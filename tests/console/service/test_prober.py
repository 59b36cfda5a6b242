"""The prober of the service: asks every channel as often as service.yaml says, and no alert waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from console.service.prober import Probing
from flows.house import House
from kentongan.ledger import probes
from kentongan.readiness import Standing
from sandbox.faults import Rule
from sandbox.server import Sandbox
from tests.console.service.serving import scene, until
from tests.installation import Installation, install, sms


@dataclass
class Place:
    installation: Installation
    sandbox: Sandbox
    house: House

    def standings(self) -> dict[str, Standing]:
        return self.house.ledger.read(probes.standings)


def says(installation: Installation, **service: object) -> None:
    (installation.config / "service.yaml").write_text(yaml.safe_dump(service))


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with Sandbox() as sandbox:
        installation = install(tmp_path, {"sms": sms(sandbox), "keyless": sms(sandbox, password={"env": "NOT_SET"})})
        for name in ("TEST_PASSWORD", "TEST_RECEIPT_SECRET"):
            monkeypatch.setenv(name, installation.environment[name])
        says(installation, probe_every=180)
        with installation.open() as house:
            yield Place(installation, sandbox, house)


async def test_a_channel_without_its_secret_keeps_no_other_from_being_asked(place: Place) -> None:
    probing = Probing(place.house)
    await probing.start()
    try:
        await until(lambda: "sms" in place.standings())
    finally:
        await probing.stop()
    assert place.standings()["sms"].last.seen.ready
    assert "keyless" not in place.standings()


async def test_nobody_is_asked_again_before_the_time(place: Place) -> None:
    probing = Probing(place.house)
    await probing.start()
    try:
        await until(lambda: "sms" in place.standings())
        before = place.sandbox.requests
        assert await probing.look() == 0
        assert place.sandbox.requests == before
    finally:
        await probing.stop()


async def test_it_rests_where_the_config_does_not_want_it(place: Place) -> None:
    says(place.installation)
    with place.installation.open() as house:
        probing = Probing(house)
        await probing.start()
        assert await probing.look() == 0
        await probing.stop()
    assert place.sandbox.requests == 0


async def test_it_can_be_stopped_while_a_provider_hangs(place: Place) -> None:
    place.sandbox.add_faults("kannel", [Rule.read({"fault": "hang", "on": "any", "times": None})])
    probing = Probing(place.house)
    await probing.start()
    await until(lambda: place.sandbox.requests)
    async with asyncio.timeout(5):
        await probing.stop()
    assert place.standings() == {}


@pytest.mark.slow
async def test_the_service_asks_and_sends_beside_it(tmp_path: Path) -> None:
    async with scene(tmp_path, 3) as there:
        says(there.installation, probe_every=180)
        async with there.serving() as service:
            await until(lambda: "sms" in there.house.ledger.read(probes.standings))
            alert = there.dispatch(there.draft())
            await there.nudge(alert)
            await until(lambda: not there.is_open(alert))
            assert await service.end() == 0
        assert there.words(alert) == {"accepted": 3}
