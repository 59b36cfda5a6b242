"""What a run is asked for, how its kills are divided, and the word for what cannot be played here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Skipped(Exception):
    """A scenario cannot be played here; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What all scenarios are told. `settings`: more fields for the channel with the people."""

    kills: int
    recipients: int
    channel: str = "kannel"
    severity: str = "Severe"
    rate: float = 150.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    killer: str | None = None


def share(kills: int, weights: Sequence[int]) -> list[int]:
    """Divides kills by weight, so that they add up."""
    whole = max(1, sum(weights))
    ends = [kills * sum(weights[: n + 1]) // whole for n in range(len(weights))]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
