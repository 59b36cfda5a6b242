"""The reports on what is pruned go into backups and come back out of them, as they were written or not at all."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.clock import to_milliseconds
from kentongan.errors import BadInput, DamagedRecord
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from kentongan.safekeeping import files, reports, restoring
from kentongan.safekeeping.restoring import Restored
from kentongan.state import State
from tests.kentongan.ledger.scenes import NOW, StandingClock, open_at
from tests.kentongan.safekeeping.installations import backed_up, begun

CODES = ("AAAA", "BBBB")


@pytest.fixture
def pruned(tmp_path: Path) -> tuple[State, StateKeys]:
    """An installation of which two alerts are pruned, with their reports."""
    state, keys = begun(tmp_path / "state")
    with open_at(state.ledger) as ledger:
        for code in CODES:
            name, page = f"{code}.html.gz", f"report on {code}".encode()
            (state.reports / name).write_bytes(page)
            kept = {"file": name, "sha256": hashlib.sha256(page).hexdigest()}
            row = {"id": code, "now": to_milliseconds(NOW), "content": json.dumps({"report": kept})}
            ledger.write(
                lambda write, row=row: write.sql(  # type: ignore[misc]
                    "INSERT INTO checkpoint (alert_id, at, content, signature, finished_at)"
                    " VALUES (:id, :now, :content, '', :now)",
                    row,
                )
            )
    return state, keys


PAGE = "<!doctype html><title>K7Q4</title><p>3,120 diterima, 2 diragukan – “selesai”</p>" * 20


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Path]]:
    """A ledger of version 0017, of which an alert is pruned, and the file of its report."""
    folder = tmp_path_factory.mktemp("kept")
    path = folder / "K7Q4.html.gz"
    path.write_bytes(gzip.compress(PAGE.encode(), mtime=0))
    said = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    with open_at(folder / "ledger.db") as ledger:
        ledger.write(
            lambda write: write.sql(
                "INSERT INTO checkpoint (alert_id, at, content, signature, finished_at)"
                " VALUES ('alert1', :now, :content, '', :now)",
                {"now": to_milliseconds(NOW), "content": json.dumps({"report": said})},
            )
        )
        yield ledger, path


def page(kept: tuple[Ledger, Path], alert_id: str = "alert1") -> str | None:
    ledger, path = kept
    return ledger.read(lambda read: reports.page(read, path.parent, alert_id))


def restore(state: State, source: Path) -> Restored:
    return restoring.restore(state, source, keys_from=None, over=True, clock=StandingClock(), by="siti")


def lying(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_restoring_puts_back_what_is_lost_and_keeps_beside_what_is_another(pruned: tuple[State, StateKeys]) -> None:
    state, keys = pruned
    made = backed_up(state, keys, state.root.parent / "kept")
    assert made.manifest.counts["reports"] == 2
    assert made.missing == ()
    whole = lying(state.reports)
    assert lying(made.place / reports.FOLDER) == whole
    (state.reports / "AAAA.html.gz").write_text("forged")
    (state.reports / "BBBB.html.gz").unlink()
    (state.reports / "later.html.gz").write_text("pruned since")
    with open_at(state.ledger) as ledger:
        differences, missing = ledger.read(lambda read: reports.compare(read, state.reports))
    assert [each.place for each in differences] == ["report AAAA.html.gz"]
    assert missing == 1
    assert restore(state, made.place).reports == reports.Kept(2, ())
    found = lying(state.reports)
    assert found.pop("later.html.gz") == "pruned since"
    assert [text for name, text in found.items() if ".former-" in name] == ["forged"]
    assert {name: text for name, text in found.items() if ".former-" not in name} == whole
    with open_at(state.ledger) as ledger:
        assert ledger.read(lambda read: reports.compare(read, state.reports)) == ([], 0)


def test_a_report_takes_its_room_once_among_all_backups_and_never_a_damaged_one(
    pruned: tuple[State, StateKeys], tmp_path: Path
) -> None:
    state, keys = pruned
    clock = StandingClock()
    first = backed_up(state, keys, tmp_path / "kept", clock=clock).place / reports.FOLDER
    (first / "BBBB.html.gz").write_text("bit rot")
    # What the state directory has lost the backup before still has.
    (state.reports / "AAAA.html.gz").unlink()
    clock.pass_by(1000)
    second = backed_up(state, keys, tmp_path / "kept", clock=clock)
    assert second.missing == ()
    place = second.place / reports.FOLDER
    assert lying(place) == {f"{code}.html.gz": f"report on {code}" for code in CODES}
    assert (place / "AAAA.html.gz").samefile(first / "AAAA.html.gz")
    assert not (place / "BBBB.html.gz").samefile(first / "BBBB.html.gz")


def test_a_report_that_is_nowhere_is_named_and_keeps_nobody_from_backing_up_or_restoring(
    pruned: tuple[State, StateKeys], tmp_path: Path
) -> None:
    state, keys = pruned
    (state.reports / "AAAA.html.gz").write_text("forged")
    made = backed_up(state, keys, tmp_path / "kept")
    assert made.missing == ("AAAA.html.gz",)
    found = restore(state, made.place)
    assert found.reports == reports.Kept(1, ("AAAA.html.gz",))


def test_reports_for_which_there_is_no_room_leave_all_as_it_was(
    pruned: tuple[State, StateKeys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, keys = pruned
    made = backed_up(state, keys, tmp_path / "kept")
    (state.reports / "BBBB.html.gz").unlink()
    before, copy_private = state.ledger.read_bytes(), files.copy_private

    def full(source: Path, target: Path) -> str:
        if source.name.endswith(".gz"):
            raise OSError(28, "No space left on device")
        return copy_private(source, target)

    monkeypatch.setattr(files, "copy_private", full)
    with pytest.raises(BadInput, match="the disk is full"):
        restore(state, made.place)
    assert state.ledger.read_bytes() == before
    assert set(lying(state.reports)) == {"AAAA.html.gz"}


def test_a_name_that_leads_elsewhere_is_no_report(pruned: tuple[State, StateKeys]) -> None:
    state, _ = pruned
    with open_at(state.ledger) as ledger:
        ledger.write(
            lambda write: write.sql(
                'UPDATE checkpoint SET content = \'{"report": {"file": "../keys/head.key", "sha256": "00"}}\''
                " WHERE alert_id = 'AAAA'"
            )
        )
        assert set(ledger.read(reports.named)) == {"BBBB.html.gz"}


# --- What `kentongan report --kept` reads of them ---


def flipped(whole: bytes, place: int) -> bytes:
    at = place % (8 * len(whole))
    return whole[: at // 8] + bytes([whole[at // 8] ^ 1 << at % 8]) + whole[at // 8 + 1 :]


DAMAGES: dict[str, Callable[[bytes, int], bytes]] = {
    "cut": lambda whole, place: whole[: place % len(whole)],
    "one bit flipped": flipped,
    "longer": lambda whole, place: whole + bytes([place % 256]),
    "another page": lambda whole, place: gzip.compress(PAGE.replace("3,120", str(place)).encode(), mtime=0),
    "not packed": lambda whole, place: gzip.decompress(whole),
}


@given(kind=st.sampled_from(sorted(DAMAGES)), place=st.integers(0, 10_000))
def test_a_damaged_report_is_named_with_its_remedy_and_left_where_it_is(
    kept: tuple[Ledger, Path], kind: str, place: int
) -> None:
    _, path = kept
    whole = path.read_bytes()
    damaged = DAMAGES[kind](whole, place)
    path.write_bytes(damaged)
    try:
        with pytest.raises(DamagedRecord, match="is not the one that was written; put it back from a backup") as told:
            page(kept)
        assert str(path) in str(told.value)
        assert path.read_bytes() == damaged
    finally:
        path.write_bytes(whole)
    assert page(kept) == PAGE


def test_a_report_that_is_gone_or_cannot_be_read_is_named_with_its_remedy(kept: tuple[Ledger, Path]) -> None:
    _, path = kept
    aside = path.rename(path.with_name("aside"))
    try:
        with pytest.raises(DamagedRecord, match="No such file or directory; put it back from a backup"):
            page(kept)
        path.mkdir()
        with pytest.raises(DamagedRecord, match="Is a directory; put it back from a backup"):
            page(kept)
        path.rmdir()
    finally:
        aside.rename(path)
    assert page(kept) == PAGE
    assert page(kept, "not pruned") is None


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", '{"report": "K7Q4.html.gz"}', '{"report": {}}'),
        *('{"report": {"file": "K7Q4.html.gz"}}', '{"report": {"sha256": "00"}}'),
    ],
)
def test_a_damaged_checkpoint_says_how_the_ledger_is_mended(kept: tuple[Ledger, Path], content: str) -> None:
    _replace(kept, content)
    with pytest.raises(DamagedRecord, match=r"alert other .* `kentongan log verify` and restore the ledger"):
        page(kept, "other")


def test_a_checkpoint_reads_no_file_elsewhere_and_none_that_is_no_page(kept: tuple[Ledger, Path]) -> None:
    ledger, path = kept
    folder = path.parent / "reports"
    folder.mkdir()
    (folder / "K7Q4.txt").write_text("not packed")
    for file, lies, why in (
        (f"../{path.name}", path, "cannot be read"),
        (str(path), path, "cannot be read"),
        ("K7Q4.txt", folder / "K7Q4.txt", "is not the one that was written"),
    ):
        _replace(kept, json.dumps({"report": {"file": file, "sha256": files.sha256_of(lies)}}))
        with pytest.raises(DamagedRecord, match=why):
            ledger.read(lambda read: reports.page(read, folder, "other"))


def _replace(kept: tuple[Ledger, Path], content: str) -> None:
    ledger, _ = kept
    ledger.write(lambda write: write.sql("DELETE FROM checkpoint WHERE alert_id = 'other'"))
    ledger.write(
        lambda write: write.sql(
            "INSERT INTO checkpoint (alert_id, at, content, signature) VALUES ('other', 0, :content, '')",
            {"content": content},
        )
    )
