from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows import counts
from kentongan.delivery import Closed, Result, Stage

WORDS = st.sampled_from([*(r.value for r in Result if r is not Result.NONE), *map(str, Closed), *map(str, Stage)])
COUNTS = st.dictionaries(WORDS, st.integers(0, 2_000_000), max_size=6)


def test_counts_read_as_officers_read_them() -> None:
    assert counts.sentence({"in_doubt": 2, "accepted": 3120}) == "3,120 accepted, 2 in doubt"


def test_nobody_to_reach_is_said_so() -> None:
    assert counts.sentence({}) == counts.sentence({"accepted": 0}) == "nobody to reach"


@given(COUNTS)
def test_every_word_with_a_count_stands_in_the_sentence(words: dict[str, int]) -> None:
    said = counts.sentence(words)
    assert all((f"{count:,} {word.replace('_', ' ')}" in said) for word, count in words.items() if count)


@given(st.lists(COUNTS))
def test_nothing_is_lost_in_the_sum(parts: list[dict[str, int]]) -> None:
    assert sum(counts.total(parts).values()) == sum(sum(part.values()) for part in parts)


@given(COUNTS)
def test_a_channel_has_failed_when_there_was_somebody_and_nothing_went_well(words: dict[str, int]) -> None:
    well = sum(words.get(word, 0) for word in ("read", "delivered", "accepted", "cancelled"))
    assert counts.failed(words) == (sum(words.values()) > 0 and well == 0)


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 40))
def test_shares_hold_every_instance_once_and_are_never_too_many(instances: list[str], most: int) -> None:
    shares = counts.shares(instances, most)
    assert [instance for share in shares for instance in share] == instances
    assert len(shares) <= most
    if len(instances) <= most:
        assert all(len(share) == 1 for share in shares)
