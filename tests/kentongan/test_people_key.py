"""The key of people's data in a file elsewhere, or in the environment: read strictly, made once, told nowhere."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan import key_rotation, people_key, people_key_place
from kentongan.clock import SystemClock
from kentongan.database import Database
from kentongan.errors import BadConfig, BadInput
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, key_match
from kentongan.ledger.opening import open_keys
from kentongan.people_key import PeopleKey, parse
from kentongan.people_key_place import FILE_VARIABLE, NEXT_VARIABLE, VARIABLE
from kentongan.safekeeping import escrow, restoring
from kentongan.safekeeping.restoring import restore
from kentongan.state import State
from tests.kentongan.killed import Killed
from tests.kentongan.ledger.scenes import StandingClock, direct, later, open_at, put_dispatch, put_people
from tests.kentongan.safekeeping.installations import backed_up

COUNT = 5
_KEY = st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) >= 8)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file on another volume, which the environment names; it is not there yet."""
    folder = tmp_path / "volume"
    folder.mkdir()
    monkeypatch.setenv(FILE_VARIABLE, str(folder / "people.key"))
    return folder / "people.key"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.find(tmp_path / "state", {})


@pytest.fixture
def ledger(state: State) -> Iterator[Ledger]:
    with open_at(state.ledger, clock=StandingClock()) as ledger:
        yield ledger


def fill(ledger: Ledger, keys: StateKeys) -> None:
    ledger.write(lambda write: put_people(write, keys, COUNT))


def unread(ledger: Ledger, keys: StateKeys) -> str | None:
    """Why these keys do not read every address; None where they do."""
    rows = ledger.read(
        lambda read: read.sql("SELECT a.*, p.key FROM address a JOIN person p ON p.id = a.person_id").all()
    )
    assert len(rows) == COUNT
    try:
        found = [keys.decrypt_address(row.key, row.ciphertext, aad=row.person_id.encode()) for row in rows]
    except BadInput as error:
        return str(error)
    assert [keys.address_hash(each.family, each.value) for each in found] == [row.hash for row in rows]
    return None


# --- What is read ---


@given(own=_KEY, lookup=_KEY)
def test_what_is_written_is_read_again_and_so_is_plain_base64(own: bytes, lookup: bytes) -> None:
    for key, plain in ((PeopleKey.alone(own), own), (PeopleKey(own, lookup), own + lookup)):
        assert parse(key.text(), "here") == key
        assert parse(base64.encodebytes(plain), "here") == key
        assert repr(key) == "PeopleKey()"
        damaged = bytearray(key.text())
        damaged[3] = damaged[3] % 26 + 65
        if damaged != key.text():
            with pytest.raises(BadInput, match="is damaged"):
                parse(bytes(damaged), "here")


@given(
    text=st.one_of(
        st.text(max_size=200),
        st.binary(max_size=80).map(lambda key: base64.b64encode(key).decode()),
        st.builds(lambda byte, n: base64.b64encode(bytes([byte]) * n).decode(), st.integers(0, 255), st.just(32)),
    ).filter(lambda text: len(text) > 8 and "\0" not in text)
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    told = why_not(text)
    assert told is None or (told.startswith("here is ") and text not in told)


def why_not(text: str) -> str | None:
    try:
        assert len(parse(text.encode("utf-8", "surrogateescape"), "here").own) == 32
    except BadInput as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({VARIABLE: "a", FILE_VARIABLE: "/b"}, "are both set"),
        ({NEXT_VARIABLE: "a"}, f"goes with {VARIABLE} alone"),
        ({NEXT_VARIABLE: "a", FILE_VARIABLE: "/b"}, f"goes with {VARIABLE} alone"),
        ({FILE_VARIABLE: "{state}/people.key"}, "lies in the state directory"),
        ({FILE_VARIABLE: "{state}/../volume"}, "is no file"),
        ({FILE_VARIABLE: "/nowhere/people.key"}, "/nowhere/people.key is missing and cannot be made"),
    ],
)
def test_a_place_that_cannot_be_is_refused(state: State, environment: Mapping[str, str], told: str) -> None:
    (state.root.parent / "volume").mkdir()
    named = {name: value.format(state=state.root) for name, value in environment.items()}
    with pytest.raises(BadInput, match=told):
        StateKeys.open(state.root, environment=named)
    assert not state.keys.exists()


def test_an_empty_variable_is_none(state: State) -> None:
    keys = StateKeys.open(state.root, environment=dict.fromkeys(people_key_place.VARIABLES, ""))
    assert keys.people.name == str(state.keys / "people.key")


# --- Who makes it, and who does not ---


def test_a_new_installation_makes_it_once_for_its_owner_alone(state: State, outside: Path) -> None:
    keys = open_keys(state)
    assert outside.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in state.keys.iterdir()) == ["ledger.key", "pages.key"]
    assert [path.name for path in outside.parent.iterdir()] == ["people.key"]
    assert open_keys(state).people_fingerprints == keys.people_fingerprints
    assert keys.people_fault() is None


def test_a_key_that_is_gone_is_never_made_anew(state: State, outside: Path) -> None:
    keys = open_keys(state)
    with open_at(state.ledger) as ledger:
        fill(ledger, keys)
    held = outside.rename(outside.with_name("held"))
    for remove in (lambda: None, lambda: shutil.rmtree(state.keys)):
        remove()
        with pytest.raises(BadInput, match=f"{outside}, which {FILE_VARIABLE} names, is missing|is missing although"):
            open_keys(state)
        assert not outside.exists()
    # What runs goes on with what it has, and says that nothing that starts now would.
    assert "is missing: mount what it lies on" in str(keys.people_fault())
    with open_at(state.ledger) as ledger:
        assert unread(ledger, keys) is None
    held.rename(outside)
    assert keys.people_fault() is None


@pytest.mark.parametrize(
    ("mode", "granted", "well"), [(0o640, False, False), (0o440, True, True), (0o444, True, False)]
)
def test_a_key_that_others_can_read_is_refused(
    state: State, outside: Path, monkeypatch: pytest.MonkeyPatch, mode: int, granted: bool, well: bool
) -> None:
    """systemd's own credentials show the list of who may read them as a right of the group."""
    open_keys(state)
    outside.chmod(mode)
    if granted:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(outside.parent))
    with contextlib.nullcontext() if well else pytest.raises(BadConfig, match="can be read by others; run: chmod 600"):
        open_keys(state)


def test_a_pipe_keeps_nobody_waiting(state: State, outside: Path) -> None:
    os.mkfifo(outside, 0o600)
    with pytest.raises(BadConfig, match="is no file"):
        StateKeys.open(state.root)


# --- Another key ---


def test_another_key_is_told_before_anything_is_sent_and_takes_nothing_over(
    state: State, ledger: Ledger, outside: Path
) -> None:
    keys = StateKeys.open(state.root)
    fill(ledger, keys)
    good = outside.read_bytes()
    outside.write_bytes(PeopleKey.alone(os.urandom(32)).text())
    other = StateKeys.open(state.root, create=False)
    assert ledger.read(lambda read: key_match.fault(read, keys)) is None
    told = str(ledger.read(lambda read: key_match.fault(read, other)))
    assert other.people_fingerprints[0] in told
    assert "is not the one that this ledger was written with" in told
    # A service that runs does not wrap a part of its people with it.
    assert "holds another key now" in str(keys.people_fault())
    wrapped = keys.new_person_key(None)
    outside.write_bytes(good)
    assert StateKeys.open(state.root, create=False).rewrap(wrapped) is None
    # One damaged row alone is not taken for another key.
    ledger.write(
        lambda write: write.sql("UPDATE person SET key = x'00' WHERE id = (SELECT min(person_id) FROM address)")
    )
    assert ledger.read(lambda read: key_match.fault(read, keys)) is None


# --- Rotating ---


def rotate(ledger: Ledger, state: State, **environment: str) -> str | None:
    keys = StateKeys.open(state.root, create=False, environment=environment or os.environ)
    return key_rotation.rotate(ledger, keys, by="siti").left


@pytest.mark.parametrize("step", ["write", "write_new", "os.replace", "sync_folder"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_rotation_of_the_file_may_be_killed_anywhere(
    state: State,
    ledger: Ledger,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    when: str,
    times: int,
) -> None:
    monkeypatch.setattr(key_rotation, "_SIZE", 2)
    service = StateKeys.open(state.root)
    fill(ledger, service)
    whose: dict[str, list[Any]] = {"write": [ledger], "os.replace": [os]}
    owners = whose.get(step, [people_key, people_key_place])
    name = step.rpartition(".")[2]
    act, left = getattr(owners[0], name), [times]

    def dying(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            raise Killed
        found = act(*arguments)
        if left[0] == 0:
            raise Killed
        return found

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        for owner in owners:
            patch.setattr(owner, name, dying)
        rotate(ledger, state)
    # Whoever runs and whoever starts reads everybody, and what either writes is not lost.
    for each in (service, StateKeys.open(state.root)):
        assert unread(ledger, each) is None
    ledger.write(lambda write: write.sql("UPDATE person SET key = key"))
    assert rotate(ledger, state) is None
    for each in (service, StateKeys.open(state.root)):
        assert unread(ledger, each) is None
    assert [path.name for path in outside.parent.iterdir()] == ["people.key"]
    assert outside.stat().st_mode & 0o777 == 0o600


def test_a_key_in_the_environment_is_rotated_by_its_owner(state: State, ledger: Ledger) -> None:
    first = PeopleKey.alone(os.urandom(32))
    following = PeopleKey(os.urandom(32), first.lookup)
    now, then = first.text().decode(), following.text().decode()
    fill(ledger, StateKeys.open(state.root, environment={VARIABLE: now}))
    assert not (state.keys / "people.key").exists()
    with pytest.raises(BadInput, match=f"{NEXT_VARIABLE} is not set: make the next key"):
        rotate(ledger, state, **{VARIABLE: now})
    with pytest.raises(BadInput, match="is not the next of the key in use"):
        rotate(ledger, state, **{VARIABLE: now, NEXT_VARIABLE: PeopleKey.alone(following.own).text().decode()})
    with pytest.raises(BadInput, match="holds already; unset it"):
        rotate(ledger, state, **{VARIABLE: now, NEXT_VARIABLE: now})
    told = rotate(ledger, state, **{VARIABLE: now, NEXT_VARIABLE: then})
    assert told is not None
    assert f"put what {NEXT_VARIABLE} holds into {VARIABLE}, on every host" in told
    assert unread(ledger, StateKeys.open(state.root, environment={VARIABLE: then})) is None
    former = StateKeys.open(state.root, environment={VARIABLE: now})
    assert "cannot be read with the key in KENTONGAN_PEOPLE_KEY" in str(unread(ledger, former))


def test_where_the_file_cannot_be_replaced_its_owner_is_told(state: State, ledger: Ledger, outside: Path) -> None:
    """As with a secret that is mounted: a link into a folder that is not ours to write."""
    fill(ledger, StateKeys.open(state.root))
    real = outside.rename(outside.parent / "real")
    outside.symlink_to(real)
    with pytest.raises(BadInput, match=r"is a link, beside which no next key is made: make it with"):
        rotate(ledger, state)
    following = outside.with_name("people.key.next")
    people_key.write_new(following, PeopleKey(os.urandom(32), parse(real.read_bytes(), "").lookup))
    told = rotate(ledger, state)
    assert told is not None
    assert f"put what is in {following} there, on every host" in told
    assert unread(ledger, StateKeys.open(state.root)) is None
    real.write_bytes(following.read_bytes())
    with pytest.raises(BadInput, match=r"holds already; take it away"):
        rotate(ledger, state)
    following.unlink()
    assert unread(ledger, StateKeys.open(state.root)) is None


def test_other_hosts_are_given_the_next_key_first(state: State, ledger: Ledger, outside: Path) -> None:
    keys = StateKeys.open(state.root)
    with pytest.raises(BadInput, match="other hosts would not have it"):
        keys.people.begin(os.urandom, alone=False)
    people_key.write_new(outside.with_name("people.key.next"), PeopleKey(os.urandom(32), keys.people.read()[0].lookup))
    keys.people.begin(os.urandom, alone=False)
    assert keys.people.finish() is None


def test_with_the_ledger_in_postgres_every_host_is_given_both(tmp_path: Path, state: State, address: str) -> None:
    path = tmp_path / "people.key"
    environment = {FILE_VARIABLE: str(path)}
    with Ledger.open(Database(address)) as ledger:
        keys = StateKeys.open(state.root, environment=environment)
        fill(ledger, keys)
        with pytest.raises(BadInput, match="other hosts would not have it"):
            rotate(ledger, state, **environment)
        following = PeopleKey(os.urandom(32), keys.people.read()[0].lookup)
        people_key.write_new(path.with_name("people.key.next"), following)
        assert rotate(ledger, state, **environment) is None
        for each in (keys, StateKeys.open(state.root, environment={VARIABLE: following.text().decode()})):
            assert unread(ledger, each) is None


# --- Moving it out ---


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("kill", range(4))
def test_it_moves_out_whole_wherever_that_is_cut(
    tmp_path: Path, state: State, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, rotated: bool, kill: int
) -> None:
    keys = StateKeys.open(state.root)
    fill(ledger, keys)
    if rotated:
        rotate(ledger, state)
        assert (state.keys / "lookup.key").exists()
        assert keys.people_fault() is None
    path, left, unlink = tmp_path / "people.key", [kill], Path.unlink

    def dying(self: Path, missing_ok: bool = False) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        unlink(self, missing_ok)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "unlink", dying)
        people_key_place.move(state.keys, path)
    with contextlib.suppress(BadInput):
        people_key_place.move(state.keys, path)
    moved = StateKeys.open(state.root, environment={FILE_VARIABLE: str(path)})
    for each in (moved, keys):
        assert unread(ledger, each) is None
    assert not (state.keys / "people.key").exists()
    with pytest.raises(BadInput, match=r"people\.key is missing"):
        StateKeys.open(state.root)


def test_it_moves_onto_no_other_key_and_not_in_the_middle_of_a_rotation(tmp_path: Path, state: State) -> None:
    keys = StateKeys.open(state.root)
    people_key.write_new(tmp_path / "other", PeopleKey.alone(os.urandom(32)))
    with pytest.raises(BadInput, match="holds another key"):
        people_key_place.move(state.keys, tmp_path / "other")
    keys.people.begin(os.urandom, alone=True)
    with pytest.raises(BadInput, match="is being rotated"):
        people_key_place.move(state.keys, tmp_path / "new")
    assert (state.keys / "people.key").exists()


# --- Kept apart, and restored ---


def test_its_copy_is_made_confirmed_and_restored_wherever_it_lies(
    tmp_path: Path, state: State, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = open_keys(state)
    with open_at(state.ledger) as ledger:
        fill(ledger, keys)
        ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
        before = escrow.copy(state, tmp_path / "medium", dated="20261121T072000Z", now=0)
        assert escrow.remark(state, now=0, within=1) is None
        rotate(ledger, state)
    with pytest.raises(BadInput, match=r"people\.key is not the key of"):
        escrow.confirm(state, before, now=0)
    assert "have changed since" in str(escrow.remark(state, now=0, within=1))
    medium = escrow.copy(state, tmp_path / "medium", dated="20261121T073000Z", now=0)
    made = backed_up(state, keys, tmp_path / "kept")
    assert list(made.manifest.people) == list(StateKeys.open(state.root).people_fingerprints)
    assert not {"people.key", "lookup.key"} & {path.name for path in made.place.rglob("*")}
    needed = made.manifest.people[0]

    def put_back(name: str, copy: Path) -> restoring.Restored:
        return restore(
            State.find(tmp_path / name), made.place, keys_from=copy, over=False, clock=SystemClock(), by="siti"
        )

    # To where its file is gone, or is the former one; then to where it lies in the folder of keys.
    good = outside.read_bytes()
    outside.unlink()
    with pytest.raises(BadInput, match="is missing: mount what it lies on"):
        put_back("new", medium)
    outside.write_bytes((before / "people.key").read_bytes())
    outside.chmod(0o600)
    with pytest.raises(BadInput, match=f"It needs the key with fingerprint {needed}"):
        put_back("new", medium)
    assert not (tmp_path / "new" / "ledger.db").exists()
    outside.write_bytes(good)
    put_back("new", medium)
    assert not (tmp_path / "new" / "keys" / "people.key").exists()
    monkeypatch.delenv(FILE_VARIABLE)
    put_back("inside", medium)
    inside = StateKeys.open(tmp_path / "inside", create=False)
    assert list(inside.people_fingerprints) == [needed]
    with open_at(tmp_path / "inside" / "ledger.db") as ledger:
        assert unread(ledger, inside) is None
        key_rotation.rotate(ledger, inside, by="siti")
        assert unread(ledger, StateKeys.open(tmp_path / "inside")) is None


def test_a_copy_made_in_the_middle_of_a_rotation_opens_all(
    tmp_path: Path, state: State, ledger: Ledger, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = StateKeys.open(state.root)
    fill(ledger, keys)
    keys.people.begin(os.urandom, alone=True)
    row = ledger.read(lambda read: read.sql("SELECT id, key FROM person LIMIT 1").one())
    fresh = keys.rewrap(row.key)
    assert fresh is not None
    ledger.write(lambda write: write.sql("UPDATE person SET key = :key WHERE id = :id", {"key": fresh, "id": row.id}))
    copy = escrow.copy(state, tmp_path / "medium", dated="20261121T072000Z", now=0)
    assert {path.name for path in copy.iterdir()} >= {"people.key", "people.next.key"}
    monkeypatch.delenv(FILE_VARIABLE)
    shutil.copytree(copy, tmp_path / "other" / "keys")
    assert unread(ledger, StateKeys.open(tmp_path / "other", create=False)) is None
