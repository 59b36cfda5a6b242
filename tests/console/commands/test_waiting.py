"""What `kentongan waiting` says of each cause, and that it never takes one for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.commands.paging import _told
from flows.house import House
from kentongan.cap.model import Status
from kentongan.ledger import senders
from kentongan.paging import Cause, Concern

VALUES = {
    "code": "K7Q4",
    "kind": "alert",
    "headline": "Tsunami",
    "by": "siti",
    "hours": 2,
    "channel": "sms-live",
    "reason": "the token has ended",
    "count": 3,
    "officer": "budi",
}

SAID = {
    Cause.LEDGER: "no alert goes out, for the ledger the token has ended: kentongan check",
    Cause.RESTORED: "nothing goes out: the token has ended: kentongan resume --restored",
    Cause.REFUSED: "is NOT being sent: the token has ended: kentongan status K7Q4",
    Cause.DISK: "make room on it, then kentongan check",
    Cause.KEY: "the token has ended: kentongan check",
    Cause.APPROVAL: "kentongan approve K7Q4",
    Cause.BREAK_GLASS: "kentongan review K7Q4 --finding TEXT",
    Cause.REVIEW: "kentongan review K7Q4 --finding TEXT",
    Cause.THROTTLED: "waits on sms-live: the token has ended: kentongan status K7Q4",
    Cause.HELD: "sms-live is held: the token has ended",
    Cause.UNREADY: "sms-live would not pass now: the token has ended: kentongan check --channels",
    Cause.DOUBT: "kentongan status K7Q4",
    Cause.CODES: "kentongan officer codes budi",
    Cause.TEST: "nothing is to be done",
}


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_says_what_to_do(cause: Cause) -> None:
    said = _told(Concern("x", cause, None, Status.ACTUAL, VALUES))
    assert said.endswith(SAID[cause])


def test_a_drill_that_waits_is_never_taken_for_a_live_alert(run, as_officer, config) -> None:
    from tests.console.commands.conftest import quake

    as_officer("siti")
    for more in ((), ("--drill",)):
        code = run(*quake(*more), "--json").json["code"]
        assert run("submit", code).code == 0
        (line,) = [line for line in run("waiting").out.splitlines() if line.startswith(code)]
        assert ("LIVE alert" in line, "drill alert" in line) == (not more, bool(more))


def test_only_what_is_held_is_said_to_be_held_and_since_when_in_the_zone_of_the_agency(
    run, as_officer, config, surroundings: Path
) -> None:
    as_officer("siti")
    assert "held" not in run("channels").out
    with House.open(None, surroundings / "state") as house:
        why = "its credential ended on 2026-11-21 20:05 UTC"
        house.ledger.write(lambda write: senders.hold(write, instance="feed-live", reason=why))
    told = run("channels").out
    assert "feed-live is held: its credential ended on 2026-11-22 03:05 WIB" in told
    assert "feed-drill is held" not in told
    (line,) = run("waiting").out.splitlines()
    assert line.endswith("2026-11-22 03:05 WIB")
