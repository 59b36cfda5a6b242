"""Erasing by the command line: nobody by mistake, and nobody named where others read it."""

from __future__ import annotations

from pathlib import Path


def test_people_are_erased_by_whatever_they_are_known_by(run, surroundings: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("reference,phone,email\na,+628123456701,\nb,,b@example.org\nc,+628123456703,\nd,+628123456704,\n")
    assert run("people", "import", file).code == 0
    told = run("people", "erase", "-", "--json", stdin="08123456701\nb@example.org\nc\n+628123456799\n")
    assert (told.code, told.json["erased"], told.json["unknown"]) == (0, 3, 1)
    assert told.json["journal_cleared"]
    again = run("people", "erase", "-", stdin="c\n")
    assert (again.code, "had been erased before" in again.out) == (0, True)
    log = run("log", "--json").out
    assert "people.erased" in log
    assert "8123456701" not in log


def test_nobody_is_erased_by_mistake(run, surroundings: Path) -> None:
    file, wanted = surroundings / "people.csv", surroundings / "erase.txt"
    file.write_text("reference,phone\na,+628123456701\n")
    run("people", "import", file)
    file.write_text("reference,phone\nb,+628123456701\nc,+628123456702\n")
    run("people", "import", file)
    wanted.write_text("+628123456702\n+628123456701\n")
    shared = run("people", "erase", wanted, "--yes")
    assert (shared.code, "number 2 of those named is the address of several people" in shared.err) == (2, True)
    wanted.write_text("c\nnobody at all\n")
    assert "line 2 is no reference that we know and no address" in run("people", "erase", wanted, "--yes").err
    wanted.write_text("c\n")
    assert "give --yes" in run("people", "erase", wanted).err
    assert "nobody is named" in run("people", "erase").err
    typed = run("people", "erase", "+628123456702", "--yes")
    assert (typed.code, "+628123456702" in typed.err) == (2, False)
    assert "people.erased" not in run("log", "--json").out
