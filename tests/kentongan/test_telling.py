from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan import telling


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (430, "0.4 s"),
        (59_949, "59.9 s"),
        (59_960, "1 min 0 s"),
        (61_000, "1 min 1 s"),
        (7_800_000, "2 h 10 min"),
        (-400, "0.0 s"),
    ],
)
def test_spans_are_short(milliseconds: int | None, said: str) -> None:
    assert telling.span(milliseconds) == said


@given(at=st.integers(0, 4_000_000_000_000), zone=st.sampled_from(["Asia/Jakarta", "Asia/Jayapura", "UTC"]))
def test_a_time_on_record_is_said_in_the_zone_of_who_reads_it(at: int, zone: str) -> None:
    sentence = f"restored from a backup of {telling.recorded(at)}, and 2026-13-45 25:61 UTC is no time"
    said = telling.local(sentence, ZoneInfo(zone))
    assert said == sentence.replace(telling.recorded(at), telling.minute(at, ZoneInfo(zone)))
    assert telling.local(said, ZoneInfo("UTC")) == said


def test_one_is_said_as_one() -> None:
    assert (telling.people(1), telling.people(3120)) == ("1 person", "3,120 people")
    assert (telling.several(1, "reply", "replies"), telling.several(2, "reply", "replies")) == ("1 reply", "2 replies")
    assert telling.several(0, "rule") == "0 rules"
