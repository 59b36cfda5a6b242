"""kill -9 of a process that imports, rotates or restores, at a moment drawn at random: then all of it, or nothing."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from kentongan import importing, key_rotation
from kentongan.clock import Process
from kentongan.errors import LedgerUnavailable
from kentongan.importing import Importing
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, editions
from kentongan.ledger.editions import listed
from kentongan.ledger.filling import reference_of
from kentongan.ledger.opening import UNFINISHED
from kentongan.people import Row
from kentongan.people_key_place import FILE_VARIABLE
from kentongan.safekeeping.restoring import restore
from kentongan.seam import Address
from kentongan.staging import Staging
from kentongan.state import State
from tests.kentongan.ledger.scenes import StandingClock
from tests.kentongan.safekeeping.installations import backed_up, differences

COUNT, KILLS = 150, 4
_HOUR = 3_600_000

Act = Callable[[Path, str], None]
"""What the process does in a folder, by one word that it is told."""


def import_list(root: Path, group: str) -> None:
    """A whole list whose people are all in one group."""
    importing._SIZE = importing._SIZE_BESIDE = 20
    keys = StateKeys.open(root / "state")
    with Ledger.open(root / "state" / "ledger.db") as ledger, Staging() as staged:
        for n in range(COUNT):
            row = Row(n, f"p{n}", (Address("phone", f"+6281200{n:06}"),), None, (group,), ())
            staged.add(reference_of(row, keys), row)
        Importing(ledger, keys, f"import-{os.getpid()}", Process.current()).run(staged, replace=True)


def rotate(root: Path, _: str) -> None:
    key_rotation._SIZE = 20
    with Ledger.open(root / "state" / "ledger.db") as ledger:
        key_rotation.rotate(ledger, StateKeys.open(root / "state"), by="siti")


def put_back(root: Path, hours: str) -> None:
    (backup,) = (root / "kept").iterdir()
    clock = StandingClock()
    clock.pass_by(int(hours) * _HOUR)
    restore(State.find(root / "state"), backup, keys_from=None, over=True, clock=clock, by="siti")


def run(act: Act, root: Path, word: str, ready: Connection) -> None:
    os.environ[FILE_VARIABLE] = str(root / "people.key")
    ready.send(True)
    act(root, word)


class Killing:
    """Processes that do one thing each, of which some are killed."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    def lives(self, act: Act, word: str, *, at_most: float | None = None) -> bool:
        """Does it; False where it was killed before its end, after up to `at_most` seconds."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=run, args=(act, self.root, word, theirs))
        process.start()
        assert ours.recv()
        process.join(None if at_most is None else self.random.uniform(0, at_most))
        if process.is_alive():
            process.kill()
            process.join()
            return False
        assert process.exitcode == 0
        return True


def group_of_all(root: Path) -> str:
    """The one group that all people on the list are in; every address is legible, and the record verifies."""
    keys = StateKeys.open(root / "state", create=False)
    with Ledger.open(root / "state" / "ledger.db") as ledger:
        rows = ledger.read(
            lambda read: read.sql(
                "SELECT a.*, p.key, g.name FROM address a JOIN person p ON p.id = a.person_id JOIN person_group g"
                f" ON g.person_id = p.id WHERE {listed('a')} AND {listed('g')}"
            ).all()
        )
        found = {keys.decrypt_address(row.key, row.ciphertext, aad=row.person_id.encode()).value for row in rows}
        assert len(rows) == len(found) == COUNT
        assert {keys.address_hash("phone", value) for value in found} == {row.hash for row in rows}
        assert differences(ledger, keys) == []
    (group,) = {row.name for row in rows}
    return str(group)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("KENTONGAN_KILLED_SEEDS", "1"))))
def test_whatever_is_killed_is_done_whole_or_not_at_all_and_then_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "people.key"))
    killing = Killing(tmp_path, seed)
    killed = dict.fromkeys((import_list, rotate, put_back), 0)

    def attempts(act: Act, seconds: float, words: Callable[[int], str], look: Callable[[], None]) -> None:
        """Kills it again and again, looks after each, and lets the last one end."""
        for attempt in range(KILLS):
            killed[act] += not killing.lives(act, words(attempt), at_most=seconds)
            look()
        assert killing.lives(act, words(KILLS))

    assert killing.lives(import_list, "former")
    assert group_of_all(tmp_path) == "former"

    def whole_list() -> None:
        assert group_of_all(tmp_path) in ("former", "new")

    # No shorter than what they rest between their transactions, so that at least one of each is killed.
    attempts(import_list, 0.4, lambda _: "new", whole_list)
    assert group_of_all(tmp_path) == "new"
    with Ledger.open(tmp_path / "state" / "ledger.db") as ledger:
        assert ledger.read(editions.unfinished) is None

    before = StateKeys.open(tmp_path / "state").people_fingerprints
    attempts(rotate, 0.3, lambda _: "", whole_list)
    keys = StateKeys.open(tmp_path / "state")
    assert len(keys.people_fingerprints) == 1
    assert keys.people_fingerprints != before
    assert group_of_all(tmp_path) == "new"

    state = State.find(tmp_path / "state")
    backed_up(state, keys, tmp_path / "kept")
    assert killing.lives(import_list, "later")

    def either_ledger() -> None:
        # Between two names every command says so, and the same one does it again.
        between = (state.root / UNFINISHED).exists()
        with pytest.raises(LedgerUnavailable, match="restore") if between else contextlib.nullcontext():
            assert group_of_all(tmp_path) in ("later", "new")

    attempts(put_back, 0.4, lambda attempt: str(attempt + 1), either_ledger)
    assert group_of_all(tmp_path) == "new"
    assert not list(state.root.glob(".kentongan-part-*"))
    assert killed[import_list], killed
    assert killed[rotate], killed
