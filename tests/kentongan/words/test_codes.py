from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.errors import BadInput
from kentongan.words.codes import ALPHABET, codes_in, new_code, parse_code, with_language

codes = st.integers(0, 32**4 - 1).map(lambda number: new_code(lambda most: number % most))


@given(codes)
def test_a_code_mixes_letters_and_digits_of_the_alphabet(code: str) -> None:
    assert len(code) == 4
    assert set(code) <= set(ALPHABET)
    assert any(sign.isdigit() for sign in code)
    assert any(sign.isalpha() for sign in code)


def test_a_source_that_always_says_nought_still_gives_a_code() -> None:
    assert new_code(lambda most: 0) == "000A"


@given(codes, st.sampled_from(["id", "en", "mul", "en-US"]))
def test_a_code_reads_back_however_it_is_typed(code: str, language: str) -> None:
    assert parse_code(code.lower()) == code
    assert parse_code(code.replace("1", "l").replace("0", "o")) == code
    assert parse_code(with_language(code, language)) == code


@pytest.mark.parametrize("text", ["", "K7Q", "K7Q44", "K7U4", "K7-4", "../a", "K7Q4-"])
def test_what_is_no_code_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="is no alert code"):
        parse_code(text)


@given(codes, st.sampled_from(["id", "en", "mul"]), st.sampled_from([" ", "\n", "(", "."]))
def test_a_code_is_found_between_other_words(code: str, language: str, edge: str) -> None:
    assert codes_in(f"Info{edge}{with_language(code, language)}{edge} 2026") == {code}


@pytest.mark.parametrize("text", ["RW-2026-ID", "2026-ID", "SAVE-ID", "k7q4-id", "XK7Q4-ID", "K7Q4-IDX9", "K7Q4"])
def test_what_only_looks_like_a_code_is_none(text: str) -> None:
    assert codes_in(text) == frozenset()
