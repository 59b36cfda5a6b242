from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kentongan.errors import BadConfig, BadInput, Refused
from kentongan.login import LOGIN_LASTS, LoginFile, logged_in
from kentongan.officers import Officer, SigningKey, new_officer

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def siti() -> tuple[Officer, SigningKey]:
    return new_officer("siti", SecretStr("kucing lima ekor"), now=NOW, cost=2**14)


@pytest.fixture(scope="module")
def budi() -> tuple[Officer, SigningKey]:
    return new_officer("budi", SecretStr("kucing lima ekor"), now=NOW, cost=2**14)


@pytest.fixture
def place(tmp_path: Path) -> LoginFile:
    return LoginFile.find(tmp_path / "state", {})


def test_a_login_is_read_back_until_twelve_hours_are_over(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    assert place.read(now=NOW) is None
    written = place.write(siti[1], now=NOW)
    assert written.until == NOW + timedelta(hours=12)
    last = place.read(now=NOW + LOGIN_LASTS - timedelta(seconds=1))
    assert last == written
    assert last is not None
    assert last.officer == "siti"
    assert place.read(now=NOW + LOGIN_LASTS) is None
    assert not place.path.exists()


def test_a_clock_put_back_does_not_prolong_a_login(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    place.write(siti[1], now=NOW)
    assert place.read(now=NOW - timedelta(minutes=1)) is not None
    assert place.read(now=NOW - timedelta(hours=1)) is None
    assert not place.path.exists()


def test_the_next_login_replaces_the_last_and_logging_out_leaves_nothing(
    place: LoginFile, siti: tuple[Officer, SigningKey], budi: tuple[Officer, SigningKey]
) -> None:
    place.write(siti[1], now=NOW)
    place.write(budi[1], now=NOW)
    login = place.read(now=NOW)
    assert login is not None
    assert login.key == budi[1]
    assert place.remove()
    assert not place.remove()
    assert not list(place.path.parent.iterdir())


def test_file_and_folder_are_for_their_owner_alone(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    previous = os.umask(0)
    try:
        place.write(siti[1], now=NOW)
    finally:
        os.umask(previous)
    assert place.path.stat().st_mode & 0o777 == 0o600
    assert place.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o602, 0o604])
def test_a_login_open_to_others_is_refused(place: LoginFile, siti: tuple[Officer, SigningKey], mode: int) -> None:
    place.write(siti[1], now=NOW)
    place.path.chmod(mode)
    with pytest.raises(BadConfig, match=f"chmod 600 {place.path}"):
        place.read(now=NOW)


def test_a_folder_open_to_others_is_refused(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    place.write(siti[1], now=NOW)
    place.path.parent.chmod(0o770)
    with pytest.raises(BadConfig, match=f"chmod 700 {place.path.parent}"):
        place.read(now=NOW)
    with pytest.raises(BadConfig, match="open to others"):
        place.write(siti[1], now=NOW)


def test_what_belongs_to_another_user_is_refused(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    place.write(siti[1], now=NOW)
    stranger = dataclasses.replace(place, owner=place.owner + 1)
    with pytest.raises(BadConfig, match="belongs to another user"):
        stranger.read(now=NOW)
    with pytest.raises(BadConfig, match="belongs to another user"):
        stranger.write(siti[1], now=NOW)


def test_a_link_in_place_of_a_login_is_not_followed(
    place: LoginFile, siti: tuple[Officer, SigningKey], tmp_path: Path
) -> None:
    place.write(siti[1], now=NOW)
    elsewhere = place.path.rename(tmp_path / "elsewhere")
    place.path.symlink_to(elsewhere)
    with pytest.raises(BadConfig, match="cannot be read"):
        place.read(now=NOW)
    place.write(siti[1], now=NOW)
    assert not place.path.is_symlink()
    assert elsewhere.exists()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_login(place: LoginFile, kind: str) -> None:
    place.path.parent.mkdir(mode=0o700, parents=True)
    if kind == "folder":
        place.path.mkdir(mode=0o700)
    else:
        os.mkfifo(place.path, 0o600)
    with pytest.raises(BadConfig):
        place.read(now=NOW)


@pytest.mark.parametrize(
    "change",
    [{"key": "AAAA"}, {"key": "!"}, {"key": 3}, {"since": "now"}, {"until": "2026-11-21T02:00:00"}, {"until": None}],
)
def test_a_damaged_login_is_one_sentence_without_the_key(
    place: LoginFile, siti: tuple[Officer, SigningKey], change: dict[str, object]
) -> None:
    place.write(siti[1], now=NOW)
    content = json.loads(place.path.read_text())
    place.path.write_text(json.dumps(content | change))
    with pytest.raises(BadInput, match="damaged; run `kentongan login` again") as caught:
        place.read(now=NOW)
    assert content["key"] not in str(caught.value)
    place.path.write_bytes(b"\xff{")
    with pytest.raises(BadInput, match="damaged"):
        place.read(now=NOW)


def test_nothing_secret_shows_in_repr(place: LoginFile, siti: tuple[Officer, SigningKey]) -> None:
    login = place.write(siti[1], now=NOW)
    assert str(siti[1].seed()) not in repr(login)
    assert "key=SigningKey(officer='siti')" in repr(login)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, siti: tuple[Officer, SigningKey]) -> None:
    (tmp_path / "file").write_text("")
    place = LoginFile(tmp_path / "file" / "login", os.geteuid())
    with pytest.raises(BadConfig, match="KENTONGAN_LOGIN"):
        place.write(siti[1], now=NOW)
    assert place.read(now=NOW) is None
    assert not place.remove()


def test_where_a_login_lies(tmp_path: Path) -> None:
    state, runtime, own = tmp_path / "state", tmp_path / "runtime", tmp_path / "own"
    runtime.mkdir()
    xdg = {"XDG_RUNTIME_DIR": str(runtime)}
    assert LoginFile.find(state, xdg | {"KENTONGAN_LOGIN": str(own)}).path.parent == own
    assert LoginFile.find(state, xdg).path.parent == runtime / "kentongan"
    for absent in ({}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "relative"}, {"XDG_RUNTIME_DIR": str(own)}):
        assert LoginFile.find(state, absent).path.parent == state / "run"


def test_a_demo_keeps_clear_of_a_real_login(tmp_path: Path) -> None:
    xdg = {"XDG_RUNTIME_DIR": str(tmp_path)}
    real, demo = LoginFile.find(tmp_path / "real", xdg), LoginFile.find(tmp_path / "demo", xdg)
    assert real.path != demo.path
    assert real == LoginFile.find(tmp_path / "x" / ".." / "real", xdg)


def test_two_officers_stand_side_by_side_in_folders_of_their_own(
    tmp_path: Path, siti: tuple[Officer, SigningKey], budi: tuple[Officer, SigningKey]
) -> None:
    places = [LoginFile.find(tmp_path / "state", {"KENTONGAN_LOGIN": str(tmp_path / name)}) for name in ("one", "two")]
    places[0].write(siti[1], now=NOW)
    places[1].write(budi[1], now=NOW)
    logins = [place.read(now=NOW) for place in places]
    assert [login and login.officer for login in logins] == ["siti", "budi"]


def test_only_an_officer_of_this_ledger_acts(
    place: LoginFile, siti: tuple[Officer, SigningKey], budi: tuple[Officer, SigningKey]
) -> None:
    login = place.write(siti[1], now=NOW)
    officer = siti[0]
    assert logged_in(login, {"siti": officer}, now=NOW) is officer
    refused: tuple[tuple[Any, dict[str, Officer], str], ...] = (
        (None, {"siti": officer}, "nobody is logged in"),
        (login, {}, "not on this ledger"),
        (login, {"siti": dataclasses.replace(officer, public_key=budi[0].public_key)}, "not on this ledger"),
        (login, {"siti": dataclasses.replace(officer, revoked_at=NOW)}, "revoked"),
        (login, {"siti": dataclasses.replace(officer, active_from=NOW + timedelta(hours=1))}, "counts only from"),
    )
    for given, officers, sentence in refused:
        with pytest.raises(Refused, match=sentence) as caught:
            logged_in(given, officers, now=NOW)
        assert caught.value.rule == "login"
