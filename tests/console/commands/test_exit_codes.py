"""What an alert's end means for whoever called the command."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.exits import FAILED, IN_DOUBT, WELL, Part, exit_code, failed

REACHED = ("accepted", "delivered", "read")
MISSED = ("rejected", "unreachable", "cancelled", "expired")
_counts = st.integers(0, 1000)
_words = st.dictionaries(st.sampled_from([*REACHED, *MISSED]), _counts)
_doubtful = st.dictionaries(st.sampled_from([*REACHED, *MISSED, "in_doubt"]), _counts)
_share = st.floats(0, 1)


@given(st.lists(st.builds(Part, st.booleans(), _doubtful)), _share)
def test_doubt_beats_failure(parts: list[Part], share: float) -> None:
    doubt = any(part.words.get("in_doubt", 0) for part in parts)
    assert (exit_code(parts, tolerated_share=share) == IN_DOUBT) == doubt


@given(st.lists(st.builds(Part, st.booleans(), st.dictionaries(st.sampled_from(REACHED), _counts))), _share)
def test_what_reached_everybody_is_well(parts: list[Part], share: float) -> None:
    assert exit_code(parts, tolerated_share=share) == WELL


@given(_words, _share, st.sampled_from(MISSED))
def test_a_public_channel_tolerates_nothing(words: dict[str, int], share: float, word: str) -> None:
    part = Part(True, {**words, word: words.get(word, 0) + 1})
    assert exit_code([part], tolerated_share=share) == FAILED


@given(st.integers(1, 10_000), st.integers(0, 10_000), _share)
def test_people_are_tolerated_up_to_the_share(reached: int, missed: int, share: float) -> None:
    part = Part(False, {"accepted": reached, "unreachable": missed})
    assert failed(part, share) == (missed / (reached + missed) > share)


@given(_share)
def test_a_channel_to_nobody_does_not_fail(share: float) -> None:
    assert exit_code([Part(False, {})], tolerated_share=share) == WELL
