"""Flow runs whose process or host has gone, as a real Prefect server shows them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from console.service.left_runs import LeftRuns
from kentongan.ledger import Ledger, hosts
from kentongan.seam import Traits
from tests.kentongan.ledger.scenes import register_sender
from tests.kentongan.sending import Place, ScriptedChannel
from tests.prefect_server import AUTH, RunningServer

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

    def begin(self, flow: str, alert: str) -> str:
        id = self._ask("/flows/", {"name": flow})["id"]
        state = {"type": "RUNNING", "name": "Running"}
        run: str = self._ask("/flow_runs/", {"flow_id": id, "parameters": {"alert": alert}, "state": state})["id"]
        task = {"flow_run_id": run, "task_key": "instance", "dynamic_key": "0", "name": "sms", "state": state}
        self._ask("/task_runs/", task)
        return run

    def state(self, run: str, kind: str = "flow_runs") -> tuple[str, str]:
        (found,) = self._ask(f"/{kind}/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return found["state"]["type"], found["state"]["message"] or ""

    def close(self) -> None:
        self._client.close()

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        return self._client.post(path, json=body).raise_for_status().json()


def record(ledger: Ledger, type_: str, run: str, **data: Any) -> None:
    ledger.write(lambda write: write.event(type_, alert="alert-1", flow_run=run, **data))


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
    server = SimpleNamespace(available=lambda: None, url=prefect.url, environment=prefect.environment())
    house = SimpleNamespace(ledger=place.ledger, clock=place.ledger.clock)
    left = LeftRuns(cast(Any, house), cast(Any, server))
    assert sorted(await left.look()) == sorted([names["gone"], names["of-gone"]])
    for name in ("gone", "of-gone"):
        for kind in ("flow_runs", "task_runs"):
            type_, message = runs.state(names[name], kind)
            assert type_ == "CRASHED"
            assert "host-b" in message
            assert "kentongan status K7Q4" in message
    others = [elsewhere, *(names[name] for name in ("of-there", "ended-just-now", "there", "of-nobody"))]
    assert {runs.state(run)[0] for run in others} == {"RUNNING"}
    assert [event.data["host"] for event in place.events("orchestration.crashed")] == ["host-b"] * 2
    assert await left.look() == []
    server.available = lambda: "not answering"
    assert await left.look() == []
    runs.close()
