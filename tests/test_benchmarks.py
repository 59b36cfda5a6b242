from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, FOLDER / name, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", sorted(path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text("utf-8"))
)
def test_a_benchmark_can_be_started(name: str) -> None:
    assert run(name, "--help")


def test_the_ledgers_benchmark_measures_with_the_record_and_without(tmp_path: Path) -> None:
    told = run("ledger.py", "--folder", str(tmp_path), "--people", "700", "--sends", "16", "--chunk", "200")
    assert "planning 700 people" in told
    assert told.count("with the record") == 3


def test_the_transports_benchmark_measures_both_in_turn(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    assert "ratio" in run("transport.py", "--rounds", "2", "--requests", "40", "--json", str(figures))
    rounds = json.loads(figures.read_text("utf-8"))["rounds"]
    assert [each["transport"] for each in rounds] == ["plain", "bulk"] * 2
    assert all(each["requests_per_second"] > 0 for each in rounds)


def test_the_cost_of_being_looked_at_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("watching.py", "--folder", str(tmp_path), "--deliveries", "300", "--seconds", "0.1", "--json", str(figures))
    told = json.loads(figures.read_text("utf-8"))
    assert told["deliveries"] == 300
    assert told["scrapes"] >= 1
    assert 0 < told["scrape_seconds_median"] <= told["scrape_seconds_most"]
