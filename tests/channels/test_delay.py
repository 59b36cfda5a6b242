from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._delay import asked_delay

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
WINDOW = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "30"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["retry_after", "retry_after_ms", "parameters", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-reset",
            "x-ratelimit-reset-after",
            "ratelimit-reset",
            "x-user-limit-24hour-remaining",
            "x-user-limit-24hour-reset",
        ]
    ),
    st.just("0") | st.text(max_size=40) | st.integers().map(str) | st.floats().map(str) | st.datetimes().map(str),
)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, None, None),
        ({"retry-after": "120"}, None, 120.0),
        ({"retry-after": "0"}, None, 0.0),
        ({"retry-after": "-5"}, None, 0.0),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"retry-after": format_datetime(LATER, usegmt=True)}, None, 90.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30 -0000"}, None, 90.0),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, None, 0.0),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "soon", "x-ratelimit-reset": "30"}, None, 30.0),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after-ms": "2500"}, None, 2.5),
        ({"x-ratelimit-reset": "2026-03-01T12:01:30.000Z"}, None, 90.0),
        ({"x-ratelimit-reset": "2026-03-01T19:01:30+07:00"}, None, 90.0),
        ({"x-ratelimit-reset": str(LATER.timestamp())}, None, 90.0),
        ({"x-rate-limit-reset": str(int(LATER.timestamp()))}, None, 90.0),
        ({"x-ratelimit-reset-after": "0.25"}, None, 0.25),
        ({}, {"retry_after": 0.65}, 0.65),
        ({}, {"retry_after_ms": 2000}, 2.0),
        ({}, {"parameters": {"retry_after": 7}}, 7.0),
        ({}, {"estimated_time_to_regain_access": 3}, 180.0),
        ({"retry-after": "60"}, {"retry_after": 2}, 2.0),
        ({"retry-after": "60"}, {"retry_after": True}, 60.0),
        ({"retry-after": "60"}, {"retry_after": "never"}, 60.0),
        ({"retry-after": "60", "x-ratelimit-reset": "300"}, None, 60.0),
        ({"x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "900", **WINDOW}, None, 900.0),
        ({"x-app-limit-24hour-remaining": "0", "x-app-limit-24hour-reset": "900", **WINDOW}, None, 900.0),
        ({"x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "9", **WINDOW}, None, 30.0),
        ({"x-user-limit-24hour-remaining": "1", "x-user-limit-24hour-reset": "900", **WINDOW}, None, 30.0),
        ({"x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "soon", **WINDOW}, None, 30.0),
        ({"x-user-limit-24hour-remaining": "0", **WINDOW}, None, 30.0),
    ],
)
def test_every_form_in_use_is_read_as_seconds_from_now(headers: Any, body: Any, seconds: float | None) -> None:
    assert asked_delay(headers, body, NOW) == (None if seconds is None else pytest.approx(seconds))


@given(HEADERS, JSON)
def test_whatever_a_provider_says_the_delay_is_finite_and_not_negative(headers: Any, body: Any) -> None:
    seconds = asked_delay(headers, body, NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
