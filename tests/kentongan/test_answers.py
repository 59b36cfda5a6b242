"""What people answer is understood where it is plain, and no call for help is taken for anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.answers import Meaning, Vocabulary, codes, read, vocabulary
from kentongan.data import data_path
from kentongan.words.languages import read_languages, spoken


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return spoken(read_languages(data_path("templates") / "languages"))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1", Meaning.READ),
        (" 1. ", Meaning.READ),
        ("１", Meaning.READ),
        ("K7Q4 1", Meaning.READ),
        ("1 k7q4-id", Meaning.READ),
        ("AMAN!", Meaning.SAFE),
        ("Saya aman", Meaning.SAFE),
        ("2", Meaning.SAFE),
        ("3", Meaning.HELP),
        ("TOLONG", Meaning.HELP),
        ("kaki saya patah, tolong!!", Meaning.HELP),
        ("aman, tapi ibu butuh bantuan", Meaning.HELP),
        ("STOP tolong", Meaning.HELP),
        ("HELP", Meaning.HELP),
        ("Berhenti", Meaning.STOP),
        ("STOP", Meaning.STOP),
        ("mulai", Meaning.START),
        ("2 orang terjebak", Meaning.UNREAD),
        ("3 rumah hanyut", Meaning.UNREAD),
        ("aman tapi ayah hilang", Meaning.UNREAD),
        ("jangan stop", Meaning.UNREAD),
        ("", Meaning.UNREAD),
        ("🙏", Meaning.UNREAD),
        ("K7Q4", Meaning.UNREAD),
    ],
)
def test_an_answer_means_what_it_says(text: str, meaning: Meaning, words: Vocabulary) -> None:
    assert read(text, words) is meaning


@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_a_call_for_help_is_never_missed(before: str, after: str, words: Vocabulary) -> None:
    assert read(f"{before} tolong {after}", words) is Meaning.HELP


@given(text=st.text(max_size=60))
def test_nobody_is_said_to_be_safe_by_a_part_of_what_they_wrote(text: str, words: Vocabulary) -> None:
    if read(f"aman {text}", words) is Meaning.SAFE:
        assert read(text, words) in (Meaning.UNREAD, Meaning.SAFE)
        assert len([c for c in text if c.isalpha()]) <= 8


def test_codes_are_found_as_people_type_them() -> None:
    assert codes("1 k7q4") == ("K7Q4",)
    assert codes("re: K7Q4-ID 1") == ("K7Q4",)
    assert codes("KOQ4 dan K7Q4 dan HELP dan 2026") == ("K0Q4", "K7Q4")
    assert codes("HELP STOP 2026 ABCD") == ()


def test_two_languages_may_not_mean_different_things_by_a_word() -> None:
    with pytest.raises(ValueError, match="means both"):
        vocabulary([{"safe": ["Aman"]}, {"help": ["aman!"]}])
    with pytest.raises(ValueError, match="is no meaning"):
        vocabulary([{"saved": ["aman"]}])
    with pytest.raises(ValueError, match="no letter"):
        vocabulary([{"safe": ["..."]}])
