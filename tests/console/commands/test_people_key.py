"""Rotating people.key by the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sandbox.server import Sandbox
from tests.installation import sms


def test_people_are_known_after_their_key_was_rotated(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("reference,phone\na,+628123456701\nb,+628123456702\n")
    run("people", "import", file)
    told = run("people", "rotate-key", "--json")
    assert (told.code, told.json) == (
        0,
        {"rewrapped": 2, "resumed": False, "journal_cleared": True, "left_to_do": None},
    )
    again = run("people", "import", file, "--json")
    assert (again.json["added"], again.json["updated"]) == (0, 2)
    assert "people.key rotated: 2 keys wrapped anew" in run("log").out


def test_the_key_lies_on_another_volume_and_nobody_is_looked_up_without_it(
    run, approved, surroundings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = approved("--drill")
    file, key = surroundings / "people.csv", surroundings / "volume" / "people.key"
    file.write_text("reference,phone\na,+628123456701\nb,+628123456702\n")
    key.parent.mkdir()
    run("people", "import", file)
    moved = run("keys", "move", key, "--json").json
    assert moved == {"file": str(key), "fingerprint": moved["fingerprint"], "variable": "KENTONGAN_PEOPLE_KEY_FILE"}
    # A shell that was not told of it changes nothing.
    ran = run("people", "import", file)
    assert (ran.code, len(ran.sentences)) == (2, 1)
    assert "people.key is missing" in ran.err
    assert "KENTONGAN_PEOPLE_KEY_FILE" in ran.err
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY_FILE", str(key))
    assert f"opened by the key in {key}, fingerprint {moved['fingerprint']}" in run("check").out
    copied = Path(run("keys", "copy", surroundings / "medium", "--json").json["keys"])
    assert (copied / "people.key").read_bytes() == key.read_bytes()
    assert run("keys", "confirm", copied).code == 0
    made = run("backup", surroundings / "kept", "--json").json
    assert made["people_key"] == [moved["fingerprint"]]
    # The key itself, instead of a file; with white space around it, as editors leave it.
    monkeypatch.delenv("KENTONGAN_PEOPLE_KEY_FILE")
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY", f" {key.read_text()}")
    assert run("people", "import", file, "--json").json["updated"] == 2
    # Another key is a fault, and neither sends nor changes whom it could not find.
    other = surroundings / "other.key"
    assert run("keys", "make", other).code == 0
    assert run("keys", "make", other).code == 2
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY", other.read_text())
    assert "FAULT keys: the key of people's data in KENTONGAN_PEOPLE_KEY" in run("check").out
    for line in (["people", "import", file], ["people", "erase", file, "--yes"], ["people", "rotate-key"]):
        ran = run(*line)
        assert ran.code == 2, line
        assert "is not the one that this ledger was written with" in ran.err
    # What is published to everybody needs nobody's address.
    assert run("send", code).code == 0
    told = [caplog.text, *(path.read_text() for path in (surroundings / "state" / "log").glob("*"))]
    for secret in (key.read_text().split()[0], other.read_text().split()[0]):
        assert not any(secret in text for text in told)


def test_a_rotation_by_the_environment_says_what_is_left_to_do(
    run, surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, following = surroundings / "first", surroundings / "next"
    run("keys", "make", first)
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY", first.read_text())
    file = surroundings / "people.csv"
    file.write_text("reference,phone\na,+628123456701\nb,+628123456702\n")
    run("people", "import", file)
    ran = run("people", "rotate-key")
    assert "make the next key with `kentongan keys make --next FILE`" in ran.err
    run("keys", "make", "--next", following)
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY_NEXT", following.read_text())
    told = run("people", "rotate-key", "--json").json
    assert (told["rewrapped"], "on every host" in told["left_to_do"]) == (2, True)
    monkeypatch.delenv("KENTONGAN_PEOPLE_KEY_NEXT")
    monkeypatch.setenv("KENTONGAN_PEOPLE_KEY", following.read_text())
    assert run("people", "import", file, "--json").json["updated"] == 2
    assert "OK    keys: people's data is opened by the key in KENTONGAN_PEOPLE_KEY" in run("check").out


@pytest.mark.slow
def test_an_officer_without_the_key_is_told_before_they_confirm_and_the_public_is_warned(
    run,
    approved: Callable[..., str],
    config: Path,
    surroundings: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "sandbox-kannel-password")
    channels = yaml.safe_load((config / "channels.yaml").read_text())
    channels["channels"]["sms"] = sms(sandbox)
    (config / "channels.yaml").write_text(yaml.safe_dump(channels))
    (config / "audiences.yaml").write_text("audiences: {subscribers: {groups: [subscriber]}}\n")
    file, key = surroundings / "people.csv", surroundings / "state" / "keys" / "people.key"
    file.write_text("reference,phone,groups\na,+628123456701,subscriber\nb,+628123456702,subscriber\n")
    code = approved("--drill")
    assert run("people", "import", file).code == 0
    held = key.rename(surroundings / "held")
    for line in (["people", "import", file], ["people", "erase", file, "--yes"], ["people", "rotate-key"]):
        assert run(*line).code == 2, line
    assert f"{key} is missing" in run("people", "rotate-key").err
    assert "FAULT keys" in run("check").out
    shown = run("preview", code)
    assert shown.code == 0
    told = " ".join((shown.out + shown.err).split())
    assert "sms is held (people's data cannot be opened" in told
    # Of this nothing would leave at all.
    alone = run("send", code, "--without", "feed-drill")
    assert (alone.code, alone.sentences[-1].count("is missing: put its copy there")) == (2, 1)
    sending = start("send", code)
    assert sending.stderr is not None
    lines = []
    while not any("feed-drill 1 accepted" in line for line in lines):
        lines.append(sending.stderr.readline())
        assert lines[-1]
    assert any("sms is held" in line for line in lines)
    assert sandbox.stand_in("kannel").messages == []
    held.rename(key)
    assert sending.wait(30) == 0
    assert sorted(each.recipient for each in sandbox.stand_in("kannel").messages) == ["+628123456701", "+628123456702"]
    # What a dead sender held for want of the key is no reason any more, once the key is there.
    second, third = approved("--drill"), approved("--drill")
    key.rename(held)
    sending = start("send", second)
    assert sending.stderr is not None
    while "sms is held: " not in (line := sending.stderr.readline()):
        assert line
    sending.kill()
    sending.wait()
    held.rename(key)
    assert run("send", third, "--without", "feed-drill").code == 0
