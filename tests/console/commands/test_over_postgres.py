"""The whole way of an alert with the ledger in Postgres."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.house import House
from kentongan.clock import SystemClock, to_datetime
from kentongan.database import VARIABLE
from kentongan.desk import membership
from kentongan.login import LoginFile
from kentongan.officers import unseal
from sandbox import telegram
from sandbox.server import Sandbox
from tests.console.commands.conftest import SECRETS, quake
from tests.postgres import Server

PEOPLE = 200

CHANNEL = """\
channels:
  bot:
    kind: telegram
    mode: drill
    sandbox: true
    rate: 1000
    base_url: {base_url}
    token: {{env: KENTONGAN_TEST_BOT}}
    audience: all
"""


@pytest.fixture
def log_in(
    postgres: Server, surroundings: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Two officers on a ledger in Postgres; logs one in when called."""
    monkeypatch.setenv(VARIABLE, postgres.empty())
    keys = {}
    with House.open(None, None) as house:
        desk = house.desk()
        for name, secret in SECRETS.items():
            officer = membership.add(desk, name, SecretStr(secret), list(keys.values()))
            keys[name] = unseal(officer, SecretStr(secret))
    file = LoginFile.find(surroundings / "state")
    return lambda name: file.write(keys[name], now=to_datetime(SystemClock().wall()))


@pytest.mark.slow
def test_an_alert_is_drafted_approved_sent_and_verified(
    run, log_in: Callable[[str], None], config: Path, surroundings: Path, sandbox: Sandbox, monkeypatch
) -> None:
    monkeypatch.setenv("KENTONGAN_TEST_BOT", telegram.token("default"))
    (config / "channels.yaml").write_text(CHANNEL.format(base_url=sandbox.base_url("telegram")))
    (config / "audiences.yaml").write_text("audiences:\n  all: {}\n")
    rows = "".join(f"{1000 + number}\n" for number in range(PEOPLE))
    log_in("siti")
    assert run("people", "import", "-", stdin=f"telegram\n{rows}").code == 0
    code = run(*quake("--drill"), "--json").json["code"]
    assert run("submit", code).code == 0
    log_in("budi")
    assert run("approve", code).code == 0
    sent = run("send", code, "--json")
    assert sent.code == 0, sent.err
    assert sent.json["channels"][0]["words"] == {"accepted": PEOPLE}
    recipients = sandbox.stand_in("telegram").counts()["recipients"]
    assert len(recipients) == PEOPLE
    assert set(recipients.values()) == {1}
    assert run("log", "verify").code == 0
    assert run("status", code).code == 0
    assert run("report", code, "--json").json["thread"][0]["code"] == code
    looked = run("log", code, "--channel", "bot", "--officer", "budi", "--json")
    assert looked.code == 0, looked.err
    assert len(looked.out.splitlines()) > 1
    checked = run("check")
    assert "ledger in Postgres" in checked.out
    # Nothing of it is in a file.
    assert not (surroundings / "state" / "ledger.db").exists()
    refused = run("backup", surroundings / "backups")
    assert refused.code == 2
    assert "back it up with pg_dump" in refused.err
