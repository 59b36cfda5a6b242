"""Rotating people.key by the command line."""

from __future__ import annotations

from pathlib import Path


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
