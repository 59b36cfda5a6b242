from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from kentongan.words.leaving_out import left_out, sentences

sentence = st.lists(st.sampled_from(["jauhi", "pantai", "Manna", "M6.3", "Kab.", "WIB"]), min_size=1, max_size=6).map(
    lambda words: " ".join(["Mohon", *words, "sekarang."])
)
paragraphs = st.lists(st.lists(sentence, min_size=1, max_size=4).map(" ".join), max_size=4)


@given(paragraphs)
def test_a_message_that_says_it_all_leaves_nothing_out(full: list[str]) -> None:
    assert left_out(full, full) == ()
    assert left_out(full, [" ".join(full)]) == ()


@given(full=paragraphs, said=paragraphs)
def test_every_sentence_that_is_not_said_is_named_in_words_of_its_own(full: list[str], said: list[str]) -> None:
    told = left_out(full, said)
    whole = " ".join(full)
    for each in told:
        assert each.removeprefix("... ").removesuffix(" ...") in whole
    kept = {one.casefold() for paragraph in said for one in sentences(paragraph)}
    for one in (one for paragraph in full for one in sentences(paragraph)):
        named = any(each.removeprefix("... ").removesuffix(" ...") in one for each in told)
        assert named or one.casefold() in kept


def test_a_sentence_that_is_gone_is_named_whole() -> None:
    full = ["BPBD: Awas tsunami. Tiba pukul 10.04 WIB. Jauhi pantai."]
    assert left_out(full, ["BPBD: Awas tsunami. Jauhi pantai."]) == ("Tiba pukul 10.04 WIB.",)
    assert left_out(full, []) == ("BPBD: Awas tsunami.", "Tiba pukul 10.04 WIB.", "Jauhi pantai.")


def test_of_a_shorter_list_the_names_that_are_gone_are_given_alone() -> None:
    full = ["Awas untuk Manna, Kaur, Seluma dan Mukomuko di pesisir barat."]
    said = ["Awas untuk Manna dan 3 lainnya: https://siaga.example/K7Q4 di pesisir barat."]
    assert left_out(full, said) == ("... Kaur, Seluma dan Mukomuko ...",)
    assert left_out(full, said, other_words=True) == tuple(full)


def test_of_a_text_cut_within_a_sentence_the_end_is_given() -> None:
    full = ["Hujan lebat akan turun di Kab. Kaur sampai malam. Jauhi lereng."]
    assert left_out(full, ["Hujan lebat akan turun..."]) == ("... di Kab. Kaur sampai malam.", "Jauhi lereng.")


def test_sentences_part_where_a_reader_parts_them() -> None:
    text = "Gempa M6.3 di Kab. Kaur! Leave the sea. 20 m is safe. 大雨特報。Go up"
    told = ["Gempa M6.3 di Kab. Kaur!", "Leave the sea.", "20 m is safe.", "大雨特報。", "Go up"]
    assert list(sentences(text)) == told
    assert list(sentences("")) == []


def test_texts_of_any_make_are_compared_in_no_time() -> None:
    hostile = ["." * 20_000, "?!" * 20_000 + "a", " ".join(f"Jauhi pantai {number}." for number in range(2_000))]
    began = time.process_time()
    for full in hostile:
        left_out([full], [" ".join(f"Jauhi pantai itu {number}." for number in range(2_000))])
    assert time.process_time() - began < 5
