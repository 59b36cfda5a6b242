"""`kentongan worker` as processes of their own, over one ledger in Postgres."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path

import httpx
import pytest

from kentongan.ledger import Read, hosts
from kentongan.ledger.verification import verify
from kentongan.state import LATEST_HEAD
from sandbox.faults import Fault, Rule
from tests.console.service.hosts import working
from tests.console.service.serving import Scene, scene, until
from tests.postgres import Server

pytestmark = [pytest.mark.slow]


def by_sender(scene: Scene, alert_id: str) -> Counter[str]:
    """How many attempts each sender has made."""
    rows = scene.house.ledger.read(
        lambda read: read.sql(
            "SELECT t.sender, count(*) AS n FROM attempt t JOIN delivery d ON d.id = t.delivery_id"
            " WHERE d.alert_id = :alert GROUP BY t.sender",
            {"alert": alert_id},
        ).all()
    )
    return Counter({row.sender: row.n for row in rows})


async def test_a_service_and_two_workers_send_one_alert_and_one_of_them_may_leave(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.empty()
    monkeypatch.setenv("KENTONGAN_DATABASE_URL", address)
    async with scene(tmp_path, 300, concurrency=4, rate=10_000) as there:
        url = {"KENTONGAN_DATABASE_URL": address}
        alert = there.draft()
        there.sandbox.add_faults("kannel", [Rule(Fault.SLOW, times=None, seconds=0.02)])
        async with (
            there.serving(**url) as service,
            working(there, "one", **url) as one,
            working(there, "two", **url) as two,
        ):
            there.dispatch(alert)
            await there.nudge(alert)
            leaving = one.ready["sender"]
            await until(lambda: by_sender(there, alert)[leaving] > 5)
            assert await one.end() == 0
            assert there.house.ledger.read(lambda read: _held(read, leaving)) == []
            await until(lambda: not there.is_open(alert), patience=40)
            shares = there.house.ledger.read(lambda read: hosts.shares(read, alert))
            assert await two.end() == 0
            assert await service.end() == 0
        assert there.words(alert) == {"accepted": 300}
        assert set(there.taken().values()) == {1}
        found = by_sender(there, alert)
        assert len(found) == 3
        assert min(found.values()) > 5
        assert [sum(words.values()) for words in shares.values()] == [300]
        joined = {event.data["sender"] for event in there.events("dispatch.joined")}
        assert joined <= {one.ready["sender"], two.ready["sender"]}


def _held(read: Read, sender: str) -> list[int]:
    """What a sender holds still."""
    rows = read.sql("SELECT id FROM delivery WHERE sender = :sender AND stage <> 'done'", {"sender": sender})
    return [row.id for row in rows]


async def test_a_worker_alone_sends_within_moments_although_prefect_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        async with scene(tmp_path, 5) as there:
            await _send_alone(there, port)


async def _send_alone(there: Scene, port: int) -> None:
    alert = there.draft()
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(there.installation.root / "notify"))
    environment = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "KENTONGAN_METRICS_LISTEN": "0",
        "NOTIFY_SOCKET": str(there.installation.root / "notify"),
    }
    async with working(there, "state", prefect=True, **environment) as one, httpx.AsyncClient() as client:
        there.dispatch(alert)
        shown = f"http://{one.ready['metrics']}"
        assert (await client.get(f"{shown}/readyz")).status_code == 200
        assert "kentongan_prefect_up 0" in (await client.get(f"{shown}/metrics")).text
        assert told.recv(1000).decode().splitlines() == ["READY=1", "STATUS=sends on 1 channels"]
        async with working(there, "state", ready=False) as second:
            assert await second.process.wait() == 2
            assert second.process.stderr is not None
            assert "a worker runs on" in (await second.process.stderr.read()).decode()
        await until(lambda: not there.is_open(alert))
        assert await one.end() == 0
        assert told.recv(1000) == b"STOPPING=1"
    told.close()
    # Nobody else was there to sign the record.
    head = json.loads((there.state.heads / LATEST_HEAD).read_text())
    keys = there.house.keys
    verdict = there.house.ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
    assert verdict.differences == []
    assert one.ready["sender"] in head["chains"]
    assert there.words(alert) == {"accepted": 5}
    (pressed,) = there.events("alert.dispatched")
    assert min(attempt.intent_at for attempt in there.attempts(alert)) - pressed.at < 3000
