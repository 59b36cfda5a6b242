"""Flow runs whose process or host has gone, as a real Prefect server shows them afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from console.service.left_runs import LeftRuns
from flows.whose import LABEL, Whose
from kentongan.clock import Process
from kentongan.ledger import Ledger, hosts
from kentongan.seam import Traits
from tests.kentongan.ledger.scenes import register_sender
from tests.kentongan.sending import Place, ScriptedChannel
from tests.prefect_server import AUTH, ROOT, RunningServer

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


class Runs:
    """Makes and shows flow runs as a client of the server does."""

    def __init__(self, server: RunningServer) -> None:
        user, _, password = AUTH.partition(":")
        self._client = httpx.Client(base_url=server.url, auth=(user, password), timeout=20)

    def begin(self, flow: str, alert: str | None, labels: Mapping[str, str] | None = None) -> str:
        id = self._ask("/flows/", {"name": flow})["id"]
        state = {"type": "RUNNING", "name": "Running"}
        called = {"parameters": {} if alert is None else {"alert": alert}, "labels": dict(labels or {})}
        run: str = self._ask("/flow_runs/", {"flow_id": id, "state": state, **called})["id"]
        task = {"flow_run_id": run, "task_key": "instance", "dynamic_key": "0", "name": "sms", "state": state}
        self._ask("/task_runs/", task)
        return run

    def state(self, run: str, kind: str = "flow_runs") -> tuple[str, str]:
        (found,) = self._ask(f"/{kind}/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return found["state"]["type"], found["state"]["message"] or ""

    def of(self, flow: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})
        return found

    def close(self) -> None:
        self._client.close()

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        for _ in range(100):
            # 503: its database was locked for a moment, and nothing was done.
            if (answer := self._client.post(path, json=body)).status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.05)
        return answer.raise_for_status().json()


def record(ledger: Ledger, type_: str, run: str, **data: Any) -> None:
    ledger.write(lambda write: write.event(type_, alert="alert-1", flow_run=run, **data))


def looking(place: Place, prefect: RunningServer) -> tuple[LeftRuns, SimpleNamespace]:
    server = SimpleNamespace(available=lambda: None, url=prefect.url, environment=prefect.environment())
    house = SimpleNamespace(ledger=place.ledger, clock=place.ledger.clock)
    return LeftRuns(cast(Any, house), cast(Any, server)), server


async def test_what_a_host_left_is_shown_as_crashed_and_nothing_else(place: Place, prefect: RunningServer) -> None:
    place.dispatch(ScriptedChannel("sms", traits=Traits(family="phone")), code="K7Q4")
    runs = Runs(prefect)
    names = {name: runs.begin("share" if name.startswith("of") else "broadcast", "K7Q4") for name in (
        "of-gone", "of-there", "gone", "ended-just-now", "there", "of-nobody"
    )}  # fmt: skip
    elsewhere = runs.begin("broadcast", "Z9Z9")
    for name in ("gone", "ended-just-now", "there"):
        with place.open(name) as ledger:
            register_sender(ledger, name)
            record(ledger, "orchestration.began", names[name])
    for name, host in (("of-gone", "host-b"), ("of-there", "host-a")):
        record(place.ledger, "orchestration.asked", names[name], host=host)
    long_ago = hosts.STILL + 1_000
    for change in (
        "UPDATE sender SET host = 'host-a'",
        f"UPDATE sender SET host = 'host-b', ended = 1, beat = beat - {long_ago} WHERE id = 'gone'",
        "UPDATE sender SET ended = 1 WHERE id = 'ended-just-now'",
    ):
        place.ledger.write(lambda write, change=change: write.sql(change))  # type: ignore[misc]
    left, server = looking(place, prefect)
    assert {*names.values()} & {*await left.look()} == {names["gone"], names["of-gone"]}
    for name in ("gone", "of-gone"):
        for kind in ("flow_runs", "task_runs"):
            type_, message = runs.state(names[name], kind)
            assert type_ == "CRASHED"
            assert "host-b" in message
            assert "kentongan status K7Q4" in message
    others = [elsewhere, *(names[name] for name in ("of-there", "ended-just-now", "there", "of-nobody"))]
    assert {runs.state(run)[0] for run in others} == {"RUNNING"}
    assert [event.data["host"] for event in place.events("orchestration.crashed")] == ["host-b"] * 2
    assert not {*names.values()} & {*await left.look()}
    server.available = lambda: "not answering"
    assert await left.look() == []
    runs.close()


_DRILL = """
import asyncio, os
from prefect import flow
from flows.whose import noted

@flow(name="drill", retries=0)
@noted
async def drill(alert: str = "due") -> None:
    await asyncio.Event().wait()

asyncio.run(drill())
"""


async def test_the_run_of_a_process_that_was_killed_is_shown_as_crashed_once_it_is_dead(
    place: Place, prefect: RunningServer
) -> None:
    left, _ = looking(place, prefect)
    with closing(Runs(prefect)) as runs:
        before = {run["id"] for run in runs.of("drill")}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DRILL, cwd=ROOT, env={**os.environ, **prefect.environment()}, stderr=-3
        )
        try:
            async with asyncio.timeout(60):
                while not (noted := [run for run in runs.of("drill") if run["id"] not in before and Whose.of(run)]):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert noted[0]["id"] not in await left.look()
            assert runs.state(noted[0]["id"])[0] == "RUNNING"
        finally:
            child.kill()
            await child.wait()
        assert noted[0]["id"] in await left.look()
        type_, message = runs.state(noted[0]["id"])
    assert type_ == "CRASHED"
    assert message.endswith("has ended in the middle")
    assert place.events("orchestration.crashed") == []


async def test_what_ran_in_a_service_is_shown_as_crashed_by_the_end_of_that_service(
    place: Place, prefect: RunningServer
) -> None:
    place.dispatch(ScriptedChannel("sms", traits=Traits(family="phone")), code="K7Q4")
    for name in ("gone", "there"):
        with place.open(name) as ledger:
            register_sender(ledger, name)
    place.ledger.write(
        lambda write: write.sql(f"UPDATE sender SET ended = 1, beat = beat - {hosts.STILL + 1_000} WHERE id = 'gone'")
    )
    # In a container each start has a process table of its own, in which no other process can be looked for.
    away = Process(Process.current().boot_id, "pid:[0]", 7, 0)

    def labels(sender: str, **more: Any) -> dict[str, str]:
        return {LABEL: Whose(**{"host": "host-b", "process": away, "sender": sender, "attempt": 1, **more}).label()}

    left, _ = looking(place, prefect)
    with closing(Runs(prefect)) as runs:
        gone = runs.begin("render", "K7Q4", labels("gone"))
        others = [
            runs.begin("render", "K7Q4", labels("there")),
            runs.begin("render", "K7Q4", labels("of another ledger")),
            runs.begin("render", "K7Q4", labels("gone", attempt=0)),
            runs.begin("drill", "K7Q4", labels("")),
            runs.begin("drill", None),
            runs.begin("broadcast", None),
        ]
        assert {gone, *others} & {*await left.look()} == {gone}
        assert "kentongan status K7Q4" in runs.state(gone)[1]
        assert {runs.state(run)[0] for run in others} == {"RUNNING"}
    assert [event.alert_id for event in place.events("orchestration.crashed")] == ["alert-1"]
