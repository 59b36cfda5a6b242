"""Whether the service is alive, and whether it is ready; each with the reasons why not."""

from __future__ import annotations

from kentongan.dispatcher import Pulse
from kentongan.ledger import senders
from kentongan.quick_dataclass import dataclass

ROUND = 5.0
"""Seconds in which the sweep must have gone round."""

FRESH = 5.0
"""Seconds after which a beat that was not renewed says that the ledger takes nothing."""

STUCK = 300.0
"""Seconds without a round of the sweep after which a supervisor may end the service: a long round may be much work."""

_LEASE = senders.LEASE / 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """What is looked at. `taking`: started and not stopping; `configured`: a config was read; `channels`: how many."""

    taking: bool
    configured: bool
    channels: int
    pulse: Pulse


def unwell(condition: Condition) -> list[str]:
    """Why the service is not alive, a sentence each; none where it is.

    It is asked from the event loop, so that an answer says that this goes round.
    """
    if not condition.taking or condition.pulse.outdated:
        # Whoever starts or stops does neither sweep nor beat, and is not to be killed for it.
        return []
    reasons = []
    if condition.pulse.sweep is None or condition.pulse.sweep > ROUND:
        reasons.append(f"the sweep has not gone round for {_since(condition.pulse.sweep)}; see log/service.log")
    if condition.pulse.beat is None or condition.pulse.beat > _LEASE:
        reasons.append(f"no beat was recorded for {_since(condition.pulse.beat)}; {_LEDGER}")
    return reasons


def unready(condition: Condition) -> list[str]:
    """Why the service cannot take an alert now, a sentence each; none where it can. Prefect is no reason."""
    if condition.pulse.outdated:
        return [condition.pulse.outdated]
    if not condition.taking:
        return ["it is starting or stopping; wait for it"]
    reasons = []
    if condition.pulse.beat is None or condition.pulse.beat > FRESH:
        reasons.append(f"the ledger has taken nothing for {_since(condition.pulse.beat)}; {_LEDGER}")
    if not condition.configured:
        reasons.append("no config was read; name its folder with --config or KENTONGAN_CONFIG and start it anew")
    elif not condition.channels:
        reasons.append("no channel is open; see `kentongan check`")
    return reasons


_LEDGER = "see that its disk has room, and that nothing locks it or keeps it away"


def _since(seconds: float | None) -> str:
    return "the whole time" if seconds is None else f"{seconds:.0f} s"
