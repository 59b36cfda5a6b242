"""The whole way of an alert with the ledger in Postgres."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.house import House
from kentongan.clock import SystemClock, to_datetime
from kentongan.database import VARIABLE
from kentongan.desk import membership
from kentongan.ledger import Ledger, alerts, senders
from kentongan.login import LoginFile
from kentongan.officers import unseal
from kentongan.state import State
from sandbox import telegram
from sandbox.server import Sandbox
from tests.console.commands.conftest import SECRETS, quake
from tests.kentongan.ledger.scenes import public, put_dispatch
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


@pytest.mark.slow
def test_a_database_that_was_put_back_is_held_with_what_was_open_in_doubt(
    run, log_in: Callable[[str], None], postgres: Server, monkeypatch: pytest.MonkeyPatch, surroundings: Path
) -> None:
    log_in("siti")
    code = run(*quake("--drill"), "--json").json["code"]
    assert run("submit", code).code == 0
    log_in("budi")
    assert run("approve", code).code == 0
    before = run("status", code, "--json").json
    with Ledger.open(State.find(None).place) as ledger:
        stored = ledger.read(lambda read: alerts.by_handle(read, code))
        # What a sender was about to do when the copy was made.
        ledger.write(lambda write: put_dispatch(write, [public("toots", stored.created_at + 3_600_000)]))
    taken = datetime.now(UTC)
    monkeypatch.setenv(VARIABLE, postgres.copy_of(os.environ[VARIABLE]))
    assert "put back by pg_restore; then run" in run("restore", surroundings).err
    held = run("restore", "--taken", taken.isoformat(), "--json")
    assert held.code == 0, held.err
    assert held.json["may_have_been_sent"] == [code]
    assert held.json["doubts"] == {"K7Q4": 2}
    assert run("status", code, "--json").json["state"] == before["state"] == "approved"
    with Ledger.open(State.find(None).place) as ledger:
        assert ledger.read(senders.holds).keys() == {senders.LEDGER}
    assert run("resume", "--restored").code == 0
    assert run("status", "K7Q4", "--json").json["doubts"] != []
