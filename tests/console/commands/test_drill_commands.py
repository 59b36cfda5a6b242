"""Drills as an officer types them: what is said to be next is what works."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.console.commands.conftest import AsOfficer, Run

FACTS = {"magnitude": 6.3, "origin_time": "now-3min", "place": "28 km NW of Manna", "area": "Manna"}


@pytest.fixture
def rehearsing(config: Path) -> Path:
    """The config with one drill, which is measured a second after it."""
    drills = {"scenarios": {"quake": {"hazard": "earthquake", "facts": FACTS, "settle": "1s"}}}
    (config / "drills.yaml").write_text(yaml.safe_dump(drills))
    return config


@pytest.fixture
def drill(run: Run, as_officer: AsOfficer, rehearsing: Path) -> str:
    """The code of a drill that siti has submitted. budi is logged in."""
    as_officer("siti")
    made = run("drill", "run", "quake", "--json")
    assert made.code == 0, made.err
    code = str(made.json["code"])
    as_officer("budi")
    return code


def test_whoever_approves_a_drill_is_told_to_run_it(run: Run, drill: str) -> None:
    said = run("approve", drill).out.splitlines()
    assert said[-1] == f"Next: kentongan drill run {drill}"
    ran = run("drill", "run", drill)
    assert ran.code == 0, ran.err
    assert "Drill quake: 100 of 100" in ran.out


@pytest.mark.parametrize("more", [(), ("--break-glass", "nobody else is awake")])
def test_a_drill_that_is_to_be_measured_is_not_sent_past_its_measurement(
    run: Run, drill: str, more: tuple[str, ...]
) -> None:
    run("approve", drill)
    refused = run("send", drill, *more)
    assert refused.code == 3
    assert f"kentongan drill run {drill}" in refused.err
    assert run("status", drill, "--json").json["state"] == "approved"


def test_a_drill_drafted_by_hand_is_sent_like_any_alert(run: Run, approved, rehearsing: Path) -> None:
    assert run("send", approved("--drill")).code == 0


def test_what_is_known_only_later_is_named_in_what_a_schedule_shows(
    run: Run, as_officer: AsOfficer, rehearsing: Path
) -> None:
    as_officer("siti")
    shown = run("drill", "schedule", "quake", "--every", "daily 06:00").out
    assert "‹sent id›" in shown
    assert "sent_id" not in shown
