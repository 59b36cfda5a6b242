from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kentongan.words.counting import RULES, Encoding, Segments, count, is_gsm7, parts, segments, to_gsm7

SIGNS = st.sampled_from("aB9 @£é\n^{}[]~|€\\“”–…é😀字ğ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments(Encoding.GSM7, 1, 0)),
        ("a" * 160, Segments(Encoding.GSM7, 1, 160)),
        ("a" * 161, Segments(Encoding.GSM7, 2, 161)),
        ("a" * 306, Segments(Encoding.GSM7, 2, 306)),
        ("a" * 307, Segments(Encoding.GSM7, 3, 307)),
        ("€" * 80, Segments(Encoding.GSM7, 1, 160)),
        # 153 is odd: the 77th sign of the first part would straddle, so each part holds 76.
        ("€" * 153, Segments(Encoding.GSM7, 3, 306)),
        ("a" * 152 + "[" + "a" * 151, Segments(Encoding.GSM7, 2, 305)),
        ("a" * 152 + "[" + "a" * 152, Segments(Encoding.GSM7, 3, 306)),
        ("字" * 70, Segments(Encoding.UCS2, 1, 70)),
        ("字" * 71, Segments(Encoding.UCS2, 2, 71)),
        ("字" * 134, Segments(Encoding.UCS2, 2, 134)),
        ("😀" * 35, Segments(Encoding.UCS2, 1, 70)),
        ("😀" * 67, Segments(Encoding.UCS2, 3, 134)),
    ],
)
def test_a_short_message_is_split_as_the_network_splits_it(text: str, expected: Segments) -> None:
    assert segments(text) == expected
    assert count(text, "sms") == expected.parts


def fewest_parts(widths: tuple[int, ...], part: int) -> float:
    """All ways to cut, tried one by one."""

    @cache
    def least(start: int) -> float:
        if start == len(widths):
            return 0
        ends = (end for end in range(start + 1, len(widths) + 1) if sum(widths[start:end]) <= part)
        return min((1 + least(end) for end in ends), default=math.inf)

    return least(0)


@given(st.lists(st.sampled_from([1, 2]), max_size=14).map(tuple), st.integers(2, 7), st.integers(0, 2))
def test_no_other_cut_gives_fewer_parts(widths: tuple[int, ...], part: int, header: int) -> None:
    single = part + header
    expected = 1 if sum(widths) <= single else fewest_parts(widths, part)
    assert parts(widths, single=single, part=part) == expected


@given(st.text(SIGNS, max_size=400))
@example("…" * 70)
def test_putting_into_gsm7_never_costs_a_part(text: str) -> None:
    assert segments(to_gsm7(text)).parts <= segments(text).parts


@given(st.text(st.sampled_from("aB “”‘’–—…é \u00a0\u2009•ā")))
def test_typographic_signs_and_accents_leave_a_message_in_gsm7_or_no_longer(text: str) -> None:
    plain = to_gsm7(text)
    assert is_gsm7(plain) or segments(plain).parts <= segments(text).parts
    assert not any(character in plain for character in "“–\u00a0") or not is_gsm7(plain)


def test_a_typographic_quote_does_not_halve_a_message() -> None:
    assert to_gsm7("Kata “awas” – jauhi pantai…") == 'Kata "awas" - jauhi pantai...'


def test_a_text_in_another_script_keeps_its_own_letters() -> None:
    assert to_gsm7("“توفان” ā") == "“توفان” ā"


def test_letters_that_gsm7_has_are_kept() -> None:
    assert to_gsm7("éñüÄ€") == "éñüÄ€"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.id/b", 23),
        ("see https://siaga.example.go.id/a/very/long/path?with=query now", 4 + 23 + 4),
        ("https://a.id/b.", 24),
        ("@bmkg@sosial.example says", 5 + 5),
        ("@bmkg says", 10),
        ("mail bpbd@x.example", 19),
        # Mastodon would not surely link these, so they are counted in full.
        ("http://localhost:8080/" + "a" * 30, 52),
        ("xhttps://a.id/b", 15),
    ],
)
def test_mastodon_counts_links_and_mentions_its_own_way(text: str, expected: int) -> None:
    assert count(text, "mastodon") == expected


@given(st.text())
def test_telegram_counts_utf_16_units(text: str) -> None:
    assert count(text, "telegram") == sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def test_an_unknown_rule_is_a_mistake_of_ours() -> None:
    assert {"characters", "mastodon", "telegram", "x", "sms"} == RULES
    with pytest.raises(KeyError):
        count("a", "pigeon")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("a" * 280, 280),
        ("é", 1),
        ("e\u0301", 1),
        ("گوهر", 4),
        ("字" * 140, 280),
        ("–—‘’“”…′″", 10),
        ("😀", 2),
        ("👍🏽", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("🇮🇩", 2),
        ("1️⃣", 2),
        ("⚠️ Awas", 7),
        ("https://bpbd.go.id/peringatan/K7Q4", 23),
        ("http://a.id", 23),
        ("Lihat https://bpbd.go.id/K7Q4.", 30),
        # X makes no link of a domain it does not know, and one of a bare domain that it does.
        ("https://siaga.example/" + "a" * 40, 62),
        ("Lihat a.id", 29),
        ("Skala M5.6, 12.30 WIB", 21),
    ],
)
def test_x_weighs_characters_and_shortens_links(text: str, length: int) -> None:
    assert count(text, "x") == length


@given(st.text(), st.text())
def test_x_counts_every_character(before: str, after: str) -> None:
    joined = count(f"{before} gempa {after}", "x")
    assert joined >= 7
    assert count(f"{before} gempa {after}字", "x") >= joined
