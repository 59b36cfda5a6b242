"""The quick way to read a telephone number comes to what the library comes to, or leaves it to the library."""

from __future__ import annotations

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from kentongan.addresses import any_phone, normalise

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
digits = st.text("0123456789", max_size=9)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A number as people of a country write it, or nearly; half of them Indonesian."""
    region = draw(st.just("ID") | st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([0, 1, 2, 3, 4, 6, 7]))
    example = phonenumbers.example_number_for_type(region, kind)
    national = str(example.national_number) if example is not None else draw(digits)
    national = national[: draw(st.integers(0, len(national)))] + draw(st.just("") | digits)
    code = phonenumbers.country_code_for_region(region)
    before = draw(st.sampled_from([f"+{code}", f"+{code}0", "0", "00", "", str(code), "+"]))
    return region, before + national


def _or_none(read: object, *arguments: str) -> str | None:
    assert callable(read)
    try:
        return str(read(*arguments))
    except ValueError:
        return None


@given(numbers())
def test_a_number_is_read_as_the_library_reads_it(number: tuple[str, str]) -> None:
    region, text = number
    quick = _or_none(lambda: normalise("phone", text, default_region=region).value)
    assert quick == _or_none(any_phone, text, region)
