"""Draft, submit, approve, dispatch: the way as it should be, who may go it, and what breaks the glass."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from kentongan.alert import Kind
from kentongan.cap.model import Severity, Status
from kentongan.desk import approvals, releases, settling, submitting, withdrawing
from kentongan.errors import Refused
from kentongan.ledger import alerts, views
from kentongan.ledger.verification import signed_head, verify
from kentongan.seam import Mode
from kentongan.verdict import Approved
from tests.kentongan.desk.scenes import Scene, login, rule, send_all, vouched
from tests.kentongan.ledger.scenes import expand_all

REASON = "wrong_area"
MINUTE = 60_000


# --- The way as it should be ---


@pytest.mark.parametrize(("status", "mode"), [(Status.ACTUAL, Mode.LIVE), (Status.EXERCISE, Mode.DRILL)])
def test_two_officers_send_an_alert_and_one_withdraws_it(desk: Scene, status: Status, mode: Mode) -> None:
    drafted = desk.drafted(status=status)
    assert (drafted.state, drafted.mode, drafted.kind) == ("draft", mode, Kind.ALERT)
    submitted = submitting.submit(desk.desk, drafted.code.lower(), login("siti"))
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
    correction = withdrawing.release_correction(desk.desk, drafted.code, login("made"), reason=REASON)
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
    withdrawal = withdrawing.release_correction(desk.desk, stored.code, login("budi"), reason=REASON).plan
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
        lambda: submitting.submit(desk.desk, stored.code, None),
        lambda: approvals.approve(desk.desk, stored.code, None),
        lambda: releases.dispatch(desk.desk, stored.code, None),
        lambda: withdrawing.release_correction(desk.desk, stored.code, None, reason=REASON),
        lambda: settling.resolve(desk.desk, 1, None, sent=True, again=False),
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
    withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)


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
        lambda: submitting.submit(desk.desk, stored.code, login("siti")),
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
