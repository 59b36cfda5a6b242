"""The place that an officer types before a live send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import places

AREAS = ("Manna; Kota Bengkulu", "Kabupaten Ogan Komering Ulu Selatan, dan wilayah sekitarnya di hulu sungai")


@pytest.mark.parametrize(
    "typed",
    ["Manna", "manna", " MANNA ", "Kota  Bengkulu", "kóta bengkulu", "kota-bengkulu", "ogan komering ulu selatan"],
)
def test_case_accents_and_spaces_do_not_count(typed: str) -> None:
    wanted = [*AREAS[:1], "Ogan Komering Ulu Selatan"]
    assert places.is_typed(typed, wanted)


@pytest.mark.parametrize("typed", ["", "  ", "yes", "Man", "Bengkul", "-"])
def test_another_word_does_not_send(typed: str) -> None:
    assert not places.is_typed(typed, AREAS)


def test_a_sentence_is_named_by_its_beginning() -> None:
    assert places.names(AREAS) == ("Manna", "Kota Bengkulu", "Kabupaten Ogan Komering Ulu Selatan")


@given(st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=5))
def test_every_name_that_is_shown_can_be_typed(areas: list[str]) -> None:
    for name in places.names(areas):
        assert len(name) <= 40 or " " not in name
        assert places.is_typed(name, areas)
