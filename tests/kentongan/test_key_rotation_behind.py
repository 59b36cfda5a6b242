"""Nobody is wrapped with the old key behind a rotation, whatever the place of the key does to who writes."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan import key_rotation, people_key
from kentongan.answers import Vocabulary
from kentongan.database import Database
from kentongan.errors import BadInput, PeopleKeyAway
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, answers, pages, wrapped_keys
from kentongan.ledger import people as register
from kentongan.people import Row
from kentongan.people_key import PeopleKey
from kentongan.people_key_place import FILE_VARIABLE
from kentongan.seam import Address, Inbound
from tests.kentongan.ledger.scenes import open_at


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        with open_at(tmp_path / "ledger.db") as ledger:
            yield ledger
        return
    with Ledger.open(Database(request.getfixturevalue("address"))) as ledger:
        yield ledger


@pytest.fixture
def hosts(tmp_path: Path) -> tuple[StateKeys, StateKeys, Path]:
    """Who writes and who rotates, each with a copy of the key and the next one beside it; and the writer's folder."""
    rotating = StateKeys.open(tmp_path / "b", environment={FILE_VARIABLE: str(tmp_path / "people.key")})
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    (tmp_path / "mount").mkdir()
    shutil.copy(tmp_path / "people.key", tmp_path / "mount" / "people.key")
    writing = StateKeys.open(tmp_path / "a", environment={FILE_VARIABLE: str(tmp_path / "mount" / "people.key")})
    following = PeopleKey(os.urandom(32), rotating.people.read()[0].lookup)
    for folder in (tmp_path, tmp_path / "mount"):
        people_key.write_new(folder / "people.key.next", following)
    return writing, rotating, tmp_path / "mount"


@contextlib.contextmanager
def hanging(keys: StateKeys, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile the place of these keys answers nobody."""
    answers, source = threading.Event(), keys.people
    stamp, read = type(source).stamp, type(source).read

    def wait(each: object) -> None:
        if each is source:
            answers.wait(30)

    with monkeypatch.context() as patch:
        patch.setattr(keys._wrapping._patience, "seconds", 0.02)
        patch.setattr(type(source), "stamp", lambda each: (wait(each), stamp(each))[1])
        patch.setattr(type(source), "read", lambda each: (wait(each), read(each))[1])
        yield
        answers.set()
        for thread in list(keys._wrapping._patience._under_way):
            thread.join()


def add(ledger: Ledger, keys: StateKeys, number: int) -> None:
    rows = [Row(number, f"p{number}", (Address("phone", f"+6281200000{number:02}"),), None, (), ())]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))


def page(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: pages.set_pager(write, "siti", Address("phone", "+628120000099"), keys=keys))


def answer(ledger: Ledger, keys: StateKeys) -> None:
    written = [Inbound("phone", "+628120000098", "STOP")]
    ledger.write(lambda write: answers.record(write, instance="sms", inbound=written, keys=keys, words=Vocabulary({})))


def held(ledger: Ledger) -> list[bytes]:
    """What is wrapped, of whomever."""
    each = "SELECT key FROM {} WHERE key IS NOT NULL".format
    which = " UNION ALL ".join(each(table) for table in ("person", "answer", "pager"))
    return [bytes(key) for key in ledger.read(lambda read: read.sql(which).scalars().all())]


ACTS = (lambda ledger, keys: add(ledger, keys, 50), page, answer)


def test_who_cannot_see_the_next_key_adds_nobody_behind_the_rotation_and_loses_nothing(
    shared: Ledger, hosts: tuple[StateKeys, StateKeys, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, rotating, mount = hosts
    monkeypatch.setattr(key_rotation, "_SIZE", 2)
    (mount / "people.key.next").rename(mount / "later")
    for number in range(5):
        add(shared, writing, number)
    refused: list[str] = []

    def behind(done: int) -> None:
        # After each chunk, the last of all among them.
        for act in ACTS:
            try:
                act(shared, writing)
            except PeopleKeyAway as error:
                refused.append(str(error))

    (mount / "later").rename(mount / "people.key.next")
    with hanging(writing, monkeypatch):
        assert key_rotation.rotate(shared, rotating, by="siti", told=behind).left is None
        for act in ACTS:
            with pytest.raises(PeopleKeyAway, match="are wrapped with the key of fingerprint"):
                act(shared, writing)
    assert refused
    # The old key is gone: whatever is there is read without it.
    alone = StateKeys.open(rotating.people.folder.parent, environment={FILE_VARIABLE: rotating.people.name})
    assert len(alone.people_fingerprints) == 1
    assert len(held(shared)) == 5
    assert all(alone.rewrap(key) is None for key in held(shared))
    # And once its place answers, the same writer goes on with the key that is wanted.
    for act in ACTS:
        act(shared, writing)
    assert len(held(shared)) == 8
    assert all(alone.rewrap(key) is None for key in held(shared))


def test_a_rotation_whose_own_place_does_not_answer_takes_no_key_away(
    shared: Ledger, hosts: tuple[StateKeys, StateKeys, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wrapped with the old key was taken for wrapped with the newest."""
    _, rotating, _ = hosts
    path = Path(rotating.people.name)
    path.with_name("people.key.next").rename(path.with_name("later"))
    add(shared, rotating, 1)
    assert len(rotating.people_fingerprints) == 1
    path.with_name("later").rename(path.with_name("people.key.next"))
    with monkeypatch.context() as patch:

        def away(source: object) -> object:
            raise TimeoutError(110, "does not answer")

        patch.setattr(type(rotating.people), "stamp", away)
        with pytest.raises(PeopleKeyAway, match="are wrapped with the key of fingerprint"):
            key_rotation.rotate(shared, rotating, by="siti")
    assert rotating.people.is_under_way()
    assert key_rotation.rotate(shared, rotating, by="siti") == key_rotation.Rotated(1, None)


def test_what_a_process_wrote_that_does_not_ask_the_ledger_is_found_before_the_old_key_goes(
    ledger: Ledger, hosts: tuple[StateKeys, StateKeys, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier Kentongan, behind the pass."""
    writing, rotating, folder = hosts
    (folder / "people.key.next").unlink()
    add(ledger, writing, 1)

    def behind(done: int) -> None:
        rows = ledger.read(lambda read: read.sql("SELECT count(*) FROM pager").scalar_one())
        if rows == 0 and done:
            with monkeypatch.context() as patch:
                patch.setattr(wrapped_keys, "named", lambda read: None)
                add(ledger, writing, 2)
                page(ledger, writing)

    assert key_rotation.rotate(ledger, rotating, by="siti", told=behind).rewrapped == 3
    assert all(rotating.rewrap(key) is None for key in held(ledger))


def test_another_hosts_rotation_is_not_taken_over_by_a_key_that_cannot_open_what_it_did(
    ledger: Ledger, hosts: tuple[StateKeys, StateKeys, Path]
) -> None:
    writing, rotating, folder = hosts
    add(ledger, writing, 1)
    key_rotation.rotate(ledger, rotating, by="siti")
    (folder / "people.key.next").unlink()
    people_key.write_new(folder / "people.key.next", PeopleKey(os.urandom(32), writing.people.read()[0].lookup))
    with pytest.raises(BadInput, match="cannot be read with the key in"):
        key_rotation.rotate(ledger, writing, by="budi")
    assert ledger.read(wrapped_keys.named) == rotating.people_fingerprints[0]
    add(ledger, rotating, 2)
    assert all(rotating.rewrap(key) is None for key in held(ledger))


def test_a_named_key_that_is_lost_with_nothing_under_it_is_rotated_away(
    ledger: Ledger, hosts: tuple[StateKeys, StateKeys, Path]
) -> None:
    """As where a backup's copy of the keys was made just before the rotation began, and that of the ledger after."""
    _, rotating, _ = hosts
    add(ledger, rotating, 1)
    ledger.write(lambda write: wrapped_keys.name(write, "0000-0000-0000-0000"))
    with pytest.raises(PeopleKeyAway, match="0000-0000-0000-0000"):
        add(ledger, rotating, 2)
    assert key_rotation.rotate(ledger, rotating, by="siti").left is None
    add(ledger, rotating, 2)
    assert all(rotating.rewrap(key) is None for key in held(ledger))
