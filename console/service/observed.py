"""What providers answered to this process, counted where it is heard: the ledger keeps only what it meant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from kentongan.seam import (
    Accepted,
    Channel,
    Credential,
    InDoubt,
    Job,
    Outcome,
    Pending,
    Rejected,
    Rendered,
    Retryable,
    Uploaded,
)

OUTCOMES: Mapping[type[object], str] = {
    Accepted: "accepted",
    Pending: "pending",
    Retryable: "retryable",
    Rejected: "rejected",
    Credential: "credential",
    InDoubt: "in_doubt",
}
"""Answers by the word under which they are counted; an adapter that fails or is too late leaves doubt."""

_DOUBT = OUTCOMES[InDoubt]


class Counting(Protocol):
    """Whoever counts."""

    def answered(self, instance: str, word: str, count: int) -> None:
        """So many messages of an instance were answered alike."""

    def took(self, instance: str, seconds: float) -> None:
        """One request of an instance has ended."""


class _Observed:
    """A channel that tells what its requests came to; all else is the channel's own."""

    def __init__(self, channel: Channel, counting: Counting) -> None:
        self._channel = channel
        self._counting = counting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def send(self, message: Rendered, jobs: Sequence[Job], uploaded: Uploaded | None) -> Sequence[Outcome]:
        answers: Sequence[object] = ()
        began = time.monotonic()
        try:
            sent = answers = await self._channel.send(message, jobs, uploaded)
        finally:
            self._count(answers, len(jobs), began)
        return sent

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        answers: Sequence[object] = ()
        began = time.monotonic()
        try:
            answer = await self._channel.advance(message, job)
            answers = (answer,)
        finally:
            self._count(answers, 1, began)
        return answer

    def _count(self, answers: Sequence[object], asked: int, began: float) -> None:
        self._counting.took(self._channel.name, time.monotonic() - began)
        counted: dict[str, int] = {}
        for answer in answers:
            if not isinstance(answer, Uploaded):
                word = OUTCOMES.get(type(answer), _DOUBT)
                counted[word] = counted.get(word, 0) + 1
        if len(answers) != asked:
            counted = {_DOUBT: asked}
        for word, count in counted.items():
            self._counting.answered(self._channel.name, word, count)


class ObservedChannels(Mapping[str, Channel]):
    """The channels of `opened`, each with its requests counted."""

    def __init__(self, opened: Mapping[str, Channel], counting: Counting) -> None:
        self._opened = opened
        self._counting = counting
        self._observed: dict[str, Channel] = {}

    def __getitem__(self, name: str) -> Channel:
        channel = self._opened[name]
        if name not in self._observed:
            self._observed[name] = cast("Channel", _Observed(channel, self._counting))
        return self._observed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)
