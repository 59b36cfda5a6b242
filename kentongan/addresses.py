"""Addresses of people: the one form in which each is kept, and what an officer may see of it."""

from __future__ import annotations

import functools
import re
from typing import Any

from kentongan.errors import BadInput
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address

FAMILIES = ("phone", "whatsapp", "telegram", "email")
"""The address spaces that a list may hold, each a column of its own.

A number on WhatsApp is not the same place as the number that takes SMS: a person may want both, or only one.
"""

NUMBERED = ("phone", "whatsapp")
"""Those whose addresses are telephone numbers."""

_CHAT = re.compile(r"-?[0-9]{1,16}")
# RFC 5321 Dot-string and Domain; quoted local parts and literal addresses are left out.
_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_SPREADSHEET = re.compile(r"[0-9]+([.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)


def normalise(family: str, text: str, *, default_region: str) -> Address:
    """Returns the one address that `text` means; raises ValueError saying what is wrong and what to write instead.

    The message never holds the text.
    """
    if family in NUMBERED:
        return Address(family, _phone(text, default_region))
    if family == "telegram":
        if _SPREADSHEET.fullmatch(text):
            raise ValueError("was turned into an exponent by a spreadsheet; format the column as text and fill it anew")
        if not _CHAT.fullmatch(text) or int(text) == 0:
            raise ValueError("is no Telegram chat id; write the whole number that the bot was given, not a name")
        return Address(family, str(int(text)))
    if family == "email":
        return Address(family, _email(text))
    raise ValueError(f"is no address that can be used; known are {', '.join(FAMILIES)}")


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    # Mailboxes that differ only in case are one wherever mail is delivered today, and so one person here.
    local = local.lower()
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        domain = ""
    if not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain) or len(local) > 64 or len(domain) > 189:
        raise ValueError("is no e-mail address that can be used; write it as name@example.org, without accents")
    return f"{local}@{domain}"


def _phone(text: str, default_region: str) -> str:
    written = _as_most_are_written(default_region)
    if written is not None and written.valid.fullmatch(text):
        return text if text.startswith("+") else f"{written.international}{text[1:]}"
    return any_phone(text, default_region)


@dataclass(frozen=True, slots=True)
class _Written:
    """What nearly every number of a list looks like: digits alone, with the country's code or the 0 before them."""

    international: str
    valid: re.Pattern[str]


@functools.cache
def _as_most_are_written(region: str) -> _Written | None:
    """The valid numbers of a country in one expression, by the library's own tables: it takes a tenth of the time.

    None where its rules are more than that: a code that countries share, or other digits than a 0 before a number.
    """
    import phonenumbers

    country = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if (
        country is None
        or not country.international_prefix
        or country.country_code is None
        or len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[country.country_code]) != 1
        or country.national_prefix_for_parsing != "0"
        or country.national_prefix_transform_rule is not None
        or country.leading_digits is not None
        or any(re.match(country.international_prefix, f"0{number}") for number in range(1000, 10000))
    ):
        return None
    kinds = (
        country.fixed_line, country.mobile, country.toll_free, country.premium_rate, country.shared_cost,
        country.personal_number, country.voip, country.pager, country.uan, country.voicemail,
    )  # fmt: skip
    every = "|".join(_matching(kind) for kind in kinds if kind is not None and kind.national_number_pattern)
    valid = f"(?={_matching(country.general_desc)})(?:{every})"
    code = country.country_code
    return _Written(f"+{code}", re.compile(rf"(?:\+{code}|0)(?=[1-9][0-9]*\Z){valid}"))


def _matching(described: Any) -> str:
    """A pattern for whole numbers that are as the library describes them."""
    lengths = "|".join(f"[0-9]{{{length}}}" for length in described.possible_length if length > 0)
    return rf"(?=(?:{lengths or '[0-9]+'})\Z)(?:{described.national_number_pattern})\Z"


def any_phone(text: str, default_region: str) -> str:
    """The one form of a telephone number however it is written; raises ValueError as `normalise` does."""
    # Its tables of all countries' numbers are only worth loading where numbers are read.
    import phonenumbers

    if default_region not in phonenumbers.SUPPORTED_REGIONS:
        raise BadInput(f"{default_region!r} is no country for telephone numbers; give an ISO 3166 code such as ID")
    if _SPREADSHEET.fullmatch(text):
        raise ValueError("was turned into an exponent by a spreadsheet; format the column as text and fill it anew")
    wrong = ValueError(
        f"is no valid telephone number; write it as +country and number, or as dialled in {default_region}"
    )
    # The library would read letters as keypad digits.
    if any(character.isalpha() for character in text):
        raise wrong
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        raise wrong from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise wrong
    # As `format_number` does for E.164, which costs a list of a million some seconds more.
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def mask(address: Address) -> str:
    """Returns what an officer may see of an address, such as `+62•••••789`; its length does not show."""
    value = address.value
    if address.family == "email":
        # Name and domain may both be a person's; what comes last says that it is e-mail and from where.
        _, at, domain = value.rpartition("@")
        _, dot, last = domain.rpartition(".")
        return f"{value[0]}•••••@•••••.{last}" if at and dot and 0 < len(last) <= 24 else "•••••"
    if len(value) < 8:
        return "•••••"
    return f"{value[:3] if value.startswith('+') else ''}•••••{value[-3:]}"
