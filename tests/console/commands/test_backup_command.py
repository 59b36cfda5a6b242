"""`kentongan backup`, `keys` and `restore` as an officer types them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest


def test_a_backup_is_made_told_and_on_record(run, approved, surroundings: Path) -> None:
    approved("--drill")
    kept, medium = surroundings / "kept", surroundings / "medium"
    ran = run("backup", kept, "--with-keys", medium, "--json")
    assert ran.code == 0, ran.err
    place = Path(ran.json["backup"])
    assert place.parent == kept
    assert ran.json["counts"]["alerts"] == 2
    assert sorted(path.name for path in place.iterdir()) == ["config", "ledger.db", "manifest.json"]
    assert {path.name for path in Path(ran.json["keys"]).iterdir()} >= {"ledger.key", "people.key"}
    told = run("log").out
    assert f"ledger copied to {place} by budi" in told
    assert f"keys copied to {ran.json['keys']} by budi" in told
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert run("log", "verify").code == 0


@pytest.mark.parametrize("keys", ["kept", "kept/inside", ".", "state/copy"])
def test_keys_and_backup_are_kept_apart(run, approved, surroundings: Path, keys: str) -> None:
    approved("--drill")
    ran = run("backup", surroundings / "kept", "--with-keys", surroundings / keys)
    assert ran.code == 2
    assert "apart" in ran.err or "elsewhere" in ran.err
    assert not (surroundings / "kept").exists()


def test_check_tells_of_keys_and_backups_that_nobody_looks_after(run, surroundings: Path, config: Path) -> None:
    run("status")
    assert "no copy of the keys was ever confirmed" in run("check").out
    assert "no backup of this ledger was ever made" in run("check").out
    run("backup", surroundings / "kept")
    assert "OK    backup: there is a recent one" in run("check").out
    ran = run("keys", "copy", surroundings / "medium", "--json")
    place = Path(ran.json["keys"])
    assert "OK    keys: a copy of them is kept apart" in run("check").out
    assert run("keys", "confirm", place).code == 0
    (place / "people.key").unlink()
    ran = run("keys", "confirm", place)
    assert ran.code == 2
    assert "lacks people.key" in ran.err
    (config / "service.yaml").write_text("keys_confirmed_within: 0.001\nbacked_up_within: 0.001\n")
    told = run("check").out
    assert "was last confirmed 0 days ago" in told
    assert "the last backup is 0 hours old" in told


def test_an_empty_state_directory_has_nothing_to_back_up(run, surroundings: Path) -> None:
    ran = run("backup", surroundings / "kept")
    assert ran.code == 2
    assert len(ran.sentences) == 1
    assert not (surroundings / "kept").exists()


def test_a_restored_ledger_goes_on_by_an_officers_word_alone(run, approved, surroundings: Path) -> None:
    """Nothing lost and nothing sent twice unasked: what a backup cannot know is for an officer."""
    code = approved("--drill")
    kept = surroundings / "kept"
    run("send", code, "--no-wait")
    unsent = approved("--drill")
    backup = Path(run("backup", kept, "--json").json["backup"])
    feed = surroundings / "feed-drill"
    run("resume", code)
    published = sorted(path.name for path in feed.iterdir())

    ran = run("restore", backup)
    assert ran.code == 2
    assert "holds a ledger already" in ran.err
    ran = run("restore", backup, "--over")
    assert ran.code == 0, ran.err
    assert f"{code}: 1 message in doubt" in ran.out
    assert "MISSING chain" in ran.out
    assert unsent in ran.out
    assert "NOTHING GOES OUT: the ledger was restored" in run("status").out
    assert "FAULT state: NOTHING GOES OUT" in run("check").out
    verified = run("log", "verify")
    assert verified.code == 1
    assert "what is missing was lost with a former ledger" in verified.out
    # Until an officer says so, not even what is asked for goes out.
    assert run("resolve", "--alert", code, "--restored", "--not-sent", "--again").out == "1 message settled.\n"
    assert run("status", code, "--json").json["channels"][0]["words"] == {"planned": 1}
    assert "nothing to let go on" not in run("resume", "--restored").err
    assert sorted(path.name for path in feed.iterdir()) == published
    assert run("resume", code).code == 0
    assert run("status", code, "--json").json["channels"][0]["words"] == {"accepted": 1}
    assert run("resume", "--restored").code == 3
    assert run("log", "verify").code == 0, "a head of the restored ledger was signed since"


@pytest.mark.parametrize(
    "line",
    [
        ["restore", "--taken", "1h", "--over"],
        ["resume"],
        ["resume", "K7Q4", "--restored"],
        ["resolve", "--sent"],
        ["resolve", "7", "--restored"],
        ["restore"],
    ],
)
def test_half_a_line_is_refused(run, line: list[str]) -> None:
    ran = run(*line)
    assert ran.code == 2
    assert len(ran.sentences) == 1


def test_a_ledger_that_was_put_back_by_other_means_is_held_in_place(run, approved) -> None:
    """A snapshot of the machine, or a database's dump, brings back what may have been sent since."""
    code = approved("--drill")
    run("send", code, "--no-wait")
    assert "to come" in run("restore", "--taken", "2099-01-01 00:00").err
    ran = run("restore", "--taken", "1h")
    assert ran.code == 0, ran.err
    assert f"{code}: 1 message in doubt" in ran.out
    assert "NOTHING GOES OUT" in run("status").out
    assert run("status", code, "--json").json["channels"][0]["words"] == {"in_doubt": 1}
    assert run("log", "verify").code == 0
