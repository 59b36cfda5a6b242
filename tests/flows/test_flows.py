from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.orchestration import NotShown, Orchestration
from flows.sending import Sending
from flows.whose import Whose
from kentongan.dispatcher import Dispatcher, starting
from kentongan.seam import Accepted, InDoubt, Traits
from sandbox.server import Sandbox
from tests.installation import install, sms
from tests.kentongan.sending import Place, ScriptedChannel, until
from tests.prefect_server import AUTH, ROOT, RunningServer

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.slow,
    # Prefect leaves sockets and loops of its background workers to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through Prefect is waited for, however busy this machine is."""
    monkeypatch.setattr(starting, "BUDGET", 60_000)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


async def shown(server: RunningServer, kind: str, **where: Any) -> list[dict[str, Any]]:
    """What the server has of `kind` ("flow_runs", "task_runs"), as anybody who looks at its page sees it."""
    async with httpx.AsyncClient(auth=tuple(AUTH.split(":"))) as client:  # type: ignore[arg-type]
        answer = await client.post(f"{server.url}/{kind}/filter", json=where)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found


async def until_shown(server: RunningServer, kind: str, count: int, **where: Any) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            found = await shown(server, kind, **where)
            if len([each for each in found if each["state_type"] in ("COMPLETED", "FAILED")]) >= count:
                return found
            await asyncio.sleep(0.2)


class Orchestrated:
    """A dispatcher whose alerts are shown in Prefect."""

    def __init__(self, place: Place, *channels: ScriptedChannel, environment: dict[str, str]) -> None:
        self.word: str | None = None
        self.orchestration = Orchestration(ledger=place.ledger, environment=environment, available=lambda: self.word)
        self.dispatcher: Dispatcher = place.dispatcher(*channels, orchestrate=self.orchestration.show)

    async def __aenter__(self) -> Orchestrated:
        await self.dispatcher.start()
        self.orchestration.start(Sending(self.dispatcher, asyncio.get_running_loop()))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()
        await self.orchestration.close()


@pytest.mark.usefixtures("unhurried")
async def test_an_alert_finds_its_clients_made(
    place: Place, prefect: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.subscribe(2)
    texts = ScriptedChannel("sms", traits=Traits(family="phone"))
    made: list[str] = []
    create = ssl.create_default_context

    def counted(*given: Any, **named: Any) -> ssl.SSLContext:
        if not texts.sent:
            made.append(threading.current_thread().name)
        return create(*given, **named)

    async with Orchestrated(place, texts, environment=prefect.environment()) as there:
        assert await there.orchestration.warm_up()
        assert "orchestration" in {each.name for each in threading.enumerate()}
        monkeypatch.setattr(ssl, "create_default_context", counted)
        alert = place.dispatch(texts, code="K7Q4")
        await there.dispatcher.nudge(alert)
        await until(lambda: place.events("orchestration.ended"))
    # Prefect tells of its tasks from a thread of its own, which keeps nobody waiting.
    assert "orchestration" not in made


@pytest.mark.usefixtures("unhurried")
async def test_prefect_shows_a_task_an_instance_with_its_true_result(place: Place, prefect: RunningServer) -> None:
    place.subscribe(20)
    texts = ScriptedChannel("sms", traits=Traits(family="phone"))
    doubtful = ScriptedChannel("post", traits=Traits(public=True), answer=lambda job, times: InDoubt("hung up"))
    async with Orchestrated(place, texts, doubtful, environment=prefect.environment()) as there:
        assert await there.orchestration.warm_up()
        alert = place.dispatch(texts, doubtful, code="K7Q4")
        await there.dispatcher.nudge(alert)
        await until(lambda: place.events("orchestration.ended"))
    began = place.events("orchestration.began")[0]
    through = {event.data["instance"]: event.data["through"] for event in place.events("instance.started")}
    assert through == {"sms": "prefect", "post": "prefect"}
    where = {"flow_runs": {"id": {"any_": [began.data["flow_run"]]}}}
    tasks = await until_shown(prefect, "task_runs", 2, **where)
    assert {task["name"]: task["state"]["message"] for task in tasks} == {"sms": "20 accepted", "post": "2 in doubt"}
    assert {task["name"]: task["state_type"] for task in tasks} == {"sms": "COMPLETED", "post": "FAILED"}
    runs = await shown(prefect, "flow_runs", **where)
    assert [run["name"] for run in runs] == ["alert-K7Q4"]
    assert runs[0]["parameters"] == {"alert": "K7Q4"}
    assert runs[0]["state"]["message"] == "20 accepted, 2 in doubt; failed: post"


@pytest.mark.usefixtures("unhurried")
async def test_a_correction_is_shown_under_its_own_name(place: Place, prefect: RunningServer) -> None:
    place.subscribe(2)
    channel = ScriptedChannel("sms", traits=Traits(family="phone"))
    async with Orchestrated(place, channel, environment=prefect.environment()) as there:
        assert await there.orchestration.warm_up()
        alert = place.dispatch(channel, code="A111")
        await there.dispatcher.nudge(alert)
        await there.dispatcher.finished(alert)
        place.dispatch(channel, id="correction-1", code="B222", predecessor=alert)
        await there.dispatcher.nudge("correction-1")
        await until(lambda: len(place.events("orchestration.ended")) == 2)
    names = {"flow_runs": {"name": {"any_": ["alert-A111", "follow-up-B222"]}}}
    assert len(await until_shown(prefect, "flow_runs", 2, **names)) == 2


@pytest.mark.usefixtures("unhurried")
async def test_no_message_and_no_address_is_told_to_prefect(place: Place, prefect: RunningServer) -> None:
    place.subscribe(3)
    channel = ScriptedChannel("sms", traits=Traits(family="phone"))
    async with Orchestrated(place, channel, environment=prefect.environment()) as there:
        assert await there.orchestration.warm_up()
        await there.dispatcher.nudge(place.dispatch(channel, code="C333"))
        await until(lambda: place.events("orchestration.ended"))
    where = {"flow_runs": {"name": {"any_": ["alert-C333", "renderings-C333"]}}}
    told = str([*await until_shown(prefect, "flow_runs", 1, **where), *await shown(prefect, "task_runs", **where)])
    assert not any(recipient[-6:] in told for recipient in channel.recipients())
    (rendered,) = await shown(prefect, "flow_runs", flow_runs={"name": {"any_": ["renderings-C333"]}})
    assert (whose := Whose.of(rendered)) is not None
    assert whose.sender == there.dispatcher.sender


async def test_an_api_that_never_answers_costs_the_picture_alone(prefect: RunningServer, tmp_path: Path) -> None:
    """In a process of its own, since Prefect reads once where its API is."""
    script = Path(__file__).with_name("deaf_api.py")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(script), str(tmp_path / "place"), prefect.url],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_AUTH_STRING": AUTH},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "as it should be"


async def test_what_cannot_be_shown_is_said_at_once(place: Place) -> None:
    channel = ScriptedChannel()
    there = Orchestrated(place, channel, environment={})
    async with there:
        with pytest.raises(NotShown, match="not warmed up"):
            await there.orchestration.show("alert-1")
        there.word = "restarting"
        with pytest.raises(NotShown, match="the Prefect server is restarting"):
            await there.orchestration.show("alert-1")


async def run_flow(installation_environment: Any, prefect: RunningServer, flow: str, alert: str) -> Any:
    called = f"{alert!r}, " if alert else ""
    code = (
        f"import asyncio\nfrom flows.{flow} import {flow}\n"
        f"state = asyncio.run({flow}({called}return_state=True))\nprint(state.type.value, state.message)"
    )
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code],
        env={**installation_environment, **prefect.environment()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )


async def test_a_flow_that_prefect_starts_elsewhere_sends_what_is_dispatched_and_refuses_what_is_not(
    tmp_path: Path, prefect: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    async with Sandbox() as sandbox:
        installation = install(tmp_path, {"sms": sms(sandbox)})
        with installation.open() as house:
            installation.admit(house)
            installation.subscribe(house, 12)
            desk = house.desk()
            alert = installation.draft(desk)
            refused = await run_flow(installation.environment, prefect, "broadcast", alert)
            assert sandbox.requests == 0
            installation.dispatch(desk, alert)
            sent = await run_flow(installation.environment, prefect, "broadcast", alert)
            rendered = await run_flow(installation.environment, prefect, "render", alert)
            swept = await run_flow(installation.environment, prefect, "sweep", "")
        taken = sandbox.counts()["kannel"]["recipients"]
    assert refused.stdout.startswith("FAILED"), refused
    assert "is not dispatched" in refused.stdout
    assert sent.stdout.strip() == "COMPLETED 12 accepted", sent
    assert rendered.stdout.strip() == "COMPLETED 2 messages on 1 channels", rendered
    assert swept.stdout.strip() == "COMPLETED 0 alerts open: nobody to reach", swept
    assert len(taken) == 12
    assert set(taken.values()) == {1}
    runs = await shown(prefect, "flow_runs", flow_runs={"name": {"any_": [f"renderings-{alert}"]}})
    runs += await shown(prefect, "flow_runs", flows={"name": {"any_": ["sweep"]}})
    assert [(whose.process.is_gone(), whose.sender) for run in runs if (whose := Whose.of(run))] == [(True, "")] * 2


@pytest.mark.usefixtures("unhurried")
async def test_answers_of_channels_reach_a_late_flow(place: Place, prefect: RunningServer) -> None:
    place.subscribe(5)
    channel = ScriptedChannel("sms", traits=Traits(family="phone"), answer=lambda job, times: Accepted(job.key))
    async with Orchestrated(place, channel, environment=prefect.environment()) as there:
        assert await there.orchestration.warm_up()
        alert = place.dispatch(channel, code="D444")
        there.word = "restarting"
        await there.dispatcher.nudge(alert)
        await until(lambda: place.words() == {"accepted": 5})
        there.word = None
        await there.orchestration.show(alert)
    began = place.events("orchestration.began")[0]
    tasks = await until_shown(prefect, "task_runs", 1, flow_runs={"id": {"any_": [began.data["flow_run"]]}})
    assert [task["state"]["message"] for task in tasks] == ["5 accepted"]
    assert len(channel.sent) == 5


async def told(server: RunningServer, path: str, content: dict[str, Any]) -> dict[str, Any]:
    """What the server answers to something new; on SQLite it is busy now and then, and says so."""
    async with httpx.AsyncClient(auth=tuple(AUTH.split(":"))) as client, asyncio.timeout(60):  # type: ignore[arg-type]
        while True:
            answer = await client.post(f"{server.url}/{path}/", json=content)
            if answer.status_code != 503:
                break
            await asyncio.sleep(0.2)
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


async def test_prefect_makes_the_runs_of_a_schedule(prefect: RunningServer) -> None:
    """With SQLAlchemy 2.1 its scheduler fails on every deployment, and says so in its own log alone."""
    flow = await told(prefect, "flows", {"name": "on-schedule"})
    far = {"schedule": {"interval": 30 * 86_400}, "active": True}
    made = await told(prefect, "deployments", {"name": "rarely", "flow_id": flow["id"], "schedules": [far]})
    async with asyncio.timeout(60):
        while True:
            if await shown(prefect, "flow_runs", deployments={"id": {"any_": [made["id"]]}}):
                break
            await asyncio.sleep(0.2)
