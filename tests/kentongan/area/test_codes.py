from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.area.codes import Within, above, covers, highest, read_code, stray_codes, takes_in

CODES = st.lists(st.sampled_from(["1", "2", "11", "01"]), min_size=1, max_size=4).map(".".join)


def test_a_code_lies_in_every_code_that_begins_it_with_a_dot() -> None:
    assert list(above("33.01.02.2001")) == ["33.01.02", "33.01", "33"]
    assert covers("33.01", "33.01.02")
    assert covers("33.01", "33.01")
    assert not covers("33.01", "33.012")
    assert not covers("33", "3301")


@given(st.sets(CODES), CODES)
def test_the_highest_codes_cover_just_what_all_covered(codes: set[str], code: str) -> None:
    assert any(covers(each, code) for each in highest(codes)) == any(covers(each, code) for each in codes)
    assert all(not covers(one, other) for one in highest(codes) for other in highest(codes) if one != other)


@pytest.mark.parametrize("text", ["", "33 01", "33..01", ".33", "33.", "a b", "é", "3" * 65])
def test_what_is_no_code_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="region"):
        read_code(text)


def test_codes_are_compared_without_capitals() -> None:
    assert read_code(" US-CA.037 ") == "us-ca.037"


@given(st.sets(CODES, min_size=1), st.sets(CODES, min_size=1))
def test_a_person_in_above_or_below_the_area_is_taken_in(codes: set[str], own: set[str]) -> None:
    within = Within(codes=highest(codes))
    related = any(covers(code, mine) or covers(mine, code) for code in codes for mine in own)
    assert takes_in(within, own) == related


def test_people_of_no_region_are_taken_in_where_the_area_says_so() -> None:
    assert not takes_in(Within(codes=("33",)), [])
    assert takes_in(Within(codes=("33",), unplaced=True), [])
    assert not takes_in(Within(codes=("33",), unplaced=True), ["34.01"])


def test_a_code_that_no_loaded_region_knows_counts_as_no_region() -> None:
    within = Within(codes=("33",), unplaced=True, strays=("99",))
    assert takes_in(within, ["99.01"])
    assert not takes_in(within, ["99.01", "34"])


LOADED = ["33", "33.01", "33.01.01", "33.02"]


@pytest.mark.parametrize(
    ("used", "strays"),
    [
        (["33.01.01.2001"], ()),  # in a district whose villages are not loaded
        (["33.02.05"], ()),
        (["33"], ()),
        (["33.01.02"], ("33.01.02",)),  # beside the one district that is loaded
        (["33.03.01.2001"], ("33.03",)),
        (["99.01", "99.02.01"], ("99",)),
    ],
)
def test_strays_are_what_lies_beside_all_that_is_loaded(used: list[str], strays: tuple[str, ...]) -> None:
    assert stray_codes(used, LOADED) == strays
