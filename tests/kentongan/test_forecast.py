"""A forecast never promises what the sender's own pace does not keep, and says in one sentence who is too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from kentongan.bucket import IDLE, SLICE, Allowance, Bucket, lease
from kentongan.clock import to_milliseconds
from kentongan.forecast import Bound, Way, everyone_by, forecast, warning
from kentongan.seam import Limits

NOW = to_milliseconds(datetime(2026, 11, 21, 18, 0, tzinfo=UTC))
JAKARTA = ZoneInfo("Asia/Jakarta")
SMS = Way("sms", Limits("sms", 3, 20.0, 8, 10.0, 1800.0), 41_200, latency=0.05)

ways = st.builds(
    lambda rate, concurrency, within, people, before, beside, paused, latency, takes: Way(
        "sms",
        Limits("sms", 3, rate, concurrency, 10.0, within),
        people,
        before=before,
        beside=beside,
        paused=paused,
        latency=latency,
        takes=takes,
    ),
    rate=st.floats(0.5, 500),
    concurrency=st.integers(1, 16),
    within=st.floats(10, 10_000),
    people=st.integers(0, 50_000),
    before=st.integers(0, 5_000),
    beside=st.integers(0, 50_000),
    paused=st.floats(0, 5_000),
    latency=st.floats(0.001, 5),
    takes=st.none() | st.integers(0, 50_000),
)


@given(way=ways, expires=st.none() | st.integers(0, 10_000_000))
def test_whoever_is_not_in_time_is_too_late_and_nobody_else(way: Way, expires: int | None) -> None:
    seen = forecast(way, now=NOW, expires_at=NOW + expires if expires is not None else None)
    assert way.people is not None
    assert 0 <= seen.refused <= seen.too_late <= way.people
    assert seen.deliver_by <= NOW + round(way.limits.deliver_within * 1000)
    assert (seen.everyone_at is None) is (seen.refused > 0)
    if seen.everyone_at is None or not way.people:
        return
    last_sent = seen.everyone_at - way.latency * 1000
    if abs(last_sent - seen.deliver_by) > 5:
        assert (seen.too_late > 0) is (last_sent > seen.deliver_by)


@given(way=ways, more=st.integers(1, 10_000))
def test_more_people_longer_queues_and_slower_providers_never_help(way: Way, more: int) -> None:
    assert way.people is not None
    seen = forecast(way, now=NOW, expires_at=None)
    for worse in (
        replace(way, people=way.people + more),
        replace(way, before=way.before + more),
        replace(way, beside=way.beside + more),
        replace(way, cost=2 / way.limits.rate),
        replace(way, paused=way.paused + more),
        replace(way, latency=way.latency * 2),
        replace(way, takes=0),
        replace(way, limits=replace(way.limits, rate=way.limits.rate / 2)),
    ):
        then = forecast(worse, now=NOW, expires_at=None)
        assert then.too_late >= seen.too_late
        assert then.everyone_at is None or (seen.everyone_at is not None and then.everyone_at >= seen.everyone_at)


@given(rate=st.floats(1, 300), people=st.integers(1, 3_000), others=st.integers(0, 3_000))
def test_two_alerts_at_this_pace_are_done_when_it_was_foreseen(rate: float, people: int, others: int) -> None:
    shared, held, now, cost = Bucket(), Allowance(), 0.0, 1 / rate
    left = [people, others]
    done_at = 0.0
    while left[0]:
        for part in (0, 1):
            # Both runs ask whenever there is leave for one; each takes one at a time.
            while left[part] and not held.spend(1, cost=cost, now=now):
                if held.begins(cost) is None:
                    shared, leave = lease(shared, now=now, length=max(SLICE, cost), rank=0)
                    held.add(leave)
                now = max(now, held.begins(cost) or leave.again) + 1e-9
            left[part] = max(0, left[part] - 1)
            done_at = now if part == 0 else done_at
    way = Way("sms", Limits("sms", 3, rate, 16, 10.0, 1e6), people, beside=others, latency=0.001)
    seen = forecast(way, now=0, expires_at=None)
    assert seen.everyone_at is not None
    # What was unused for a moment is there at once.
    assert -1e-2 <= seen.everyone_at / 1000 - done_at <= IDLE + 3 / rate + 0.01


def test_it_is_said_in_one_sentence_with_who_has_another_channel() -> None:
    seen = forecast(SMS, now=NOW, expires_at=NOW + 720_000)
    assert (seen.too_late, seen.bound) == (26_800, Bound.EXPIRY)
    said = warning(seen, now=NOW, zone=JAKARTA, also={"bot": 9_100, "mail": 0})
    assert said == (
        "sms will have reached 41,200 people at 01:35 WIB, 23 minutes after the alert expires;"
        " 9,100 of the 26,800 who would be too late also have bot"
    )
    assert everyone_by(seen, now=NOW, zone=JAKARTA) == "01:35 WIB (35 minutes)"
    said = warning(forecast(SMS, now=NOW, expires_at=None), now=NOW, zone=JAKARTA, also={})
    assert said is not None
    assert said.endswith(
        "5 minutes later than it is of use there; none of the 5,200 who would be too late has another channel of"
        " this alert"
    )
    said = warning(forecast(replace(SMS, takes=1_000), now=NOW, expires_at=None), now=NOW, zone=JAKARTA)
    assert said == (
        "the provider of sms takes 1,000 more messages in these 24 hours, and 41,200 people are to be written to;"
        " 40,200 would be too late"
    )
    held = forecast(replace(SMS, held="token refused"), now=NOW, expires_at=None)
    said = warning(held, now=NOW, zone=JAKARTA)
    assert said == "sms is held (token refused) and reaches nobody until it is released"
    assert warning(forecast(replace(SMS, people=100), now=NOW, expires_at=None), now=NOW, zone=JAKARTA) is None
