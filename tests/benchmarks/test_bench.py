"""The runner of the benchmark: what it keeps, and that one bad row keeps no other from being taken."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import bench, machine, plot
from benchmarks.machine import fsync_latency
from benchmarks.measures import Cannot, Compare, Line, Measured, at_least, at_most, show

ABOUT = {"at": "2026-11-21T20:00:00+00:00", "commit": "0123456789abcdef", "loaded": True}


def _speed(*, rounds: int) -> Measured:
    lines = [
        Line("speed <&>", "ours", "/s", "theirs", "them", at_least(4)),
        Line("for information", "ours", "/s", "theirs"),
    ]
    return Measured("speed", [{"ours": 8.0 + n, "theirs": 4.0} for n in range(rounds)], lines)


def _denied() -> Measured:
    raise Cannot("network namespaces are denied here")


def _broken() -> Measured:
    raise SystemExit("3 of 4 were accepted")


def test_what_goes_wrong_in_one_row_is_kept_beside_what_the_others_gave(tmp_path: Path) -> None:
    outcomes = [
        bench.take("speed", _speed, rounds=3),
        bench.take("hosts", _denied),
        bench.take("million", _broken),
    ]
    path = bench.keep(ABOUT, outcomes, tmp_path / "results", "run")
    kept = json.loads(path.read_text("utf-8"))
    assert kept["commit"] == ABOUT["commit"]
    speed, hosts, million = kept["rows"]
    assert [each["ours"] for each in speed["rounds"]] == [8, 9, 10]
    assert speed["lines"][0]["compared"] == 2.25
    assert speed["lines"][0]["reached"] is False
    assert hosts["not_measured"] == "network namespaces are denied here"
    assert "3 of 4 were accepted" in million["not_measured"]
    assert [each.failed for each in outcomes] == [False, False, True]
    picture = ElementTree.fromstring(path.with_suffix(".svg").read_text("utf-8"))
    bars = [each for each in picture.iter("{http://www.w3.org/2000/svg}rect") if each.get("x")]
    assert len(bars) == 1


@given(st.floats(0.01, 1000), st.floats(0.01, 1000), st.booleans())
def test_a_bar_ends_at_the_mark_or_on_exactly_where_its_goal_is_reached(value: float, goal: float, least: bool) -> None:
    line = Line("it", "it", "s", goal=at_least(goal) if least else at_most(goal), compare=Compare.ITSELF)
    (shown,) = show(Measured("it", [{"it": value}], [line]))
    assert (plot.share(shown) >= 1) is shown.reached


def test_every_row_names_a_measure_that_is_there() -> None:
    assert all(callable(row.measure()) for row in bench.ROWS.values())


def test_a_busy_machine_is_told_by_what_its_processors_do_now(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([[100, 0, 50, 800, 10, 0, 5, 0], [130, 0, 60, 850, 20, 0, 5, 0]])
    monkeypatch.setattr(machine, "_times", lambda: next(looks))
    assert machine.busy(0) == 0.5


def test_the_latency_of_a_disk_is_a_median_and_what_lies_above_it(tmp_path: Path) -> None:
    told = fsync_latency(tmp_path, 20)
    assert 0 < told["median"] <= told["p99"]
    assert list(tmp_path.iterdir()) == []
