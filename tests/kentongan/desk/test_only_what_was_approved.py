"""What goes out is what was approved, and no act comes out of its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kentongan.cap.model import Scope, Status
from kentongan.desk import approvals, drafts, releases, submitting, withdrawing
from kentongan.errors import BadInput, Refused
from kentongan.ledger import dispatches
from kentongan.seam import Mode
from tests.kentongan.desk.scenes import AUDIENCES, CHANNELS, Scene, document, login, rule, scene, vouched

QUAKE = json.dumps(
    {
        "Infogempa": {
            "gempa": {
                "Tanggal": "21 Nov 2026",
                "Jam": "14:05:00 WIB",
                "DateTime": "2026-11-21T07:05:00+00:00",
                "Coordinates": "-8.42,110.31",
                "Lintang": "8.42 LS",
                "Bujur": "110.31 BT",
                "Magnitude": "6.3",
                "Kedalaman": "22 km",
                "Wilayah": "Pusat gempa berada di laut 64 km BaratDaya KULON PROGO-DIY",
                "Potensi": "Tidak berpotensi tsunami",
                "Dirasakan": "VI Kulon Progo",
            }
        }
    }
).encode()


# --- What was approved is what is sent ---


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rendering SET content = replace(content, 'Manna', 'Mannaa') WHERE alert_id = :id AND language = 'id'",
        "DELETE FROM rendering WHERE alert_id = :id AND instance = 'toots-drill' AND language = 'en'",
        "UPDATE rendering SET content = replace(content, 'Manna', 'Mannaa') WHERE alert_id <> :id",
        "UPDATE alert SET content = replace(content, 'Manna', 'Mannaa') WHERE id = :id",
        "UPDATE alert SET mode = 'live' WHERE id = :id",
        "UPDATE submission SET subject = replace(subject, 'subscriber', 'subscribers')",
        'UPDATE submission SET subject = replace(subject, \'"mode":"drill"\', \'"mode":"live"\')',
    ],
)
def test_what_was_changed_after_its_approval_is_not_sent(desk: Scene, statement: str) -> None:
    stored = desk.approved()
    desk.change(statement, {"id": stored.id} if ":id" in statement else {})
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-changed"
    # And what was dispatched before it was changed, no sender sends.
    assert desk.ledger.read(lambda read: dispatches.get(read, stored.id)) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rendering SET content = replace(content, 'Manna', 'Mannaa') WHERE alert_id = :id AND language = 'id'",
        "UPDATE alert SET content = replace(content, 'Manna', 'Mannaa') WHERE id = :id",
        'UPDATE dispatch SET plan = replace(plan, \'"mode":"drill"\', \'"mode":"live"\') WHERE alert_id = :id',
        "UPDATE dispatch SET plan = replace(plan, 'toots-drill', 'toots-live') WHERE alert_id = :id",
        "UPDATE dispatch SET plan = replace(plan, 'subscriber', 'staff') WHERE alert_id = :id",
        'UPDATE dispatch SET plan = replace(plan, \'"family":"phone"\', \'"family":"public"\') WHERE alert_id = :id',
        'UPDATE dispatch SET plan = replace(plan, \'"kind":"kannel"\', \'"kind":"mastodon"\') WHERE alert_id = :id',
        "DELETE FROM approval WHERE alert_id = :id",
    ],
)
def test_no_sender_takes_up_what_was_changed_after_its_dispatch(desk: Scene, statement: str) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    assert vouched(desk, stored.id) is None
    desk.change(statement, {"id": stored.id})
    sentence = vouched(desk, stored.id)
    assert sentence
    assert "\n" not in sentence


def test_a_second_submission_needs_a_second_approval(desk: Scene) -> None:
    stored = desk.approved()
    submitting.submit(desk.desk, stored.code, login("siti"))
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-missing"
    approvals.approve(desk.desk, stored.code, login("budi"))
    releases.dispatch(desk.desk, stored.code, login("siti"))


def test_who_submits_after_having_approved_is_not_a_second_person(desk: Scene) -> None:
    stored = desk.approved()
    submitting.submit(desk.desk, stored.code, login("budi"))
    with pytest.raises(Refused) as caught:
        approvals.approve(desk.desk, stored.code, login("budi"))
    assert rule(caught) == "approval-second-person"


def changed_channel(name: str, **changes: Any) -> dict[str, Any]:
    return {**CHANNELS, name: {**CHANNELS[name], **changes}}


@pytest.mark.parametrize(
    "instances",
    [
        {name: config for name, config in CHANNELS.items() if name != "toots-drill"},
        changed_channel("toots-drill", mode="live"),
        changed_channel("toots-drill", sandbox=True),
        {**CHANNELS, "toots-drill": CHANNELS["feed-drill"]},
        {**CHANNELS, "bot-drill": {"kind": "telegram", "mode": "drill", "token": {"env": "T"}, "chat": "@x"}},
    ],
    ids=["gone", "mode", "sandbox", "kind", "readers"],
)
def test_a_channel_that_was_changed_since_the_submission_is_not_used(desk: Scene, instances: dict[str, Any]) -> None:
    stored = desk.submitted()
    desk.reconfigure(instances=instances)
    with pytest.raises(Refused) as caught:
        approvals.approve(desk.desk, stored.code, login("budi"))
    assert rule(caught) == "approval-changed"
    desk.reconfigure()
    approvals.approve(desk.desk, stored.code, login("budi"))
    desk.reconfigure(instances=instances)
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-changed"


def test_an_audience_is_the_one_that_was_approved(desk: Scene) -> None:
    stored = desk.approved()
    desk.reconfigure(audiences={**AUDIENCES, "subscribers": {"groups": ["staff"]}})
    plan = releases.dispatch(desk.desk, stored.code, login("siti")).plan
    audience = plan.instance("sms-drill").audience
    assert audience is not None
    assert audience.groups == ("subscriber",)


def test_a_live_alert_needs_a_real_live_channel(tmp_path: Path) -> None:
    only_sandbox = {"toots": {**CHANNELS["toots-live"], "sandbox": True}}
    with scene(tmp_path / "desk", instances=only_sandbox) as desk:
        stored = desk.approved(status=Status.ACTUAL)
        with pytest.raises(Refused) as caught:
            releases.dispatch(desk.desk, stored.code, login("siti"))
        assert rule(caught) == "sandbox"
        desk.reconfigure(instances=only_sandbox, agency={"sandbox": True})
        releases.dispatch(desk.desk, stored.code, login("siti"))


def test_what_is_left_out_is_not_planned(desk: Scene) -> None:
    stored = desk.approved()
    without = ("sms-drill", "toots-drill:en")
    plan = releases.dispatch(desk.desk, stored.code, login("siti"), without=without).plan
    assert {i.name: i.languages for i in plan.instances} == {
        "bot-drill": ("id", "en"),
        "feed-drill": ("mul",),
        "toots-drill": ("id",),
    }


def test_what_is_left_out_must_be_there(desk: Scene) -> None:
    stored = desk.approved()
    with pytest.raises(BadInput, match="--without smss-drill: no such channel"):
        releases.dispatch(desk.desk, stored.code, login("siti"), without=("smss-drill",))
    everything = tuple(name for name in CHANNELS if name.endswith("drill"))
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"), without=everything)
    assert rule(caught) == "rendering"


# --- Only in order ---


def test_a_dispatched_alert_never_changes(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    for act in (
        lambda: submitting.submit(desk.desk, stored.code, login("siti")),
        lambda: approvals.approve(desk.desk, stored.code, login("budi")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="again"),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert rule(caught) == "state"


def test_a_draft_is_not_approved_and_not_sent(desk: Scene) -> None:
    stored = desk.drafted()
    for act in (
        lambda: approvals.approve(desk.desk, stored.code, login("budi")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti")),
        lambda: releases.stop(desk.desk, stored.code, by="siti", signed=True),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert rule(caught) == "state"
    with pytest.raises(BadInput, match="no alert 'K0K0' in this ledger"):
        releases.prospect(desk.desk, "K0K0")


def test_a_withdrawn_alert_can_be_relayed_anew(desk: Scene) -> None:
    content = [drafts.Document("a.xml", document(Status.EXERCISE, Scope.PUBLIC))]
    first = drafts.from_cap(desk.desk, content, by="siti").alert
    submitting.submit(desk.desk, first.code, login("siti"))
    approvals.approve(desk.desk, first.code, login("budi"))
    releases.dispatch(desk.desk, first.code, login("siti"))
    assert drafts.from_cap(desk.desk, content, by="siti").alert.code == first.code
    withdrawing.release_correction(desk.desk, first.code, login("siti"), reason="sent_by_mistake")
    again = drafts.from_cap(desk.desk, content, by="siti")
    assert not again.known
    assert again.alert.code != first.code


def test_the_same_earthquake_is_one_draft(desk: Scene) -> None:
    quake = drafts.Document("q.json", QUAKE)
    first = drafts.from_bmkg(desk.desk, quake, {}, status=Status.EXERCISE, by="siti")
    again = drafts.from_bmkg(desk.desk, quake, {}, status=Status.EXERCISE, by="budi")
    graver = drafts.from_bmkg(desk.desk, quake, {"severity": "Extreme"}, status=Status.EXERCISE, by="budi")
    live = drafts.from_bmkg(desk.desk, quake, {}, by="budi")
    assert (first.known, again.known, graver.known, live.known) == (False, True, False, False)
    assert first.alert == again.alert


def test_the_same_document_is_one_draft_and_a_lowered_one_another(desk: Scene) -> None:
    content = [drafts.Document("a.xml", document(Status.ACTUAL, Scope.PUBLIC))]
    first = drafts.from_cap(desk.desk, content, by="siti")
    again = drafts.from_cap(desk.desk, content, by="budi")
    drill = drafts.from_cap(desk.desk, content, lower_to=Status.EXERCISE, by="budi")
    assert (first.known, again.known, drill.known) == (False, True, False)
    assert first.alert == again.alert
    assert (first.alert.mode, drill.alert.mode) == (Mode.LIVE, Mode.DRILL)
    with pytest.raises(BadInput, match=r"^b\.xml: "):
        drafts.from_cap(desk.desk, [drafts.Document("b.xml", b"<alert>")], by="siti")
