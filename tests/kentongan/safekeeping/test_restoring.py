"""Restoring: checked before anything changes, held, and with all that may have been sent since in doubt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan import concerns
from kentongan.clock import SystemClock, to_milliseconds
from kentongan.database import Database
from kentongan.delivery import Action, Evidence, Phase
from kentongan.errors import BadConfig, BadInput, LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, claims, dispatches, outcomes, planning, receipts, restored, senders, views
from kentongan.ledger.claims import Intent
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import signed_head, verify
from kentongan.paging import Cause, Paging
from kentongan.policy import Decision, Reason
from kentongan.safekeeping import escrow, restoring
from kentongan.safekeeping.restoring import Restored
from kentongan.seam import Confirmed, Receipt
from kentongan.state import State
from tests.kentongan.ledger.scenes import (
    NOW,
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    public,
    put_alert,
    put_correction,
    put_dispatch,
    put_people,
    register_sender,
    release,
)
from tests.kentongan.safekeeping.installations import backed_up, begun, differences, disk

HOUR = 3_600_000


def restore(
    state: State, source: Path, *, keys_from: Path | None = None, over: bool = False, clock: StandingClock | None = None
) -> Restored:
    return restoring.restore(state, source, keys_from=keys_from, over=over, clock=clock or StandingClock(), by="siti")


@pytest.fixture
def lost(tmp_path: Path) -> tuple[Path, Path, StateKeys]:
    """What is left of an installation: one backup, and apart from it the keys."""
    state, keys = begun(tmp_path / "lost")
    place = backed_up(state, keys, tmp_path / "kept").place
    medium = escrow.copy(state, tmp_path / "medium", dated="20261121T072000Z", now=0)
    shutil.rmtree(state.root)
    return place, medium, keys


# --- What is in doubt ---


def _send(ledger: Ledger, instance: str, number: int, sender: str, settle: Callable[[int], Decision | None]) -> None:
    """Claims and intends; what `settle` returns None for is still in flight."""
    for claimed in ledger.write(
        lambda write: claims.claim(write, sender=sender, alert_id="alert1", instance=instance, most=number)
    ):
        (intent,) = ledger.write(
            lambda write, id=claimed.id: claims.intend(  # type: ignore[misc]
                write, sender=sender, deliveries=[id], phase=Phase.IRREVERSIBLE
            )
        )
        decision = settle(claimed.id)
        if decision is not None:
            settled = Settled(claimed.id, intent.attempt, decision)
            ledger.write(lambda write, s=settled: outcomes.settle(write, sender=sender, outcomes=[s]))  # type: ignore[misc]


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
            _send(ledger, instance, len(left), sender, lambda _: _NEXT[left.pop()])
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
        ledger.write(lambda write: put_people(write, keys, 1))
        ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
        expand_all(ledger, "alert1")
        register_sender(ledger, "s1")
        _send(ledger, "sms", 1, "s1", lambda _: _NEXT["rejected"])
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


# --- The whole of it ---


def test_a_lost_machine_is_restored_with_the_keys_from_their_escrow(
    tmp_path: Path, lost: tuple[Path, Path, StateKeys]
) -> None:
    place, medium, keys = lost
    state = State.find(tmp_path / "new")
    with pytest.raises(BadInput, match="has no keys, and a backup holds none; name their copy with --keys"):
        restore(state, place)
    found = restore(state, place, keys_from=medium)
    assert found.unknown.doubts == {"K7Q4": 7}
    assert found.former is None
    assert escrow.remark(state, now=later(), within=1e9) is None
    opened = StateKeys.open(state.root, create=False)
    assert opened.head_public_key == keys.head_public_key
    with open_at(state.ledger) as ledger:
        assert ledger.read(senders.holds).keys() == {"*"}
        assert "backup of 2026-11-21 07:20 UTC" in ledger.read(senders.holds)["*"]
        head = json.loads((state.heads / "latest.json").read_text())
        assert differences(ledger, keys, head) == []
    left = {path.name for path in state.root.iterdir()}
    assert left == {"ledger.db", "keys", "heads", "reports", "run", "keys.confirmed.json"}
    with pytest.raises(BadInput, match="holds a ledger already"):
        restore(state, place)


def _tampered(place: Path) -> None:
    with (place / "ledger.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"x")


def _resigned(place: Path) -> None:
    path = place / "manifest.json"
    path.write_text(path.read_text().replace('"people": 5', '"people": 4'))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_tampered, "is not the file that was backed up"),
        (_resigned, "is not signed by the keys"),
        (lambda place: (place / "ledger.db").unlink(), "is missing; restore another"),
        (lambda place: (place / "manifest.json").unlink(), "is no backup"),
        (lambda place: (place / "manifest.json").write_text("{}"), "is no manifest"),
    ],
)
def test_a_backup_that_was_changed_changes_nothing(
    tmp_path: Path, lost: tuple[Path, Path, StateKeys], harm: Callable[[Path], Any], told: str
) -> None:
    place, medium, _ = lost
    harm(place)
    state = State.find(tmp_path / "new")
    with pytest.raises(BadInput, match=told) as raised:
        restore(state, place, keys_from=medium)
    assert "\n" not in str(raised.value)
    assert {path.name for path in state.root.iterdir()} <= {"run"}


def test_keys_that_do_not_open_it_change_nothing(tmp_path: Path, lost: tuple[Path, Path, StateKeys]) -> None:
    place, medium, _ = lost
    other = State.find(tmp_path / "other")
    StateKeys.open(other.root)
    with pytest.raises(BadInput, match="is not signed by the keys"):
        restore(other, place)
    with pytest.raises(BadInput, match="holds other keys than"):
        restore(other, place, keys_from=medium)
    mixed = tmp_path / "mixed"
    shutil.copytree(medium, mixed)
    (mixed / "people.key").write_bytes((other.keys / "people.key").read_bytes())
    with pytest.raises(BadInput, match="do not open the addresses in this backup"):
        restore(State.find(tmp_path / "new"), place, keys_from=mixed)
    assert not other.ledger.exists()


def test_a_former_ledger_is_kept_and_what_it_had_more_is_named(tmp_path: Path) -> None:
    clock = StandingClock()
    state, keys = begun(tmp_path / "state")
    place = backed_up(state, keys, tmp_path / "kept", clock=clock).place
    with open_at(state.ledger, clock=clock) as ledger:
        ledger.write(lambda write: put_alert(write, id="alert2", code="W9MN"))
        clock.pass_by(60_000)
        head = ledger.read(lambda read: signed_head(read, keys))
        (state.heads / "latest.json").write_text(json.dumps(head))
        with pytest.raises(BadConfig, match="another process has the ledger"):
            _in_another_process(state, place)
    clock.pass_by(60_000)
    found = restore(state, place, over=True, clock=clock)
    assert found.former is not None
    with open_at(found.former / "ledger.db") as former:
        assert differences(former, keys, head) == []
    with open_at(state.ledger, clock=clock) as ledger:
        verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
        (difference,) = verdict.differences
        assert verdict.lost == 1
        assert found.missing == (f"{difference.place}: {difference.sentence}",)
        assert "not here since the ledger was restored at 2026-11-21 07:22 UTC" in (difference.sentence)
        # A head of the restored ledger itself is no such thing; nor is one that somebody cut off later.
        clock.pass_by(60_000)
        newer = ledger.read(lambda read: signed_head(read, keys))
        assert differences(ledger, keys, newer) == []
        ledger.write(lambda write: write.sql("DELETE FROM link WHERE position = (SELECT max(position) FROM link)"))
        found_now = ledger.read(lambda read: verify(read, head=newer, public_key=keys.head_public_key))
        assert found_now.lost == 0
        assert any("had" in each.sentence for each in found_now.differences)


def _in_another_process(state: State, place: Path) -> None:
    """Locks of one process do not keep itself out."""
    line = [sys.executable, "-m", "console.main", "restore", str(place), "--over", "--state", str(state.root)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[3])
    assert done.returncode == 2, done.stdout
    raise BadConfig(done.stderr)


def test_one_that_was_cut_off_is_said_and_done_again(
    tmp_path: Path, lost: tuple[Path, Path, StateKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, medium, _ = lost
    state, _ = begun(tmp_path / "state")

    class Killed(BaseException):
        pass

    real = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target) == state.ledger:
            raise Killed
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Killed):
        restore(state, place, keys_from=medium, over=True)
    monkeypatch.undo()
    with pytest.raises(LedgerUnavailable, match="was being restored when that was cut off"):
        open_at(state.ledger)
    clock = StandingClock()
    clock.pass_by(5000)
    restore(state, place, keys_from=medium, over=True, clock=clock)
    with open_at(state.ledger) as ledger:
        assert ledger.read(senders.holds).keys() == {"*"}
    formers = sorted(state.root.glob("former-*"))
    with open_at(formers[0] / "ledger.db") as former:
        assert former.read(lambda read: read.sql("SELECT count(*) FROM alert").scalar_one()) == 1
    assert (formers[0] / "keys" / "people.key").exists()


def test_a_full_disk_restores_nothing_and_says_so(tmp_path: Path, lost: tuple[Path, Path, StateKeys]) -> None:
    place, medium, _ = lost
    with disk(tmp_path / "small", "600k") as small:
        with pytest.raises((BadInput, LedgerUnavailable), match="disk is full") as raised:
            restore(State.find(small / "state"), place, keys_from=medium)
        assert "\n" not in str(raised.value)
        assert {path.name for path in (small / "state").iterdir()} <= {"run"}


def test_officers_are_paged_that_nothing_goes_out(tmp_path: Path) -> None:
    with open_at(tmp_path / "ledger.db") as ledger:
        restored.take_over(ledger, taken_at=ledger.clock.wall(), by="siti")
        (found,) = ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={}))
        assert found.cause is Cause.RESTORED
        assert "restored from a backup of 2026-11-21 07:20 UTC" in str(found.values["reason"])
        ledger.write(lambda write: senders.release_hold(write, instance=senders.LEDGER, by="siti"))
        assert ledger.read(lambda read: concerns.concerns(read, paging=Paging(), modes={})) == []


def test_a_dump_of_a_database_that_was_put_back_is_held_where_it_is(address: str, tmp_path: Path) -> None:
    keys, clock = StateKeys.open(tmp_path), SystemClock()
    with Ledger.open(Database(address), clock=clock) as ledger:
        ledger.write(lambda write: put_people(write, keys, 9))
        ledger.write(
            lambda w: put_dispatch(w, [public("toots", clock.wall() + HOUR), direct("sms", clock.wall() + HOUR)])
        )
        register_sender(ledger, "s1")
        taken = clock.wall()

        def hold() -> restored.Unknown:
            return restoring.hold_in_place(ledger, taken_at=taken, clock=clock, by="siti")

        with pytest.raises(BadConfig, match=r"something sends from this ledger \(send\)"):
            hold()
        ledger.write(lambda write: senders.end(write, sender="s1"))
        assert hold().doubts == {"K7Q4": 11}
        doubts = ledger.read(
            lambda read: restored.in_doubt(read, "alert1", instances=["sms"], restored=True, after=0, most=99)
        )
        assert len(doubts) == 9
        assert ledger.read(restored.standing).doubts == {"K7Q4": 11}
        ledger.write(lambda w: outcomes.resolve(w, deliveries=[doubts[0]], sent=False, again=True, by="siti"))
        assert differences(ledger, keys) == []
