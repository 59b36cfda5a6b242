"""`kentongan log`: what it is asked for, in which form, and as it goes on."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console import record


@pytest.fixture
def withdrawn(run, approved) -> str:
    """A drill that was sent and then withdrawn, after another that is none of its thread."""
    other = approved("--drill")
    run("send", other)
    code = approved("--drill")
    run("send", code)
    run("follow-up", code, "--kind", "correction", "--reason", "wrong_area")
    return code


def events(run, *arguments: object) -> list[dict[str, object]]:
    ran = run("log", *arguments, "--format", "json")
    assert ran.code == 0, ran.err
    return list(ran.json["events"])


def test_a_thread_is_all_its_messages_and_nothing_else(run, withdrawn) -> None:
    alone, thread, all_ = events(run, withdrawn), events(run, "--alert", withdrawn), events(run)
    codes = {each["alert"] for each in thread}
    assert {each["alert"] for each in alone} == {withdrawn}
    assert len(codes) == 2
    assert withdrawn in codes
    assert 0 < len(alone) < len(thread) < len(all_)
    assert [each for each in all_ if each["alert"] in codes] == thread


def test_a_channel_is_all_that_is_about_it(run, withdrawn) -> None:
    found = events(run, "--alert", withdrawn, "--channel", "feed-drill")
    assert {"alert.dispatched", "deliveries.planned", "delivery.settled"} <= {each["type"] for each in found}
    assert events(run, "--channel", "feed-live") == []


@pytest.mark.parametrize(
    ("option", "wrong", "known"), [("--channel", "feed-dril", "feed-drill"), ("--officer", "sity", "siti")]
)
def test_a_mistyped_name_is_refused_with_those_that_are_known(
    run, withdrawn, option: str, wrong: str, known: str
) -> None:
    refused = run("log", option, wrong)
    assert refused.code == 2
    assert wrong in refused.err
    assert known in refused.err


def test_a_state_is_that_of_the_delivery_or_the_alert_now(run, withdrawn) -> None:
    found = events(run, "--in-state", "accepted")
    assert found
    assert all(each["delivery"] for each in found)
    stopped = events(run, "--in-state", "withdrawn")
    assert stopped
    assert {each["alert"] for each in stopped} == {withdrawn}
    assert not any(each["delivery"] for each in stopped)
    assert events(run, "--in-state", "in doubt") == []
    refused = run("log", "--in-state", "lost")
    assert refused.code == 2
    assert "in_doubt" in refused.err


def test_an_officer_is_found_by_what_they_did_or_was_done_to_them(run, withdrawn) -> None:
    siti, budi = events(run, "--officer", "siti"), events(run, "--officer", "budi")
    assert {"officer.added", "alert.drafted", "alert.submitted"} <= {each["type"] for each in siti}
    assert "alert.approved" in {each["type"] for each in budi}
    assert "alert.approved" not in {each["type"] for each in siti}
    # It went out on the word of both.
    assert "alert.dispatched" in {each["type"] for each in siti}


def test_since_and_until_cut_the_record_without_a_gap(run, withdrawn) -> None:
    all_ = events(run)
    middle = str(all_[len(all_) // 2]["at"])
    before, after = events(run, "--until", middle), events(run, "--since", middle)
    assert before + after == all_
    assert after[0]["at"] == middle
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert events(run, "--since", later) == []


def test_types_are_checked_so_that_a_slip_is_no_empty_page(run, withdrawn) -> None:
    assert {each["type"] for each in events(run, "--type", "alert.stopped", "--type", "alert.drafted")} == {
        "alert.stopped",
        "alert.drafted",
    }
    refused = run("log", "--type", "alert.stoped")
    assert refused.code == 2
    assert "alert.stopped" in refused.err


def test_a_region_is_meant_by_code_or_by_name(run, as_officer, surroundings: Path) -> None:
    as_officer("siti")
    listed = surroundings / "regions.csv"
    listed.write_text("code,name\n17,Bengkulu\n17.01,Bengkulu Selatan\n18,Lampung\n18.01,Lampung\n")
    assert run("regions", "import", listed).code == 0
    assert events(run, "--region", "17.01") == events(run, "--region", "bengkulu selatan") == []
    twice = run("log", "--region", "Lampung")
    assert twice.code == 2
    assert "18.01" in twice.err
    unknown = run("log", "--region", "??")
    assert unknown.code == 2
    assert "no region" in unknown.err


def test_csv_and_text_say_what_json_says(run, withdrawn) -> None:
    wanted = events(run, "--alert", withdrawn)
    rows = list(csv.DictReader(io.StringIO(run("log", "--alert", withdrawn, "--format", "csv").out)))
    assert [(row["at"], row["type"], row["says"]) for row in rows] == [
        (each["at"], each["type"], each["says"]) for each in wanted
    ]
    assert [json.loads(row["data"]) for row in rows] == [each["data"] for each in wanted]
    text = run("log", "--alert", withdrawn).out
    assert all(str(each["says"]) in text for each in wanted)


def test_a_long_record_is_read_a_chunk_at_a_time_and_whole(run, withdrawn, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = events(run)
    monkeypatch.setattr(record, "_CHUNK", 3)
    assert events(run) == whole


def test_who_follows_sees_what_comes_once_and_in_order(
    run, withdrawn, surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kentongan.ledger import Ledger

    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks > 2:
            raise KeyboardInterrupt
        with Ledger.open(surroundings / "state" / "ledger.db", chain=f"other-{looks}") as ledger:
            ledger.write(lambda write: write.event("sender.ended", note=looks))

    monkeypatch.setattr(record, "pause", pause)
    before = len(events(run))
    followed = run("log", "--follow", "--format", "csv")
    assert followed.code == 130
    rows = list(csv.DictReader(io.StringIO(followed.out)))
    assert len(rows) == before + 2
    assert [json.loads(row["data"]) for row in rows[-2:]] == [{"note": 1}, {"note": 2}]


@pytest.mark.parametrize(
    "arguments", [["--follow", "--format", "json"], ["--follow", "--json"], ["--follow", "--until", "1h"]]
)
def test_what_has_no_end_is_refused_where_an_end_is_asked(run, as_officer, arguments: list[str]) -> None:
    as_officer("siti")
    assert run("log", *arguments).code == 2


def test_a_damaged_line_is_shown_as_such_and_hides_no_other(run, withdrawn, surroundings: Path) -> None:
    whole = events(run, "--alert", withdrawn)
    ledger = sqlite3.connect(surroundings / "state" / "ledger.db")
    ledger.execute("UPDATE event SET data = '{' WHERE type = 'alert.rendered'")
    ledger.commit()
    ledger.close()
    found = events(run, "--alert", withdrawn)
    assert [each["type"] for each in found] == [each["type"] for each in whole]
    (damaged, *_) = [each for each in found if each["type"] == "alert.rendered"]
    assert "log verify" in str(damaged["says"])
    for option in (["--channel", "feed-drill"], ["--officer", "siti"], ["--region", "17"], ["--in-state", "accepted"]):
        assert run("log", *option).code == 0


def test_one_delivery_is_asked_about_by_its_number(run, withdrawn, surroundings) -> None:
    ledger = sqlite3.connect(surroundings / "state" / "ledger.db")
    ids = "SELECT min(d.id) FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE a.code {} ?"
    (own,), (foreign,) = (ledger.execute(ids.format(sign), (withdrawn,)).fetchone() for sign in ("=", "<>"))
    ledger.close()
    said = run("log", withdrawn, "--delivery", own)
    assert "attempt 1 is begun" in said.out
    assert "attempt 1 is accepted\n" in said.out
    (told,) = run("log", withdrawn, "--delivery", own, "--json").json["deliveries"]
    assert [each["evidence"] for each in told["attempts"]] == ["accepted"]
    for wrong in (foreign, 10**9):
        assert "is no delivery of" in run("log", withdrawn, "--delivery", wrong).err
    assert run("log", "--delivery", own).code == 2
    assert run("log", withdrawn, "--to", "-", stdin="+6281234567890").out.startswith("Nobody of those named")


def test_a_long_record_is_told_without_its_deliveries_and_says_so(run, withdrawn, monkeypatch) -> None:
    whole, everything = run("log", withdrawn).out, run("log").out
    monkeypatch.setattr(record, "_FEW", 1)
    for told, all_ in ((run("log", withdrawn).out, whole), (run("log").out, everything)):
        *story, end = told.splitlines()
        assert "Left out: " in end
        assert set(story) < set(all_.splitlines())
        assert "sent off by" in told
        assert "attempt 1" not in told
    assert run("log", withdrawn, "--deliveries").out == whole
    assert "delivery.settled" in {each["type"] for each in events(run, withdrawn)}
