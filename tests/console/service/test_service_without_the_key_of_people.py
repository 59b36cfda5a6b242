"""A service that starts without the key of people's data, or with another: the public is warned, people are held."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from console.service import receipts_endpoint
from console.service.metrics_endpoint import application
from console.service.service import Service
from flows.house import House
from kentongan.errors import PeopleKeyAway
from kentongan.key_files import replace_private
from kentongan.ledger import alerts, senders, views
from kentongan.people_key import PeopleKey
from kentongan.people_key_place import FILE_VARIABLE
from sandbox.server import Sandbox
from tests.console.service.serving import until
from tests.installation import install, phone, sms

pytestmark = pytest.mark.slow

PEOPLE = 12


def another(path: Path) -> None:
    replace_private(path, PeopleKey.alone(os.urandom(32)).text())


@pytest.mark.parametrize(
    ("lose", "said"),
    [(Path.unlink, "people.key is missing"), (another, "is not the one that this ledger was written with")],
    ids=["missing", "another"],
)
async def test_the_public_is_warned_at_once_and_people_when_the_key_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Path], None], said: str
) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    monkeypatch.setenv("TEST_RECEIPT_SECRET", "receipts-of-a-test")
    (tmp_path / "feed").mkdir()
    feed = {
        "kind": "cap_feed",
        "mode": "drill",
        "sandbox": True,
        "base_url": "https://siaga.example/a",
        "directory": str(tmp_path / "feed"),
        "title": "Peringatan",
        "author": "BPBD Contoh",
    }
    async with Sandbox() as sandbox:
        channel = sms(sandbox, receipt_url="http://there/receipts/sms", receipt_secret={"env": "TEST_RECEIPT_SECRET"})
        installation = install(tmp_path, {"sms": channel, "feed": feed})
        with installation.open() as house:
            await asyncio.to_thread(installation.admit, house)
            installation.subscribe(house, PEOPLE)
            alert_id = installation.draft(house.desk())
        key = installation.state / "keys" / "people.key"
        kept = key.read_bytes()
        lose(key)
        with House.open(installation.config, installation.state, role="service") as house:
            assert said in (house.keys.people_key_away() or "")
            service = Service(house, None, prefect=False)
            await service.start()

            def words(instance: str) -> dict[str, int]:
                return house.ledger.read(lambda read: views.words(read, alert_id, instance))

            nothing: object = None
            looked = application(lambda: service, nothing, nothing, nothing)  # type: ignore[arg-type]
            taking = receipts_endpoint.application(
                house.ledger, service._channels, lambda: None, answers=house.take_answers()
            )
            stop = service._channels["sms"].inbound_address()  # type: ignore[attr-defined]
            async with (
                httpx.AsyncClient(transport=httpx.ASGITransport(looked), base_url="http://there") as machine,
                httpx.AsyncClient(transport=httpx.ASGITransport(taking), base_url="http://there") as provider,
            ):

                async def answered() -> int:
                    headers = {"X-Kannel-From": phone(1).lstrip("+"), "Content-Type": "text/plain; charset=UTF-8"}
                    return (
                        await provider.post(stop.replace("%I", "mo-1"), content=b"STOP", headers=headers)
                    ).status_code

                try:
                    assert said in house.ledger.read(senders.holds)["sms"]
                    ready = await machine.get("/readyz")
                    assert ready.status_code == 503
                    assert any(said in reason for reason in ready.json()["reasons"])
                    installation.dispatch(house.desk(), alert_id)
                    await service.dispatcher.nudge(alert_id)
                    await until(lambda: words("feed") == {"accepted": 1})
                    await until(lambda: words("sms") == {"planned": PEOPLE})
                    assert sandbox.stand_in("kannel").messages == []
                    # Their provider brings it again.
                    assert await answered() == 503
                    with pytest.raises(PeopleKeyAway):
                        house.open_addresses([1])
                    replace_private(key, kept)
                    await until(lambda: words("sms") == {"accepted": PEOPLE})
                    assert await answered() == 200
                    assert not any("key" in reason for reason in (await machine.get("/readyz")).json()["reasons"])
                finally:
                    await service.stop()
            events = house.ledger.read(lambda read: views.events(read, types=("instance.held", "instance.released")))
            assert [event.type for event in events] == ["instance.held", "instance.released"]
            assert house.ledger.read(lambda read: read.sql("SELECT count(*) FROM opt_out").scalar_one()) == 1
        written = Counter(message.recipient for message in sandbox.stand_in("kannel").messages)
        assert (len(written), set(written.values())) == (PEOPLE, {1})


async def test_a_command_without_the_key_leaves_its_people_to_a_service_that_starts_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "volume" / "people.key"))
    (tmp_path / "volume").mkdir()
    async with Sandbox() as sandbox:
        installation = install(tmp_path, {"sms": sms(sandbox)})
        with installation.open() as house:
            await asyncio.to_thread(installation.admit, house)
            installation.subscribe(house, PEOPLE)
            alert_id = installation.dispatch(house.desk(), installation.draft(house.desk()))
            code = house.ledger.read(lambda read: alerts.get(read, alert_id)).code
        # An officer's shell that was not told where the key is.
        command = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"import sys; from console.main import main; sys.argv[1:] = ['resume', '{code}']; main()",
            env={**installation.environment, "TEST_PASSWORD": "sandbox-kannel-password"},
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            with House.open(installation.config, installation.state, role="service") as house:
                await until(lambda: "sms" in house.ledger.read(senders.holds))
                service = Service(house, None, prefect=False)
                await service.start()
                try:
                    _, warned = await asyncio.wait_for(command.communicate(), 30)
                finally:
                    await service.stop()
                assert (command.returncode, house.ledger.read(lambda read: views.words(read, alert_id, "sms"))) == (
                    0,
                    {"accepted": PEOPLE},
                ), warned.decode()
                (handed,) = house.ledger.read(lambda read: views.events(read, types=("dispatch.handed_on",)))
                assert handed.data["set"] == {"owner": house.sender}
        finally:
            if command.returncode is None:
                command.kill()
                await command.wait()
        assert "another process sends it from here on" in warned.decode()
        written = Counter(message.recipient for message in sandbox.stand_in("kannel").messages)
        assert (len(written), set(written.values())) == (PEOPLE, {1})
