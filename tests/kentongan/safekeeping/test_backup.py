"""Backups: of one moment while others write, checked, signed, whole or not there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from kentongan.errors import BadInput, LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.safekeeping import backup, escrow, files, manifest
from kentongan.state import State
from tests.kentongan.ledger.scenes import StandingClock, open_at
from tests.kentongan.safekeeping.installations import backed_up, begun, differences, disk, silent


def test_a_backup_is_of_one_moment_while_another_goes_on_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_PAGES", 2)
    state, keys = begun(tmp_path / "state")
    with open_at(state.ledger, chain="busy") as writer:
        before = 0

        def tell(done: int, all_: int) -> None:
            nonlocal before
            # Between two steps of the copy, which must not begin anew for it, nor hold it up.
            writer.write(lambda write: write.event("note", text="x" * 5000))
            before += 1

        made = backup.make(
            state, tmp_path / "kept", keys=keys, config=None, clock=StandingClock(), keep=None, tell=tell
        )
        assert before > 10
        with backup.reading(made.place / "ledger.db", 0) as read:
            assert read.sql("SELECT count(*) FROM event WHERE type = 'note'").scalar_one() == 0
        assert writer.read(lambda read: read.sql("SELECT count(*) FROM event WHERE type = 'note'").scalar()) == before
        assert differences(writer, keys, made.manifest.head) == []
    with open_at(made.place / "ledger.db") as copy:
        assert differences(copy, keys, made.manifest.head) == []


def test_a_backup_tells_what_it_holds_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state")
    config = tmp_path / "config"
    config.mkdir()
    (config / "agency.yaml").write_text("name: BPBD\n")
    (config / "gateway.secret").write_text("not to be copied")
    made = backup.make(
        state, tmp_path / "kept", keys=keys, config=config, clock=StandingClock(), keep=None, tell=silent
    )
    found, signature = manifest.read(made.place)
    assert manifest.is_signed(found, signature, keys.head_public_key)
    assert found.counts["deliveries open"] == 2
    assert found.counts["people"] == 5
    there = {str(path.relative_to(made.place)) for path in made.place.rglob("*") if path.is_file()}
    assert there == {*found.files, "manifest.json"} == {"ledger.db", "config/agency.yaml", "manifest.json"}
    assert all(files.sha256_of(made.place / name) == digest for name, digest in found.files.items())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.place.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(made.place.stat().st_mode) == 0o700
    assert not any(
        key.read_bytes()[:20] in path.read_bytes()
        for key in state.keys.iterdir()
        for path in made.place.rglob("*")
        if path.is_file()
    )


def test_a_manifest_that_was_changed_is_not_the_one_that_was_signed(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state")
    made = backed_up(state, keys, tmp_path / "kept")
    path = made.place / manifest.NAME
    path.write_text(path.read_text().replace('"people": 5', '"people": 6'))
    found, signature = manifest.read(made.place)
    assert not manifest.is_signed(found, signature, keys.head_public_key)
    for content in ("{", "[]", json.dumps({"signature": "00"})):
        path.write_text(content)
        with pytest.raises(BadInput, match="restore another backup"):
            manifest.read(made.place)


def test_nothing_is_written_over_and_the_newest_are_kept(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state")
    other, other_keys = begun(tmp_path / "other")
    clock, kept = StandingClock(), tmp_path / "kept"
    made = [backed_up(state, keys, kept, clock=clock).place]
    with pytest.raises(BadInput, match="is there already and is not written over"):
        backed_up(state, keys, kept, clock=clock)
    with pytest.raises(BadInput, match="lies in the state directory"):
        backed_up(state, keys, state.root / "kept", clock=clock)
    for _ in range(3):
        clock.pass_by(1000)
        made.append(backed_up(state, keys, kept, clock=clock).place)
    clock.pass_by(1000)
    foreign = backed_up(other, other_keys, kept, clock=clock).place
    clock.pass_by(1000)
    last = backed_up(state, keys, kept, clock=clock, keep=2)
    assert last.pruned == tuple(reversed(made[:3]))
    assert sorted(kept.iterdir()) == [made[3], foreign, last.place]


def test_a_full_disk_at_either_end_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state", people=0)
    with disk(tmp_path / "small", "256k") as small:
        with pytest.raises(BadInput, match="the disk is full; make room") as raised:
            backed_up(state, keys, small / "kept")
        assert "\n" not in str(raised.value)
        assert list((small / "kept").iterdir()) == []
    with disk(tmp_path / "full", "1500k") as full:
        crowded, crowded_keys = begun(full / "state", people=0)
        with (full / "filling").open("ab", buffering=0) as filling, contextlib.suppress(OSError):
            while filling.write(bytes(4096)):
                pass
        with pytest.raises(LedgerUnavailable, match="disk is full") as raised:
            backed_up(crowded, crowded_keys, tmp_path / "kept")
        assert "\n" not in str(raised.value)
        assert list((tmp_path / "kept").iterdir()) == []


def test_a_damaged_ledger_makes_no_backup(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state", people=200)
    size = state.ledger.stat().st_size
    with state.ledger.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 3))
    with pytest.raises((BadInput, LedgerUnavailable), match="damaged"):
        backed_up(state, keys, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_a_crash_left_is_cleared_away_and_what_is_being_built_is_not(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state")
    kept = tmp_path / "kept"
    left = kept / ".kentongan-part-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "ledger.db").write_text("half")
    with files.staged(kept) as building:
        assert not left.exists()
        (building / "half").write_text("half")
        done = threading.Thread(target=lambda: backed_up(state, keys, kept))
        done.start()
        done.join()
        assert (building / "half").exists()
    assert [path.name for path in kept.iterdir()] == ["kentongan-20261121T072000Z"]


def test_a_copy_of_the_keys_is_good_only_while_it_is_the_same(tmp_path: Path) -> None:
    root = tmp_path / "state"
    StateKeys.open(root)
    state, day = State(root), 86_400_000
    assert "no copy of the keys was ever confirmed" in str(escrow.remark(state, now=0, within=1))
    place = escrow.copy(state, tmp_path / "medium", dated="20261121T072000Z", now=day)
    assert escrow.remark(state, now=2 * day, within=90_000) is None
    assert "last confirmed 1 days ago" in str(escrow.remark(state, now=2 * day + 1, within=86_400))
    with pytest.raises(BadInput, match="is the keys themselves"):
        escrow.confirm(state, state.keys, now=0)
    with pytest.raises(BadInput, match="holds no keys"):
        escrow.confirm(state, tmp_path, now=0)
    (place / "people.key").write_bytes((state.keys / "pages.key").read_bytes())
    with pytest.raises(BadInput, match=r"people\.key is not the key of"):
        escrow.confirm(state, place, now=0)
    (place / "people.key").unlink()
    with pytest.raises(BadInput, match=r"lacks people\.key"):
        escrow.confirm(state, place, now=0)
    # A key that is added or changed leaves the copy behind.
    (state.keys / "later.key").write_bytes(b"x")
    assert "have changed since their copy" in str(escrow.remark(state, now=day, within=1e9))


def test_the_copy_is_an_ordinary_file_that_needs_no_journal(tmp_path: Path) -> None:
    state, keys = begun(tmp_path / "state")
    made = backed_up(state, keys, tmp_path / "kept")
    connection = sqlite3.connect(f"file:{made.place / 'ledger.db'}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    finally:
        connection.close()
    assert sorted(path.name for path in made.place.iterdir()) == ["ledger.db", "manifest.json"]
