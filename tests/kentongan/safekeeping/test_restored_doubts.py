"""What a restored ledger cannot know: all that may have been sent since its backup is in doubt, and held."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.clock import to_milliseconds
from kentongan.delivery import Action, Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, claims, dispatches, outcomes, planning, receipts, restored, senders, views
from kentongan.ledger.claims import Intent
from kentongan.policy import Decision, Reason
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.ledger.scenes import (
    NOW,
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    public,
    put_correction,
    put_dispatch,
    put_people,
    put_texts,
    register_sender,
    release,
    send_each,
)
from tests.kentongan.safekeeping.installations import differences

HOUR = 3_600_000


def _after_doubt(standing: object) -> Decision:
    raise AssertionError("nothing is left that a sender could take back")


_NEXT = {
    "accepted": Decision(Evidence.ACCEPTED, Reason.ACCEPTED),
    "rejected": Decision(Evidence.REJECTED, Reason.REFUSED),
    "again": Decision(Evidence.ABSENT, Reason.NEVER_LEFT, due_at=to_milliseconds(NOW) + 60_000),
    "repeat": Decision(Evidence.IN_DOUBT, Reason.MARKED_REPEAT, due_at=to_milliseconds(NOW) + 60_000),
    "look": Decision(Evidence.IN_DOUBT, Reason.LOOK_UP, action=Action.FIND, due_at=to_milliseconds(NOW) + 60_000),
    "doubt": Decision(Evidence.IN_DOUBT, Reason.OFFICER),
    "in flight": None,
}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes_=st.lists(st.sampled_from(sorted(_NEXT)), max_size=7),
    planned=st.integers(0, 9),
    stopped=st.booleans(),
    claimed=st.booleans(),
)
def test_whatever_was_open_is_in_doubt_and_nothing_of_it_can_go_out(
    tmp_path_factory: pytest.TempPathFactory, outcomes_: list[str], planned: int, stopped: bool, claimed: bool
) -> None:
    tmp_path = tmp_path_factory.mktemp("doubt")
    keys = StateKeys.open(tmp_path)
    clock = StandingClock()
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        ledger.write(lambda write: put_people(write, keys, 9))
        ledger.write(lambda write: put_dispatch(write, [public("toots", later()), direct("sms", later())]))
        found = ledger.read(lambda read: dispatches.get(read, "alert1"))
        assert found is not None
        for _ in range(planned):
            # Cut off in the middle: the rest may have been planned, and sent, since.
            ledger.write(lambda write: planning.expand(write, "alert1", found.plan, 1))
        sender = register_sender(ledger, "s1")
        left = list(outcomes_)
        for instance in ("toots", "sms"):
            send_each(ledger, sender, instance, lambda _: _NEXT[left.pop()], most=len(left))
        if claimed:
            ledger.write(lambda w: claims.claim(w, sender=sender, alert_id="alert1", instance="sms", most=2))
        if stopped:
            ledger.write(lambda write: dispatches.stop(write, "alert1", by="siti", signed=True))
        before = {each.id: each.word for each in ledger.read(lambda read: views.deliveries(read, "alert1"))}
        taken = clock.wall()
        clock.pass_by(600_000)
        unknown = restored.take_over(ledger, taken_at=taken, by="siti")

        after = {each.id: each for each in ledger.read(lambda read: views.deliveries(read, "alert1"))}
        for id, each in after.items():
            word = before.get(id, "planned")
            if word in ("accepted", "rejected", "in_doubt"):
                assert each.word == word
            elif word == "sending" or not stopped:
                assert each.word == "in_doubt"
            else:
                assert each.word in ("planned", "claimed")
        assert stopped or len(after) == 2 + 9
        assert sum(unknown.doubts.values()) == len(
            [id for id, each in after.items() if each.word == "in_doubt" and before.get(id) != "in_doubt"]
        ) + sum(1 for id in after if before.get(id) == "in_doubt" and not stopped and _was_planned(ledger, id))
        assert differences(ledger, keys) == []

        # Even by a sender that takes over what the others held, and when nothing is held any more.
        late = register_sender(ledger, "s2")
        ledger.write(lambda write: senders.release_hold(write, instance=senders.LEDGER, by="siti"))
        gone = ["s1"]
        while ledger.write(lambda write: outcomes.recover(write, gone=gone, after_doubt=_after_doubt)):
            pass
        clock.pass_by(1)
        for instance in ("toots", "sms"):
            free = ledger.write(
                lambda w, i=instance: claims.claim(w, sender=late, alert_id="alert1", instance=i, most=99)  # type: ignore[misc]
            )
            # Of an alert that is stopped, what was in doubt may be looked for; that sends nothing.
            assert [each for each in free if not (stopped and each.action is Action.FIND)] == []


def _was_planned(ledger: Ledger, delivery: int) -> bool:
    """Whether a row that was in doubt before had a repeat planned, which may have gone since."""
    reasons = [each.reason for each in ledger.read(lambda read: views.attempts(read, delivery))]
    return any(reason.startswith(Reason.RESTORED.value) for reason in reasons)


def test_an_officers_word_sends_it_again_marked_and_a_receipt_settles_it(tmp_path: Path) -> None:
    keys, clock = StateKeys.open(tmp_path), StandingClock()
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        ledger.write(lambda write: put_dispatch(write, [public("toots", later())]))
        expand_all(ledger, "alert1")
        taken = clock.wall()
        clock.pass_by(1000)
        restored.take_over(ledger, taken_at=taken, by="siti")
        first, second = ledger.read(lambda read: views.deliveries(read, "alert1"))
        sender = register_sender(ledger, "s2")
        ledger.write(lambda w: outcomes.resolve(w, deliveries=[first.id], sent=False, again=True, by="siti"))
        (key,) = ledger.read(
            lambda read: read.sql("SELECT key FROM delivery WHERE id = :id", {"id": second.id}).scalars().all()
        )
        receipt = Receipt(Confirmed.DELIVERED, key, "m1", "")
        ledger.write(lambda write: receipts.record(write, instance="toots", receipts=[receipt]))

        def claim() -> list[claims.Claimed]:
            return ledger.write(
                lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance="toots", most=9)
            )

        assert claim() == []
        ledger.write(lambda write: senders.release_hold(write, instance=senders.LEDGER, by="siti"))
        assert [each.id for each in claim()] == [first.id]
        (intent,) = ledger.write(
            lambda w: claims.intend(w, sender=sender, deliveries=[first.id], phase=Phase.IRREVERSIBLE)
        )
        assert isinstance(intent, Intent)
        marked = ledger.read(lambda read: read.sql("SELECT id, possible_duplicate FROM delivery ORDER BY id").all())
        assert [tuple(row) for row in marked] == [(first.id, 1), (second.id, 0)]
        words = {each.id: each.word for each in ledger.read(lambda read: views.deliveries(read, "alert1"))}
        assert words[second.id] == "delivered"
        assert differences(ledger, keys) == []


def test_what_was_too_late_for_anybody_to_send_is_in_no_doubt(tmp_path: Path) -> None:
    clock = StandingClock()
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        ledger.write(lambda write: put_dispatch(write, [public("toots", later())]))
        clock.pass_by(2 * HOUR)
        assert restored.take_over(ledger, taken_at=clock.wall(), by="siti").doubts == {}
        ledger.write(lambda write: outcomes.close_overdue(write, "alert1", "toots"))
        assert {each.word for each in ledger.read(lambda read: views.deliveries(read, "alert1"))} == {"expired"}


@pytest.mark.parametrize("restored_first", [True, False])
def test_what_follows_late_may_have_followed_before_the_loss(tmp_path: Path, restored_first: bool) -> None:
    """A receipt that comes (again) after restoring says that a warning had gone; its correction may have too."""
    keys, clock = StateKeys.open(tmp_path), StandingClock()
    with open_at(tmp_path / "ledger.db", clock=clock) as ledger:
        put_texts(ledger, keys, 1)
        send_each(ledger, register_sender(ledger, "s1"), "sms", lambda _: _NEXT["rejected"])
        (first,) = ledger.read(lambda read: views.deliveries(read, "alert1"))

        def restore_now() -> None:
            # The clock has been set back, which changes nothing.
            clock.pass_by(-3 * HOUR)
            restored.take_over(ledger, taken_at=clock.wall(), by="siti")
            clock.pass_by(3 * HOUR)
            ledger.write(lambda write: senders.release_hold(write, instance=senders.LEDGER, by="siti"))

        def release_now() -> None:
            ledger.write(lambda write: put_correction(write, "alert1"))
            ledger.write(lambda write: release(write, "alert1", "correction1", deliver_by=later()))
            expand_all(ledger, "correction1")

        for act in (restore_now, release_now) if restored_first else (release_now, restore_now):
            act()
        assert ledger.read(lambda read: views.deliveries(read, "correction1")) == []
        (key,) = ledger.read(lambda read: read.sql("SELECT key FROM delivery").scalars().all())
        receipt = Receipt(Confirmed.DELIVERED, key, "m1", "")
        for _ in range(2):
            ledger.write(lambda write: receipts.record(write, instance="sms", receipts=[receipt]))
        (after,) = ledger.read(lambda read: views.deliveries(read, "alert1"))
        (follows,) = ledger.read(lambda read: views.deliveries(read, "correction1"))
        assert (after.word, after.id) == ("delivered", first.id)
        assert follows.word == ("planned" if restored_first else "in_doubt")
        assert differences(ledger, keys) == []
        if not restored_first:
            ledger.write(lambda w: outcomes.resolve(w, deliveries=[follows.id], sent=False, again=True, by="siti"))
        clock.pass_by(1)
        sender = register_sender(ledger, "s2")
        (claimed,) = ledger.write(
            lambda w: claims.claim(w, sender=sender, alert_id="correction1", instance="sms", most=9)
        )
        ledger.write(lambda w: claims.intend(w, sender=sender, deliveries=[claimed.id], phase=Phase.IRREVERSIBLE))
        (follows,) = ledger.read(lambda read: views.deliveries(read, "correction1"))
        assert follows.possible_duplicate is not restored_first
