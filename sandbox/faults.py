"""What goes wrong on demand, and whether the provider had taken the message when it did."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Fault(enum.StrEnum):
    """One way to go wrong. Those named accept-… have taken the message and count it; see `ACTS`."""

    ACCEPT_THEN_500 = "accept-then-500"
    ACCEPT_THEN_HANG = "accept-then-hang"
    ACCEPT_THEN_RESET = "accept-then-reset"
    ACCEPT_THEN_HANG_UP = "accept-then-hang-up"
    GARBLE = "garble"
    GARBLE_BODY = "garble-body"
    SLOW = "slow"
    IDLE_CLOSE = "idle-close"
    IDLE_RESET = "idle-reset"
    DROP = "drop"
    HANG = "hang"
    THROTTLE = "throttle"
    UNAVAILABLE = "unavailable"
    REFUSE = "refuse"


ACTS = frozenset(Fault) - {Fault.DROP, Fault.HANG, Fault.THROTTLE, Fault.UNAVAILABLE, Fault.REFUSE}
"""The faults under which the provider has really taken the message."""


class BadRule(ValueError):
    """A rule cannot be read; the message names the field and what is allowed."""


@dataclass
class Rule:
    """A fault and when it strikes.

    `times`: how often in all, None for ever. `after_requests`: how many requests it lets pass first. `match`: a part
    of the recipient or the text. `probability`: chance at each request, drawn from `seed`. `seconds`: how long the
    caller is told to wait (throttle; 0: it is not told, where the provider may say so) or has to wait (slow). `on`:
    "send" for messages only, "any" for every request.
    """

    fault: Fault
    times: int | None = 1
    after_requests: int = 0
    match: str = ""
    probability: float = 1.0
    seed: int | None = None
    seconds: float | None = None
    on: str = "send"
    _seen: int = field(default=0, init=False, repr=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # chance of a rehearsed fault, no secret

    @classmethod
    def read(cls, content: Any) -> Rule:
        """Builds a rule from JSON; raises BadRule."""
        if not isinstance(content, Mapping):
            raise BadRule('a fault is an object such as {"fault": "throttle", "times": 2}')
        unknown = sorted(set(content) - set(_TYPES))
        if unknown:
            raise BadRule(f"{unknown[0]!r} is no field of a fault; known are {', '.join(_TYPES)}")
        if content.get("fault") not in tuple(Fault):
            raise BadRule(f"{content.get('fault')!r} is no fault; known are {', '.join(Fault)}")
        for name, value in content.items():
            if isinstance(value, bool) or not isinstance(value, _TYPES[name]):
                raise BadRule(f"{name} cannot be {value!r}")
        values: dict[str, Any] = {**content, "fault": Fault(content["fault"])}
        for name in ("times", "after_requests", "seconds"):
            if values.get(name) is not None and values[name] < 0:
                raise BadRule(f"{name} cannot be below 0")
        if not 0 <= values.get("probability", 1.0) <= 1:
            raise BadRule("probability lies between 0 and 1")
        if values.get("on", "send") not in ("send", "any"):
            raise BadRule("on is send or any")
        return cls(**values)

    def strikes(self, *, recipient: str, text: str, sends: bool) -> bool:
        """Whether it strikes this request; if so, one of its times is used up."""
        if self.times == 0 or not (sends or self.on == "any"):
            return False
        if self.match and self.match not in recipient and self.match not in text:
            return False
        self._seen += 1
        if self._seen <= self.after_requests:
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "fault": str,
    "times": (int, type(None)),
    "after_requests": int,
    "match": str,
    "probability": (int, float),
    "seed": (int, type(None)),
    "seconds": (int, float, type(None)),
    "on": str,
}


@dataclass
class Faults:
    """The queue of one stand-in: the first rule that strikes a request is the one that it meets."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rules: Sequence[Rule]) -> None:
        """Puts rules at the end of the queue."""
        self.rules.extend(rules)

    def clear(self) -> None:
        """Forgets all rules."""
        self.rules.clear()

    def take(self, *, recipient: str, text: str, sends: bool) -> Rule | None:
        """Returns the rule that strikes this request, if any; rules that are used up are forgotten."""
        struck = next((r for r in self.rules if r.strikes(recipient=recipient, text=text, sends=sends)), None)
        if struck is not None and struck.times == 0:
            self.rules.remove(struck)
        return struck
