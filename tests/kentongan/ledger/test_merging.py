"""What was sent from a spool comes into the ledger once, whole and marked, whatever happened there and here."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan.clock import to_milliseconds
from kentongan.delivery import Evidence
from kentongan.errors import BadInput, Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, dispatches, merging, planning, receipts, views
from kentongan.plan import Plan
from kentongan.policy import Decision, Reason
from kentongan.seam import Confirmed, Mode, Receipt
from tests.kentongan.ledger.scenes import (
    NOW,
    StandingClock,
    direct,
    expand_all,
    later,
    open_at,
    public,
    put_alert,
    put_people,
    register_sender,
    send_each,
)
from tests.kentongan.safekeeping.installations import differences

_LATER = to_milliseconds(NOW) + 60_000
_ENDS: dict[str, Decision | None] = {
    "accepted": Decision(Evidence.ACCEPTED, Reason.ACCEPTED),
    "rejected": Decision(Evidence.REJECTED, Reason.REFUSED),
    "again": Decision(Evidence.ABSENT, Reason.NEVER_LEFT, due_at=_LATER),
    "repeat": Decision(Evidence.IN_DOUBT, Reason.MARKED_REPEAT, due_at=_LATER),
    "doubt": Decision(Evidence.IN_DOUBT, Reason.OFFICER),
    "in flight": None,
}


def dispatch(ledger: Ledger) -> None:
    instances = (public("toots", later()), direct("sms", later()))
    plan = Plan(mode=Mode.DRILL, life_at_stake=True, instances=instances, values={})
    ledger.write(
        lambda w: dispatches.begin(w, "alert1", plan=plan, by="siti", allowed=("approved",), proof={"by": ["siti"]})
    )


def send(ledger: Ledger, sender: str, instance: str, ends: list[str]) -> None:
    for end in ends:
        named = secrets.token_hex(4)
        send_each(ledger, sender, instance, lambda _, end=end: _ENDS[end], most=1, provider_id=lambda _, n=named: n)


def seen(ledger: Ledger) -> dict[tuple[str, str], tuple[object, ...]]:
    """What a ledger says of every recipient; ids differ."""
    rows = ledger.read(
        lambda read: read.sql(
            "SELECT d.*, (SELECT count(*) FROM attempt t WHERE t.delivery_id = d.id) AS tries FROM delivery d"
        ).all()
    )
    return {
        (row.family, row.unique_by): (
            "planned" if row.stage == "claimed" else row.stage,
            row.result,
            row.attempt,
            row.tries,
            row.closed,
            row.possible_duplicate,
            row.deliver_by,
            row.provider_id,
        )
        for row in rows
    }


def approved(root: Path, clock: StandingClock, *, people: int = 6) -> tuple[Path, Path, StateKeys]:
    """A ledger with an approved alert, and the copy of it that becomes a spool."""
    main, spool, keys = root / "main.db", root / "spool" / "ledger.db", StateKeys.open(root / "keys")
    with open_at(main, clock=clock) as ledger:
        ledger.write(lambda write: put_people(write, keys, people))
        ledger.write(lambda write: put_alert(write, instances=["toots", "sms"]))
    spool.parent.mkdir()
    shutil.copy(main, spool)
    return main, spool, keys


def merged(main: Ledger, spool: Ledger) -> merging.Merged:
    found = merging.merge(main, spool, name="one", alert_id="alert1")
    assert found is not None
    return found


_SEVERAL = st.lists(st.sampled_from(sorted(_ENDS)), max_size=8)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sms=_SEVERAL, toots=_SEVERAL, planned=st.integers(0, 7), stopped=st.booleans(), cut=st.integers(0, 4))
def test_everything_is_brought_once_as_it_was_there(
    tmp_path_factory: pytest.TempPathFactory, sms: list[str], toots: list[str], planned: int, stopped: bool, cut: int
) -> None:
    clock = StandingClock()
    main_at, spool_at, keys = approved(tmp_path_factory.mktemp("merge"), clock)
    with open_at(main_at, clock=clock) as main, open_at(spool_at, clock=clock) as spool:
        clock.pass_by(1000)
        dispatch(spool)
        found = spool.read(lambda read: dispatches.get(read, "alert1"))
        assert found is not None
        for _ in range(planned):
            spool.write(lambda write: planning.expand(write, "alert1", found.plan, 1))
        register_sender(spool, "s1")
        send(spool, "s1", "sms", sms)
        send(spool, "s1", "toots", toots)
        if stopped:
            spool.write(lambda write: dispatches.stop(write, "alert1", by="budi", signed=True))
        clock.pass_by(7_200_000)

        # Cut off after some transactions, as by kill -9, and done again; and again when it is done.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merging, "_CHUNK", 2)
            written = _cut_after(main, cut, patch)
            try:
                merged(main, spool)
            except InterruptedError:
                assert written() == cut
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merging, "_CHUNK", 2)
            first = merged(main, spool)
        assert merged(main, spool) == first
        assert first.twice == 0
        there, here = seen(spool), seen(main)
        assert here == there
        assert first.deliveries == len(there)
        assert differences(main, keys) == []
        now, then = (x.read(lambda read: dispatches.get(read, "alert1")) for x in (main, spool))
        assert now is not None
        assert then is not None
        assert (now.at, now.by, now.plan) == (then.at, then.by, then.plan)
        gone = main.read(lambda read: read.sql("SELECT ended FROM sender").scalars().all())
        assert set(gone) <= {1}

        # The ledger goes on: whom the spool had not come to yet is planned, nobody a second time.
        if not stopped:
            expand_all(main, "alert1")
            assert len(seen(main)) == 2 + 6
            assert {who: what for who, what in seen(main).items() if who in there} == there
            assert differences(main, keys) == []


def _cut_after(ledger: Ledger, most: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    done = 0
    write = ledger.write

    def counted(act: Callable[..., object], **options: bool) -> object:
        nonlocal done
        if done == most:
            raise InterruptedError
        done += 1
        return write(act, **options)

    patch.setattr(ledger, "write", counted)
    return lambda: done


@pytest.mark.parametrize(
    ("here", "there", "word", "marked"),
    [
        ("accepted", "accepted", "accepted", True),
        ("doubt", "accepted", "accepted", True),
        ("accepted", "in flight", "accepted", True),
        ("rejected", "accepted", "accepted", False),
        ("again", "accepted", "accepted", False),
        ("rejected", "doubt", "in_doubt", False),
        ("accepted", "again", "accepted", False),
    ],
)
def test_who_was_written_to_from_both_is_marked(tmp_path: Path, here: str, there: str, word: str, marked: bool) -> None:
    clock = StandingClock()
    main_at, spool_at, keys = approved(tmp_path, clock, people=1)
    with open_at(main_at, clock=clock) as main, open_at(spool_at, clock=clock) as spool:
        for ledger, sender, end in ((main, "s1", here), (spool, "s2", there)):
            dispatch(ledger)
            expand_all(ledger, "alert1")
            register_sender(ledger, sender)
            send(ledger, sender, "sms", [end])
        found = merged(main, spool)
        (person,) = [each for each in main.read(lambda r: views.deliveries(r, "alert1")) if each.instance == "sms"]
        assert (person.word, person.possible_duplicate) == (word, marked)
        assert found.twice == marked
        assert differences(main, keys) == []


def test_what_is_being_sent_here_at_this_moment_waits(tmp_path: Path) -> None:
    clock = StandingClock()
    main_at, spool_at, _ = approved(tmp_path, clock, people=1)
    with open_at(main_at, clock=clock) as main, open_at(spool_at, clock=clock) as spool:
        for ledger, end in ((main, "in flight"), (spool, "accepted")):
            dispatch(ledger)
            expand_all(ledger, "alert1")
            register_sender(ledger, "s1")
            send(ledger, "s1", "sms", [end])
        with pytest.raises(Refused, match="from the ledger too at this moment"):
            merged(main, spool)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE delivery SET result = 'accepted', stage = 'done' WHERE family <> 'public'",
        "UPDATE attempt SET evidence = 'rejected'",
        "DELETE FROM attempt",
        "DELETE FROM delivery WHERE family <> 'public'",
    ],
)
def test_a_spool_that_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    clock = StandingClock()
    main_at, spool_at, _ = approved(tmp_path, clock, people=1)
    with open_at(main_at, clock=clock) as main, open_at(spool_at, clock=clock) as spool:
        dispatch(spool)
        expand_all(spool, "alert1")
        register_sender(spool, "s1")
        send(spool, "s1", "sms", ["doubt"])
        spool.write(lambda write: write.sql(change))
        with pytest.raises(Refused, match=r"is not as it was written .*; nothing of it was merged"):
            merged(main, spool)
        assert seen(main) == {}


@pytest.mark.parametrize("by_key", [True, False])
def test_a_receipt_that_came_before_the_merge_is_matched_by_it(tmp_path: Path, by_key: bool) -> None:
    clock = StandingClock()
    main_at, spool_at, keys = approved(tmp_path, clock, people=1)
    with open_at(main_at, clock=clock) as main, open_at(spool_at, clock=clock) as spool:
        dispatch(spool)
        expand_all(spool, "alert1")
        register_sender(spool, "s1")
        send(spool, "s1", "sms", ["accepted"])
        sent = spool.read(lambda r: r.sql("SELECT key, provider_id FROM delivery WHERE result = 'accepted'").one())
        receipt = Receipt(Confirmed.DELIVERED, sent.key if by_key else "", "" if by_key else sent.provider_id, "")
        assert main.write(lambda write: receipts.record(write, instance="sms", receipts=[receipt])) == 0
        merged(main, spool)
        main.write(receipts.match_kept)
        (person,) = [each for each in main.read(lambda r: views.deliveries(r, "alert1")) if each.instance == "sms"]
        assert person.word == "delivered"
        assert differences(main, keys) == []


def test_a_spool_from_which_nothing_was_sent_brings_nothing(tmp_path: Path) -> None:
    main_at, spool_at, _ = approved(tmp_path, StandingClock())
    with open_at(main_at) as main, open_at(spool_at) as spool:
        assert merging.merge(main, spool, name="one", alert_id="alert1") is None


def test_a_ledger_that_does_not_know_the_alert_says_so(tmp_path: Path) -> None:
    _, spool_at, _ = approved(tmp_path, StandingClock())
    with open_at(tmp_path / "other.db") as other, open_at(spool_at) as spool:
        dispatch(spool)
        with pytest.raises(BadInput, match="does not know the alert"):
            merged(other, spool)
