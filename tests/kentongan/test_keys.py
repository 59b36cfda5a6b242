from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.errors import BadConfig, BadInput
from kentongan.keys import StateKeys, canonical_json, verify_head
from kentongan.seam import Address

NAMES = ("ledger.key", "people.key", "pages.key")
PHONE = Address("phone", "+6281234567890")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> StateKeys:
    return StateKeys.open(tmp_path_factory.mktemp("state"))


def test_keys_are_made_once_and_read_again(tmp_path: Path) -> None:
    first = StateKeys.open(tmp_path / "state")
    second = StateKeys.open(tmp_path / "state", create=False)
    wrapped = first.new_person_key(None)
    assert second.verify_head(b"head", first.sign_head(b"head"))
    assert second.decrypt_address(wrapped, first.encrypt_address(wrapped, PHONE, aad=b"1"), aad=b"1") == PHONE
    assert second.address_hash("phone", PHONE.value) == first.address_hash("phone", PHONE.value)
    assert second.page_check("siti", "digest") == first.page_check("siti", "digest")


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        StateKeys.open(tmp_path / "state")
    finally:
        os.umask(previous)
    folder = tmp_path / "state" / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(NAMES, 0o600)
    assert [path.name for path in folder.parent.iterdir()] == ["keys"]


def test_a_process_that_loses_the_race_takes_the_winners_keys(tmp_path: Path) -> None:
    winners: list[StateKeys] = []

    def slow_random(length: int) -> bytes:
        if not winners:
            winners.append(StateKeys.open(tmp_path))
        return os.urandom(length)

    late = StateKeys.open(tmp_path, random=slow_random)
    assert late.head_public_key == winners[0].head_public_key
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from kentongan.keys import StateKeys; sys.stdin.read();"
        "print(StateKeys.open(pathlib.Path(sys.argv[1])).head_public_key.hex())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert said == {StateKeys.open(tmp_path).head_public_key.hex().encode() + b"\n"}


def test_no_keys_are_made_for_a_ledger_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="take it from the host that has it"):
        StateKeys.open(tmp_path, create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path, name: str, mode: int) -> None:
    StateKeys.open(tmp_path)
    path = tmp_path / "keys" / name
    path.chmod(mode)
    with pytest.raises(BadConfig, match=f"run: chmod 600 {path}"):
        StateKeys.open(tmp_path)
    path.chmod(0o600)
    StateKeys.open(tmp_path)


def test_a_key_folder_open_to_others_is_refused_with_the_remedy(tmp_path: Path) -> None:
    StateKeys.open(tmp_path)
    (tmp_path / "keys").chmod(0o770)
    with pytest.raises(BadConfig, match=f"run: chmod 700 {tmp_path / 'keys'}"):
        StateKeys.open(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_key_is_never_made_anew_beside_the_others(tmp_path: Path, name: str) -> None:
    StateKeys.open(tmp_path)
    (tmp_path / "keys" / name).unlink()
    with pytest.raises(BadInput, match=f"{name} is missing"):
        StateKeys.open(tmp_path)


def test_any_damage_to_a_key_file_is_found(tmp_path: Path) -> None:
    StateKeys.open(tmp_path)
    path = tmp_path / "keys" / "people.key"
    whole = path.read_bytes()
    chance = random.Random(1)
    damaged = [b"", whole[: len(whole) // 2], b"\xff" * 60, (tmp_path / "keys" / "ledger.key").read_bytes()]
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << chance.randrange(8)
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(BadInput, match="damaged"):
            StateKeys.open(tmp_path)


def test_a_state_directory_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(BadConfig, match="cannot be used"):
        StateKeys.open(tmp_path / "state")


def test_nothing_secret_shows_in_repr(keys: StateKeys) -> None:
    assert repr(keys) == "StateKeys()"


def test_a_head_is_verified_with_the_public_key_alone(keys: StateKeys, tmp_path: Path) -> None:
    signature = keys.sign_head(b"head")
    assert verify_head(keys.head_public_key, b"head", signature)
    assert not verify_head(keys.head_public_key, b"heae", signature)
    assert not verify_head(keys.head_public_key, b"head", signature[:-1])
    assert not verify_head(b"short", b"head", signature)
    assert not verify_head(StateKeys.open(tmp_path).head_public_key, b"head", signature)


@given(family=st.sampled_from(["phone", "telegram"]), value=st.text(max_size=60), aad=st.binary(max_size=20))
def test_an_address_comes_back_for_its_own_row_only(keys: StateKeys, family: str, value: str, aad: bytes) -> None:
    wrapped = keys.new_person_key(None)
    encrypted = keys.encrypt_address(wrapped, Address(family, value), aad=aad)
    assert keys.decrypt_address(wrapped, encrypted, aad=aad) == Address(family, value)
    for other_key, other_aad in ((wrapped, aad + b"x"), (keys.new_person_key(None), aad)):
        with pytest.raises(BadInput, match="damaged or belongs to another row"):
            keys.decrypt_address(other_key, encrypted, aad=other_aad)


@given(st.data())
def test_a_changed_byte_in_key_or_address_is_found(keys: StateKeys, data: st.DataObject) -> None:
    parts = {"wrapped": keys.new_person_key(None)}
    parts["encrypted"] = keys.encrypt_address(parts["wrapped"], PHONE, aad=b"7")
    which = data.draw(st.sampled_from(sorted(parts)))
    changed = bytearray(parts[which])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    parts[which] = bytes(changed[: data.draw(st.sampled_from([5, len(changed)]))])
    with pytest.raises(BadInput) as caught:
        keys.decrypt_address(parts["wrapped"], parts["encrypted"], aad=b"7")
    assert PHONE.value not in str(caught.value)


def test_another_installation_reads_nothing(keys: StateKeys, tmp_path: Path) -> None:
    other = StateKeys.open(tmp_path)
    wrapped = keys.new_person_key(None)
    with pytest.raises(BadInput, match=r"people\.key"):
        other.decrypt_address(wrapped, keys.encrypt_address(wrapped, PHONE, aad=b""), aad=b"")
    assert other.address_hash("phone", PHONE.value) != keys.address_hash("phone", PHONE.value)
    pages = [f"digest-{n}" for n in range(3)]
    assert [other.page_check("siti", each) for each in pages] != [keys.page_check("siti", each) for each in pages]


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_lookup_hashes_are_equal_for_equal_addresses_only(
    keys: StateKeys, one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (keys.address_hash(*one) == keys.address_hash(*other)) == (one == other)


def test_the_same_address_is_encrypted_differently_each_time(keys: StateKeys) -> None:
    wrapped = keys.new_person_key(None)
    assert len({keys.encrypt_address(wrapped, PHONE, aad=b"1") for _ in range(20)}) == 20
    assert len({keys.new_person_key(None) for _ in range(20)}) == 20


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_canonical_json_knows_no_order(content: dict[str, object]) -> None:
    assert canonical_json(content) == canonical_json(dict(reversed(content.items())))


def test_canonical_json_refuses_what_json_does_not_know() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
