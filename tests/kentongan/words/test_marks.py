from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.cap.model import Status
from kentongan.errors import BadConfig
from kentongan.words.counting import is_gsm7
from kentongan.words.library import HazardLibrary
from kentongan.words.marks import Marks, marked

MARK = "[LATIHAN]"


@given(st.text())
def test_a_text_between_two_marks_is_marked_whatever_it_says(text: str) -> None:
    assert marked(f"\n{MARK} {text} {MARK} ", MARK)


@pytest.mark.parametrize(
    "text", [MARK, f"{MARK} only first", f"only last {MARK}", f"in {MARK} the middle", "", f"{MARK} lower [latihan]"]
)
def test_a_mark_elsewhere_or_only_once_is_not_enough(text: str) -> None:
    assert not marked(text, MARK)


def test_live_bears_no_mark_and_exercise_and_test_differ(library: HazardLibrary) -> None:
    for language in ("id", "en"):
        tokens = [
            library.marks.token(status, language, form)
            for status in (Status.EXERCISE, Status.TEST)
            for form in ("long", "short")
        ]
        assert len(set(tokens)) == 4
        assert all(tokens)
        assert is_gsm7(tokens[1] + tokens[3])
        assert library.marks.token(Status.ACTUAL, language, "long") == ""


def test_a_language_without_tokens_takes_the_named_other_ones(library: HazardLibrary) -> None:
    assert library.marks.token(Status.TEST, "sv", "short") == library.marks.token(Status.TEST, "en", "short")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("exercise: {}", "test: is missing"),
        (
            "exercise: {id: {long: abc, short: abc}}\ntest: {id: {long: abc, short: “abc”}}\nother_languages: id",
            "GSM-7",
        ),
        ("exercise: {id: {long: abc, short: abc}}\ntest: {id: {long: abc, short: abc}}\nother_languages: en", "'en'"),
        (
            "exercise: {id: {long: 'a  bc', short: abc}}\ntest: {id: {long: abc, short: abc}}\nother_languages: id",
            "spaces",
        ),
        ("exercise: [", "line 1"),
    ],
)
def test_a_wrong_marks_file_is_one_sentence_with_its_place(tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "marks.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(BadConfig) as error:
        Marks(path)
    assert place in str(error.value)
    assert "\n" not in str(error.value)
