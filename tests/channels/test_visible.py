from __future__ import annotations

import html

from hypothesis import given
from hypothesis import strategies as st

from channels._visible import carries_code, stands_first_and_last, visible_text

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf")), min_size=1, max_size=30)


@given(WORDS)
def test_escaped_words_are_seen_as_they_were(words: str) -> None:
    assert visible_text(f"<p>{html.escape(words)}</p>") == words


def test_what_nobody_sees_does_not_count() -> None:
    page = "<html><head><title>[DRILL]</title><style>p{}</style></head><body><p>a<b>b</b></p><script>x</script>c</body>"
    assert visible_text(page).split() == ["ab", "c"]


@given(WORDS, WORDS)
def test_a_mark_counts_only_at_both_ends(mark: str, words: str) -> None:
    assert stands_first_and_last(mark, f" {mark} {words} {mark}\n")
    assert not stands_first_and_last(mark, f"\x00{mark} {words} {mark}")
    assert not stands_first_and_last(mark, f"{mark} {words} {mark}\x00")
    assert not stands_first_and_last(mark, mark)


def test_a_code_counts_only_as_a_whole_word() -> None:
    assert carries_code("K7Q4-ID", "lihat https://a.example/K7Q4-ID.")
    for text in ("K7Q4-IDN", "XK7Q4-ID", "K7Q4-EN", "k7q4-id", "K7Q4-ID-2", "A-K7Q4-ID"):
        assert not carries_code("K7Q4-ID", text)
