"""Retention by the command line."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def test_what_policy_lets_nobody_keep_is_shown_and_erased(run, surroundings: Path, config: Path) -> None:
    file = surroundings / "people.csv"
    file.write_text("reference,phone\na,+628123456701\nb,+628123456702\n")
    run("people", "import", file)
    file.write_text("reference,phone\nb,+628123456702\n")
    run("people", "import", file, "--replace")
    with sqlite3.connect(surroundings / "state" / "ledger.db") as ledger:
        ledger.execute("UPDATE people_edition SET switched_at = switched_at - 2 * 86400000")
    ledger.close()
    assert run("people", "retain", "--json").json["overdue"] == {"people": 0, "answers": 0}
    with (config / "policy.yaml").open("a") as policy:
        policy.write("\npeople_kept_days: 1\n")
    shown = run("people", "retain", "--show")
    assert "people who left the list, 1 day." in shown.out
    assert "Overdue: 1 person, 0 answers." in shown.out
    assert "give --yes" in run("people", "retain").err
    assert "Erased: 1 person, 0 answers." in run("people", "retain", "--yes").out
    assert run("people", "retain", "--json").json["overdue"]["people"] == 0
    assert run("log", "verify").code == 0
