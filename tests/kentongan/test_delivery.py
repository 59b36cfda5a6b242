from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.delivery import REACHED, Closed, Evidence, Result, Stage, raised, result_of, word
from kentongan.seam import Confirmed

evidences = st.lists(st.sampled_from(Evidence), max_size=6)


def test_evidence_has_the_order_of_the_design() -> None:
    ordered = "open in_doubt absent rejected accepted unreachable delivered read".split()  # noqa: SIM905
    assert [evidence.value for evidence in sorted(Evidence, key=lambda each: each.rank)] == ordered


@pytest.mark.parametrize(
    ("seen", "result"),
    [
        ([], Result.NONE),
        ([Evidence.OPEN], Result.NONE),
        ([Evidence.ABSENT, Evidence.OPEN], Result.NONE),
        ([Evidence.REJECTED, Evidence.ABSENT], Result.REJECTED),
        ([Evidence.UNREACHABLE, Evidence.REJECTED], Result.UNREACHABLE),
        ([Evidence.IN_DOUBT, Evidence.UNREACHABLE], Result.IN_DOUBT),
        ([Evidence.IN_DOUBT, Evidence.REJECTED], Result.IN_DOUBT),
        ([Evidence.IN_DOUBT, Evidence.ACCEPTED], Result.ACCEPTED),
        ([Evidence.ACCEPTED, Evidence.UNREACHABLE], Result.ACCEPTED),
        ([Evidence.DELIVERED, Evidence.ACCEPTED], Result.DELIVERED),
        ([Evidence.DELIVERED, Evidence.READ], Result.READ),
    ],
)
def test_the_result_is_the_strongest_that_is_known(seen: list[Evidence], result: Result) -> None:
    for order in permutations(seen):
        assert result_of(order) is result


@given(evidences, evidences)
def test_more_evidence_never_lets_what_arrived_be_forgotten(known: list[Evidence], more: list[Evidence]) -> None:
    arrived = (Result.READ, Result.DELIVERED, Result.ACCEPTED)
    before, after = result_of(known), result_of([*known, *more])
    if before in arrived:
        assert arrived.index(after) <= arrived.index(before)


@given(st.sampled_from(Evidence), st.sampled_from(Evidence))
def test_evidence_of_one_attempt_only_rises(known: Evidence, news: Evidence) -> None:
    assert raised(known, news).rank == max(known.rank, news.rank)


def test_all_but_nothing_and_doubt_is_final() -> None:
    assert {result for result in Result if not result.final} == {Result.NONE, Result.IN_DOUBT}


def test_a_correction_follows_what_is_out_or_may_be() -> None:
    assert set(REACHED) == {Result.ACCEPTED, Result.DELIVERED, Result.READ, Result.IN_DOUBT}


@given(st.sampled_from(Stage), st.sampled_from(Result), st.none() | st.sampled_from(Closed))
def test_officers_see_the_result_else_why_it_was_closed_else_the_stage(
    stage: Stage, result: Result, closed: Closed | None
) -> None:
    expected = result if result is not Result.NONE else closed if closed is not None else stage
    assert word(stage, result, closed) == expected


def test_receipts_speak_in_the_words_of_evidence() -> None:
    assert {confirmed.value for confirmed in Confirmed} <= {evidence.value for evidence in Evidence}
