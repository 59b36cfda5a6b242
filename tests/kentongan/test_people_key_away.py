"""The key of people's data may be away: all else goes on, and it is taken once it is there and the right one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kentongan import patience
from kentongan.errors import BadConfig, BadInput, LedgerUnavailable, PeopleKeyAway
from kentongan.key_files import replace_private
from kentongan.keys import StateKeys
from kentongan.people_key import PeopleKey, write_new
from kentongan.people_key_place import FILE_VARIABLE, InFolder, find
from kentongan.seam import Address
from tests.kentongan.hanging import Hanging


def another(path: Path) -> None:
    replace_private(path, PeopleKey.alone(os.urandom(32)).text())


WAYS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "damaged": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""),
    "open to others": lambda path: path.chmod(0o644),
    "another": another,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


class Known:
    """One address as it was written with the first key; says of others that they are not it."""

    def __init__(self, keys: StateKeys) -> None:
        self.hash = keys.address_hash("phone", "+628123456701")
        self.tried = 0

    def fault(self, keys: StateKeys) -> str | None:
        self.tried += 1
        same = keys.address_hash("phone", "+628123456701") == self.hash
        return None if same else f"not the one: {keys.people_fingerprints[0]}"


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_all_but_people_goes_on_without_their_key_until_it_is_back(tmp_path: Path, way: str, elsewhere: bool) -> None:
    path = tmp_path / "volume" / "people.key" if elsewhere else tmp_path / "state" / "keys" / "people.key"
    (tmp_path / "volume").mkdir()
    environment = {FILE_VARIABLE: str(path)} if elsewhere else {}
    first = StateKeys.open(tmp_path / "state", environment=environment)
    known, kept = Known(first), path.read_bytes()
    sealed = first.new_person_key(None)
    WAYS[way](path)
    broken = path.read_bytes() if path.is_file() else None
    keys = StateKeys.open(tmp_path / "state", create=False, people_may_be_away=True, environment=environment)
    keys.try_people_key(known.fault)
    why = keys.people_key_away()
    assert why is not None
    assert keys.people_fault() == why
    assert keys.head_public_key == first.head_public_key
    assert keys.page_check("siti", "d") == first.page_check("siti", "d")
    acts: list[Callable[[], object]] = [
        lambda: keys.address_hash("phone", "+628123456701"),
        lambda: keys.new_person_key(None),
        lambda: keys.encrypt_address(sealed, Address("phone", "+628123456701"), aad=b"p"),
        lambda: keys.sealing(None)([Address("phone", "+628123456701")], b"p"),
        lambda: keys.rewrap(sealed),
        lambda: keys.people_fingerprints,
        keys.need_people_key,
    ]
    for act in acts:
        with pytest.raises(PeopleKeyAway) as raised:
            act()
        assert str(raised.value) == why
    # None was made, and one that was refused is not tried again and again.
    assert (path.read_bytes() if path.is_file() else None) == broken
    assert known.tried <= 1
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(kept)
    assert keys.people_key_away() is None
    assert keys.address_hash("phone", "+628123456701") == known.hash
    assert keys.rewrap(sealed) is None
    # What was at hand and tried stays, whatever becomes of its place.
    path.unlink()
    assert keys.people_key_away() is None
    assert keys.address_hash("phone", "+628123456701") == known.hash
    assert keys.people_fault() is not None


def test_a_key_that_comes_back_is_not_used_before_the_ledger_has_shown_that_it_is_the_right_one(
    tmp_path: Path,
) -> None:
    first = StateKeys.open(tmp_path)
    known, path = Known(first), tmp_path / "keys" / "people.key"
    held = path.rename(tmp_path / "held")
    keys = StateKeys.open(tmp_path, create=False, people_may_be_away=True)
    answers: list[bool] = [False]

    def trial(candidate: StateKeys) -> str | None:
        if not answers[0]:
            raise LedgerUnavailable("the ledger is locked")
        return known.fault(candidate)

    keys.try_people_key(trial)
    write_new(path, PeopleKey.alone(os.urandom(32)))
    assert "cannot be tried: the ledger is locked" in (keys.people_key_away() or "")
    with pytest.raises(PeopleKeyAway, match="cannot be tried"):
        keys.address_hash("phone", "+628123456701")
    answers[0] = True
    assert (keys.people_key_away() or "").startswith("not the one")
    held.rename(path)
    assert keys.people_key_away() is None


def test_whoever_needs_the_key_at_once_is_refused_without_it(tmp_path: Path) -> None:
    StateKeys.open(tmp_path)
    (tmp_path / "keys" / "people.key").unlink()
    with pytest.raises(BadInput, match=r"people\.key is missing"):
        StateKeys.open(tmp_path, create=False)


def test_no_other_key_may_be_away(tmp_path: Path) -> None:
    StateKeys.open(tmp_path)
    (tmp_path / "keys" / "ledger.key").unlink()
    with pytest.raises(BadInput, match=r"ledger\.key"):
        StateKeys.open(tmp_path, create=False, people_may_be_away=True)


def test_a_process_starts_without_the_key_that_lies_on_a_disk_that_hangs_and_takes_it_once_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FEW_BYTES", 0.05)
    known, path = Known(StateKeys.open(tmp_path)), tmp_path / "keys" / "people.key"
    with Hanging(path):
        keys = StateKeys.open(tmp_path, create=False, people_may_be_away=True)
        keys.try_people_key(known.fault)
        for _ in range(3):
            assert (keys.people_key_away() or "").startswith(f"{path} cannot be read: what it lies on does not answer")
        with pytest.raises(BadConfig, match="does not answer"):
            StateKeys.open(tmp_path, create=False)
    until = time.monotonic() + 10
    while keys.people_key_away() is not None:
        assert time.monotonic() < until
    assert keys.address_hash("phone", "+628123456701") == known.hash


def test_one_that_has_the_key_uses_it_on_while_the_disk_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = StateKeys.open(tmp_path)
    monkeypatch.setattr(keys._wrapping._patience, "seconds", 0.05)
    answers = threading.Event()
    # A look at a file hangs too, where its folder does.
    monkeypatch.setattr(InFolder, "stamp", lambda source: answers.wait(30))
    sealed = keys.new_person_key(None)
    encrypted = keys.encrypt_address(sealed, Address("phone", "+628123456701"), aad=b"p")
    assert keys.decrypt_address(sealed, encrypted, aad=b"p").value == "+628123456701"
    answers.set()


def test_a_place_that_does_not_answer_keeps_nobody_from_naming_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FEW_BYTES", 0.05)
    volume, answers, resolve = tmp_path / "volume", threading.Event(), Path.resolve

    def hang(path: Path, strict: bool = False) -> Path:
        if volume in path.parents:
            answers.wait(30)
        return resolve(path, strict)

    monkeypatch.setattr(Path, "resolve", hang)
    source = find(tmp_path / "state" / "keys", {FILE_VARIABLE: str(volume / "people.key")})
    assert (source.name, source.elsewhere) == (str(volume / "people.key"), True)
    answers.set()
