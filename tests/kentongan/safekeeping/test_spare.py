"""The spare: made from what the ledger is now, fenced, its own ledger's alone, and no burden where it is broken."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from pathlib import Path

import pytest

from kentongan.errors import LedgerUnavailable, Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, alerts, dispatches, views
from kentongan.safekeeping import spare as spares
from kentongan.safekeeping.spare import Spare, Spool
from kentongan.state import State
from tests.kentongan.ledger.scenes import StandingClock, open_at, put_alert, put_correction, put_people
from tests.kentongan.ledger.test_merging import dispatch
from tests.kentongan.safekeeping.installations import disk


@pytest.fixture
def place(tmp_path: Path) -> Spare:
    """A spare beside an installation with one approved alert."""
    return made(State.find(tmp_path / "state", {}), tmp_path / "spare")


def made(state: State, root: Path) -> Spare:
    keys = StateKeys.open(state.root)
    with open_at(state.ledger) as ledger:
        ledger.write(lambda write: put_people(write, keys, 3))
        ledger.write(lambda write: put_alert(write, instances=["toots", "sms"]))
    found = Spare.find(state, {"KENTONGAN_SPARE_DIR": str(root)})
    assert found is not None
    return found


def keys_of(place: Spare) -> StateKeys:
    return StateKeys.open(place.state.root)


def sent(place: Spare) -> Spool:
    """A spool from which the alert was sent off."""
    with place.sending("K7Q4", keys=keys_of(place), now=0) as spool, open_at(spool.ledger) as copy:
        dispatch(copy)
    return spool


def test_an_alert_in_a_spool_is_dispatched_nowhere_else_until_it_is_merged(place: Spare) -> None:
    spool = sent(place)
    with (
        pytest.raises(Refused, match=r"was sent from the spare .* run `kentongan merge`"),
        place.fence("alert1", "K7Q4"),
    ):
        raise AssertionError
    with place.fence("another", "W9MN"):
        pass
    assert spares.fence(place.state, "alert1", "K7Q4").__enter__() is None, "without the variable there is none"
    merged = place.bring(spool, keys=keys_of(place), clock=StandingClock())
    assert merged is not None
    with place.fence("alert1", "K7Q4"):
        pass
    with open_at(place.state.ledger) as ledger:
        assert ledger.read(lambda read: alerts.get(read, "alert1")).state == "dispatched"
        assert len(ledger.read(lambda read: views.events(read, types=("spool.merged",)))) == 1
    assert [each.name for each in place.root.iterdir() if each.is_dir()] == [f"merged-{spool.name}"]
    assert place.spools() == []


def test_one_that_sends_is_neither_merged_nor_begun_twice(place: Spare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "_PATIENCE", 0.1)
    with place.sending("K7Q4", keys=keys_of(place), now=0) as spool:
        for act in (
            lambda: place.bring(spool, keys=keys_of(place), clock=StandingClock()),
            lambda: place.sending("K7Q4", keys=keys_of(place), now=0).__enter__(),
        ):
            with pytest.raises(Refused, match="is being sent from the spare, or merged, at this moment"):
                act()
        with open_at(spool.ledger) as copy:
            dispatch(copy)
    with place.sending("K7Q4", keys=keys_of(place), now=0) as again:
        assert again == spool
        assert again.is_dispatched()


def test_one_that_is_being_merged_is_waited_for_and_not_begun_anew(place: Spare) -> None:
    spool = sent(place)
    begun = threading.Event()

    def merge() -> None:
        with spool.held():
            begun.set()
            spool.close()

    other = threading.Thread(target=merge)
    other.start()
    begun.wait()
    with pytest.raises(Refused, match="is in the ledger now"), spool.held(5):
        raise AssertionError
    other.join()


def test_one_from_which_nothing_was_sent_leaves_nothing(place: Spare) -> None:
    with pytest.raises(InterruptedError), place.sending("K7Q4", keys=keys_of(place), now=0):
        raise InterruptedError
    assert place.spools() == []
    assert [each for each in place.root.iterdir() if each.is_dir()] == []


def test_what_the_ledger_has_dispatched_or_what_follows_is_not_sent_from_it(place: Spare) -> None:
    with open_at(place.state.ledger) as ledger:
        dispatch(ledger)
        ledger.write(lambda write: put_correction(write, "alert1"))
    for code in ("K7Q4", "W9MN"):
        with pytest.raises(Refused, match="cannot be sent from the spare"):
            place.sending(code, keys=keys_of(place), now=0).__enter__()
    assert place.spools() == []


def test_a_spool_of_another_ledger_is_refused(place: Spare, tmp_path: Path) -> None:
    other = made(State.find(tmp_path / "other", {}), tmp_path / "other-spare")
    spool = sent(other)
    shutil.copytree(spool.folder, place.root / spool.folder.name)
    (stray,) = place.spools()
    with pytest.raises(Refused, match="was made from another ledger and is not merged"):
        place.bring(stray, keys=keys_of(place), clock=StandingClock())
    with open_at(place.state.ledger) as ledger:
        assert ledger.read(lambda read: dispatches.get(read, "alert1")) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ledger": 1}', json.dumps({"alert_id": "alert1", "more": 2})])
def test_a_folder_that_is_no_spool_stands_in_nobodys_way(place: Spare, content: str) -> None:
    (place.root / "spool-K7Q4-00").mkdir()
    (place.root / "spool-K7Q4-00" / "spool.json").write_text(content)
    (place.root / "spool-nothing").mkdir()
    assert place.spools() == []
    with place.fence("alert1", "K7Q4"):
        pass


def test_a_spare_that_cannot_be_used_keeps_no_alert_in(place: Spare, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(place.root)
    place.root.write_text("no folder")
    monkeypatch.setenv("KENTONGAN_SPARE_DIR", str(place.root))
    with spares.fence(place.state, "alert1", "K7Q4"):
        pass
    assert spares.sent_from(place.state, "K7Q4") is None


def test_where_the_ledger_is_gone_nothing_is_sent(place: Spare) -> None:
    place.state.ledger.unlink()
    with pytest.raises(LedgerUnavailable, match="is gone"):
        place.sending("K7Q4", keys=keys_of(place), now=0).__enter__()


def test_a_ledger_that_has_no_room_to_be_opened_is_copied_all_the_same(tmp_path: Path) -> None:
    with disk(tmp_path / "state", "4m") as root:
        place = made(State.find(root, {}), tmp_path / "spare")
        with (root / "filling").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        with pytest.raises(LedgerUnavailable, match="disk is full"):
            Ledger.open(place.state.ledger)
        spool = sent(place)
        (root / "filling").unlink()
        merged = place.bring(spool, keys=keys_of(place), clock=StandingClock())
        assert merged is not None


@pytest.mark.parametrize("handle", ["K7Q4", "alert1"])
def test_who_makes_a_spool_waits_for_who_dispatches_in_the_ledger(place: Spare, handle: str) -> None:
    refused: list[str] = []

    def by_spool() -> None:
        try:
            with place.sending(handle, keys=keys_of(place), now=0) as spool, open_at(spool.ledger) as copy:
                dispatch(copy)
        except Refused as error:
            refused.append(str(error))

    with place.fence("alert1", "K7Q4"), open_at(place.state.ledger) as ledger:
        other = threading.Thread(target=by_spool)
        other.start()
        with place.fence("other", "W9MN"):
            dispatch(ledger)
    other.join()
    assert len(refused) == 1
    assert "is dispatched" in refused[0]
    assert place.spools() == []


def test_who_dispatches_in_the_ledger_does_not_wait_for_who_makes_a_spool(
    place: Spare, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def copy(self: Spare, target: Path) -> None:
        try:
            place.fence("alert1", "K7Q4").__enter__()
        except Refused as error:
            seen.append(str(error))
        with place.fence("another", "W9MN"):
            seen.append("free")
        raise InterruptedError

    monkeypatch.setattr(Spare, "_copy", copy)
    with pytest.raises(LedgerUnavailable), place.sending("K7Q4", keys=keys_of(place), now=0):
        raise AssertionError
    assert seen == ["alert K7Q4 is being sent from the spare at this moment", "free"]
