"""On an officer's own machine times are the agency's, whatever zone that machine is in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from console.commands import remote

WAITING = {
    "code": "K7Q4",
    "mode": "live",
    "kind": "alert",
    "says": "Gempa bumi",
    "places": ["Manna"],
    "submitted_by": "siti",
    "submitted_at": "2026-11-21T20:05:12.000Z",
}
CHANNEL = {"channel": "sms", "words": {"planned": 3}, "held": "restored from a backup of 2026-11-21 20:05 UTC"}
STANDING = {"code": "K7Q4", "kind": "alert", "mode": "live", "state": "dispatched", "channels": [CHANNEL]}
SERVICE = "https://siaga.example:8443"


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ({"timezone": "Asia/Jakarta"}, "2026-11-22 03:05 WIB"),
        ({"timezone": "../../etc/passwd"}, "2026-11-21 20:05 UTC"),
        ({}, "2026-11-21 20:05 UTC"),
    ],
)
def test_times_from_afar_are_the_agencys(run, monkeypatch: pytest.MonkeyPatch, zone: dict[str, str], said: str) -> None:
    class Asked:
        def ask(self, method: str, path: str) -> dict[str, Any]:
            return {"waiting": [WAITING], "standing": STANDING, **zone}

    monkeypatch.setattr(remote, "_open", lambda secret_file: Asked())
    for line in (["waiting"], ["status", "K7Q4"]):
        told = run(*line, "--service", SERVICE)
        assert told.code == 0, told.err
        assert said in told.out
