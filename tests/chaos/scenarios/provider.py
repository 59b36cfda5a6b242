"""A provider that hangs, throttles with and without a delay, takes messages and then fails, or hangs up idly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.counter import PARTNERS
from tests.chaos.rehearsal import Rehearsal

WEIGHT = 0
PEOPLE = 250
CHANNEL = "telegram"

_OFTEN: Mapping[str, Any] = {"probability": 0.15, "times": None}
_SELDOM: Mapping[str, Any] = {"probability": 0.03, "times": None}
_TIMES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "hanging": [{"fault": "hang", **_SELDOM}, {"fault": "accept-then-hang", **_SELDOM}],
    "throttling": [
        {"fault": "throttle", "seconds": 1, "probability": 0.05, "times": 3},
        {"fault": "throttle", "seconds": 0, **_SELDOM},
        {"fault": "unavailable", **_SELDOM},
    ],
    "taken, then failed": [
        {"fault": fault, **_OFTEN} for fault in ("accept-then-reset", "accept-then-500", "garble", "garble-body")
    ],
    "taken, then hung up, or refused before": [
        {"fault": "accept-then-hang-up", **_OFTEN},
        {"fault": "drop", **_OFTEN},
    ],
    "closing idle connections": [{"fault": "idle-close", **_OFTEN}, {"fault": "idle-reset", **_OFTEN}],
}


def play(rehearsal: Rehearsal) -> None:
    """One alert for each of its moods, on the channel with the people and on those that drop repeats."""
    for name, faults in _TIMES.items():
        alert = rehearsal.approve()
        rehearsal.stand_in.fault(faults)
        for public in ("mastodon", *(f"webhook/{partner}" for partner in PARTNERS)):
            rehearsal.stand_in.fault([{**fault, "probability": 0.7, "times": 2} for fault in faults], public)
        before = len(rehearsal.findings)
        rehearsal.finish(alert)
        rehearsal.stand_in.heal()
        if len(rehearsal.findings) > before:
            rehearsal.notes.append(f"while the provider was {name}")
