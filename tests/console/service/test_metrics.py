"""What machines see of the service: metrics, health, logs, and word to its supervisor; and what they never see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from console.service.health import Condition, unready, unwell
from console.service.serving import shown_at, until_told
from console.service.sockets import listen_for_metrics
from console.service.supervisor import Supervisor
from kentongan.dispatcher import Pulse
from kentongan.errors import BadConfig, BadInput, OtherVersion
from sandbox.faults import Fault, Rule
from tests.console.service.serving import ROOT, Scene, Serving, scene, until
from tests.installation import install, phone

MAIN = "import sys; from console.main import main; sys.exit(main())"
WELL = Condition(taking=True, configured=True, channels=1, pulse=Pulse(0.5, 0.1))
LABELS = {"channel", "result", "outcome", "kind", "cause", "le", "version", "schema", "python"}
Labels = tuple[tuple[str, str], ...]


@contextlib.asynccontextmanager
async def watched(there: Scene, log: Path, notify: str) -> AsyncIterator[Serving]:
    """The service by its command, with everything that machines can see of it."""
    told = {
        **there.installation.environment,
        "KENTONGAN_METRICS_LISTEN": "127.0.0.1:0",
        "KENTONGAN_LOG": "json",
        "KENTONGAN_LOG_LEVEL": "debug",
        "NOTIFY_SOCKET": notify,
        "WATCHDOG_USEC": "1000000",
    }
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MAIN, "--json", "serve", "--receipts", "127.0.0.1:0", "--no-prefect",
            env=told, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield Serving(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def scrape(client: httpx.AsyncClient) -> tuple[str, dict[tuple[str, Labels], float]]:
    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.name.startswith(("kentongan_", "process_")) for family in families)
    return answer.text, {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.slow
async def test_machines_see_what_happens_and_nothing_of_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(f"\0kentongan-test-{os.getpid()}")
    notified.setblocking(False)
    heard: list[bytes] = []
    asyncio.get_running_loop().add_reader(notified, lambda: heard.append(notified.recv(4096)))
    log = tmp_path / "stderr"
    root = tmp_path / "installation"
    root.mkdir()
    secrets = {"TEST_PASSWORD": "sandbox-kannel-password", "TEST_RECEIPT_SECRET": "receipts-of-a-test"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    receipts = {"receipt_url": "http://127.0.0.1:9/receipts/sms", "receipt_secret": {"env": "TEST_RECEIPT_SECRET"}}
    async with (
        scene(root, 24, deadline=1, **receipts) as there,
        watched(there, log, f"@kentongan-test-{os.getpid()}") as service,
        httpx.AsyncClient(base_url=f"http://{service.ready['metrics']}") as client,
    ):
        assert (await client.get("/healthz")).json() == {"alive": True, "reasons": []}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        there.sandbox.add_faults("kannel", [Rule(Fault.GARBLE, times=1), Rule(Fault.ACCEPT_THEN_HANG, times=1)])
        alert = there.dispatch(there.draft())
        await there.nudge(alert)
        await until(lambda: there.words(alert).get("accepted", 0) >= 22 and not there.is_open(alert))
        key = there.house.ledger.read(
            lambda read: read.sql("SELECT key FROM delivery WHERE result = 'accepted' LIMIT 1").scalar_one()
        )
        channel = there.house.open_channels()["sms"]
        reported = urlsplit(channel.receipt_address(key).replace("%d", "1").replace("%F", "x").replace("%A", "y"))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(base_url=f"http://{service.ready['receipts']}") as provider:
            assert (await provider.get(f"/receipts/sms?{reported.query}")).status_code == 200
            assert (await provider.get(f"/receipts/sms?{reported.query.replace(key, key[::-1])}")).status_code == 403
        words = there.words(alert)
        page, seen = "", {}
        async with asyncio.timeout(10):
            while seen.get(("kentongan_deliveries", (("channel", "sms"), ("result", "delivered")))) != 1:
                page, seen = await scrape(client)
        sms: Labels = (("channel", "sms"),)
        for word in ("accepted", "delivered", "in_doubt"):
            assert seen["kentongan_deliveries", (*sms, ("result", word))] == words.get(word, 0)
        reached = words["accepted"] + words["delivered"]
        assert seen["kentongan_delivery_acceptance_seconds_count", sms] == reached
        assert seen["kentongan_attempts_total", (*sms, ("outcome", "accepted"))] >= 22
        assert seen["kentongan_attempts_total", (*sms, ("outcome", "in_doubt"))] == 2
        assert seen["kentongan_request_seconds_count", sms] >= 24
        assert seen["kentongan_receipts_total", (*sms, ("kind", "delivered"))] == 1
        assert seen["kentongan_receipts_refused_total", sms] == 1
        assert seen["kentongan_queue_due", sms] == seen["kentongan_holds", sms] == 0
        assert seen["kentongan_ledger_commit_seconds_count", ()] > 20
        assert seen["kentongan_sender_beat_age_seconds", ()] < 10
        assert seen["kentongan_ready", ()] == 1
        there.house.ledger.write(lambda write: write.sql("INSERT INTO hold VALUES ('sms', 'it was refused', 1)"))
        async with asyncio.timeout(10):
            while (await scrape(client))[1]["kentongan_holds", sms] != 1:
                pass
        plain = await client.get("/metrics")
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await service.end(signal.SIGTERM) == 0
    asyncio.get_running_loop().remove_reader(notified)
    notified.close()
    assert heard[0].startswith(b"READY=1\nSTATUS=sends on 1 channels")
    assert heard.count(b"WATCHDOG=1") >= 2
    assert heard[-1] == b"STOPPING=1"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {"receipt refused", "request failed"} <= {line["message"] for line in lines}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    kept = (root / "state" / "log" / "service.log").read_text("utf-8")
    for shown in (page, plain.text, log.read_text("utf-8"), kept):
        people = [phone(n) for n in range(24)]
        hidden = [*people, *(number.removeprefix("+") for number in people), *secrets.values()]
        assert not [each for each in hidden if each in shown]
    for shown in (page, plain.text):
        assert alert not in shown
        assert "siti" not in shown
    assert {name for _, labels in seen for name, _ in labels} <= LABELS


def _next(notified: socket.socket) -> bytes:
    try:
        return notified.recv(4096)
    except BlockingIOError:
        return b""


def test_a_taken_metrics_port_is_one_sentence_and_a_port_alone_is_of_this_machine() -> None:
    with contextlib.closing(listen_for_metrics("0")) as ours:
        host, port = ours.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(BadConfig) as refused:
            listen_for_metrics(str(port))
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"metrics cannot be shown at 127.0.0.1:{port}: ")
    assert line.endswith("with --metrics")
    with pytest.raises(BadInput, match="is no HOST:PORT"):
        listen_for_metrics("everywhere")


@pytest.mark.parametrize("named", [0, "0", "127.0.0.1:0"])
def test_service_yaml_names_the_port_as_a_number_or_a_text(tmp_path: Path, named: object) -> None:
    there = install(tmp_path, {})
    (there.config / "service.yaml").write_text(yaml.safe_dump({"metrics": named}))
    with there.open() as house, shown_at(house, None) as listener:
        assert listener is not None
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_ledger_that_takes_nothing_is_unready_first_and_unwell_only_when_the_lease_is_over() -> None:
    assert unwell(WELL) == unready(WELL) == []
    silent = Condition(taking=True, configured=True, channels=1, pulse=Pulse(6.0, 0.1))
    assert unwell(silent) == []
    assert "the ledger has taken nothing for 6 s" in unready(silent)[0]
    assert "no beat was recorded for 11 s" in unwell(Condition(True, True, 1, Pulse(11.0, 0.1)))[0]
    assert "the sweep has not gone round for 9 s" in unwell(Condition(True, True, 1, Pulse(0.1, 9.0)))[0]
    assert len(unwell(Condition(True, True, 1, Pulse(None, None)))) == 2


def test_who_does_not_know_the_ledgers_version_is_alive_and_not_ready() -> None:
    outdated = Condition(taking=True, configured=True, channels=1, pulse=Pulse(60.0, 60.0, "it is of another version"))
    assert unwell(outdated) == []
    assert unready(outdated) == ["it is of another version"]


async def test_a_service_under_which_the_ledger_was_upgraded_ends_by_itself_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A closed terminal may end the tests.
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    class Outdated:
        """What runs until it is told to end."""

        def __init__(self) -> None:
            self.dispatcher: Any = SimpleNamespace(channels={}, gave_way=asyncio.Event(), outdated=None)
            self.stopped = False

        async def start(self) -> None:
            self.dispatcher.outdated = OtherVersion("it is of another version")
            asyncio.get_running_loop().call_soon(self.dispatcher.gave_way.set)

        async def stop(self) -> None:
            self.stopped = True

        def goes_round(self) -> bool:
            return True

    there = Outdated()
    async with asyncio.timeout(10):
        told = await until_told(lambda: there, Supervisor(), say=lambda _: None, ready=lambda _: "")
    assert (str(told), there.stopped) == ("it is of another version", True)


def test_whoever_stops_is_alive_and_not_ready_and_without_a_config_nobody_is_ready() -> None:
    stopping = Condition(taking=False, configured=True, channels=1, pulse=Pulse(60.0, 60.0))
    assert unwell(stopping) == []
    assert unready(stopping) == ["it is starting or stopping; wait for it"]
    assert "no config was read" in unready(Condition(True, False, 0, Pulse(0.1, 0.1)))[0]
    assert "no channel is open" in unready(Condition(True, True, 0, Pulse(0.1, 0.1)))[0]


async def test_a_supervisor_hears_of_life_only_while_work_goes_on_and_is_not_passed_on(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(path)
        notified.setblocking(False)
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
        supervisor = Supervisor(environment)
        assert environment == {"HOME": "/"}
        asked = asyncio.Event()

        def is_well() -> bool:
            asked.set()
            return False

        supervisor.ready("sends", is_well)
        await asked.wait()
        await supervisor.stopping()
        assert [_next(notified), _next(notified), _next(notified)] == [b"READY=1\nSTATUS=sends", b"STOPPING=1", b""]
    # A supervisor that is gone, one that means another process, and none at all.
    assert supervisor.tell("READY=1") is False
    assert Supervisor({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).every is None
    assert Supervisor({}).tell("READY=1") is False
