"""Officers see who needs help without seeing who they are, unless they are logged in and it is put on record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.house import House
from kentongan.ledger import views
from kentongan.seam import Inbound
from tests.console.commands.conftest import AsOfficer, Ran

Run = Callable[..., Ran]
PEOPLE = "reference,phone,telegram\nsiti,+628120000001,7001\nbudi,+628120000002,\n"


@pytest.fixture
def answered(run: Run, as_officer: AsOfficer) -> None:
    assert run("people", "import", "-", stdin=PEOPLE).code == 0
    with House.open(None, None) as house:
        take = house.take_answers()
        for number, text in ((1, "tolong, di rumah biru"), (2, "kapan surut?")):
            inbound = Inbound("phone", f"62812000000{number}", text, provider_id=str(number))
            house.ledger.write(lambda write, i=inbound: take(write, "sms", [i]))  # type: ignore[misc]


def events(*types: str) -> list[views.Event]:
    with House.open(None, None) as house:
        return house.ledger.read(lambda read: views.events(read, types=types))


def test_nobody_has_answered_yet(run: Run, surroundings: Path) -> None:
    ran = run("answers")
    assert (ran.code, "Nobody has answered" in ran.out) == (0, True)
    assert run("answers", "K7Q4").code == 2


def test_addresses_are_masked_and_words_kept_back(run: Run, answered: None) -> None:
    ran = run("answers")
    assert ran.code == 0
    assert "1 need help" in ran.out
    assert "NEEDS HELP" in ran.out
    assert "+62•••••001" in ran.out
    assert "8120000001" not in ran.out
    assert "biru" not in ran.out
    told = run("answers", "--json")
    assert told.json["alerts"][0]["counts"]["help"] == 1
    assert "8120000001" not in told.out
    assert "biru" not in told.out
    assert events("answers.revealed") == []


def test_only_an_officer_may_see_who_they_are(run: Run, answered: None, as_officer: AsOfficer) -> None:
    ran = run("answers", "--reveal")
    assert ran.code == 3
    assert "biru" not in ran.out + ran.err
    as_officer("siti")
    ran = run("answers", "--reveal")
    assert ran.code == 0
    assert "+628120000001 wrote 'tolong, di rumah biru'" in ran.out
    assert "kapan surut?" in ran.out
    (noted,) = events("answers.revealed")
    assert (noted.data["by"], noted.data["count"]) == ("siti", 2)
    assert run("answers", "--reveal", "--json").json["alerts"][0]["help"][0]["text"] == "tolong, di rumah biru"


@pytest.mark.parametrize("line", ["siti", "+628120000001", "phone: 08120000001", "telegram:7001"])
def test_people_opt_out_by_whatever_names_them(line: str, run: Run, surroundings: Path) -> None:
    run("people", "import", "-", stdin=PEOPLE)
    ran = run("people", "opt-out", "-", "--json", stdin=f"# wrote on Monday\n\n{line}\n")
    assert ran.json["people"] == 1
    assert ran.json["changed"] == 3
    assert run("people", "opt-out", "-", "--json", stdin=line).json["changed"] == 0
    assert run("people", "opt-in", "-", "--json", stdin=line).json["changed"] == 3


def test_people_opt_out_of_one_channel_from_a_file(run: Run, surroundings: Path) -> None:
    run("people", "import", "-", stdin=PEOPLE)
    file = surroundings / "out.txt"
    file.write_text("budi\n+628120000099\n")
    ran = run("people", "opt-out", file, "--channel", "phone")
    assert ran.code == 0
    assert "1 of 2 named are on no list and remembered" in ran.out
    (noted,) = events("people.opted_out")
    assert (noted.data["family"], len(noted.data["persons"]), noted.data["changed"]) == ("phone", 1, 2)
    assert "812" not in str(noted.data)


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["-"], "", "nobody is named"),
        (["-"], "siti\nnobody at all\n", "line 2 is no reference that we know"),
        (["-"], "phone:12\n", "line 1"),
        (["+628120000001"], "", "there is no such file"),
        (["-", "--channel", "fax"], "siti", "fax"),
    ],
)
def test_what_names_nobody_changes_nothing(
    arguments: list[str], stdin: str, told: str, run: Run, surroundings: Path
) -> None:
    run("people", "import", "-", stdin=PEOPLE)
    ran = run("people", "opt-out", *arguments, stdin=stdin)
    assert ran.code == 2
    assert told in ran.err
    assert "8120000001" not in ran.err
    assert "nobody at all" not in ran.err
    assert events("people.opted_out") == []
