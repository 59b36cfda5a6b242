"""However many processes share a credential, whatever becomes of them, its rate is kept; and a pause is everybody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.bucket import LIFE, SLICE, WANTED, Allowance, Bucket, calm, lease, pause, throttle

steps = st.lists(
    st.tuples(
        st.integers(0, 3),  # which process
        st.floats(0, 0.8),  # seconds that pass before
        st.integers(1, 400),  # how many requests it would make
        st.sampled_from(["ask and spend", "ask and spend", "only ask", "only spend", "die"]),
    ),
    max_size=80,
)


@given(rate=st.floats(0.2, 800), steps=steps)
def test_any_window_holds_no_more_than_the_rate_allows(rate: float, steps: list[tuple[int, float, int, str]]) -> None:
    shared, now, cost = Bucket(), 1000.0, 1 / rate
    held = [Allowance() for _ in range(4)]
    granted: list[tuple[float, int]] = []
    for process, passed, most, act in steps:
        now += passed
        if act == "die":
            held[process] = Allowance()
            continue
        if act != "only spend":
            shared, leave = lease(shared, now=now, length=max(SLICE, cost), rank=0)
            held[process].add(leave)
        if act != "only ask":
            granted.append((now, held[process].spend(most, cost=cost, now=now)))
    for first, (begin, _) in enumerate(granted):
        count = 0
        for at, number in granted[first:]:
            count += number
            assert count <= (at - begin + LIFE) * rate + 2


@given(rate=st.floats(0.2, 800), seed=st.lists(st.floats(0.005, 0.05), min_size=200, max_size=200))
def test_one_process_that_always_wants_more_loses_nothing(rate: float, seed: list[float]) -> None:
    shared, now, cost, done = Bucket(), 1000.0, 1 / rate, 0
    held = Allowance()
    for passed in seed:
        now += passed
        if held.ends(now) - now < SLICE / 2:
            shared, leave = lease(shared, now=now, length=max(SLICE, cost), rank=0)
            held.add(leave)
        done += held.spend(10_000, cost=cost, now=now)
    assert done >= int(sum(seed[1:]) * rate) - 1


@given(seconds=st.floats(0.1, 5000), waits=st.floats(0, 6000))
def test_a_pause_stops_everybody_and_ends_without_a_burst(seconds: float, waits: float) -> None:
    shared, _ = lease(Bucket(), now=1000.0, length=SLICE, rank=0)
    shared = pause(shared, now=1000.0, seconds=seconds)
    shared, leave = lease(shared, now=1000.0 + waits, length=SLICE, rank=5)
    if waits < seconds:
        assert leave.start == leave.end
        assert leave.again == 1000.0 + seconds
    else:
        assert leave.end - leave.start > SLICE * 0.99
        assert leave.start >= 1000.0 + seconds


@given(
    first=st.floats(0.01, 10),
    most=st.floats(1, 100),
    news=st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=40),
)
def test_refusals_in_a_row_pause_twice_as_long_each_time_until_a_request_is_taken(
    first: float, most: float, news: list[tuple[float, bool]]
) -> None:
    shared, now, row = Bucket(), 1000.0, 0
    for passed, refused in news:
        now += passed
        before = shared
        shared = throttle(shared, now=now, first=first, most=most) if refused else calm(shared, now=now)
        if now < before.paused_until:
            # What was on its way when the pause began changes nothing.
            assert shared == before
            continue
        if refused:
            assert shared.paused_until - now == pytest.approx(min(most, first * 2**row))
        row = row + 1 if refused else 0
        assert shared.throttled == row


@given(low=st.integers(0, 5), above=st.integers(1, 5), later=st.floats(0, 3 * WANTED))
def test_a_lower_alert_yields_as_long_as_a_higher_one_asks(low: int, above: int, later: float) -> None:
    shared, _ = lease(Bucket(), now=1000.0, length=SLICE, rank=low + above)
    shared, leave = lease(shared, now=1000.0 + later, length=SLICE, rank=low)
    assert (leave.end > leave.start) is (later >= WANTED)
    # And whoever is higher never waits for a lower one but for what that has leased already.
    shared, leave = lease(shared, now=1000.0 + later, length=SLICE, rank=low + above)
    assert leave.end > leave.start
