"""Officers see by which rule a channel was chosen, and what is odd about the rules, before a crisis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.console.commands.conftest import AsOfficer, Ran, quake

Run = Callable[..., Ran]
SMS = """\
  sms-{mode}:
    kind: kannel
    mode: {mode}
    sandbox: true
    base_url: http://127.0.0.1:1
    username: siaga
    password: {{env: A_SECRET}}
    sender: BPBD
    audience: all
"""
ROUTES = """\
groups: {sms: [sms-live, sms-drill], feeds: [feed-live, feed-drill]}
routes:
  - {name: strong, when: {severity: [Extreme, Severe]}, to: [feeds]}
  - {name: all, to: [feeds]}
  - {name: dead, when: {hazard: [earthquake]}}
fallback: {after: 2m, on: [sms], to: [sms-other]}
"""


@pytest.fixture
def routed(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("A_SECRET", "gateway")
    channels = (config / "channels.yaml").read_text() + SMS.format(mode="live") + SMS.format(mode="drill")
    (config / "channels.yaml").write_text(channels)
    (config / "audiences.yaml").write_text("audiences: {all: {}}\n")
    (config / "routes.yaml").write_text(ROUTES.replace("sms-other", "fax"))
    return config


def test_check_finds_what_is_wrong_and_what_is_odd(run: Run, routed: Path) -> None:
    ran = run("check")
    assert ran.code == 2
    assert "routes.yaml: fallback.0: 'fax' is no channel and no group" in ran.out
    (routed / "routes.yaml").write_text(ROUTES.split("fallback")[0])
    ran = run("check")
    assert "routes.dead: can never match" in ran.out
    assert "FAULT routes" not in ran.out


def test_preview_says_which_rule_chose_a_channel(run: Run, routed: Path, as_officer: AsOfficer) -> None:
    (routed / "routes.yaml").write_text(ROUTES.split("fallback")[0])
    code = str(run(*quake("--drill", "--set", "severity=Severe"), "--json").json["code"])
    ran = run("preview", code)
    assert "--- feed-drill" in ran.out
    assert ", by rule strong" in ran.out
    assert "sms-drill" not in ran.out
    assert {each["rule"] for each in run("preview", code, "--json").json["messages"]} == {"strong"}
    as_officer("siti")
    code = str(run(*quake("--drill", "--set", "severity=Severe"), "--json").json["code"])
    assert run("submit", code).code == 0
    assert ", by rule strong" in run("preview", code).out
