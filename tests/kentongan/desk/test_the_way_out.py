"""Draft, submit, approve, dispatch, stop, withdraw: the acts in their order, and what each refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kentongan.alert import Kind
from kentongan.approval import Approved
from kentongan.cap.model import Scope, Severity, Status
from kentongan.delivery import Evidence
from kentongan.desk import approvals, drafts, releases
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, outcomes, views
from kentongan.ledger.outcomes import Settled
from kentongan.ledger.verification import signed_head, verify
from kentongan.officers import Refusal
from kentongan.policy import Decision, Reason
from kentongan.seam import Mode
from tests.kentongan.desk.scenes import (
    AUDIENCES,
    CHANNELS,
    Scene,
    document,
    login,
    scene,
    send_all,
    vouched,
    write_config,
)
from tests.kentongan.ledger.scenes import expand_all

REASON = "wrong_area"
MINUTE = 60_000

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


def rule(caught: pytest.ExceptionInfo[Refused]) -> str:
    assert "\n" not in str(caught.value)
    return caught.value.rule


# --- The way as it should be ---


@pytest.mark.parametrize(("status", "mode"), [(Status.ACTUAL, Mode.LIVE), (Status.EXERCISE, Mode.DRILL)])
def test_two_officers_send_an_alert_and_one_withdraws_it(desk: Scene, status: Status, mode: Mode) -> None:
    drafted = desk.drafted(status=status)
    assert (drafted.state, drafted.mode, drafted.kind) == ("draft", mode, Kind.ALERT)
    submitted = approvals.submit(desk.desk, drafted.code.lower(), login("siti"))
    assert submitted.alert.state == "submitted"
    assert submitted.correction.state == "prepared"
    # Four are in the group, and each is one, on however many channels.
    assert submitted.people == 4
    approved, verdict = approvals.approve(desk.desk, drafted.id, login("budi"))
    assert approved.state == "approved"
    assert verdict == Approved(("siti", "budi"))
    released = releases.dispatch(desk.desk, drafted.code, login("siti"))
    assert released.alert.state == "dispatched"
    assert vouched(desk, drafted.id) is None
    send_all(desk, drafted.id)
    words = {s.instance: dict(s.words) for s in desk.ledger.read(lambda read: views.summaries(read, drafted.id))}
    assert words == {
        f"bot-{mode}": {"accepted": 4},
        f"feed-{mode}": {"accepted": 1},
        f"sms-{mode}": {"accepted": 4},
        f"toots-{mode}": {"accepted": 2},
    }
    correction = releases.release_correction(desk.desk, drafted.code, login("made"), reason=REASON)
    assert correction.alert.state == "dispatched"
    assert correction.alert.id == submitted.correction.id
    assert desk.ledger.read(lambda read: alerts.get(read, drafted.id)).state == "withdrawn"
    assert vouched(desk, correction.alert.id) is None
    send_all(desk, correction.alert.id)
    counts = {
        s.instance: dict(s.words) for s in desk.ledger.read(lambda read: views.summaries(read, correction.alert.id))
    }
    assert counts == words
    keys = desk.keys
    head = json.loads(json.dumps(desk.ledger.read(lambda read: signed_head(read, keys))))
    found = desk.ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
    assert found.differences == []


def test_people_get_their_own_language_and_others_the_first(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    expand_all(desk.ledger, stored.id)
    spoken = [
        d.language for d in desk.ledger.read(lambda read: views.deliveries(read, stored.id, instance="sms-drill"))
    ]
    assert sorted(spoken) == ["en", "id", "id", "id"]


def test_late_facts_are_those_of_the_dispatch(desk: Scene) -> None:
    stored = desk.approved()
    desk.clock.pass_by(5 * MINUTE)
    plan = releases.dispatch(desk.desk, stored.code, login("siti")).plan
    assert plan.values["id"]["sent"] == "21 Nov 2026 14.25 WIB"
    desk.clock.pass_by(5 * MINUTE)
    withdrawal = releases.release_correction(desk.desk, stored.code, login("budi"), reason=REASON).plan
    assert withdrawal.values["id"]["earlier_sent"] == "21 Nov 2026 14.25 WIB"
    assert withdrawal.values["id"]["sent"] == "21 Nov 2026 14.30 WIB"


@pytest.mark.parametrize(
    ("status", "severity", "urgency", "at_stake"),
    [
        (Status.ACTUAL, "Severe", "Immediate", True),
        (Status.EXERCISE, "Severe", "Immediate", True),
        (Status.EXERCISE, "Extreme", "Expected", True),
        (Status.TEST, "Severe", "Immediate", False),
        (Status.ACTUAL, "Moderate", "Immediate", False),
        (Status.ACTUAL, "Extreme", "Future", False),
    ],
)
def test_an_exercise_rehearses_what_is_done_where_life_is_at_stake(
    desk: Scene, status: Status, severity: str, urgency: str, at_stake: bool
) -> None:
    stored = desk.approved({"severity": severity, "urgency": urgency}, status=status)
    plan = releases.dispatch(desk.desk, stored.code, login("siti")).plan
    assert plan.life_at_stake == at_stake


# --- Who may ---


def test_nobody_submits_approves_sends_or_withdraws_without_a_login(desk: Scene) -> None:
    stored = desk.approved()
    for act in (
        lambda: approvals.submit(desk.desk, stored.code, None),
        lambda: approvals.approve(desk.desk, stored.code, None),
        lambda: releases.dispatch(desk.desk, stored.code, None),
        lambda: releases.release_correction(desk.desk, stored.code, None, reason=REASON),
        lambda: releases.resolve(desk.desk, 1, None, sent=True, again=False),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert rule(caught) == "login"


def test_the_submitter_cannot_approve_or_send_alone(desk: Scene) -> None:
    stored = desk.submitted()
    with pytest.raises(Refused) as caught:
        approvals.approve(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-second-person"
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-missing"


def test_whoever_approved_may_send_too(desk: Scene) -> None:
    stored = desk.approved()
    assert releases.dispatch(desk.desk, stored.code, login("budi")).approved == Approved(("siti", "budi"))


def test_a_revoked_officer_counts_no_more(desk: Scene) -> None:
    stored = desk.approved()
    desk.revoke("budi")
    desk.clock.pass_by(1_000)
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "officer-revoked"
    with pytest.raises(Refused) as caught:
        approvals.approve(desk.desk, stored.code, login("budi"))
    assert rule(caught) == "login"


def test_what_was_sent_stays_vouched_for_when_an_officer_leaves_later(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    desk.clock.pass_by(1_000)
    desk.revoke("budi")
    assert vouched(desk, stored.id) is None
    releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)


def test_an_approval_lapses(desk: Scene) -> None:
    stored = desk.approved()
    desk.clock.pass_by(30 * MINUTE)
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-lapsed"
    approvals.approve(desk.desk, stored.code, login("budi"))
    releases.dispatch(desk.desk, stored.code, login("siti"))


def test_an_alert_that_has_ended_is_not_sent(desk: Scene) -> None:
    stored = desk.approved()
    desk.clock.pass_by(round(timedelta(hours=7).total_seconds() * 1000))
    for act in (
        lambda: approvals.approve(desk.desk, stored.code, login("budi")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti")),
        lambda: approvals.submit(desk.desk, stored.code, login("siti")),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert rule(caught) == "expired"


# --- Break-glass ---


@pytest.mark.parametrize("severity", Severity)
def test_one_officer_breaks_the_glass_for_what_is_severe(desk: Scene, severity: Severity) -> None:
    stored = desk.drafted({"severity": severity.value})
    if severity in (Severity.EXTREME, Severity.SEVERE):
        released = releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="nobody answers")
        assert released.approved == Approved(("siti",), reason="nobody answers")
        assert vouched(desk, stored.id) is None
        (dispatched,) = desk.ledger.read(lambda read: views.events(read, types=["alert.dispatched"]))
        assert dispatched.data["proof"]["break_glass"] == "nobody answers"
    else:
        with pytest.raises(Refused) as caught:
            releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="nobody answers")
        assert rule(caught) == "break-glass-severity"
        assert desk.ledger.read(lambda read: alerts.get(read, stored.id)).state == "draft"


def test_break_glass_takes_a_reason(desk: Scene) -> None:
    stored = desk.drafted()
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="  ")
    assert rule(caught) == "break-glass-reason"


def test_another_officer_may_break_the_glass_on_what_waits_for_approval(desk: Scene) -> None:
    stored = desk.submitted()
    released = releases.dispatch(desk.desk, stored.code, login("made"), break_glass="the duty officer is ill")
    assert released.approved.by == ("made",)


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
    assert desk.ledger.read(lambda read: alerts.get_dispatch(read, stored.id)) is None


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
    approvals.submit(desk.desk, stored.code, login("siti"))
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "approval-missing"
    approvals.approve(desk.desk, stored.code, login("budi"))
    releases.dispatch(desk.desk, stored.code, login("siti"))


def test_who_submits_after_having_approved_is_not_a_second_person(desk: Scene) -> None:
    stored = desk.approved()
    approvals.submit(desk.desk, stored.code, login("budi"))
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
        lambda: approvals.submit(desk.desk, stored.code, login("siti")),
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
    approvals.submit(desk.desk, first.code, login("siti"))
    approvals.approve(desk.desk, first.code, login("budi"))
    releases.dispatch(desk.desk, first.code, login("siti"))
    assert drafts.from_cap(desk.desk, content, by="siti").alert.code == first.code
    releases.release_correction(desk.desk, first.code, login("siti"), reason="sent_by_mistake")
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


# --- Stop and withdrawal ---


def test_a_stop_needs_no_key_and_cancels_what_is_not_out(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    expand_all(desk.ledger, stored.id)
    stopped = releases.stop(desk.desk, stored.code, by="root", signed=False)
    assert (stopped.state, stopped.epoch) == ("stopped", 1)
    assert {d.word for d in desk.ledger.read(lambda read: views.deliveries(read, stored.id))} == {"cancelled"}
    (event,) = desk.ledger.read(lambda read: views.events(read, types=["alert.stopped"]))
    assert (event.data["by"], event.data["signed"]) == ("root", False)
    with pytest.raises(Refused) as caught:
        releases.stop(desk.desk, stored.code, by="root", signed=False)
    assert rule(caught) == "state"


def test_an_alert_that_was_never_sent_is_not_withdrawn(desk: Scene) -> None:
    for stored in (desk.drafted(), desk.submitted(), desk.approved()):
        with pytest.raises(Refused) as caught:
            releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
        assert rule(caught) == "state"


def test_an_alert_is_withdrawn_once_and_for_a_known_reason(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    with pytest.raises(BadInput, match="'because' is no reason; known are"):
        releases.release_correction(desk.desk, stored.code, login("made"), reason="because")
    releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
    with pytest.raises(Refused, match="is withdrawn already"):
        releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)


@pytest.mark.parametrize("how", ["stopped", "ended", "running"])
def test_one_officer_withdraws_whatever_has_become_of_the_alert_and_the_config(desk: Scene, how: str) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id)
    if how == "stopped":
        releases.stop(desk.desk, stored.code, by="siti", signed=True)
    elif how == "ended":
        desk.clock.pass_by(round(timedelta(hours=7).total_seconds() * 1000))
        assert desk.ledger.write(alerts.end_expired) == 1
    # Stricter rules, other channels, another audience: nothing of it may bar the withdrawal.
    desk.reconfigure(
        instances={"toots-drill": CHANNELS["toots-drill"]},
        audiences={},
        policy={"approval_lasts": 1, "break_glass": []},
    )
    correction = releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
    assert vouched(desk, correction.alert.id) is None
    expand_all(desk.ledger, correction.alert.id)
    followed = desk.ledger.read(
        lambda read: read.sql("SELECT follows FROM delivery WHERE follows IS NOT NULL").scalars().all()
    )
    assert sorted(followed) == sorted(d.id for d in desk.ledger.read(lambda read: views.deliveries(read, stored.id)))


def test_a_broken_glass_is_withdrawn_too(desk: Scene) -> None:
    stored = desk.drafted()
    releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="nobody answers")
    desk.reconfigure(policy={"break_glass": []})
    correction = releases.release_correction(desk.desk, stored.code, login("siti"), reason=REASON)
    assert vouched(desk, correction.alert.id) is None


def test_a_correction_follows_what_went_out_or_may_have(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    ends = iter(
        [
            Decision(Evidence.ACCEPTED, Reason.ACCEPTED),
            Decision(Evidence.IN_DOUBT, Reason.OFFICER),
            Decision(Evidence.REJECTED, Reason.REFUSED),
            None,  # still in flight
        ]
    )
    send_all(desk, stored.id, lambda item: next(ends) if item.instance == "bot-drill" else None)
    correction = releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)

    def followed() -> list[int]:
        expand_all(desk.ledger, correction.alert.id, size=2)
        return list(
            desk.ledger.read(
                lambda read: (
                    read.sql(
                        "SELECT follows FROM delivery WHERE alert_id = :id AND instance = 'bot-drill' ORDER BY follows",
                        {"id": correction.alert.id},
                    )
                    .scalars()
                    .all()
                )
            )
        )

    bot = [d.id for d in desk.ledger.read(lambda read: views.deliveries(read, stored.id, instance="bot-drill"))]
    assert followed() == bot[:2]
    late = Settled(bot[3], 1, Decision(Evidence.ACCEPTED, Reason.ACCEPTED))
    desk.ledger.write(lambda write: outcomes.settle(write, sender=f"sender-{stored.id}", outcomes=[late]))
    assert followed() == [bot[0], bot[1], bot[3]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rendering SET content = replace(content, 'Manna', 'Mannaa') WHERE alert_id = :id",
        "UPDATE alert SET content = replace(content, 'Manna', 'Mannaa') WHERE id = :id",
        "DELETE FROM rendering WHERE alert_id = :id",
    ],
)
def test_a_correction_that_was_changed_is_not_released(desk: Scene, statement: str) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    correction = desk.ledger.read(lambda read: approvals.prepared_correction(read, stored.id))
    assert correction is not None
    desk.change(statement, {"id": correction.id})
    with pytest.raises(Refused) as caught:
        releases.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
    assert rule(caught) in ("approval-changed", "correction-changed")
    assert desk.ledger.read(lambda read: alerts.get(read, stored.id)).state == "dispatched"


def test_nobody_writes_a_correction_as_an_alert(desk: Scene) -> None:
    stored = desk.submitted()
    correction = desk.ledger.read(lambda read: approvals.prepared_correction(read, stored.id))
    assert correction is not None
    with pytest.raises(Refused, match="approved with its alert; release it"):
        approvals.submit(desk.desk, correction.code, login("siti"))
    with pytest.raises(Refused):
        releases.dispatch(desk.desk, correction.code, login("siti"), break_glass="now")


# --- Doubt ---


def test_an_officer_settles_a_doubt(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id, lambda _: Decision(Evidence.IN_DOUBT, Reason.OFFICER))
    first, second, third, *_ = desk.ledger.read(lambda read: views.deliveries(read, stored.id))
    assert releases.resolve(desk.desk, first.id, login("made"), sent=True, again=False) == "accepted"
    assert releases.resolve(desk.desk, second.id, login("made"), sent=False, again=True) == "planned"
    assert releases.resolve(desk.desk, third.id, login("made"), sent=False, again=False) == "cancelled"
    with pytest.raises(Refused) as caught:
        releases.resolve(desk.desk, first.id, login("made"), sent=True, again=False)
    assert rule(caught) == "state"
    with pytest.raises(BadInput, match="no delivery 999 in this ledger"):
        releases.resolve(desk.desk, 999, login("made"), sent=True, again=False)


def test_the_desk_refuses_people_on_what_only_publishes(desk: Scene) -> None:
    """Adapters say so at once; the core never relies on that."""
    settings = write_config(desk.folder / "config")
    mastodon = settings.channels["toots-drill"].model_copy(update={"audience": "subscribers"})
    changed = settings.model_copy(update={"channels": {"toots-drill": mastodon}})
    object.__setattr__(desk.desk, "settings", changed)
    stored = desk.approved()
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert rule(caught) == "scope"


def test_whoever_approves_hears_what_is_still_missing(desk: Scene) -> None:
    stored = desk.submitted()
    desk.change("UPDATE submission SET officer = 'made'")
    _, verdict = approvals.approve(desk.desk, stored.code, login("budi"))
    assert isinstance(verdict, Refusal)
