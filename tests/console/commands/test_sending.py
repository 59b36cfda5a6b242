"""`kentongan send` and what follows it, against the stand-in for Telegram, whose every message is counted."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from console.service import client
from console.service.sockets import listen_locally
from kentongan import overview
from kentongan.clock import Process, SystemClock
from kentongan.ledger import Ledger, Write, alerts, dispatches, senders
from kentongan.state import State
from sandbox import telegram
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox

PEOPLE = 12


@pytest.fixture
def bots(sandbox: Sandbox, config: Path, run, monkeypatch: pytest.MonkeyPatch, as_officer) -> Callable[..., None]:
    """Writes to people over the stand-in instead of the feeds; imports as many as are wanted."""

    def bots_(people: int = PEOPLE, rate: float = 25) -> None:
        monkeypatch.setenv("KENTONGAN_TEST_BOT", telegram.token("default"))
        text = "channels:\n"
        for mode in ("live", "drill"):
            text += (
                f"  bot-{mode}:\n    kind: telegram\n    mode: {mode}\n    sandbox: true\n    rate: {rate}\n"
                f"    base_url: {sandbox.base_url('telegram')}\n    token: {{env: KENTONGAN_TEST_BOT}}\n"
                "    audience: all\n"
            )
        (config / "channels.yaml").write_text(text)
        (config / "audiences.yaml").write_text("audiences:\n  all: {}\n")
        rows = "".join(f"{1000 + number}\n" for number in range(people))
        assert run("people", "import", "-", stdin=f"telegram\n{rows}").code == 0

    return bots_


def counts(sandbox: Sandbox) -> dict[str, int]:
    """Messages taken, by recipient."""
    taken: dict[str, int] = sandbox.stand_in("telegram").counts()["recipients"]
    return taken


def test_everybody_is_reached_once(run, approved, bots, sandbox: Sandbox) -> None:
    bots()
    code = approved("--drill")
    sent = run("send", code, "--json")
    assert sent.code == 0, sent.err
    assert sent.json["channels"][0]["words"] == {"accepted": PEOPLE}
    assert set(counts(sandbox).values()) == {1}
    assert len(counts(sandbox)) == PEOPLE


def test_a_channel_whose_audience_is_empty_is_said_to_have_nobody(run, approved, bots, config: Path) -> None:
    bots()
    (config / "audiences.yaml").write_text("audiences:\n  all: {groups: [nobody-is-in-it]}\n")
    code = approved("--drill")
    sent = run("send", code)
    assert sent.code == 0
    assert "nobody to write to" in sent.out
    assert "warning: bot-drill has nobody to write to" in sent.err


def test_what_it_will_do_is_said_before_it_is_done(run, approved, bots) -> None:
    bots()
    sent = run("send", approved("--drill"))
    assert f"{PEOPLE} people on 1 channel, drill" in sent.out


def test_what_is_in_doubt_ends_with_4_and_is_settled_by_an_officer(run, approved, bots, sandbox: Sandbox) -> None:
    bots()
    code = approved("--drill")
    sandbox.add_faults("telegram", [Rule(Fault.ACCEPT_THEN_RESET)])
    sent = run("send", code)
    assert sent.code == 4, sent.err
    assert "In doubt: 1 delivery" in sent.out
    doubt = run("status", code, "--json").json["doubts"][0]
    assert doubt["address"] == "•••••"
    assert run("resolve", doubt["delivery"], "--sent").code == 0
    assert run("resolve", doubt["delivery"], "--sent").code == 3
    assert run("status", code, "--json").json["doubts"] == []
    settled = run("report", code, "--json").json["thread"][0]["resolved"]
    assert [(each["who"], each["evidence"]) for each in settled] == [("budi", "accepted")]


def test_more_failures_than_policy_tolerates_end_with_1(run, approved, bots, sandbox: Sandbox) -> None:
    bots()
    code = approved("--drill")
    sandbox.stand_in("telegram").script([{"match": chat, "is": "blocked"} for chat in ("1003", "1007")])
    sent = run("send", code, "--json")
    assert sent.code == 1, sent.err
    assert sent.json["exit_code"] == 1
    assert sum(each["count"] for each in sent.json["causes"]) == 2


def test_as_many_failures_as_policy_tolerates_are_well(run, approved, bots, config: Path, sandbox: Sandbox) -> None:
    bots()
    (config / "policy.yaml").write_text("tolerated_share: 0.2\n")
    code = approved("--drill")
    sandbox.stand_in("telegram").script([{"match": chat, "is": "blocked"} for chat in ("1003", "1007")])
    assert run("send", code).code == 0


def test_what_is_not_approved_is_refused(run, as_officer, config: Path, bots, sandbox: Sandbox) -> None:
    bots()
    as_officer("siti")
    code = _draft(run, "--drill")
    assert run("send", code).code == 3
    assert run("submit", code).code == 0
    assert run("send", code).code == 3
    assert counts(sandbox) == {}


def _draft(run, *more: str) -> str:
    from datetime import UTC, datetime

    facts = {"magnitude": "6.1", "place": "Manna", "area": "Manna; Kota Bengkulu"}
    facts["origin_time"] = datetime.now(UTC).isoformat(timespec="minutes")
    sets = [part for name, value in facts.items() for part in ("--set", f"{name}={value}")]
    return str(run("draft", "--hazard", "earthquake", *sets, *more, "--json").json["code"])


# --- Live ---


def test_a_live_send_wants_its_place(run, approved, bots, sandbox: Sandbox) -> None:
    bots()
    code = approved()
    without = run("send", code)
    assert without.code == 2
    assert "--place" in without.err
    assert f"{PEOPLE} people on 1 channel, live" in without.out
    wrong = run("send", code, "--place", "Jakarta")
    assert wrong.code == 2
    assert "Manna" in wrong.err
    assert counts(sandbox) == {}
    assert run("send", code, "--place", "kota BENGKULU").code == 0
    assert len(counts(sandbox)) == PEOPLE


def test_the_place_is_asked_for_on_a_terminal_and_retries_are_free(approved, bots, sandbox: Sandbox, start) -> None:
    bots()
    code = approved()
    ours, theirs = pty.openpty()
    sending = start("send", code, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = _read_until(ours, "to send: ")
    assert f"{PEOPLE} people on 1 channel, live" in shown
    os.write(ours, b"yes\n")
    _read_until(ours, "Nothing was sent")
    assert counts(sandbox) == {}
    os.write(ours, "KÓTA bengkulu\n".encode())
    shown = _read_until(ours, None)
    assert sending.wait(30) == 0
    assert f"{PEOPLE} accepted" in shown
    os.close(ours)


def _read_until(terminal: int, wanted: str | None) -> str:
    """Reads the terminal until something stands there, else until its other end is closed."""
    read = b""
    while wanted is None or wanted.encode() not in read:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        read += chunk
    return read.decode("utf-8", "replace")


def test_break_glass_sends_alone_with_a_reason_and_shows_everywhere(run, as_officer, bots, sandbox: Sandbox) -> None:
    bots()
    as_officer("siti")
    mild = _draft(run)
    assert run("send", mild, "--break-glass", "nobody answers", "--place", "Manna").code == 3
    code = _draft(run, "--set", "severity=Severe")
    assert run("send", code, "--place", "Manna").code == 3
    assert run("send", code, "--place", "Manna", "--break-glass", "").code == 2
    assert counts(sandbox) == {}
    sent = run("send", code, "--place", "Manna", "--break-glass", "nobody answers")
    assert sent.code == 0, sent.err
    assert "BREAK-GLASS: sent by one officer alone: nobody answers" in sent.out
    assert "BREAK-GLASS" in run("status").out
    assert "BREAK-GLASS: nobody answers" in run("log", code).out
    assert run("report", code, "--json").json["thread"][0]["break_glass"] == "nobody answers"


# --- What happens to the command while it sends ---


def _line(stream, wanted: str) -> str:
    for line in stream:
        if wanted in line:
            return str(line)
    raise AssertionError(f"{wanted!r} was never said")


def test_ctrl_c_is_no_stop_and_resume_finishes(run, approved, bots, sandbox: Sandbox, start) -> None:
    bots(people=60, rate=20)
    code = approved("--drill")
    sending = start("send", code)
    _line(sending.stderr, "this command sends")
    sending.send_signal(signal.SIGINT)
    assert f"kentongan stop {code}" in _line(sending.stderr, "This is no stop")
    sending.send_signal(signal.SIGINT)
    assert f"kentongan resume {code}" in _line(sending.stderr, "not sent")
    assert sending.wait(30) == 130
    left = run("status", code, "--json").json
    assert left["open"]
    assert left["channels"][0]["words"].get("in_doubt", 0) == 0
    resumed = run("resume", code)
    assert resumed.code == 0, resumed.err
    assert len(counts(sandbox)) == 60
    assert set(counts(sandbox).values()) == {1}


def test_a_terminal_that_goes_away_stops_nothing(run, approved, bots, sandbox: Sandbox, start) -> None:
    bots(people=30, rate=20)
    code = approved("--drill")
    sending = start("send", code)
    _line(sending.stderr, "this command sends")
    sending.stdout.close()
    sending.stderr.close()
    sending.send_signal(signal.SIGHUP)
    assert sending.wait(30) == 0
    assert len(counts(sandbox)) == 30


def test_who_is_killed_is_missed_and_taken_over_by_resume_and_nobody_gets_it_twice(
    run, approved, bots, sandbox: Sandbox, start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots(people=60, rate=20)
    code = approved("--drill")
    sending = start("send", code)
    _line(sending.stderr, "this command sends")
    monkeypatch.setattr(overview, "BEGINS_WITHIN", 0)
    # It says so right before it takes the alert.
    assert any(not run("status", code, "--json").json["unattended"] for _ in range(20))
    sending.kill()
    sending.wait()
    listed, shown = run("status"), run("status", code)
    resuming = start("resume", code, "--json")
    for told in (listed.out, shown.out, run("status", code, "--watch").err):
        assert f"NOBODY IS SENDING {code}" in told
        assert f"kentongan resume {code}" in told
    assert "NOT BEING SENT" in listed.out
    assert resuming.wait(30) in (0, 4)
    words = json.loads(resuming.stdout.read())["channels"][0]["words"]
    assert not run("status", code, "--json").json["unattended"]
    assert sum(words.values()) == 60
    assert set(words) <= {"accepted", "in_doubt"}
    assert set(counts(sandbox).values()) == {1}


def test_stop_in_mid_broadcast_says_how_many_had_left(run, approved, bots, sandbox: Sandbox, start) -> None:
    bots(people=200, rate=20)
    code = approved("--drill")
    sending = start("send", code)
    _line(sending.stderr, "this command sends")
    stopped = run("stop", code, "--json").json
    assert sending.wait(30) == 1
    shown = run("status", code, "--json").json
    assert shown["state"] == "stopped"
    words = shown["channels"][0]["words"]
    assert len(counts(sandbox)) == words.get("accepted", 0)
    assert words.get("accepted", 0) < 200
    assert stopped["left"] <= words.get("accepted", 0) + 1


def test_no_wait_without_a_service_warns_that_nobody_sends(run, approved, bots, sandbox: Sandbox) -> None:
    bots()
    code = approved("--drill")
    handed = run("send", code, "--no-wait")
    assert handed.code == 1
    assert f"kentongan resume {code}" in handed.err
    assert counts(sandbox) == {}
    assert run("resume", code).code == 0
    assert len(counts(sandbox)) == PEOPLE


@pytest.mark.parametrize("takes_it", [True, False])
def test_no_wait_says_that_nobody_sends_only_where_the_silent_service_has_not_taken_it(
    run, approved, bots, surroundings: Path, monkeypatch: pytest.MonkeyPatch, takes_it: bool
) -> None:
    bots()
    code = approved("--drill")

    def nudge(state: State, alert_id: str) -> client.Nudged:
        """A service that is too busy to answer in time, as one is that begins to send."""
        if takes_it:
            clock = SystemClock()
            with Ledger.open(state.root / "ledger.db") as ledger:

                def take(write: Write) -> bool:
                    senders.register(write, sender="busy", role="service", process=Process.current(), clock=clock)
                    return dispatches.own(write, alert_id, sender="busy", gone=())

                assert ledger.write(take)
        return client.Nudged.NO_ANSWER

    monkeypatch.setattr(client, "nudge", nudge)
    handed = run("send", code, "--no-wait")
    assert handed.code == (0 if takes_it else 1), handed.err
    assert ("nothing is being sent" in handed.err) is not takes_it


def test_a_held_channel_goes_on_with_retry(run, approved, bots, sandbox: Sandbox, monkeypatch, start) -> None:
    bots()
    code = approved("--drill")
    sending = start("send", code, environment={"KENTONGAN_TEST_BOT": "1000000:another-token-than-the-bot-has"})
    assert f"goes on by itself when that is mended, or with `kentongan retry {code}`" in _line(
        sending.stderr, "bot-drill is held"
    )
    assert run("status", code, "--json").json["channels"][0]["held"]
    shown = run("status", code)
    assert "HELD" in shown.out
    sending.kill()
    sending.wait()
    released = run("retry", code, "--json").json
    assert released["released"] == ["bot-drill"]
    assert run("resume", code).code == 0
    assert len(counts(sandbox)) == PEOPLE


# --- Who sends ---


def test_a_service_that_does_not_answer_holds_nothing_up(
    run, approved, bots, sandbox: Sandbox, surroundings: Path
) -> None:
    bots()
    code = approved("--drill")
    folder = surroundings / "state" / "run"
    folder.mkdir(exist_ok=True, mode=0o700)
    wedged = listen_locally(folder)
    try:
        sent = run("send", code, "--json")
    finally:
        wedged.close()
    assert sent.code == 0, sent.err
    assert "nobody took it" in sent.err
    assert sent.json["channels"][0]["seconds_to_first_acceptance"] < 1.5
    assert set(counts(sandbox).values()) == {1}


def test_an_owner_that_fell_silent_is_taken_over(run, approved, bots, sandbox: Sandbox, surroundings: Path) -> None:
    bots()
    code = approved("--drill")
    run("send", code, "--no-wait")
    clock = SystemClock()
    with Ledger.open(surroundings / "state" / "ledger.db") as ledger:
        alert_id = ledger.read(lambda read: alerts.by_handle(read, code)).id

        def owned_by_a_live_process_without_a_beat(write: Write) -> bool:
            senders.register(write, sender="wedged", role="service", process=Process.current(), clock=clock)
            write.sql("UPDATE sender SET beat = beat - :silent", {"silent": senders.LEASE + 1})
            return dispatches.own(write, alert_id, sender="wedged", gone=())

        assert ledger.write(owned_by_a_live_process_without_a_beat)
    resumed = run("resume", code, "--json")
    assert resumed.code == 0, resumed.err
    assert re.search(r"taken over by send on \S+$", run("log", code).out, re.MULTILINE)
    assert set(counts(sandbox).values()) == {1}


def test_what_no_officer_approved_is_not_sent_from_here_either(
    run, approved, bots, sandbox: Sandbox, surroundings: Path
) -> None:
    bots()
    code = approved("--drill")
    run("send", code, "--no-wait")
    with Ledger.open(surroundings / "state" / "ledger.db") as ledger:
        ledger.write(lambda write: write.sql("DELETE FROM approval"))
    resumed = run("resume", code)
    assert resumed.code == 3
    assert counts(sandbox) == {}
