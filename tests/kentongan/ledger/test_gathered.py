"""What is recorded together says of each delivery what it would have said alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.ledger.gathered import Gathering, apart
from kentongan.ledger.transaction import Write

_COLUMNS = ("stage", "result", "provider_id", "url", "accepted_at", "first_intent_at")
_VALUES = st.one_of(st.none(), st.integers(0, 2), st.sampled_from(["a", "b", "\0", "é"]))
_MOVES = st.dictionaries(st.sampled_from(_COLUMNS), _VALUES, max_size=3)
_DATA = st.fixed_dictionaries(
    {"set": _MOVES},
    optional={
        "attempt": st.integers(1, 3),
        "tried": _MOVES,
        "reason": st.sampled_from(["x", "y"]),
        "by": st.just("ani"),
    },
)
_HAPPENED = st.tuples(
    st.sampled_from(["delivery.settled", "delivery.next"]), st.sampled_from(["a1", "a2"]), st.integers(1, 4), _DATA
)


class _Written(Write):
    def __init__(self) -> None:
        self.rows: list[tuple[str, str | None, int | None, dict[str, Any]]] = []

    def event(self, type_: str, *, alert: str | None = None, delivery: int | None = None, **data: Any) -> None:
        self.rows.append((type_, alert, delivery, json.loads(json.dumps(data))))


@given(st.lists(_HAPPENED, max_size=12))
def test_each_delivery_has_its_own_events_in_their_order(happened: list[Any]) -> None:
    gathering, written = Gathering(), _Written()
    for type_, alert, delivery, data in happened:
        gathering.add(type_, alert, delivery, data)
    gathering.record(written)
    told: dict[int, list[Any]] = {}
    for type_, alert, delivery, data in written.rows:
        for id, own in [(delivery, data)] if delivery is not None else apart(data):
            told.setdefault(id or 0, []).append((type_, alert, own))
    expected: dict[int, list[Any]] = {}
    for type_, alert, delivery, data in happened:
        expected.setdefault(delivery, []).append((type_, alert, data))
    assert told == expected


def test_what_happened_alike_is_one_event_with_what_differs_in_columns() -> None:
    gathering, written = Gathering(), _Written()
    for delivery in (7, 8, 9):
        moved = {"stage": "done", "provider_id": f"p{delivery}"}
        gathering.add("delivery.settled", "a1", delivery, {"attempt": 1, "set": moved, "reason": "accepted"})
    gathering.record(written)
    assert written.rows == [
        (
            "delivery.settled",
            "a1",
            None,
            {
                "attempt": 1,
                "set": {"stage": "done"},
                "reason": "accepted",
                "deliveries": [7, 8, 9],
                "each": {"set": {"provider_id": ["p7", "p8", "p9"]}},
            },
        )
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        {"each": {}},
        {"deliveries": [1, 2], "each": {"attempt": [1]}},
        {"deliveries": [1, "2"], "each": {}},
        {"deliveries": [1, 2], "each": []},
        {"deliveries": 3, "each": {}},
        {"deliveries": [1, 2], "each": {"set": 5}},
    ],
)
def test_what_cannot_have_been_recorded_is_not_told(damaged: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, LookupError, TypeError, ValueError)):
        list(apart(damaged))
