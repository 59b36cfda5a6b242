from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.errors import BadInput
from kentongan.seam import fill, slot, slots
from kentongan.words.late import SLOTS, at_widest, late_values, widest
from kentongan.words.library import HazardLibrary
from kentongan.words.times import local_time, zone_name

MOMENT = datetime(2026, 5, 3, 0, 7, tzinfo=UTC)
ZONES = [
    "Asia/Jakarta",
    "Asia/Makassar",
    "Asia/Jayapura",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "UTC",
]


@pytest.mark.parametrize(
    ("zone", "language", "expected"),
    [
        ("Asia/Jakarta", "id", "3 Mei 2026 pukul 07.07 WIB"),
        ("Asia/Pontianak", "id", "3 Mei 2026 pukul 07.07 WIB"),
        ("Asia/Makassar", "id", "3 Mei 2026 pukul 08.07 WITA"),
        ("Asia/Jayapura", "id", "3 Mei 2026 pukul 09.07 WIT"),
        ("Asia/Jakarta", "en", "07:07 WIB on 3 May 2026"),
        ("Europe/Berlin", "en", "02:07 CEST on 3 May 2026"),
        ("America/Sao_Paulo", "en", "21:07 UTC-3 on 2 May 2026"),
        ("Asia/Kathmandu", "en", "05:52 UTC+5:45 on 3 May 2026"),
        ("UTC", "en", "00:07 UTC on 3 May 2026"),
    ],
)
def test_a_time_is_local_with_the_zone_as_the_public_calls_it(
    library: HazardLibrary, zone: str, language: str, expected: str
) -> None:
    assert local_time(MOMENT, ZoneInfo(zone), library.languages[language]) == expected


def test_a_zone_is_named_for_its_moment(library: HazardLibrary) -> None:
    winter = datetime(2026, 1, 3, tzinfo=UTC)
    assert zone_name(winter, ZoneInfo("Europe/Berlin"), library.languages["en"]) == "CET"


moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


@given(moment=moments, zone=st.sampled_from(ZONES), language=st.sampled_from(["id", "en"]), data=st.data())
def test_no_late_fact_is_wider_than_the_widest(
    library: HazardLibrary, moment: datetime, zone: str, language: str, data: st.DataObject
) -> None:
    spoken = library.languages[language]
    reason = data.draw(st.sampled_from(library.reasons))
    values = late_values(
        SLOTS,
        language=language,
        languages=library.languages,
        zone=ZoneInfo(zone),
        sent=moment,
        earlier_sent=moment,
        reason=reason,
    )
    for name, value in values.items():
        assert len(value) <= len(widest(name, spoken, ZoneInfo(zone)))


def test_in_a_message_of_several_languages_each_slot_speaks_its_own(library: HazardLibrary) -> None:
    text = f"{slot('sent_id')} / {slot('sent_en')} / {slot('reason_id')}"
    values = late_values(
        slots(text),
        language="mul",
        languages=library.languages,
        zone=ZoneInfo("Asia/Jakarta"),
        sent=MOMENT,
        reason="was_a_test",
    )
    assert fill(text, values) == "3 Mei 2026 07.07 WIB / 07:07 WIB 3 May 2026 / hanya uji coba"


def test_an_unknown_reason_is_refused_and_an_unknown_slot_is_a_mistake(library: HazardLibrary) -> None:
    zone = ZoneInfo("UTC")
    with pytest.raises(BadInput, match="known are sent_by_mistake"):
        late_values(["reason"], language="id", languages=library.languages, zone=zone, sent=MOMENT, reason="oops")
    with pytest.raises(KeyError):
        late_values(["weather"], language="id", languages=library.languages, zone=zone, sent=MOMENT)
    with pytest.raises(KeyError):
        at_widest(slot("weather"), library.languages["id"], library.languages, zone)
    with pytest.raises(ValueError, match="no time"):
        late_values(["earlier_sent"], language="id", languages=library.languages, zone=zone, sent=MOMENT)
