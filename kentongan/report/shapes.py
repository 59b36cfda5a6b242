"""What a report says: an alert with its whole thread, as values. Times are wall times, spans are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

from kentongan.answers import Meaning
from kentongan.banners import BANNERS, SANDBOX
from kentongan.clock import Milliseconds
from kentongan.overview import Cause, Overview
from kentongan.quick_dataclass import dataclass
from kentongan.report.remedies import Remedy
from kentongan.seam import Mode


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, `at` the time when it was recorded.

    `signed`: by an officer's key; None where the act takes no signature. `alone`: the glass was broken. `reason`: what
    they gave for it, "" where none is asked. `people`: how many they were shown, None where the act shows none.
    """

    at: Milliseconds
    who: str
    act: str
    reason: str
    people: int | None
    signed: bool | None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that went with a message; `digest` is the SHA-256 that officers signed."""

    name: str
    description: str
    digest: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message word for word; `as_sent` where every late fact stands in it as it went out.

    `template`: the provider's approved template that it went through, "" where none.
    """

    channel: str
    language: str
    code: str
    mark: str
    title: str
    text: str
    template: str
    images: tuple[Image, ...]
    as_sent: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; `after` is the time since the dispatch, None before it.

    `channel`: the one it is about, "" for the alert as a whole. `marked`: it stands in the picture too.
    """

    at: Milliseconds
    after: Milliseconds | None
    what: str
    channel: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """One channel after the press: its first request, first and last acceptance; None where there is none."""

    channel: str
    begun: Milliseconds | None
    first: Milliseconds | None
    last: Milliseconds | None


@dataclass(frozen=True, slots=True)
class Retries:
    """How many attempts of a channel were followed by another, for the same reason."""

    channel: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Failure:
    """All deliveries that reached nobody, or perhaps nobody, and call for the same remedy; the most frequent first."""

    remedy: Remedy
    causes: tuple[Cause, ...]

    @property
    def count(self) -> int:
        """How many deliveries."""
        return sum(cause.count for cause in self.causes)


@dataclass(frozen=True, slots=True)
class Doubt:
    """How many deliveries of a channel were ever in doubt, by how that was resolved and what they are now."""

    channel: str
    how: str
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """Doubts that an officer settled with one word; `deliveries` are as many, in the order of record."""

    at: Milliseconds
    deliveries: tuple[int, ...]
    who: str
    evidence: str

    @property
    def what(self) -> str:
        """Which deliveries, in words: one by its number, several by how many they are."""
        if len(self.deliveries) == 1:
            return f"delivery {self.deliveries[0]}"
        return f"{len(self.deliveries):,} deliveries"


@dataclass(frozen=True, slots=True)
class Receipts:
    """How many receipts of a channel said the same."""

    channel: str
    confirmed: str
    count: int


@dataclass(frozen=True, slots=True)
class Post:
    """A message to everybody that the provider shows at `url`."""

    channel: str
    language: str
    url: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What people answered: `asked` were reached, `answered` of all who wrote; `counts` by what they said last."""

    asked: int
    answered: int
    counts: Mapping[Meaning, int]


@dataclass(frozen=True, slots=True)
class Orchestration:
    """How the sending was shown in Prefect: `through` says for every channel by what way it was begun."""

    began: bool
    ended: str
    lost: tuple[str, ...]
    through: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that a drill was measured by."""

    name: str
    wanted: str
    was: str
    met: bool


@dataclass(frozen=True, slots=True)
class DrillScore:
    """How a run of a drill went, out of 100; `score` is None while it runs, and where it was stopped, for `why`.

    `scenario` is "" where the alert was drafted by hand. `scores`: those of this scenario's runs up to this one.
    """

    scenario: str
    state: str
    why: str
    score: int | None
    targets: tuple[Target, ...]
    scores: tuple[tuple[Milliseconds, int], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One alert of the thread. `sketch`: its area as SVG, "" where it has none that can be drawn."""

    standing: Overview
    title: str
    places: tuple[str, ...]
    sketch: str
    decisions: tuple[Decision, ...]
    messages: tuple[Message, ...]
    posts: tuple[Post, ...]
    spans: tuple[Span, ...]
    timeline: tuple[Moment, ...]
    people: int
    retries: tuple[Retries, ...]
    failures: tuple[Failure, ...]
    doubts: tuple[Doubt, ...]
    resolved: tuple[Resolved, ...]
    receipts: tuple[Receipts, ...]
    answers: Answers
    orchestration: Orchestration
    drill: DrillScore | None

    @property
    def code(self) -> str:
        """The alert's code."""
        return self.standing.alert.code

    @property
    def totals(self) -> Mapping[str, int]:
        """Deliveries of all channels by the word officers see."""
        counted: dict[str, int] = {}
        for channel in self.standing.channels:
            for word, count in channel.words.items():
                counted[word] = counted.get(word, 0) + count
        return counted

    @property
    def first(self) -> Milliseconds | None:
        """From the press to the first acceptance on any channel."""
        return min((span.first for span in self.spans if span.first is not None), default=None)

    @property
    def last(self) -> Milliseconds | None:
        """From the press to the last acceptance on any channel."""
        return max((span.last for span in self.spans if span.last is not None), default=None)


@dataclass(frozen=True, slots=True)
class Unsent:
    """An alert of the thread that was never dispatched, such as a correction that lay ready."""

    code: str
    kind: str
    state: str
    created_at: Milliseconds


@dataclass(frozen=True, slots=True)
class Damaged:
    """An alert of the thread that cannot be read; `sentence` says what to do."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Link:
    """The end of one chain of the record when the report was written."""

    chain: str
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on an alert and its thread. `now`: when it was read; `asked`: the code it was asked for by.

    `parts`: the alerts that were dispatched, oldest first, and the one asked for. `persons`: how many people the thread
    has reached or may have reached, each once; `by_channel` the same by instance.
    """

    now: Milliseconds
    asked: str
    parts: tuple[Part, ...]
    unsent: tuple[Unsent, ...]
    damaged: tuple[Damaged, ...]
    persons: int
    by_channel: Mapping[str, int]
    chains: tuple[Link, ...]

    @property
    def sandbox(self) -> bool:
        """Whether nothing of the thread has left for anything but a sandbox."""
        return bool(self.parts) and all(part.standing.sandbox for part in self.parts)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """What its messages were for: a thread has one mode, unless somebody tampered with it."""
        return tuple(dict.fromkeys(part.standing.alert.mode for part in self.parts))

    @property
    def banners(self) -> tuple[tuple[str, str], ...]:
        """What stands first and last, each with its kind."""
        sandbox = (("sandbox", SANDBOX),) if self.sandbox else ()
        return (*sandbox, *(("live" if mode is Mode.LIVE else "drill", BANNERS[mode]) for mode in self.modes))
