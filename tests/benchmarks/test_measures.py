"""The arithmetic of the benchmark's table."""

from __future__ import annotations

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.measures import Compare, Line, Measured, at_least, at_most, show, table, to_json

FIGURES = st.floats(min_value=0.001, max_value=1e9)
ROUNDS = st.lists(st.fixed_dictionaries({"ours": FIGURES, "theirs": FIGURES}), min_size=1, max_size=9)


@given(ROUNDS, st.sampled_from(Compare), st.booleans(), FIGURES)
def test_a_line_compares_the_medians_and_is_reached_on_its_side_of_the_goal(
    rounds: list[dict[str, float]], compare: Compare, least: bool, goal: float
) -> None:
    against = None if compare is Compare.ITSELF else "theirs"
    line = Line("speed", "ours", "/s", against, "them", at_least(goal) if least else at_most(goal), compare)
    (shown,) = show(Measured("speed", rounds, [line]))
    ours = statistics.median(each["ours"] for each in rounds)
    theirs = statistics.median(each["theirs"] for each in rounds)
    expected = {Compare.RATIO: ours / theirs, Compare.DIFFERENCE: ours - theirs, Compare.ITSELF: ours}[compare]
    assert shown.compared == expected
    assert shown.reached is (expected >= goal if least else expected <= goal)


@given(ROUNDS)
def test_what_is_kept_reads_back_with_every_round(rounds: list[dict[str, float]]) -> None:
    measured = Measured("speed", rounds, [Line("speed", "ours", "/s", "theirs", "them")], {"recipients": 3})
    kept = json.loads(json.dumps(to_json(measured)))
    assert kept["rounds"] == rounds
    assert kept["facts"] == {"recipients": 3}
    assert kept["lines"][0]["compared"] == show(measured)[0].compared
    assert kept["lines"][0]["reached"] is None


def test_a_figure_that_only_some_rounds_take_is_the_median_of_those() -> None:
    line = Line("growth", "million", "us", "ten thousand", "10,000", at_most(1.1))
    (shown,) = show(Measured("growth", [{"million": 11, "ten thousand": 10}, {"ten thousand": 12}], [line]))
    assert (shown.ours, shown.against, shown.reached) == (11, 11, True)


def test_a_figure_that_no_round_took_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no round took 'speed'"):
        show(Measured("speed", [{"other": 1}], [Line("speed", "speed", "/s", compare=Compare.ITSELF)]))


def test_the_table_says_plainly_what_is_not_reached() -> None:
    lines = [
        Line("fast", "a", "/s", "b", "a bare loop", at_least(0.85)),
        Line("small", "a", "MB", goal=at_most(300), compare=Compare.ITSELF),
        Line("soon", "a", "s", "b", "lease", at_most(2), Compare.DIFFERENCE),
    ]
    told = table(show(Measured("all", [{"a": 150, "b": 200}], lines))).splitlines()
    assert told[2].split("  ")[0] == "fast"
    assert told[2].endswith("NO")
    assert told[3].endswith("yes")
    assert "-50.00 s" in told[4]
