"""What a look at a channel is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.clock import to_datetime
from kentongan.readiness import (
    AT_MOST_HOURLY,
    Instance,
    Probe,
    Word,
    interval,
    is_due,
    judge,
    sentence,
    tally,
)
from kentongan.seam import Cost, Limits, Mode, Readiness

NOW = round(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
FORTNIGHT = 14 * DAY
LIMITS = Limits("sms", 459, rate=10.0, concurrency=4, deadline=10.0, deliver_within=1800.0)
SMS = Instance("sms", "kannel", Mode.LIVE, False, LIMITS, people=100)
WELL = Readiness(True, "The provider answers and our credentials pass.")


def probe(seen: Readiness) -> Probe:
    return Probe("sms", NOW - 1000, seen, 20)


def judged(seen: Readiness | None, instance: Instance = SMS) -> tuple[Word, str, tuple[str, ...]]:
    verdict = judge(instance, probe(seen) if seen is not None else None, now=NOW, warn_before=FORTNIGHT)
    return verdict.word, verdict.why, verdict.remarks


def test_a_channel_that_answers_well_passes_without_a_remark() -> None:
    assert judged(WELL) == (Word.PASSES, WELL.detail, ())


def test_a_channel_that_nobody_has_asked_is_not_said_to_pass() -> None:
    assert judged(None)[0] is Word.UNKNOWN


def test_a_channel_whose_provider_refuses_would_fail_with_its_reason() -> None:
    assert judged(Readiness(False, "status 401.")) == (Word.FAILS, "status 401.", ())


@given(st.integers(-400 * DAY, 400 * DAY))
def test_a_credential_that_has_ended_fails_and_one_that_ends_soon_is_told(left: int) -> None:
    word, why, remarks = judged(replace(WELL, expires_at=to_datetime(NOW + left)))
    assert (word is Word.FAILS) == (left <= 0)
    assert any("ends in" in each for each in remarks) == (0 < left <= FORTNIGHT)
    if left <= 0:
        assert "ended on" in why


@given(quota=st.integers(0, 1000), people=st.integers(0, 1000))
def test_a_quota_below_the_audience_falls_short_and_does_not_count_as_passing(quota: int, people: int) -> None:
    instance = replace(SMS, people=people)
    verdict = judge(instance, probe(replace(WELL, quota_left=quota)), now=NOW, warn_before=FORTNIGHT)
    assert (verdict.word is Word.SHORT) == (people > quota)
    assert tally([verdict])[Mode.LIVE].passing == (people <= quota)


def test_a_quota_counts_nothing_on_a_channel_for_everybody() -> None:
    assert judged(replace(WELL, quota_left=0), replace(SMS, people=None))[0] is Word.PASSES


def test_a_held_channel_that_passes_says_that_it_goes_on_by_itself() -> None:
    word, _, remarks = judged(WELL, replace(SMS, held="status 401"))
    assert word is Word.PASSES
    assert "status 401" in remarks[0]
    assert "goes on by itself" in remarks[0]


def test_an_audience_that_takes_longer_than_a_message_is_of_use_is_told() -> None:
    assert any("longer than" in each for each in judged(WELL, replace(SMS, people=18_001))[2])
    assert judged(WELL, replace(SMS, people=18_000))[2] == ()


def test_many_in_one_request_go_faster() -> None:
    assert judge(replace(SMS, batch=10), None, now=NOW, warn_before=0).lasts == 1.0
    assert judge(SMS, None, now=NOW, warn_before=0).lasts == 10.0


def test_an_empty_audience_is_told() -> None:
    assert judged(WELL, replace(SMS, people=0))[2] == ("its audience is empty; import people",)


def test_the_count_is_by_mode_since_an_alert_goes_to_one_mode() -> None:
    drill = replace(SMS, name="sms-drill", mode=Mode.DRILL)
    verdicts = [
        judge(each, probe(seen), now=NOW, warn_before=0)
        for each, seen in ((SMS, WELL), (drill, WELL), (drill, Readiness(False, "refused.")))
    ]
    assert sentence(tally(verdicts)) == "If we sent now, 2 of 3 would pass (live: 1 of 1, drill: 1 of 2)."
    assert sentence({}) == "There is no channel to send on."


def test_a_provider_that_charges_is_asked_hourly_at_most() -> None:
    assert interval(180_000, LIMITS) == 180_000
    assert interval(180_000, replace(LIMITS, cost=Cost("USD", 0.01, 0.2))) == AT_MOST_HOURLY


@given(last=st.integers(0, 10**6), now=st.integers(0, 10**6), every=st.integers(0, 10**5))
def test_a_look_is_due_after_its_time_and_whenever_the_clock_was_set_back(last: int, now: int, every: int) -> None:
    assert is_due(last, now=now, every=every) == (last > now or now - last >= every)
    assert is_due(None, now=now, every=every)


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_is_counted(mode: Mode) -> None:
    assert tally([judge(replace(SMS, mode=mode), probe(WELL), now=NOW, warn_before=0)])[mode].of == 1
