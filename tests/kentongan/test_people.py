from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kentongan.addresses import mask, normalise
from kentongan.audiences import choose_language, matches
from kentongan.errors import BadInput
from kentongan.people import Fault, Remark, Row, read_people
from kentongan.seam import Address
from kentongan.settings import Audience


def identify(family: str, value: str) -> str:
    return hashlib.sha256(f"{family} {value}".encode()).hexdigest()


def read(source: Path | Iterable[str], region: str = "ID") -> list[Row | Fault | Remark]:
    return list(read_people(source, default_region=region, identify=identify))


def only_fault(*lines: str) -> str:
    results = read(lines)
    faults = [result for result in results if isinstance(result, Fault)]
    assert len(faults) == 1, results
    return faults[0].sentence


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_is_read_whatever_its_dialect(tmp_path: Path, delimiter: str, start: str, end: str) -> None:
    path = tmp_path / "people.csv"
    lines = [
        ["Phone ", "reference", "telegram", "language", "groups", "regions"],
        ["0812-3456-7890", "A-1", "123456789", "ID", '"Officials; coast;officials"', '"33.05;33.10"'],
        ["", "", "", "", "", ""],
        ["+1 202 456 1111", "", "", "en_US", "", ""],
    ]
    path.write_bytes((start + end.join(delimiter.join(cells) for cells in lines)).encode())
    first = (Address("phone", "+6281234567890"), Address("telegram", "123456789"))
    other = Address("phone", "+12024561111")
    assert read(path) == [
        Row(2, "A-1", first, "id", ("coast", "officials"), ("33.05", "33.10")),
        Row(4, f"p-{identify('phone', '+12024561111')[:20]}", (other,), "en-us", (), ()),
    ]


def test_names_are_dropped_with_a_remark() -> None:
    remark, row = read(["name,phone", "Siti Rahma,081234567890"])
    assert isinstance(remark, Remark)
    assert "no names are stored" in remark.sentence
    assert "Siti" not in repr(row)


def test_a_reference_of_our_own_follows_the_address_and_not_the_row() -> None:
    one = read(["phone", "081234567890", "081234567891"])
    other = read(["phone,language", "081234567891,id", "+6281234567890,en"])
    references = [[row.reference for row in rows if isinstance(row, Row)] for rows in (one, other)]
    assert references[0] == references[1][::-1]
    assert not any("1234567" in reference for reference in references[0])


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "row 1 must name the columns"),
        ([""], "row 1 must name the columns"),
        (["081234567890,id", "081234567891,id"], "row 1 must name the columns"),
        (["phone,telefon"], "column 2 'telefon': no such column; known are reference, name, phone"),
        (["phone,fax"], "column 2 'fax': no such column"),
        (["phone,081234567890"], "column 2: no such column"),
        (["phone,"], "column 2: no such column"),
        (["phone,language,phone"], "names phone twice"),
        (["phone", '"081234567890', "081234567891"], r"row 2 cannot be read as CSV .*; mend the quotes there"),
        (["phone", '"0812"34567890'], r"row 2 cannot be read as CSV .*; mend the quotes there"),
        (["phone,groups", "081234567890," + "a" * 200_000], "row 2 cannot be read as CSV"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_sentence(lines: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read(lines)
    assert "\n" not in str(caught.value)
    assert "0812" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_another_encoding_is_named_with_the_remedy(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("phone,groups\n081234567890,café\n".encode(encoding))
    with pytest.raises(BadInput, match=f"{path} is not UTF-8; save it from the spreadsheet as `CSV UTF-8`"):
        read(path)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(BadInput, match=f"{path} cannot be read"):
            read(path)


def test_an_unknown_country_is_our_callers_mistake() -> None:
    with pytest.raises(BadInput, match="'XX' is no country"):
        read(["phone", "081234567890"], region="XX")


@pytest.mark.parametrize(
    ("header", "cells", "sentence"),
    [
        ("phone", "0812345", "row 2, phone: ••••• is no valid telephone number; write it as"),
        ("phone", "08123456789012345", "row 2, phone: •••••345 is no valid telephone number"),
        ("phone", "+999123456789", "row 2, phone: \\+99•••••789 is no valid telephone number"),
        ("phone", "0812-SAR-7890", "row 2, phone: •••••890 is no valid telephone number"),
        ("phone", "081234567890 ext. 5", "row 2, phone: .* is no valid telephone number"),
        ("phone", "6.28123E+12", "row 2, phone: .* exponent by a spreadsheet; format the column as text"),
        ("phone", "Budi Santoso", "row 2, phone: .* is no valid telephone number"),
        ("telegram", "@budi", "row 2, telegram: .* is no Telegram chat id"),
        ("telegram", "0", "row 2, telegram: .* is no Telegram chat id"),
        ("telegram", "1_000_000", "row 2, telegram: .* is no Telegram chat id"),
        ("telegram", "1.2E+09", "row 2, telegram: .* exponent by a spreadsheet"),
        ("phone,telegram,groups", ",,coast", "row 2, phone or telegram: is empty"),
        ("phone,language", "081234567890,Indonesian language", "row 2, language: is no language code"),
        ("phone,regions", "081234567890,33.05;Klaten city", "row 2, regions: holds what is no region code"),
        ("phone,groups", "081234567890,a\ue000sent\ue001", "row 2, groups: holds characters that cannot be shown"),
        ("phone,groups", "081234567890,a\x00b", "row 2, groups: holds characters that cannot be shown"),
        ("phone,reference", "081234567890,081234567890", "row 2, reference: is the person's own address"),
        ("phone,reference", "081234567890,81234567890", "row 2, reference: is the person's own address"),
        ("telegram,reference", "123456789,tg-123456789", "row 2, reference: is the person's own address"),
        ("phone,reference", "081234567890,budi@example.org", "row 2, reference: is no id"),
        ("phone,groups", "081234567890,a,b", "row 2 has 3 cells where the header has 2"),
        ("phone,groups", "081234567890", "row 2 has 1 cells where the header has 2"),
    ],
)
def test_a_faulty_row_is_named_with_column_and_remedy(header: str, cells: str, sentence: str) -> None:
    said = only_fault(header, cells)
    assert re.match(sentence, said)
    assert "1234567" not in said
    assert "@" not in said


def test_a_faulty_row_does_not_stop_the_others() -> None:
    results = read(["phone", "081234567890", "12", "081234567891"])
    assert [type(result) for result in results] == [Row, Fault, Row]
    assert [result.number for result in results if not isinstance(result, Remark)] == [2, 3, 4]


def test_an_address_or_reference_stands_in_one_row_only() -> None:
    said = only_fault("phone,reference", "081234567890,a", "081234567891,b", "+62 812 3456 7890,c")
    assert said == "row 4, phone: +62•••••890 stands in row 2 already; keep one of the two rows"
    said = only_fault("telegram", "123456789", "0123456789")
    assert said == "row 3, telegram: •••••789 stands in row 2 already; keep one of the two rows"
    said = only_fault("phone,reference", "081234567890,a", "081234567891,a")
    assert said == "row 3, reference: a stands in row 2 already; give each person their own"


def test_a_row_refused_for_a_repeat_takes_none_of_its_addresses() -> None:
    lines = ["phone,telegram", "081234567890,1", "081234567890,2", "081234567891,2"]
    assert [type(result) for result in read(lines)] == [Row, Fault, Row]


def test_a_region_code_that_lost_its_final_zero_is_remarked() -> None:
    results = read(["phone,regions", "081234567890,33.05", "081234567891,33.1"])
    assert [result.sentence for result in results if isinstance(result, Remark)] == [
        "regions: 33.1 in row 3 is shorter than 33.05; a spreadsheet may have cut a final 0"
    ]
    assert not any(isinstance(result, Remark) for result in read(["phone,regions", "081234567890,33;33.05;33.05.12"]))


@given(st.data())
def test_every_valid_number_becomes_the_same_address_however_it_is_written(data: st.DataObject) -> None:
    region = data.draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assume(example is not None)
    assert example is not None
    assume(phonenumbers.region_code_for_number(example) == region)
    forms = phonenumbers.PhoneNumberFormat
    form = data.draw(st.sampled_from([forms.E164, forms.INTERNATIONAL, forms.NATIONAL]))
    written = phonenumbers.format_number(example, form)
    address = normalise("phone", written, default_region=region)
    assert address.value == phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert normalise("phone", address.value, default_region="ID") == address


cells = st.text(max_size=20)


@given(st.lists(st.tuples(cells, cells, cells, cells, cells), max_size=8))
def test_whatever_the_cells_hold_every_row_is_a_row_or_a_fault(rows: list[tuple[str, ...]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("phone", "telegram", "language", "groups", "regions"), *rows])
    buffer.seek(0)
    results = [result for result in read(buffer) if not isinstance(result, Remark)]
    filled = [number for number, row in enumerate(rows, 2) if any(cell.strip() for cell in row)]
    assert [result.number for result in results] == filled
    for result in results:
        if isinstance(result, Fault):
            assert result.sentence.startswith(f"row {result.number}")
            assert result.sentence.isprintable()


@given(st.integers(10**7, 10**15), st.sampled_from(["phone", "telegram"]))
def test_a_mask_shows_three_digits_and_no_length(digits: int, family: str) -> None:
    shown = mask(Address(family, f"+{digits}"))
    assert shown == f"+{str(digits)[:2]}•••••{str(digits)[-3:]}"
    assert mask(Address("telegram", str(digits)))[-4:] == f"•{str(digits)[-3:]}"
    assert mask(Address(family, str(digits)[:7])) == "•••••"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Siti.Rahma@Example.ORG", "siti.rahma@example.org"),
        ("a+b@xn--bcher-kva.example", "a+b@xn--bcher-kva.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("o'hara_1@mail.bpbd.go.id", "o'hara_1@mail.bpbd.go.id"),
    ],
)
def test_an_email_address_is_kept_in_one_form(written: str, kept: str) -> None:
    assert normalise("email", written, default_region="ID") == Address("email", kept)
    assert normalise("email", kept, default_region="ID").value == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        "siti",
        "siti@",
        "@bpbd.org",
        "a@b@example.org",
        "siti@localhost",
        "siti@[192.0.2.1]",
        '"a b"@example.org',
        "a..b@example.org",
        ".a@example.org",
        "a@example..org",
        "a@-x.org",
        "a@example.org.",
        "a@192.0.2.1",
        "sítí@example.org",
        "a b@example.org",
        "a@example.org\r\nBcc: x@example.org",
        "a@exam\nple.org",
        "<a@example.org>",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 64}.org",
        f"a@{'b.' * 120}org",
    ],
)
def test_what_is_no_email_address_is_told_without_being_shown(written: str) -> None:
    with pytest.raises(ValueError, match=r"write it as name@example\.org") as raised:
        normalise("email", written, default_region="ID")
    assert not written or written not in str(raised.value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_email_address_that_is_let_in_can_break_a_command(local: str, domain: str) -> None:
    try:
        value = normalise("email", f"{local}@{domain}", default_region="ID").value
    except ValueError:
        return
    assert value.isascii()
    assert value.isprintable()
    assert not set(value) & set(' <>(),;:\\"[]')
    assert normalise("email", value, default_region="ID").value == value


def test_the_mask_of_an_email_address_shows_neither_name_nor_domain() -> None:
    assert mask(Address("email", "siti.rahma@siti-rahma.web.id")) == "s•••••@•••••.id"
    assert mask(Address("email", "nonsense")) == "•••••"


def test_a_list_may_hold_email_addresses() -> None:
    row, fault = read(["email,groups", "Siti@Example.org,coast", "budi(at)example.org,coast"])
    assert isinstance(row, Row)
    assert row.addresses == (Address("email", "siti@example.org"),)
    assert isinstance(fault, Fault)
    assert "budi" not in fault.sentence


@pytest.mark.parametrize(
    ("groups", "regions", "belongs"),
    [
        ((), (), True),
        (("coast",), (), True),
        (("COAST ",), (), True),
        (("hill",), (), False),
        (("hill", "coast"), (), True),
        ((), ("33",), True),
        ((), ("33.05",), True),
        ((), ("33.05.12",), True),
        ((), ("33.05.12.2001",), False),
        ((), ("3",), False),
        ((), ("33.0",), False),
        ((), ("34",), False),
        ((), ("34", "33"), True),
        (("coast",), ("34",), False),
        (("hill",), ("33",), False),
        (("coast",), ("33",), True),
    ],
)
def test_an_audience_is_its_groups_and_its_regions(
    groups: tuple[str, ...], regions: tuple[str, ...], belongs: bool
) -> None:
    assert matches(Audience(groups=groups, regions=regions), ("coast", "officials"), ("33.05.12",)) is belongs


def test_a_region_code_without_dots_holds_nothing_by_its_first_digits() -> None:
    assert not matches(Audience(regions=("33",)), (), ("3305",))
    assert not matches(Audience(regions=("33",)), (), ())
    assert not matches(Audience(groups=("coast",)), (), ("33",))


codes = st.lists(st.sampled_from(["33", "34", "05", "5", "12"]), min_size=1, max_size=4)


@given(codes, codes)
def test_a_region_holds_those_whose_parts_begin_with_its_own(audience: list[str], own: list[str]) -> None:
    holds = own[: len(audience)] == audience
    assert matches(Audience(regions=(".".join(audience),)), (), (".".join(own),)) is holds


@pytest.mark.parametrize(
    ("own", "available", "chosen"),
    [
        (None, ("id", "en"), "id"),
        ("en", ("id", "en"), "en"),
        ("EN-us", ("id", "en"), "en"),
        ("en", ("id", "en-GB"), "en-GB"),
        ("en-us", ("id", "en-GB", "en-US"), "en-US"),
        ("jv", ("id", "en"), "id"),
        ("i", ("id", "en"), "id"),
    ],
)
def test_a_person_gets_their_own_language_or_the_agencys_first(
    own: str | None, available: tuple[str, ...], chosen: str
) -> None:
    assert choose_language(own, available) == chosen


def test_there_is_no_language_to_choose_where_none_rendered() -> None:
    with pytest.raises(ValueError, match="no language"):
        choose_language("id", ())
