"""A channel that comes into the config while the service runs: an alert for it goes out, and waits for no restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flows.house import House
from flows.opened import OpenedChannels
from tests.console.service.serving import scene, until
from tests.installation import sms

pytestmark = pytest.mark.slow


def configure(config: Path, channels: dict[str, object]) -> None:
    (config / "channels.yaml").write_text(yaml.safe_dump({"channels": channels}))


async def test_a_channel_that_was_added_since_takes_its_alert_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, people=3) as there, there.serving() as service:
        assert service.ready["channels"] == ["sms"]
        configure(there.installation.config, {"later": sms(there.sandbox)})
        with there.installation.open() as house:
            desk = house.desk()
            alert_id = there.installation.draft(desk)
            there.installation.dispatch(desk, alert_id)
        await there.nudge(alert_id)
        await until(lambda: there.words(alert_id, "later") == {"accepted": 3})
        assert not there.events("instance.held")
        assert await service.end() == 0


async def test_a_config_that_was_broken_since_takes_nothing_from_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, people=1) as there:
        for name, value in there.installation.environment.items():
            monkeypatch.setenv(name, value)
        with House.open(there.installation.config, there.installation.state, role="service") as house:
            opened = OpenedChannels(house)
            sms_ = opened["sms"]
            (there.installation.config / "channels.yaml").write_text("channels: [")
            assert opened.get("later") is None
            assert opened["sms"] is sms_
            configure(there.installation.config, {"later": sms(there.sandbox), "sms": sms(there.sandbox)})
            later = opened["later"]
            assert opened["sms"] is sms_
            assert set(opened) == {"later", "sms"}
            for channel in (later, sms_):
                await channel.close()


async def test_an_unknown_name_reads_an_unchanged_config_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, people=1) as there:
        for name, value in there.installation.environment.items():
            monkeypatch.setenv(name, value)
        with House.open(there.installation.config, there.installation.state, role="service") as house:
            opened = OpenedChannels(house)
            read: list[object] = []
            monkeypatch.setattr("kentongan.config_folder.load", lambda *given: read.append(given))
            assert [opened.get(name) for name in ("a", "b", "../c")] == [None] * 3
            assert not read
            await opened["sms"].close()
