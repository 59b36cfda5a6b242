"""From a draft to the report, in one process and without a network: two feeds stand for the channels."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from kentongan.cap.reading import read as read_cap
from kentongan.data import data_path

SECRETS = {"budi": "budi keeps a different one"}


def test_a_drill_goes_from_draft_to_report(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    sent = run("send", code)
    assert sent.code == 0, sent.err
    assert "DRILL" in sent.out.splitlines()[0]
    assert "SANDBOX - NOBODY WAS WARNED" in sent.out
    assert "1 accepted" in sent.out
    assert list((surroundings / "feed-drill").glob("**/alert.xml"))
    assert not list((surroundings / "feed-live").glob("**/alert.xml"))

    shown = run("status", code, "--json").json
    assert (shown["mode"], shown["open"], shown["by"], shown["sandbox"]) == ("drill", False, ["siti", "budi"], True)
    assert [(each["channel"], each["words"]) for each in shown["channels"]] == [("feed-drill", {"accepted": 1})]
    assert shown["channels"][0]["seconds_to_first_acceptance"] < 30

    published = next((surroundings / "feed-drill").glob("**/alert.xml")).read_bytes()
    exported = run("alert", "export", code)
    assert exported.out.encode() == published
    assert "\ue000" not in exported.out


def test_an_alert_is_named_as_it_stands_in_a_text(run, approved) -> None:
    code = approved("--drill")
    assert run("status", f"{code.lower()}-id", "--json").json["code"] == code


def test_a_correction_is_released_by_one_officer_and_nothing_is_typed(run, approved, as_officer) -> None:
    code = approved("--drill")
    run("send", code)
    as_officer("siti")
    for typed in ([], ["--kind", "correction"]):
        listed = run("follow-up", code, *typed)
        assert listed.code == 2
        assert "was_a_test" in listed.err
    released = run("follow-up", code, "--reason", "was_a_test", "--json")
    assert released.code == 0, released.err
    assert released.json["follows"] == code
    assert released.json["channels"][0]["words"] == {"accepted": 1}
    assert run("status", code, "--json").json["state"] == "withdrawn"
    again = run("follow-up", code, "--kind", "correction", "--reason", "was_a_test")
    assert again.code == 3


def test_stop_needs_no_officer_and_is_on_record_unsigned(run, approved) -> None:
    code = approved("--drill")
    refused = run("stop", code)
    assert refused.code == 3
    assert "was not sent" in refused.err
    run("send", code)
    run("logout")
    stopped = run("stop", code, "--json")
    assert stopped.code == 0
    assert (stopped.json["signed"], stopped.json["left"], stopped.json["cancelled"]) == (False, 1, 0)
    assert stopped.json["by"].startswith("user ")
    again = run("stop", code)
    assert again.code == 3
    assert f"kentongan follow-up {code}" in again.err


def test_what_was_stopped_and_then_withdrawn_says_both_and_by_what(run, approved, as_officer) -> None:
    code = approved("--drill")
    run("send", code)
    run("stop", code)
    assert ", stopped" in run("status", code).out
    correction = run("follow-up", code, "--kind", "correction", "--reason", "wrong_area", "--json").json["code"]
    assert f", stopped, withdrawn by {correction}" in run("status", code).out
    assert "withdrawn" not in run("status", correction).out
    assert run("status", code, "--json").json["state"] == "stopped"


def test_stop_works_where_config_and_words_are_broken(run, approved, config: Path) -> None:
    code = approved("--drill")
    run("send", code)
    (config / "agency.yaml").write_text("nonsense: [")
    assert run("stop", code).code == 0


def test_the_record_is_shown_in_words_and_verified_against_its_head(run, approved) -> None:
    code = approved("--drill")
    run("send", code)
    events = run("log", code, "--json").json["events"]
    assert [event["type"] for event in events][:1] == ["alert.drafted"]
    assert {"alert.submitted", "alert.approved", "alert.dispatched"} <= {event["type"] for event in events}
    stopped = run("log", code, "--type", "alert.dispatched").out
    assert "sent off by budi on feed-drill, on the word of siti and budi" in stopped
    assert run("log", "head").code == 0
    verified = run("log", "verify", "--json")
    assert (verified.code, verified.json["differences"]) == (0, [])
    assert verified.json["links_behind_head"] > 0


def test_a_changed_row_is_found_and_named(run, approved, surroundings: Path) -> None:
    import sqlite3

    code = approved("--drill")
    run("send", code)
    run("log", "head")
    ledger = sqlite3.connect(surroundings / "state" / "ledger.db")
    ledger.execute("UPDATE delivery SET result = 'read'")
    ledger.commit()
    ledger.close()
    found = run("log", "verify")
    assert found.code == 1
    assert "DIFFERENCE delivery 1" in found.out


def test_the_report_says_who_decided_and_what_was_said(run, approved, surroundings: Path) -> None:
    code = approved("--drill")
    run("send", code)
    run("follow-up", code, "--kind", "correction", "--reason", "wrong_area")
    target = surroundings / "report.md"
    assert run("report", code, "-o", target).code == 0
    page = target.read_text("utf-8")
    assert "**SANDBOX - NOBODY WAS WARNED**" in page
    assert "siti | submitted it for approval" in page
    assert "budi | approved it" in page
    assert "wrong area" in page
    assert "\ue000" not in page

    content = run("report", code, "--json").json
    assert content["nobody_was_warned"] is True
    alert, correction = content["thread"]
    assert [each["as_sent"] for each in alert["messages"]] == [True]
    assert (correction["kind"], correction["reason"], correction["follows"]) == ("correction", "wrong_area", code)
    assert correction["dispatched_at"] > alert["dispatched_at"]
    assert alert["orchestration"]["began_in_prefect"] is False
    pressed = [each["what"] for each in alert["timeline"] if each["seconds_after_press"] == 0]
    assert "press: on record, to be sent" in pressed


def test_the_report_tells_decisions_in_the_order_of_record(run, approved, as_officer) -> None:
    code = approved("--drill")
    as_officer("siti")
    assert run("submit", code).code == 0
    as_officer("budi")
    assert run("approve", code).code == 0
    run("send", code)
    run("stop", code)
    decisions = run("report", code, "--json").json["thread"][0]["decisions"]
    assert [(each["who"], each["act"]) for each in decisions] == [
        ("siti", "drafted it, drill"),
        ("siti", "submitted it for approval"),
        ("budi", "approved it"),
        ("siti", "submitted it for approval"),
        ("budi", "approved it"),
        ("budi", "sent it"),
        ("budi", "stopped it"),
    ]
    assert [each["at"] for each in decisions] == sorted(each["at"] for each in decisions)


def test_every_listing_is_one_json_document(run, approved) -> None:
    code = approved("--drill")
    run("send", code)
    for line in (
        ["status"],
        ["status", code],
        ["log"],
        ["log", "verify"],
        ["report", code],
        ["preview", code],
        ["preview", code, "--correction"],
        ["channels"],
        ["channels", "kinds"],
        ["officer", "list"],
        ["check"],
        ["alert", "export", code],
    ):
        ran = run(*line, "--json")
        assert ran.code == 0, (line, ran.err)
        assert isinstance(json.loads(ran.out), dict), line


def test_what_is_exported_before_it_is_sent_is_valid(run, approved) -> None:
    code = approved("--drill")
    exported = run("alert", "export", code)
    assert exported.code == 0
    assert read_cap(exported.out.encode()).alert.status == "Exercise"


def test_what_is_not_sent_yet_is_shown_and_not_watched(run, approved) -> None:
    code = approved("--drill")
    watched = run("status", code, "--watch")
    assert watched.code == 0
    assert "nothing of it left" in watched.out


def test_what_was_sent_cannot_be_sent_again(run, approved) -> None:
    code = approved("--drill")
    run("send", code)
    assert run("send", code).code == 3
    approval = run("approve", code)
    assert approval.code == 3
    assert "sent off already" in approval.err
    assert run("submit", code).code == 3


def test_preview_shows_the_correction_that_was_approved(run, approved) -> None:
    code = approved("--drill")
    shown = run("preview", code, "--correction", "--json").json
    assert (shown["kind"], shown["on_record"]) == ("correction", True)
    assert all(code not in message["code"] for message in shown["messages"])


def test_preview_without_a_config_shows_every_kind(run) -> None:
    import datetime

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    facts = {"magnitude": "6.1", "place": "Manna", "area": "Manna", "origin_time": now}
    sets = [part for name, value in facts.items() for part in ("--set", f"{name}={value}")]
    code = run("draft", "--hazard", "earthquake", *sets, "--json").json["code"]
    shown = run("preview", code, "--json").json
    demo = yaml.safe_load((data_path("configs") / "demo" / "channels.yaml").read_text("utf-8"))["channels"]
    every = {name.replace("-drill", "-live") for name in demo}
    # WhatsApp takes what the provider has approved, and the demo's templates bear the drill mark.
    assert {message["channel"] for message in shown["messages"]} == every - {"whatsapp-live"}
    only = run("preview", code, "--channel", "sms-live")
    assert "LIVE" in only.out.splitlines()[0]
    assert "SMS parts" in only.out
    assert "mastodon" not in only.out
    assert run("preview", code, "--channel", "pigeon").code == 2
    # What submit would refuse ends with 3 here already, and no longer once it is left out.
    whole = run("preview", code, "--json")
    assert (whole.code, whole.json["would_be_refused"]) == (3, True)
    assert only.code == 0
    without = run("preview", code, "--without", "whatsapp-live", "--json")
    assert (without.code, without.json["would_be_refused"]) == (0, False)


def test_preview_ends_with_3_for_what_is_forbidden(run) -> None:
    ended = CANCEL.replace("Cancel", "Alert").replace("2026-11-22T22:30", "2026-11-21T22:31")
    code = run("draft", "--cap", "-", "--json", stdin=ended).json["code"]
    shown = run("preview", code)
    assert shown.code == 3
    assert "FORBIDDEN (expired): the alert ended at 2026-11-21 15:31 UTC" in shown.out


def test_an_officer_is_added_vouched_for_and_revoked(run, as_officer, surroundings: Path) -> None:
    as_officer("siti")
    alone = run("officer", "add", "wati", "--secret-file", "-", stdin="wati has long secrets\n")
    assert alone.code == 3
    secret = surroundings / "secret"
    secret.write_text(f"{SECRETS['budi']}\n")
    vouched = ("officer", "add", "wati", "--second", "budi", "--second-secret-file", secret, "--secret-file", "-")
    assert run(*vouched, stdin="short\n").code == 2
    assert run(*vouched, stdin="wati has long secrets\n").code == 0
    listed = run("officer", "list", "--json").json["officers"]
    assert [(each["officer"], each["logged_in"]) for each in listed] == [
        ("siti", True),
        ("budi", False),
        ("wati", False),
    ]
    for name in ("budi", "wati"):
        assert run("officer", "revoke", name).code == 0
    assert run("officer", "revoke", "siti").code == 3  # the last one
    assert [each["active"] for each in run("officer", "list", "--json").json["officers"]] == [True, False, False]


CANCEL = """\
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>X-2</identifier>
<sender>bmkg@bmkg.go.id</sender><sent>2026-11-21T22:30:00+07:00</sent><status>Actual</status>
<msgType>Cancel</msgType><scope>Public</scope>
<references>bmkg@bmkg.go.id,X-1,2026-11-21T20:00:00+07:00</references><info><language>id</language>
<category>Met</category><event>Cuaca ekstrem</event><urgency>Immediate</urgency>
<severity>Severe</severity><certainty>Observed</certainty><expires>2026-11-22T22:30:00+07:00</expires>
<senderName>BMKG</senderName><headline>Peringatan dini hujan lebat di Manna</headline>
<instruction>Jauhi sungai.</instruction><area><areaDesc>Manna</areaDesc></area></info></alert>
"""


def test_a_relayed_cancel_is_never_taken_for_a_warning(run) -> None:
    drafted = run("draft", "--cap", "-", stdin=CANCEL)
    assert drafted.code == 0, drafted.err
    assert "Cancel, as its issuer has it" in drafted.out
    alert = run("draft", "--cap", "-", stdin=CANCEL.replace("Cancel", "Alert").replace("X-2", "X-3"))
    assert "as its issuer has it" not in alert.out
