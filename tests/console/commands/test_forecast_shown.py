"""Officers see before sending by when everybody would have it, and who would be too late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.console.commands.conftest import AsOfficer, Ran, quake
from tests.console.commands.test_routes_shown import SMS

BOT = """\
  bot-live:
    kind: telegram
    mode: live
    sandbox: true
    base_url: http://127.0.0.1:1
    token: {env: A_SECRET}
    audience: all
"""


@pytest.fixture
def slow(config: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Ran], as_officer: AsOfficer) -> Path:
    """Ten people by SMS at one in five minutes, which is of use for half an hour; all have Telegram too."""
    as_officer("siti")
    monkeypatch.setenv("A_SECRET", "gateway")
    sms = SMS.format(mode="live") + "    rate: 0.00334\n"
    (config / "channels.yaml").write_text((config / "channels.yaml").read_text() + sms + BOT)
    (config / "audiences.yaml").write_text("audiences: {all: {}}\n")
    rows = "".join(f"+62812000000{n:02},{7000 + n}\n" for n in range(10))
    assert run("people", "import", "-", stdin=f"phone,telegram\n{rows}").code == 0
    return config


def test_preview_and_send_say_who_would_be_too_late(run: Callable[..., Ran], slow: Path, as_officer: AsOfficer) -> None:
    code = str(run(*quake(), "--json").json["code"])
    warning = "20 minutes later than it is of use there; 4 of the 4 who would be too late also have bot-live"
    for _ in ("a draft", "submitted"):
        shown = run("preview", code)
        assert "Everyone by" in shown.out
        assert "(50 minutes)" in shown.out
        assert "WARNING (late): sms-live will have reached 10 people at " in shown.out
        assert warning in shown.out.replace("\n", " ")
        told = {each["channel"]: each for each in run("preview", code, "--json").json["forecast"]}
        assert (told["sms-live"]["too_late"], told["sms-live"]["bound_by"]) == (4, "channel")
        assert told["sms-live"]["too_late_have_also"] == {"bot-live": 4}
        assert told["bot-live"]["warning"] is None
        run("submit", code)
    as_officer("budi")
    assert run("approve", code).code == 0
    # It blocks nothing, and is said before the place is looked at.
    ran = run("send", code, "--place", "nowhere")
    assert ran.code == 2
    assert "warning: sms-live will have reached 10 people at" in ran.err
    assert "is no place of this alert" in ran.sentences[-1]
    assert "(50 minutes)" in ran.out
    assert run("preview", code, "--correction", "--json").json["forecast"] is None


def test_preview_says_by_when_the_nearest_would_have_it(run: Callable[..., Ran], slow: Path) -> None:
    listed = "code,name,lat,lon\n17.01,Manna,-4.5,102.9\n17.71,Kota Bengkulu,-3.8,102.27\n"
    assert run("regions", "import", "-", stdin=listed).code == 0
    rows = "".join(f"+62812000000{n:02},{7000 + n},{'17.01' if n > 7 else '17.71'}\n" for n in range(10))
    assert run("people", "import", "-", stdin=f"phone,telegram,regions\n{rows}").code == 0
    code = str(run(*quake("--set", "latitude=-4.46", "--set", "longitude=102.8"), "--json").json["code"])
    for _ in ("a draft", "submitted"):
        shown = run("preview", code).out.replace("\n", " ")
        assert "sms-live writes to the nearest and worst hit first: 2 people by " in shown
        told = {each["channel"]: each for each in run("preview", code, "--json").json["forecast"]}
        assert told["sms-live"]["nearest"]["people"] == 2
        assert told["sms-live"]["nearest"]["seconds"] < told["sms-live"]["seconds"] / 4
        run("submit", code)
