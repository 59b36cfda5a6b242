"""people.key is rotated while others work, and wherever it is cut nothing becomes unreadable."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from kentongan import key_rotation, people_key_place
from kentongan.errors import BadInput
from kentongan.key_rotation import Rotated
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, pages
from kentongan.ledger import people as register
from kentongan.people import Row
from kentongan.seam import Address
from tests.kentongan.killed import Killed, Mortal

COUNT = 7


@pytest.fixture
def keys(tmp_path: Path) -> StateKeys:
    return StateKeys.open(tmp_path)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "_SIZE", 3)


def put_people(ledger: Ledger, keys: StateKeys) -> None:
    rows = [Row(n, f"p{n}", (Address("phone", f"+62812000000{n}"),), None, (), ()) for n in range(COUNT)]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))


def put_pager(ledger: Ledger, keys: StateKeys, officer: str) -> None:
    address = Address("phone", "+628120000010")
    ledger.write(lambda write: pages.set_pager(write, officer, address, keys=keys))


def readable(ledger: Ledger, keys: StateKeys) -> int:
    """How many people's addresses these keys read and find by their hash."""
    rows = ledger.read(
        lambda read: read.sql("SELECT a.*, p.key FROM address a JOIN person p ON p.id = a.person_id").all()
    )
    opened = [keys.decrypt_address(row.key, row.ciphertext, aad=row.person_id.encode()) for row in rows]
    assert [keys.address_hash("phone", each.value) for each in opened] == [row.hash for row in rows]
    return len(opened)


def wrapped(ledger: Ledger) -> list[bytes]:
    return list(ledger.read(lambda read: read.sql("SELECT key FROM person UNION ALL SELECT key FROM pager").scalars()))


def test_the_old_key_opens_nothing_any_more_and_the_look_up_stays(
    ledger: Ledger, keys: StateKeys, tmp_path: Path
) -> None:
    put_people(ledger, keys)
    put_pager(ledger, keys, "siti")
    former = wrapped(ledger)
    old = tmp_path / "old" / "keys"
    old.mkdir(parents=True, mode=0o700)
    for path in (tmp_path / "keys").iterdir():
        (old / path.name).write_bytes(path.read_bytes())
        (old / path.name).chmod(0o600)
    assert key_rotation.rotate(ledger, keys, by="siti") == Rotated(COUNT + 1, None)
    for again in (keys, StateKeys.open(tmp_path)):
        assert readable(ledger, again) == COUNT
    before = StateKeys.open(tmp_path / "old")
    for key in wrapped(ledger):
        with pytest.raises(BadInput, match="cannot be read with the key in"):
            before.rewrap(key)
    assert not set(former) & set(wrapped(ledger))
    assert not keys.people.is_under_way()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "keys").iterdir())
    # And once more: there is nothing that only the first rotation finds.
    assert key_rotation.rotate(ledger, keys, by="siti") == Rotated(COUNT + 1, None)
    assert readable(ledger, StateKeys.open(tmp_path)) == COUNT


@pytest.mark.parametrize("kill", range(8))
def test_a_rotation_that_is_killed_goes_on_and_nothing_is_ever_unreadable(
    ledger: Ledger, keys: StateKeys, tmp_path: Path, kill: int
) -> None:
    put_people(ledger, keys)
    put_pager(ledger, keys, "siti")
    service = StateKeys.open(tmp_path)
    with Mortal.open(ledger.path, clock=ledger.clock) as mortal:
        assert isinstance(mortal, Mortal)
        mortal.left = kill
        with contextlib.suppress(Killed):
            key_rotation.rotate(mortal, StateKeys.open(tmp_path), by="siti")
    # The service works on with what it has read at its start, and so does who starts now.
    assert readable(ledger, service) == readable(ledger, StateKeys.open(tmp_path)) == COUNT
    put_pager(ledger, service, "budi")
    key_rotation.rotate(ledger, StateKeys.open(tmp_path), by="siti")
    for each in (service, StateKeys.open(tmp_path)):
        assert readable(ledger, each) == COUNT
        assert all(each.rewrap(key) is None for key in wrapped(ledger))


@pytest.mark.parametrize("step", ["replace_private", "sync_folder"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_killed_between_two_files_it_goes_on_too(
    ledger: Ledger, keys: StateKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, times: int
) -> None:
    put_people(ledger, keys)
    act = getattr(people_key_place, step)
    left = [times]

    def dying(*arguments: Any) -> None:
        act(*arguments)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(people_key_place, step, dying)
        key_rotation.rotate(ledger, StateKeys.open(tmp_path), by="siti")
    assert readable(ledger, keys) == readable(ledger, StateKeys.open(tmp_path)) == COUNT
    key_rotation.rotate(ledger, StateKeys.open(tmp_path), by="siti")
    assert readable(ledger, keys) == readable(ledger, StateKeys.open(tmp_path)) == COUNT


def test_without_the_look_up_key_a_rotated_key_is_refused(ledger: Ledger, keys: StateKeys, tmp_path: Path) -> None:
    """Hashes made with another would find nobody, without a word."""
    put_people(ledger, keys)
    key_rotation.rotate(ledger, keys, by="siti")
    (tmp_path / "keys" / "lookup.key").unlink()
    with pytest.raises(BadInput, match=r"lookup\.key is missing"):
        StateKeys.open(tmp_path)


def test_two_rotations_do_not_run_at_once(ledger: Ledger, keys: StateKeys, tmp_path: Path) -> None:
    with (
        key_rotation.alone(tmp_path / "keys"),
        pytest.raises(BadInput, match="just being rotated"),
    ):
        key_rotation.rotate(ledger, keys, by="siti")
