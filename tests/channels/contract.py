"""What every channel must keep to, as a suite that a kind subclasses in a few lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
import pytest

import channels
from channels._adapter import ChannelSettings
from kentongan.seam import (
    Accepted,
    Address,
    InDoubt,
    Job,
    Mode,
    Posted,
    Rejected,
    Rendered,
    Retryable,
    Why,
    slot,
)

SECRET = "s3cr3t-of-the-agency"
MARK = "[DRILL]"
SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WORDS = "Gempa M6,1 di laut. Jauhi pantai & bangunan <retak>. ñ – €"


def rendered(mode: Mode = Mode.LIVE, text: str = WORDS, **changes: Any) -> Rendered:
    mark = MARK if mode is Mode.DRILL else ""
    words = f"{mark} {text} K7Q4-ID {mark}".strip()
    message = Rendered(
        alert_id="alert-1",
        instance="instance",
        language="id",
        kind="alert",
        mode=mode,
        code="K7Q4-ID",
        mark=mark,
        title=f"{mark} Gempa bumi".strip(),
        text=words,
    )
    return replace(message, **changes)


class ChannelScene:
    """Subclasses name the kind, the settings that differ from the common ones, and an address where it is direct."""

    kind: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    to: ClassVar[Address | None] = None

    def configured(self, base_url: str, mode: Mode = Mode.LIVE, **changes: Any) -> ChannelSettings:
        fields = {"kind": self.kind, "mode": mode, "base_url": base_url, "deadline": 5.0, **self.settings, **changes}
        return channels.settings_model(self.kind).model_validate(fields)

    def message(self, mode: Mode = Mode.LIVE, **changes: Any) -> Rendered:
        return rendered(mode, **changes)

    def job(self, key: str = "key-1", **changes: Any) -> Job:
        return Job(key, self.to, SINCE, **changes)

    @asynccontextmanager
    async def opened(
        self, settings: ChannelSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> AsyncIterator[Any]:
        channel = channels.adapter(self.kind)("instance", settings, transport=transport)
        try:
            yield channel
        finally:
            await channel.close()

    @pytest.fixture(autouse=True)
    def _secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KENTONGAN_TEST_SECRET", SECRET)


class ChannelContract(ChannelScene):
    """What every kind must keep to."""

    @pytest.fixture
    def base_url(self) -> str:
        return "https://feed.example"

    def happened(self) -> int:
        """How many irreversible acts the provider has seen; a kind without a server counts what it published."""
        raise NotImplementedError

    @pytest.mark.parametrize("mode", list(Mode))
    async def test_a_message_of_the_other_mode_is_refused(self, base_url: str, mode: Mode) -> None:
        other = Mode.DRILL if mode is Mode.LIVE else Mode.LIVE
        async with self.opened(self.configured(base_url, mode)) as channel:
            (outcome,) = await channel.send(self.message(other), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD
        assert self.happened() == 0

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda m: replace(m, mark=""),
            lambda m: replace(m, text=m.text.removeprefix(MARK)),
            lambda m: replace(m, text=m.text.removesuffix(MARK)),
            lambda m: replace(m, text=f"Ini {m.text}"),
            lambda m: replace(m, text=MARK),
        ],
        ids=["none", "not first", "not last", "not at the front", "only once"],
    )
    async def test_a_drill_without_its_mark_first_and_last_is_refused(
        self, base_url: str, spoil: Callable[[Rendered], Rendered]
    ) -> None:
        async with self.opened(self.configured(base_url, Mode.DRILL)) as channel:
            (outcome,) = await channel.send(spoil(self.message(Mode.DRILL)), [self.job()], None)
            edited = await channel.edit(Posted("1"), spoil(self.message(Mode.DRILL)), self.job())
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD
        assert isinstance(edited, Rejected)
        assert self.happened() == 0

    async def test_a_live_message_with_a_drill_mark_is_refused(self, base_url: str) -> None:
        async with self.opened(self.configured(base_url)) as channel:
            (outcome,) = await channel.send(replace(self.message(), mark=MARK), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert self.happened() == 0

    async def test_a_marked_drill_leaves_a_drill_instance(self, base_url: str) -> None:
        async with self.opened(self.configured(base_url, Mode.DRILL)) as channel:
            (outcome,) = await channel.send(self.message(Mode.DRILL), [self.job()], None)
        assert isinstance(outcome, Accepted)
        assert self.happened() == 1

    async def test_a_message_for_the_wrong_readers_is_refused(self, base_url: str) -> None:
        wrong = Address("elsewhere", "1234567")
        async with self.opened(self.configured(base_url)) as channel:
            (outcome,) = await channel.send(self.message(), [replace(self.job(), to=wrong)], None)
        assert isinstance(outcome, Rejected)
        assert self.happened() == 0

    async def test_a_slot_without_a_value_is_refused(self, base_url: str) -> None:
        message = self.message(text=f"{WORDS} {slot('sent')} K7Q4-ID")
        async with self.opened(self.configured(base_url)) as channel:
            (outcome,) = await channel.send(message, [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert self.happened() == 0

    async def test_one_send_is_one_act_and_outcomes_stand_in_the_order_of_jobs(self, base_url: str) -> None:
        async with self.opened(self.configured(base_url)) as channel:
            assert list(await channel.send(self.message(), [], None)) == []
            outcomes = await channel.send(self.message(), [self.job("a"), self.job("b")], None)
        assert isinstance(outcomes[0], Accepted)
        assert isinstance(outcomes[1], Retryable)
        assert self.happened() == 1

    async def test_traits_promise_nothing_that_is_not_there(self, base_url: str) -> None:
        async with self.opened(self.configured(base_url)) as channel:
            if not channel.traits.edit:
                assert isinstance(await channel.edit(Posted("1"), self.message(), self.job()), Rejected)
            if not channel.traits.delete:
                assert isinstance(await channel.delete(Posted("1"), self.job()), Rejected)
            if not channel.traits.find:
                assert isinstance(await channel.find(self.message(), self.job()), InDoubt)
            assert await channel.upload(replace(self.message(), media=())) is not None
        assert self.happened() == 0

    async def test_limits_need_no_opening(self, base_url: str) -> None:
        settings = self.configured(base_url)
        async with self.opened(settings) as channel:
            assert channels.limits(settings) == channel.limits
            assert channel.limits.concurrency <= 16
            assert (channel.name, channel.mode, channel.kind) == ("instance", Mode.LIVE, self.kind)

    def test_every_setting_is_described(self) -> None:
        for name, field in channels.settings_model(self.kind).model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name
