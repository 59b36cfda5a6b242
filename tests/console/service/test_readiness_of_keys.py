"""/readyz looks at where the key of people's data lies: a process that starts at night would need it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.service.health import Condition
from console.service.metrics_endpoint import application
from kentongan.dispatcher import Pulse
from kentongan.keys import StateKeys


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
