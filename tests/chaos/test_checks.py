"""The checks of the chaos suite find what they are there for: a count without faults is worth what they are worth."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.checks import Broken, Row, check
from tests.chaos.counter import Moments
from tests.chaos.logs import faults
from tests.chaos.options import share
from tests.chaos.watch import STATES, states

_PLACE = ("sms", "+62812")
_WELL = Row(7, *_PLACE, "done", "accepted", False, ("accepted",), taken=1)


def broken(row: Row) -> set[Broken]:
    return {finding.broken for finding in check([row], [(row.instance, row.recipient)])}


def test_what_arrived_once_and_says_so_is_well() -> None:
    assert broken(_WELL) == set()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"taken": 0}, Broken.LOST),
        ({"taken": 0, "word": "expired", "evidence": ()}, Broken.LOST),
        ({"taken": 2, "evidence": ("in_doubt", "accepted")}, Broken.UNMARKED),
        ({"taken": 2, "evidence": ("in_doubt", "accepted"), "marked": True, "drops_repeats": True}, Broken.REPEATED),
        ({"word": "cancelled", "evidence": ("in_doubt",)}, Broken.UNSENT),
        ({"word": "rejected", "evidence": ("rejected",)}, Broken.UNSENT),
        ({"word": "accepted", "evidence": ("absent", "accepted"), "taken": 2, "marked": True}, Broken.UNEXPLAINED),
        ({"stage": "planned", "word": "in_doubt", "evidence": ("in_doubt",)}, Broken.OPEN),
        ({"stage": "sending", "word": "sending", "evidence": ("open",)}, Broken.OPEN),
        ({"stage": "done", "word": "done"}, Broken.OPEN),
    ],
)
def test_each_fault_is_found(changes: dict[str, object], found: Broken) -> None:
    assert found in broken(dataclasses.replace(_WELL, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"taken": 2, "evidence": ("in_doubt", "accepted"), "marked": True},
        {"taken": 0, "word": "in_doubt", "evidence": ("in_doubt",)},
        {"taken": 1, "word": "in_doubt", "evidence": ("in_doubt",)},
        {"taken": 0, "word": "rejected", "evidence": ("rejected",)},
        {"word": "unreachable", "evidence": ("unreachable",)},
        {"evidence": ("absent", "accepted")},
    ],
)
def test_what_the_ledger_tells_of_is_no_fault(changes: dict[str, object]) -> None:
    assert broken(dataclasses.replace(_WELL, **changes)) == set()  # type: ignore[arg-type]


@given(st.integers(0, 3), st.booleans())
def test_everybody_has_one_delivery_and_nobody_else_has_any(times: int, wanted: bool) -> None:
    rows = [dataclasses.replace(_WELL, id=n) for n in range(times)]
    found = {finding.broken for finding in check(rows, [_PLACE] if wanted else [])}
    assert (Broken.UNPLANNED in found) == (times != int(wanted))


@given(st.integers(0, 1000), st.lists(st.integers(0, 12), min_size=1, max_size=12).filter(any))
def test_kills_are_divided_whole(kills: int, weights: list[int]) -> None:
    parts = share(kills, weights)
    assert sum(parts) == kills
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


@given(
    st.lists(
        st.tuples(st.integers(1, 10), st.none() | st.tuples(st.integers(1, 10), st.none() | st.integers(1, 10))),
        max_size=8,
    )
)
def test_what_is_on_its_way_is_told_apart_by_when_the_counter_had_the_request(
    sending: list[tuple[int, tuple[int, int | None] | None]],
) -> None:
    """Each: the second of the intent, and those at which the counter was last asked, and last took a message."""

    def rows(text: str, *_: object) -> list[tuple[object, ...]]:
        if "GROUP BY" in text:
            return [("done", 3)]
        held = [("sending", str(n), second * 1000) for n, (second, _) in enumerate(sending)]
        return [*held, ("claimed", "x", None)] if "attempt t" in text else [(1,)]

    moments = {str(n): Moments(*seen) for n, (_, seen) in enumerate(sending) if seen is not None}
    numbers = {str(n): str(n) for n in range(len(sending))}
    counted = states(rows, "a", sender=None, everybody=True, moments=lambda: moments, numbers=numbers)
    arrived = [(second, seen) for second, seen in sending if seen is not None and seen[0] >= second]
    taken = sum(seen[1] is not None and seen[1] >= second for second, seen in arrived)
    assert counted["accepted, not recorded"] == taken
    assert counted["requested"] == len(arrived) - taken
    assert counted["intended"] == len(sending) - len(arrived)
    assert (counted["claimed"], counted["done"]) == (1, 3)
    assert set(counted) <= set(STATES)


def test_what_was_logged_with_an_exception_is_found_and_a_ledger_that_was_away_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "log"
    folder.mkdir(parents=True)
    lines = [{"message": "beat waits", "exception": "LedgerUnavailable"}, {"message": "lease lost"}]
    (folder / "send.log").write_text("\n".join(map(json.dumps, lines)) + '\n{"message": "cut o')
    assert faults(tmp_path) == []
    with (folder / "service.log.1").open("w") as file:
        file.write(json.dumps({"message": "sweep failed", "exception": "ProgrammingError\n  File ..."}) + "\n")
    (tmp_path / "commands.log").write_text("Traceback (most recent call last):\n")
    sentences = ["state/service.log.1: sweep failed, ProgrammingError", "commands.log shows a traceback"]
    assert faults(tmp_path) == sentences
