"""Words and their pictures: a picture goes up before the words, and never keeps them back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kentongan.dispatcher import uploads
from kentongan.ledger import pictures, renderings
from kentongan.pictures import digest_of
from kentongan.seam import (
    Accepted,
    Credential,
    InDoubt,
    Job,
    Media,
    Outcome,
    Pending,
    Rejected,
    Rendered,
    Retryable,
    Traits,
    Uploaded,
    Why,
)
from tests.kentongan.sending import Place, ScriptedChannel

CONTENT = b"a map"
POSTS = Traits(public=True, find=True, upload=True, settling=0.0)


class Illustrated(ScriptedChannel):
    """Answers each step of an upload in turn, the last one for ever; keeps what each send was handed."""

    def __init__(self, *steps: Uploaded | Outcome) -> None:
        super().__init__("toots", traits=POSTS)
        self.steps = list(steps)
        self.asked: list[str] = []
        self.handed: list[tuple[tuple[Media, ...], Uploaded | None]] = []

    def _step(self, what: str) -> Uploaded | Outcome:
        self.asked.append(what)
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        assert [media.content for media in message.media] == [CONTENT]
        return self._step("upload")

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        return self._step(f"advance {dict(job.handle or {})}")

    async def send(self, message, jobs, uploaded):  # type: ignore[no-untyped-def]
        self.handed.append((message.media, uploaded))
        return await super().send(message, jobs, uploaded)


async def sent(place: Place, channel: Illustrated, *, lost: bool = False) -> None:
    """Sends an alert in two languages, each with a picture; `lost`: the ledger has that no more."""
    id = place.dispatch(channel)

    def illustrate(write) -> None:  # type: ignore[no-untyped-def]
        pictures.put(write, [CONTENT])
        media = (Media("map.png", "image/png", b"", "Peta", digest_of(CONTENT)),)
        renderings.put(write, id, [replace(each, media=media) for each in renderings.of(write, id)])

    place.ledger.write(illustrate)
    if lost:
        place.ledger.write(lambda write: write.sql("UPDATE picture SET content = x'00'"))
    async with place.sending(channel) as dispatcher:
        assert await dispatcher.nudge(id)
        await dispatcher.finished(id)
    assert place.words(instance="toots") == {"accepted": 2}, "the words went"


async def test_a_picture_goes_up_once_a_language_before_its_words(place: Place) -> None:
    there = Uploaded({"map.png": "m1"})
    channel = Illustrated(Pending({"step": "wait"}, 0.0, irreversible_next=False), there)
    await sent(place, channel)
    assert channel.asked[:2] == ["upload", "advance {'step': 'wait'}"]
    assert [uploaded for _, uploaded in channel.handed] == [there, there]
    assert place.events("instance.without_pictures") == []


@pytest.mark.parametrize("refusal", [Rejected("too large", Why.PAYLOAD), Credential("status 403"), Accepted("9")])
async def test_words_go_without_a_picture_that_is_refused(place: Place, refusal: Outcome) -> None:
    channel = Illustrated(refusal)
    await sent(place, channel)
    assert channel.asked == ["upload"] * 2
    assert [uploaded for _, uploaded in channel.handed] == [Uploaded({})] * 2
    told = [(event.data["instance"], event.data["language"]) for event in place.events("instance.without_pictures")]
    assert sorted(told) == [("toots", "en"), ("toots", "id")]


@pytest.mark.parametrize(
    "answer",
    [Retryable("throttled", 900.0), InDoubt("no answer"), Pending({"step": "wait"}, 60.0, irreversible_next=False)],
)
async def test_words_wait_for_a_picture_only_so_long(
    place: Place, monkeypatch: pytest.MonkeyPatch, answer: Outcome
) -> None:
    monkeypatch.setattr(uploads, "_PATIENCE", 50)
    channel = Illustrated(answer)
    await sent(place, channel)
    assert [uploaded for _, uploaded in channel.handed] == [Uploaded({})] * 2
    assert len(place.events("instance.without_pictures")) == 2


async def test_words_go_without_a_picture_that_the_ledger_has_lost_and_that_is_on_record(place: Place) -> None:
    channel = Illustrated(Uploaded({"map.png": "m1"}))
    await sent(place, channel, lost=True)
    assert channel.asked == []
    assert [media for media, _ in channel.handed] == [(), ()]
    told = [(event.data["language"], event.data["reason"]) for event in place.events("instance.without_pictures")]
    assert told == [(language, "one of them is not in the ledger as it was approved") for language in ("en", "id")]
