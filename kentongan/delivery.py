"""The life of one delivery in words: stage, evidence, result (DESIGN section 3)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping


class Stage(enum.StrEnum):
    """Where our work stands; it goes round until it is done."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    SENDING = "sending"
    DONE = "done"


class Action(enum.StrEnum):
    """What is to be done next with a planned delivery."""

    SEND = "send"
    ADVANCE = "advance"  # the step after `Pending`
    FIND = "find"  # look whether a doubtful attempt arrived
    EDIT = "edit"  # mark the predecessor's message as withdrawn, after our own was accepted


class Phase(enum.StrEnum):
    """What an intent may cause: only an irreversible one can leave doubt behind."""

    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Evidence(enum.StrEnum):
    """What is known of one attempt; it only rises, in this order."""

    OPEN = "open"
    IN_DOUBT = "in_doubt"
    ABSENT = "absent"  # it certainly never left
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    UNREACHABLE = "unreachable"
    DELIVERED = "delivered"
    READ = "read"

    @property
    def rank(self) -> int:
        """Its place in the order."""
        return _RANK[self]


_RANK = {evidence: rank for rank, evidence in enumerate(Evidence)}


class Result(enum.StrEnum):
    """What is known of a delivery over all its attempts."""

    NONE = "none"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    IN_DOUBT = "in_doubt"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"

    @property
    def final(self) -> bool:
        """Whether nothing more needs to be done for it."""
        return self not in (Result.NONE, Result.IN_DOUBT)


REACHED = (Result.ACCEPTED, Result.DELIVERED, Result.READ, Result.IN_DOUBT)
"""Results on which a correction must follow: the words are out, or may be."""


class Closed(enum.StrEnum):
    """Why a delivery without a result was given up; evidence that comes later outranks it."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"


_STRONGEST = (
    (Evidence.READ, Result.READ),
    (Evidence.DELIVERED, Result.DELIVERED),
    (Evidence.ACCEPTED, Result.ACCEPTED),
    (Evidence.IN_DOUBT, Result.IN_DOUBT),
    (Evidence.UNREACHABLE, Result.UNREACHABLE),
    (Evidence.REJECTED, Result.REJECTED),
)


def result_of(evidence: Iterable[Evidence]) -> Result:
    """Derives a delivery's result from the evidence of its attempts."""
    seen = set(evidence)
    for kind, result in _STRONGEST:
        if kind in seen:
            return result
    return Result.NONE


def raised(known: Evidence, news: Evidence) -> Evidence:
    """The higher of what was known and what is new."""
    return news if news.rank > known.rank else known


_SUREST_FIRST = (*reversed(Result), *Closed, *reversed(Stage))


def word(stage: str, result: str, closed: str | None) -> str:
    """The one word an officer sees: the result, else why it was closed, else the stage."""
    if result != Result.NONE:
        return result
    return closed or stage


def told(words: Mapping[str, int]) -> str:
    """Deliveries by word as officers read them, what is surest first: "3,120 accepted, 2 in doubt"; "" for none."""
    places = {name.value: place for place, name in enumerate(_SUREST_FIRST)}
    known = sorted(words, key=lambda name: places.get(name, len(places)))
    return ", ".join(f"{words[name]:,} {name.replace('_', ' ')}" for name in known if words[name])
