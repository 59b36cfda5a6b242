"""Restoring: checked before anything changes, whole or not at all, and held afterwards."""

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

from kentongan import concerns
from kentongan.clock import SystemClock
from kentongan.database import Database
from kentongan.errors import BadConfig, BadInput, LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, outcomes, restored, senders
from kentongan.ledger.verification import signed_head, verify
from kentongan.paging import Cause, Paging
from kentongan.safekeeping import escrow, restoring
from kentongan.state import State
from tests.kentongan.killed import Killed
from tests.kentongan.ledger.scenes import (
    StandingClock,
    direct,
    later,
    open_at,
    public,
    put_alert,
    put_dispatch,
    put_people,
    register_sender,
)
from tests.kentongan.safekeeping.installations import backed_up, begun, differences, disk, restore

HOUR = 3_600_000


@pytest.fixture
def lost(tmp_path: Path) -> tuple[Path, Path, StateKeys]:
    """What is left of an installation: one backup, and apart from it the keys."""
    state, keys = begun(tmp_path / "lost")
    place = backed_up(state, keys, tmp_path / "kept").place
    medium = escrow.copy(state, tmp_path / "medium", dated="20261121T072000Z", now=0)
    shutil.rmtree(state.root)
    return place, medium, keys


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
