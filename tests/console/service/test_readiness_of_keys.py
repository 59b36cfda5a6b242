"""/readyz looks at where the key of people's data lies: a process that starts at night would need it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from console.service import metrics_endpoint
from console.service.health import Condition
from console.service.metrics_endpoint import application
from kentongan import patience
from kentongan.dispatcher import Pulse
from kentongan.keys import StateKeys
from tests.kentongan.hanging import Hanging


@dataclass
class Sending:
    """What is looked at: all is well with it but perhaps its key."""

    keys: StateKeys
    channel_names = ("sms",)
    prefect_answers = None

    @property
    def condition(self) -> Condition:
        return Condition(taking=True, configured=True, channels=1, pulse=Pulse(sweep=0.0, beat=0.0))

    def key_fault(self) -> str | None:
        return self.keys.people_fault()


async def test_a_key_that_is_gone_is_told_before_the_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "people.key"
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY_FILE", str(key))
    sending: Any = Sending(StateKeys.open(tmp_path / "state"))
    nothing: Any = None
    shown = httpx.ASGITransport(application(lambda: sending, nothing, nothing, nothing))
    async with httpx.AsyncClient(transport=shown, base_url="http://there") as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "reasons": []}
        held = key.rename(tmp_path / "held")
        gone = await client.get("/readyz")
        assert gone.status_code == 503
        assert f"{key}, which KENTONGAN_PEOPLE_KEY_FILE names, is missing" in gone.json()["reasons"][0]
        # It lives, and is not to be ended for it: it still has what nobody else has.
        assert (await client.get("/healthz")).status_code == 200
        held.rename(key)
        assert (await client.get("/readyz")).status_code == 200


async def test_a_key_on_a_disk_that_hangs_is_told_at_once_and_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FEW_BYTES", 0.2)
    key = tmp_path / "keys" / "people.key"
    sending: Any = Sending(StateKeys.open(tmp_path))
    nothing: Any = None
    shown = httpx.ASGITransport(application(lambda: sending, nothing, nothing, nothing))
    async with httpx.AsyncClient(transport=shown, base_url="http://there") as client, asyncio.timeout(10):
        with Hanging(key):
            for answer in await asyncio.gather(*(client.get("/readyz") for _ in range(20))):
                assert answer.status_code == 503
                assert f"{key} cannot be read: what it lies on does not answer" in answer.json()["reasons"][0]
            assert (await client.get("/healthz")).status_code == 200
            assert sum(thread.name == "patience" for thread in threading.enumerate()) <= 2
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_look_that_does_not_end_for_whatever_reason_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_endpoint, "_PATIENCE", 0.05)
    answers, asked = threading.Event(), []

    def hang() -> str | None:
        asked.append(1)
        return None if answers.wait(30) else "never"

    sending, nothing = Sending(StateKeys.open(tmp_path)), cast(Any, None)
    monkeypatch.setattr(sending, "key_fault", hang)
    shown = httpx.ASGITransport(application(lambda: cast(Any, sending), nothing, nothing, nothing))
    async with httpx.AsyncClient(transport=shown, base_url="http://there") as client, asyncio.timeout(10):
        for _ in range(3):
            answer = await client.get("/readyz")
            assert (answer.status_code, len(answer.json()["reasons"]), len(asked)) == (503, 1, 1)
        answers.set()
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
