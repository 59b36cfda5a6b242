from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.database import VARIABLE, Database
from kentongan.errors import BadConfig
from kentongan.state import State

ROOT = Path(__file__).resolve().parents[2]
_SECRET = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1).map(lambda text: f"kept{text}")


@given(user=_SECRET, password=_SECRET, encoded=st.booleans(), port=st.sampled_from(["", ":5433"]))
def test_user_and_password_show_nowhere(user: str, password: str, encoded: bool, port: str) -> None:
    if encoded:
        user, password = quote(user, safe=""), quote(password, safe="")
    shown = told(f"postgresql://{user}:{password}@db.example{port}/alerts")
    assert "kept" not in shown
    if encoded:
        assert shown == f"alerts on db.example{port} Database('alerts on db.example{port}')"


def told(address: str) -> str:
    """What a database says of itself, or why it is none."""
    try:
        database = Database(address)
    except BadConfig as error:
        return str(error)
    return f"{database} {database!r}"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql:///alerts", "alerts on this machine"),
        ("postgres://u@/alerts?host=/run/postgresql", "alerts on this machine"),
        ("postgresql://u:p@one,two:5433/alerts?target_session_attrs=read-write", "alerts on one,two:5433"),
        ("postgresql://[::1]:5432/alerts", "alerts on [::1]:5432"),
        ("postgresql://db/?dbname=alerts", "alerts on db"),
    ],
)
def test_a_database_is_called_by_its_name_and_host(address: str, name: str) -> None:
    assert str(Database(address)) == name


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("mysql://u:kept@db/alerts", "is no address of a Postgres database; write it as postgresql://"),
        ("postgresql+psycopg://u:kept@db/alerts", "is no address"),
        ("kept", "is no address"),
        ("postgresql://u:kept@db", "names no database"),
        ("postgresql://u:ke/pt@db/kept", "a character that an address cannot"),
        ("postgresql://u:ke#kept@db/alerts", "a character that an address cannot"),
        ("postgresql://u:ke?kept@db/alerts", "a character that an address cannot"),
        ("postgresql://u:kept", "names no database"),
        ("postgresql://u:kept/alerts", "is no address"),
        ("postgresql://[kept/alerts", "is no address"),
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(address: str, match: str) -> None:
    with pytest.raises(BadConfig, match=match) as raised:
        Database.find({VARIABLE: address})
    assert str(raised.value).startswith(VARIABLE)
    assert "kept" not in str(raised.value)


def test_the_address_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("postgresql://u:kept@db/alerts\n")
    state = State.find(tmp_path / "state", {f"{VARIABLE}_FILE": str(file)})
    assert state.place == Database("postgresql://u:kept@db/alerts")
    assert "kept" not in repr(state)
    with pytest.raises(BadConfig, match="are both set"):
        Database.find({VARIABLE: "postgresql://db/alerts", f"{VARIABLE}_FILE": str(file)})
    with pytest.raises(BadConfig, match="cannot be read"):
        Database.find({f"{VARIABLE}_FILE": str(tmp_path / "absent")})


def test_every_command_opens_the_ledger_that_is_named() -> None:
    """`state.ledger` is the file, whatever is named; whoever opens it beside a database writes where nobody looks."""
    found = []
    for package in ("console", "flows", "kentongan"):
        for file in (ROOT / package).rglob("*.py"):
            opened = re.findall(r"Ledger\.open\(.*\bstate\.ledger\b.*", file.read_text("utf-8"))
            found += [f"{file}: {line}" for line in opened]
    assert found == []


def test_without_an_address_the_ledger_is_a_file(tmp_path: Path) -> None:
    assert State.find(tmp_path / "state", {VARIABLE: ""}).place == tmp_path / "state" / "ledger.db"
