"""Pruning by the command line: it shows what goes and what stays, asks, and refuses with words."""

from __future__ import annotations

from pathlib import Path

import pytest

from kentongan.clock import SystemClock
from kentongan.keys import StateKeys
from kentongan.ledger import dispatches, outcomes
from kentongan.pruning import DAY
from tests.kentongan.ledger.scenes import StandingClock, expand_all, open_at, public, put_dispatch


@pytest.fixture
def long_ago(surroundings: Path) -> Path:
    """A state directory in which two alerts were sent and stopped a hundred days ago; returns it."""
    state = surroundings / "state"
    state.mkdir(mode=0o700)
    StateKeys.open(state)
    now = SystemClock().wall() - 100 * DAY
    with open_at(state / "ledger.db", clock=StandingClock(wall_at=now)) as ledger:
        for id, code in (("first", "K7Q4"), ("last", "W9MN")):
            instance = public("toots", now + DAY)
            ledger.write(
                lambda write, id=id, code=code, of=instance: put_dispatch(write, [of], id=id, code=code)  # type: ignore[misc]
            )
            expand_all(ledger, id)
            ledger.write(lambda write, id=id: dispatches.stop(write, id, by="siti", signed=False))  # type: ignore[misc]
            ledger.write(lambda write, id=id: outcomes.cancel_stopped(write, id))  # type: ignore[misc]
    return state


def test_it_shows_what_goes_asks_and_says_what_went(run, long_ago: Path, config: Path) -> None:
    assert run("log", "head").code == 0
    assert "deliveries_kept_days" in run("prune").err
    assert run("prune").code == 2
    shown = run("prune", "--older-than", "30", "--dry-run")
    assert "Goes: K7Q4: 2 deliveries" in shown.out
    assert "Stays: W9MN: it was the last that was sent." in shown.out
    assert run("prune", "--older-than", "120", "--dry-run").out.endswith("There is nothing to prune.\n")
    assert "give --yes" in run("prune", "--older-than", "30").err
    with (config / "policy.yaml").open("a") as policy:
        policy.write("\ndeliveries_kept_days: 60\n")
    refused = run("prune", "--older-than", "30", "--yes")
    assert refused.code == 3
    assert "for as long as a correction may come" in refused.err
    assert run("prune", "--dry-run", "--json").json["goes"] == [{"thread": ["K7Q4"], "deliveries": 2, "begun": False}]
    pruned = run("prune", "--json").json
    assert (pruned["pruned"], pruned["deliveries"], pruned["waits"]) == (["K7Q4"], 2, False)
    assert "cancelled" in run("report", "K7Q4", "--kept").out
    written = config.parent / "kept.html"
    assert run("report", "K7Q4", "--kept", "-o", written).code == 0
    assert "pruned from the record" not in written.read_text()
    assert "html" in run("report", "K7Q4", "--kept", "--format", "csv").err
    assert "is not pruned" in run("report", "W9MN", "--kept").err
    standing = run("status", "K7Q4")
    assert "2 cancelled" in standing.out
    assert "pruned from the record" in standing.out
    assert run("status", "K7Q4", "--json").json["pruned_at"]
    assert "pruned from the record" in run("report", "K7Q4", "--format", "csv").err
    assert "pruned: 2 deliveries" in run("log", "K7Q4").out
    verified = run("log", "verify", "--json").json
    assert verified["differences"] == []
    assert verified["pruned"] > 0
    assert "send a new alert" in run("cancel", "K7Q4").err
    assert run("prune", "--json").json["goes"] == []


def test_a_pruned_ledger_is_backed_up_and_restored(run, long_ago: Path, config: Path, tmp_path: Path) -> None:
    assert run("prune", "--older-than", "30", "--json").json["pruned"] == ["K7Q4"]
    backup = run("backup", tmp_path / "copy")
    assert "With 1 report on pruned alerts." in backup.out
    (copy,) = (tmp_path / "copy").iterdir()
    written = run("report", "K7Q4", "--kept").out
    with open_at(long_ago / "ledger.db") as ledger:
        ledger.write(lambda write: write.sql("UPDATE kept_report SET page = 'forged'"))
    assert "is not the one that was written" in run("log", "verify").out
    assert "is damaged" in run("report", "K7Q4", "--kept").err
    restored = run("restore", copy, "--over", "--json")
    assert restored.json["reports"] == {"there": 1, "missing": []}
    assert run("report", "K7Q4", "--kept").out == written
    assert run("log", "verify").code == 0
    assert "2 cancelled" in run("status", "K7Q4").out
