from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kentongan.words.cleaning import clean, clean_paragraphs, lists_title_cased, split_names, title_cased
from kentongan.words.library import HazardLibrary
from kentongan.words.shortening import Budget, Shortener, clipped

LINK = "https://siaga.example/K7Q4"
words = st.lists(st.text(st.sampled_from("abcdefgh."), min_size=1, max_size=9), min_size=1, max_size=60)
names = st.lists(
    st.sampled_from([f"Desa {letter}{digit}" for letter in "ABCDEF" for digit in range(9)]), min_size=1, unique=True
)


@given(words, st.integers(0, 200))
def test_a_text_is_cut_only_between_words(given_words: list[str], most: int) -> None:
    text = " ".join(given_words)
    short = clipped(text, most)
    assert len(short) <= most or short == text
    kept = short.removesuffix("...").split()
    originals = text.split()
    for mine, theirs in zip(kept[:-1], originals, strict=False):
        assert mine == theirs
    if kept and short != text:
        assert kept[-1].rstrip(",;:-.") == originals[len(kept) - 1].rstrip(",;:-.")


@given(
    sentences=st.lists(st.lists(st.sampled_from(["jauhi", "pantai", "pada", "pukul"]), min_size=1), min_size=1),
    end=st.sampled_from(["pantai", "14.00", "(BMKG)", "80%"]),
    most=st.integers(0, 300),
)
def test_no_sentence_is_cut_where_one_ends_past_a_third(sentences: list[list[str]], end: str, most: int) -> None:
    whole = [" ".join([*words, end]) + "." for words in sentences]
    short = clipped(" ".join(whole), most)
    kept = [" ".join(whole[:count]) for count in range(1, len(whole) + 1)]
    fitting = [text for text in kept if most // 3 <= len(text) <= most]
    if fitting:
        assert short == fitting[-1]
    else:
        assert short in ("", kept[-1]) or short.endswith("...")


def test_a_text_ends_with_its_sentence_where_one_ends_past_a_third() -> None:
    text = "Hujan lebat akan turun di Kab. Kaur sampai malam. Jauhi tepi sungai dan lereng."
    assert clipped(text, 60) == "Hujan lebat akan turun di Kab. Kaur sampai malam."
    assert clipped(text, 34) == "Hujan lebat akan turun di Kab...."


@given(st.text(st.sampled_from("大雨特報。\u0301"), min_size=1, max_size=50), st.integers(0, 60))
def test_a_script_without_spaces_is_cut_between_characters(text: str, most: int) -> None:
    assert len(clipped(text, most)) <= most or clipped(text, most) == text


@given(places=names, most=st.integers(0, 60))
def test_a_list_never_cuts_a_name_and_counts_the_rest(library: HazardLibrary, places: list[str], most: int) -> None:
    said = Shortener(library.languages["id"], LINK, Budget(names=most)).listed(places)
    kept = [name for name in places if name in said.replace(",", " ").replace(" dan", "  dan") + " "]
    if most >= len(places):
        assert LINK not in said
        assert said.count(",") == max(len(places) - 2, 0)
    elif most == 0:
        assert said == f"{len(places)} wilayah, daftarnya di {LINK}"
    else:
        assert said == f"{', '.join(places[:most])} dan {len(places) - most} lainnya: {LINK}"
        assert kept[:most] == places[:most]


def test_a_list_in_both_languages(library: HazardLibrary) -> None:
    names = ["Manna", "Kaur", "Seluma"]
    assert Shortener(library.languages["id"], LINK, Budget()).listed(names) == "Manna, Kaur dan Seluma"
    assert Shortener(library.languages["en"], LINK, Budget(names=1)).listed(names) == f"Manna and 2 more: {LINK}"
    assert Shortener(library.languages["en"], LINK, Budget()).listed(names[:1]) == "Manna"
    assert Shortener(library.languages["en"], LINK, Budget()).listed(None) == ""


def test_a_list_of_names_inside_a_quoted_text_is_shortened_too(library: HazardLibrary) -> None:
    text = "Hujan lebat, khususnya di Amandraya, Lolomatua, Gomo, Lahusa, Hibala, Teluk Dalam. Waspadalah."
    shortener = Shortener(library.languages["id"], LINK, Budget(names=2))
    assert shortener.clip(text) == f"Hujan lebat, khususnya di Amandraya, Lolomatua dan 4 lainnya: {LINK}. Waspadalah."
    assert shortener.most_names == 6


def test_names_in_capitals_become_names() -> None:
    assert title_cased("DENGILO") == "Dengilo"
    assert title_cased("KOTA PALU-SIGI") == "Kota Palu-Sigi"
    assert title_cased("DKI JAKARTA", ("DKI",)) == "DKI Jakarta"
    assert title_cased("NTT") == "NTT"
    assert title_cased("McDonald") == "McDonald"
    assert lists_title_cased(
        "Khususnya di DENGILO, MANANGGU. BMKG memantau."
    ) == "Khususnya di Dengilo, Manangggu. BMKG memantau.".replace("ggg", "gg")
    assert lists_title_cased("FLOOD, STORM, WIND") == "FLOOD, STORM, WIND"


def test_an_area_description_is_parted_into_names() -> None:
    assert split_names("Washington, DC; Fairfax, VA") == ("Washington, DC", "Fairfax, VA")
    assert split_names("Manna, Kaur, Seluma, Kepahiang") == ("Manna", "Kaur", "Seluma", "Kepahiang")
    assert split_names(" ; . ;") == ()


@given(st.text())
def test_no_input_carries_slots_controls_or_turned_direction(text: str) -> None:
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    for forbidden in "\ue000\ue001\u202e\u2066\x00\x1b\ufffe\u2029\n":
        assert forbidden not in cleaned
    cleaned.encode()  # no lone surrogate is left
    assert clean(cleaned) == cleaned


@given(st.text(st.sampled_from("ab \n\r\u2028\u2029\x0b")))
def test_paragraphs_are_parted_at_empty_lines_only(text: str) -> None:
    paragraphs = clean_paragraphs(text)
    assert all(paragraph and "\n" not in paragraph for paragraph in paragraphs)
    assert "".join("".join(paragraphs).split()) == "".join(text.split())


def test_letters_of_right_to_left_scripts_stay() -> None:
    arabic = "\u0641\u064a\u0636\u0627\u0646"
    assert clean(f"\u202e{arabic}\u202c") == arabic
