from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.delivery import Closed, Evidence, Result
from kentongan.errors import LedgerUnavailable
from kentongan.figures import Figures, Following
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, outcomes, receipts, senders, tallies, views
from kentongan.ledger.commit_times import BOUNDS, CommitTimes
from kentongan.ledger.tallies import LATENCIES, OPEN, WORDS
from kentongan.policy import Decision, Reason
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.ledger.scenes import (
    StandingClock,
    open_at,
    put_texts,
    register_sender,
    send_together,
)


def begin(ledger: Ledger, keys: StateKeys, count: int) -> None:
    put_texts(ledger, keys, count)
    register_sender(ledger, "us")


def settle(ledger: Ledger, evidence: Evidence, most: int) -> list[int]:
    """Sends so many and settles them alike; returns them."""
    return send_together(ledger, "us", most, decision=Decision(evidence, Reason.ACCEPTED))


def test_every_word_that_a_delivery_can_have_is_counted() -> None:
    assert set(WORDS) == {OPEN, *(result.value for result in Result if result is not Result.NONE), *Closed}


def test_a_look_says_what_officers_see_and_how_long_acceptance_took(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    begin(ledger, keys, 12)
    following = Following(ledger)
    before = following.look()
    assert before.channels["sms"].words[OPEN] == 12
    assert before.due["sms"].count == 12
    clock.pass_by(1_500)
    settle(ledger, Evidence.ACCEPTED, 4)
    clock.pass_by(3_600_000 - 2_000)
    settle(ledger, Evidence.ACCEPTED, 1)
    settle(ledger, Evidence.REJECTED, 2)
    settle(ledger, Evidence.IN_DOUBT, 3)
    ledger.write(lambda write: senders.hold(write, instance="sms", reason="credential refused"))
    ledger.write(lambda write: write.event("orchestration.lost", alert="alert1", error="TimeoutError", why=""))
    after = following.look()
    words = ledger.read(lambda read: views.words(read, "alert1", "sms"))
    assert words == {"accepted": 5, "rejected": 2, "in_doubt": 3, "planned": 2}
    tally = after.channels["sms"]
    assert {word: count for word, count in tally.words.items() if count} == {
        OPEN: 2, "accepted": 5, "rejected": 2, "in_doubt": 3
    }  # fmt: skip
    assert tally.waiting == 3
    assert dict(zip((*LATENCIES, None), tally.latencies, strict=True))[2.0] == 4
    assert tally.latencies[-1] == 1
    assert tally.seconds == 4 * 1.5 + 3_599.5
    assert after.due["sms"].since == before.due["sms"].since
    assert after.held == {"sms"}
    assert after.orchestrations_lost == 1


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.sampled_from(["accepted", "rejected", "in_doubt", "receipt", "late", "look", "other"]), max_size=12))
def test_following_finds_what_counting_anew_finds(keys: StateKeys, acts: list[str]) -> None:
    clock = StandingClock()
    with TemporaryDirectory() as folder, open_at(Path(folder) / "ledger.db", clock=clock) as ledger:
        begin(ledger, keys, 20)
        following = Following(ledger)
        sent: list[int] = []
        for act in acts:
            clock.pass_by(700)
            if act == "look":
                following.look()
            elif act == "receipt" and sent:
                receipt = Receipt(Confirmed.DELIVERED, provider_id=f"m{sent.pop()}")
                ledger.write(lambda write, r=receipt: receipts.record(write, instance="sms", receipts=[r]))
            elif act == "late":
                ledger.write(lambda write: outcomes.close_overdue(write, "alert1", "sms", most=1))
            elif act == "other":
                ledger.write(lambda write: write.event("page.acknowledged", about="it", by="siti"))
            elif act in ("accepted", "rejected", "in_doubt"):
                sent += settle(ledger, Evidence(act), 2)
        assert following.look().channels == Following(ledger).look().channels
        whole = ledger.read(lambda read: tallies.of_alert(read, "alert1"))
        assert following.look().channels == whole


def test_what_was_pruned_leaves_the_counts_and_stays_in_the_histogram(ledger: Ledger, keys: StateKeys) -> None:
    begin(ledger, keys, 6)
    settle(ledger, Evidence.ACCEPTED, 4)
    following = Following(ledger)
    assert sum(following.look().latencies["sms"].latencies) == 4

    def prune(write: Write) -> None:
        write.sql("DELETE FROM delivery WHERE alert_id = 'alert1'")
        write.event("alert.pruned", alert="alert1")

    ledger.write(prune)
    after = following.look()
    assert "sms" not in after.channels
    assert sum(after.latencies["sms"].latencies) == 4
    assert sum(following.look().latencies["sms"].latencies) == 4


async def test_a_ledger_that_cannot_be_read_leaves_the_figures_that_there_are(
    ledger: Ledger, keys: StateKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, keys, 3)
    following = Following(ledger)

    def fail(_: object) -> None:
        raise LedgerUnavailable("it is locked")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "read", fail)
        assert await following.figures() is None
    await following.close()
    monkeypatch.setattr("kentongan.figures._SHARE", 0)
    following = Following(ledger)
    found = await following.figures()
    assert found is not None
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "read", fail)
        assert await following.figures() is found


async def test_a_long_count_is_not_waited_for_and_not_begun_twice(
    ledger: Ledger, keys: StateKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, keys, 3)
    monkeypatch.setattr("kentongan.figures.PATIENCE", 0.001)
    go_on, looks = threading.Event(), 0
    following = Following(ledger)
    look = following.look

    def slow() -> Figures:
        nonlocal looks
        looks += 1
        go_on.wait()
        return look()

    monkeypatch.setattr(Following, "look", lambda self: slow())
    assert [await following.figures() for _ in range(3)] == [None] * 3
    go_on.set()
    await following.close()
    shown = await following.figures()
    assert shown is not None
    assert shown.channels["sms"].words[OPEN] == 3
    # A tenth of the time is its share: the next is not begun yet.
    assert looks == 1


def test_commits_are_counted_by_how_long_they_took(ledger: Ledger) -> None:
    before = sum(ledger.commit_times.counts)
    ledger.write(lambda write: write.event("page.acknowledged", about="it", by="siti"))
    ledger.write(lambda write: None)
    assert sum(ledger.commit_times.counts) == before + 2
    assert ledger.commit_times.seconds > 0
    assert ledger.commit_times.failed == 0
    assert ledger.waiting == 0
    times = CommitTimes()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.1, 1e9):
        times.took(seconds)
    assert times.counts == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
