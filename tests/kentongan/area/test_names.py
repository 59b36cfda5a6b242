from __future__ import annotations

import pytest

from kentongan.area.names import Index, read_words
from kentongan.area.regions import Region, Regions
from kentongan.data import data_path

NAMES = {
    "33": "Jawa Tengah",
    "33.01": "Kabupaten Cilacap",
    "33.01.02": "Kesugihan",
    "33.01.02.2001": "Slarang",
    "33.01.03": "Adipala",
    "33.01.03.2001": "Adipala",
    "33.02": "Kabupaten Banyumas",
    "33.02.04": "Banyumas",
    "33.02.04.2002": "Kebumen",
    "33.05": "Kabupaten Kebumen",
    "33.71": "Kota Magelang",
    "33.08": "Kabupaten Magelang",
    "34": "Daerah Istimewa Yogyakarta",
    "34.01.05": "Kota Bahagia",
    "34.01.06.2001": "Pulau Élan",
    **{f"34.0{n}.01.2001": "Sukamaju" for n in range(1, 10)},
    "34.02.02.2001": "Ujung",
    "34.03.02.2001": "Ujung",
}


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(Regions.of([Region(*item) for item in NAMES.items()], {}), read_words(data_path("templates")))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Kab. Cilacap", {"33.01"}),
        ("KABUPATEN CILACAP", {"33.01"}),
        ("Cilacap Regency", {"33.01"}),
        ("Regency of Cilacap", {"33.01"}),
        ("cilacap", {"33.01"}),
        ("Kec. Adipala", {"33.01.03"}),
        ("Desa Adipala", {"33.01.03"}),
        ("Kesugihan, Cilacap", {"33.01.02", "33.01"}),
        ("Kec. Kesugihan, Kab. Cilacap, Jawa Tengah", {"33.01.02"}),
        ("Kec. Kesugihan, Adipala, Kab. Cilacap", {"33.01.02", "33.01.03"}),
        ("Desa Slarang (Kec. Kesugihan)", {"33.01.02.2001"}),
        ("Cilacap; Banyumas", {"33.01", "33.02"}),
        ("Cilacap, Banyumas dan Kebumen", {"33.01", "33.02", "33.05"}),
        ("Kota Magelang", {"33.71"}),
        ("Kab Magelang", {"33.08"}),
        ("Magelang", {"33.71", "33.08"}),
        ("DIY", {"34"}),
        ("D.I. Yogyakarta", {"34"}),
        ("Jateng", {"33"}),
        ("Kecamatan Kota Bahagia", {"34.01.05"}),
        ("pulau elan", {"34.01.06.2001"}),
        ("Atlantis", set()),
        ("", set()),
        (";,()", set()),
    ],
)
def test_a_name_finds_its_regions(index: Index, text: str, codes: set[str]) -> None:
    assert index.find(text).codes == codes


def test_a_list_that_may_be_read_two_ways_takes_all_in(index: Index) -> None:
    """ "Banyumas, Kebumen" are two regencies, though a village called Kebumen lies in Banyumas."""
    assert index.find("Banyumas, Kebumen").codes == {"33.02", "33.05"}


def test_a_name_of_two_regions_takes_both_in_and_says_so(index: Index) -> None:
    found = index.find("Ujung")
    assert found.codes == {"34.02.02.2001", "34.03.02.2001"}
    assert "2 regions" in found.remarks[0]


def test_a_name_that_very_many_bear_says_nothing(index: Index) -> None:
    found = index.find("Sukamaju")
    assert found.codes == set()
    assert "say which" in found.remarks[0]
