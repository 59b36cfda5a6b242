"""`kentongan report` writes every form of it, and damage to one alert hides no other."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

DAMAGES = {
    "its own row": "UPDATE alert SET content = '{' WHERE code = :code",
    "its kind": "UPDATE alert SET kind = 'nonsense' WHERE code = :code",
    "no UTF-8": "UPDATE alert SET content = CAST(x'ff7b' AS TEXT) WHERE code = :code",
    "its plan": "UPDATE dispatch SET plan = '[]' WHERE alert_id = (SELECT id FROM alert WHERE code = :code)",
    "a message": "UPDATE rendering SET content = '{}' WHERE alert_id = (SELECT id FROM alert WHERE code = :code)",
    "what was submitted": "UPDATE submission SET subject = '{' WHERE alert_id ="
    " (SELECT id FROM alert WHERE code = :code)",
}


def damage(surroundings: Path, statement: str, code: str) -> None:
    ledger = sqlite3.connect(surroundings / "state" / "ledger.db")
    ledger.execute(statement, {"code": code})
    ledger.commit()
    ledger.close()


def test_the_form_is_told_by_the_name_of_the_file(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    run("send", code)
    begins = {"html": "<!doctype html>", "md": "# Report", "csv": "alert,kind", "json": "{"}
    for ending, beginning in begins.items():
        target = surroundings / f"report.{ending}"
        assert run("report", code, "-o", target).code == 0
        assert target.read_text("utf-8").lstrip().startswith(beginning)
    assert run("report", code).out.startswith("# Report")
    assert run("report", code, "--format", "html").out.lstrip().startswith("<!doctype html>")
    page = (surroundings / "report.html").read_text("utf-8")
    assert page.count("SANDBOX - NOBODY WAS WARNED") == 2
    assert "BPBD Contoh" in page
    assert not list(surroundings.glob(".report*"))


def test_a_device_is_written_to_and_not_replaced(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    link = surroundings / "latest.html"
    kept = surroundings / "kept.html"
    link.symlink_to(kept)
    assert run("report", code, "-o", link).code == 0
    assert link.is_symlink()
    assert "</html>" in kept.read_text("utf-8")
    assert run("report", code, "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_not_there_is_one_sentence(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    refused = run("report", code, "-o", surroundings / "nowhere" / "report.html")
    assert refused.code == 2
    assert "name another with -o" in refused.err


@pytest.mark.parametrize("statement", list(DAMAGES.values()), ids=list(DAMAGES))
def test_one_damaged_alert_hides_no_other(run, approved, surroundings: Path, statement: str) -> None:
    sound, broken = approved("--drill"), approved("--drill")
    run("send", sound)
    run("send", broken)
    damage(surroundings, statement, broken)
    listed = run("status")
    assert listed.code == 0, listed.err
    assert sound in listed.out
    document = run("status", "--json").json
    assert sound in [each["code"] for each in document["alerts"]]
    if statement == DAMAGES["a message"]:
        # The list shows no message, so nothing of it is missing there.
        assert broken in [each["code"] for each in document["alerts"]]
    else:
        assert list(document["damaged"]) == [broken]
        assert "kentongan log verify" in document["damaged"][broken]
        assert "DAMAGED" in listed.out
    assert run("report", sound).code == 0
    assert run("status", sound).code == 0
    own = run("report", broken)
    assert own.code == 2
    assert "kentongan log verify" in own.err
    assert broken in own.err
    assert run("log", broken).code == 0
    assert run("log", "verify").code == 1


def test_what_is_damaged_of_a_thread_is_named_in_its_report(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    run("send", code)
    released = run("follow-up", code, "--kind", "correction", "--reason", "wrong_area", "--json").json["code"]
    damage(surroundings, DAMAGES["its own row"], code)
    told = run("report", released, "--json")
    assert told.code == 0
    document = json.loads(told.out)
    assert [each["code"] for each in document["thread"]] == [released]
    assert [each["code"] for each in document["damaged"]] == [code]
    assert "DAMAGED" in run("report", released, "--format", "html").out


def test_a_correction_is_reported_with_its_alert_whichever_is_named(run, approved) -> None:
    code = approved("--drill")
    run("send", code)
    released = run("follow-up", code, "--kind", "correction", "--reason", "wrong_area", "--json").json["code"]
    for handle in (code, released):
        assert [each["code"] for each in run("report", handle, "--json").json["thread"]] == [code, released]
