"""What providers answer is counted as the core takes it, and changed in nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from console.service.metrics import Metrics
from console.service.observed import ObservedChannels
from kentongan.seam import Accepted, Credential, InDoubt, Pending, Rejected, Retryable, Uploaded, Why
from tests.kentongan.sending import ScriptedChannel

ALL = (
    Accepted("1"),
    Pending({}, 1.0, irreversible_next=True),
    Retryable("busy"),
    Rejected("unknown", Why.ADDRESS),
    Credential("refused"),
    InDoubt("reset"),
)
JOBS: Sequence[Any] = [object()] * len(ALL)
MESSAGE: Any = object()


class Answering(ScriptedChannel):
    """Answers what it was given, raises it, or never answers."""

    def __init__(self, answers: Any) -> None:
        super().__init__("sms")
        self.answers = answers

    async def send(self, message: Any, jobs: Any, uploaded: Any) -> Any:
        if self.answers is None:
            await asyncio.Event().wait()
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    async def advance(self, message: Any, job: Any) -> Any:
        return self.answers[0]


def counted(metrics: Metrics) -> dict[str, float]:
    families = {family.name: family for family in metrics.counted()}
    assert {sample.labels["channel"] for sample in families["kentongan_attempts"].samples} <= {"sms"}
    return {sample.labels["outcome"]: sample.value for sample in families["kentongan_attempts"].samples}


async def test_every_answer_is_counted_by_its_kind_and_handed_on() -> None:
    metrics = Metrics()
    channel = ObservedChannels({"sms": Answering(ALL)}, metrics)["sms"]
    assert await channel.send(MESSAGE, JOBS, None) is ALL
    assert counted(metrics) == dict.fromkeys(
        ("accepted", "pending", "retryable", "rejected", "credential", "in_doubt"), 1
    )
    assert await channel.advance(MESSAGE, JOBS[0]) is ALL[0]
    assert counted(metrics)["accepted"] == 2


@pytest.mark.parametrize("answers", [RuntimeError("a mistake"), None, (Accepted("1"),)], ids=["fails", "late", "short"])
async def test_an_adapter_that_fails_is_late_or_answers_for_others_leaves_doubt(answers: object) -> None:
    metrics = Metrics()
    channel = ObservedChannels({"sms": Answering(answers)}, metrics)["sms"]
    with contextlib.suppress(RuntimeError, TimeoutError):
        async with asyncio.timeout(0.01):
            await channel.send(MESSAGE, JOBS, None)
    assert counted(metrics) == {"in_doubt": len(JOBS)}


async def test_an_upload_is_no_answer_and_all_else_is_the_channels_own() -> None:
    metrics = Metrics()
    inner = Answering((Uploaded({}),))
    channels = ObservedChannels({"sms": inner}, metrics)
    channel = channels["sms"]
    assert channels["sms"] is channel
    assert list(channels) == ["sms"]
    await channel.advance(MESSAGE, JOBS[0])
    assert counted(metrics) == {}
    assert (channel.name, channel.traits, channel.limits) == (inner.name, inner.traits, inner.limits)
    with pytest.raises(KeyError):
        channels["toots"]
