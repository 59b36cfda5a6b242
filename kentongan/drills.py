"""Drills: the scenarios that are rehearsed, what a run must achieve, and how it is scored. All pure.

drills.yaml
  scenarios    by name: a hazard with its facts, whether its correction is rehearsed too, and the targets
  late_after   a scheduled run that begins later than this after its time is dropped
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, JsonValue, model_validator

from kentongan.clock import Milliseconds
from kentongan.config_model import Model
from kentongan.quick_dataclass import dataclass
from kentongan.routes import Duration

NOTICE = "exercise-notice"
"""The hazard whose words announce a public exercise beforehand."""

YIELDS_FOR: Milliseconds = 6 * 3_600_000
"""How long after the dispatch of a live alert no drill begins."""

_RELATIVE = re.compile(r"(?P<before>^|=)\s*now(?:\s*(?P<sign>[+-])\s*(?P<by>\d{1,4}\s*(?:min|m|h|d)))?\s*(?=$|;)")
_TIMES = ("time", "times", "end")


# --- drills.yaml ---------------------------------------------------------------------------------------


class Targets(Model):
    """What a run must achieve. Times are seconds from the dispatch; `correction` from that of the correction."""

    first: Duration = Field(default=10.0, description="Seconds to the first acceptance.")
    last: Duration = Field(default=60.0, description="Seconds to the last acceptance.")
    delivered: float = Field(default=0.95, gt=0, le=1, description="Share delivered, of what has receipts.")
    correction: Duration = Field(default=120.0, description="Seconds until the correction is accepted everywhere.")


class Scenario(Model):
    """One drill that can be run again and again.

    A time among `facts` may be told from the start of the run: "now", "now-3min", "now+2h".
    """

    hazard: str = Field(description="The hazard that is rehearsed.")
    facts: Mapping[str, JsonValue] = Field(description="Its fields, as for `kentongan draft --set`.")
    status: Literal["Exercise", "Test"] = Field(default="Exercise", description="CAP status.")
    public: bool = Field(default=False, description="A public exercise: on exercise instances, for everybody.")
    correct_after: Duration | None = Field(
        default=None, description="When its correction is sent, from its start; absent: none is."
    )
    settle: Duration = Field(default=60.0, description="How long receipts are waited for at the end.")
    targets: Targets = Targets()
    announce_before: Duration = Field(default=86_400.0, description="How long before a public exercise is announced.")
    notice: Mapping[str, JsonValue] = Field(
        default_factory=dict, description=f"The announcement's fields (hazard {NOTICE}), but for starts."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        if self.correct_after is not None and self.correct_after > 1500:
            raise ValueError("correct_after is at most 25m: an officer's word on the correction lapses")
        if self.public and self.status != "Exercise":
            raise ValueError("a public exercise has status Exercise; take status out")
        if self.public and not self.notice:
            raise ValueError("a public exercise is announced; give the announcement's fields under notice")
        if self.notice and not self.public:
            raise ValueError("notice belongs to a public exercise; take it out, or set public: true")
        return self

    @property
    def content(self) -> dict[str, JsonValue]:
        """All of it as JSON, as it enters the digest that officers sign."""
        return self.model_dump(mode="json")


class Drills(Model):
    """drills.yaml."""

    scenarios: Mapping[str, Scenario] = Field(default_factory=dict, description="What is rehearsed, by name.")
    late_after: Duration = Field(default=900.0, description="A run that begins later after its time is dropped.")
    announce_at_least: Duration = Field(default=3600.0, description="A public exercise is announced so long before.")


def facts_at(facts: Mapping[str, JsonValue], types: Mapping[str, str], start: datetime) -> dict[str, JsonValue]:
    """Returns a scenario's facts with times as they are for a run that begins at `start`.

    `types` are the types of the hazard's fields, by name: in a field that is no time, "now" is a word like others.
    """
    return {name: _at(value, start) if types.get(name) in _TIMES else value for name, value in facts.items()}


def _at(value: JsonValue, start: datetime) -> JsonValue:
    if isinstance(value, str):
        return _RELATIVE.sub(lambda match: match["before"] + _moment(match, start), value)
    if isinstance(value, Mapping):
        return {place: _at(each, start) for place, each in value.items()}
    return value


def _moment(match: re.Match[str], start: datetime) -> str:
    # Late: a config is read by whoever sends too, who reads no words.
    from kentongan.words.fields import duration

    by = (duration(match["by"]) or timedelta()) if match["by"] else timedelta()
    moment = start - by if match["sign"] == "-" else start + by
    return moment.replace(second=0, microsecond=0).isoformat()


# --- What a run has achieved ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measured:
    """What the ledger says of a run; times are milliseconds from the dispatch, None where it never happened.

    `deliveries` in all, of which `accepted` were taken by a provider. Of those, `receipted` could have been confirmed
    and `delivered` were. `corrected` of the `to_correct` deliveries of the correction were accepted, the last of them
    `corrected_after` its dispatch; `to_correct` is None where no correction belongs to the drill.
    """

    deliveries: int
    accepted: int
    first: Milliseconds | None
    last: Milliseconds | None
    receipted: int = 0
    delivered: int = 0
    to_correct: int | None = None
    corrected: int = 0
    corrected_after: Milliseconds | None = None

    @property
    def accepted_share(self) -> float:
        """Share of all deliveries that a provider took."""
        return self.accepted / self.deliveries if self.deliveries else 0.0

    @property
    def delivered_share(self) -> float | None:
        """Share delivered of what has receipts; None where nothing has."""
        return self.delivered / self.receipted if self.receipted else None


@dataclass(frozen=True, slots=True)
class Part:
    """One target: what was wanted, what was achieved (None: never), and how much of it that is worth, 0 to 1."""

    name: str
    wanted: float
    achieved: float | None
    worth: float

    @property
    def met(self) -> bool:
        """Whether the target was reached in full."""
        return self.worth >= 1


def parts(measured: Measured, targets: Targets) -> tuple[Part, ...]:
    """Compares a run with its targets; those that nothing can be said of (no receipts, no correction) are left out.

    A time is worth 1 up to its target and falls evenly to 0 at three times that; the last acceptance and the
    correction count for no more than the share that was reached.
    """
    found = [
        Part("first", targets.first, _seconds(measured.first), _timely(measured.first, targets.first)),
        Part(
            "last",
            targets.last,
            _seconds(measured.last),
            _timely(measured.last, targets.last) * measured.accepted_share,
        ),
    ]
    share = measured.delivered_share
    if share is not None:
        found.append(Part("delivered", targets.delivered, share, min(1.0, share / targets.delivered)))
    if measured.to_correct is not None:
        reached = measured.corrected / measured.to_correct if measured.to_correct else 0.0
        timely = _timely(measured.corrected_after, targets.correction)
        found.append(
            Part("correction", targets.correction, _seconds(measured.corrected_after), timely * min(1.0, reached))
        )
    return tuple(found)


def score(measured: Measured, targets: Targets) -> int:
    """A run's score from 0 to 100: the mean worth of its parts."""
    worth = [part.worth for part in parts(measured, targets)]
    return round(100 * sum(worth) / len(worth))


def _timely(after: Milliseconds | None, target: float) -> float:
    if after is None:
        return 0.0
    return min(1.0, max(0.0, 1 - (after / 1000 - target) / (2 * target)))


def _seconds(after: Milliseconds | None) -> float | None:
    return after / 1000 if after is not None else None


_BARS = "▁▂▃▄▅▆▇█"


def spark(scores: Sequence[int | None]) -> str:
    """A line of bars, one for each run, from 0 to 100; a run without a score is a dot."""
    return "".join("·" if each is None else _BARS[min(7, each * 8 // 100)] for each in scores)


# --- How a run goes on ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Course:
    """Where a run stands. Times are wall time; `corrected_at` is the dispatch of its correction.

    `sending`: something of the alert or its correction is still to be sent. `confirmed`: no receipt is missing.
    """

    now: Milliseconds
    began: Milliseconds
    sending: bool
    confirmed: bool
    last_activity: Milliseconds
    correct_after: float | None
    corrected_at: Milliseconds | None
    settle: float


Step = Literal["wait", "correct", "finish"]

_GIVES_UP_AFTER: Milliseconds = 3_600_000
"""A run whose channel is held is not waited for longer than this."""


def next_step(course: Course) -> Step:
    """What is done next of a running drill."""
    if course.correct_after is not None and course.corrected_at is None:
        return "correct" if course.now >= course.began + round(course.correct_after * 1000) else "wait"
    since = course.corrected_at if course.corrected_at is not None else course.began
    if course.now >= since + _GIVES_UP_AFTER:
        return "finish"
    if course.sending:
        return "wait"
    if course.confirmed or course.now >= max(since, course.last_activity) + round(course.settle * 1000):
        return "finish"
    return "wait"
