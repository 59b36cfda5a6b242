"""What follows an alert: whom each kind reaches, who releases it, what it waits for, and what it supersedes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from kentongan import cap
from kentongan.alert import Kind
from kentongan.cap.model import Certainty, MsgType, ResponseType, Scope, Severity, Status, Urgency
from kentongan.cap.reading import read as read_cap
from kentongan.cap.writing import write as write_cap
from kentongan.delivery import Evidence
from kentongan.desk import approvals, drafts, exporting, following, releases, submitting, withdrawing
from kentongan.desk.drafts import Document
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, outcomes, renderings, submissions, threads, views
from kentongan.ledger.alerts import StoredAlert
from kentongan.policy import Decision, Reason
from tests.kentongan.desk.scenes import Scene, document, login, send_all, vouched
from tests.kentongan.ledger.scenes import NOW

HOUR = 3_600_000
REASON = "wrong_area"


def rule(caught: pytest.ExceptionInfo[Refused]) -> str:
    assert "\n" not in str(caught.value)
    return caught.value.rule


def sent(desk: Scene, stored: StoredAlert, *, decide: Any = None) -> StoredAlert:
    """Submits, approves, dispatches and plays the sender."""
    if stored.state == "draft":
        submitting.submit(desk.desk, stored.code, login("siti"))
        approvals.approve(desk.desk, stored.code, login("budi"))
    releases.dispatch(desk.desk, stored.code, login("siti"))
    assert vouched(desk, stored.id) is None
    send_all(desk, stored.id, **({"decide": decide} if decide else {}))
    return desk.ledger.read(lambda read: alerts.get(read, stored.id))


def counts(desk: Scene, alert_id: str) -> Mapping[str, int]:
    """Deliveries by instance."""
    return Counter(d.instance for d in desk.ledger.read(lambda read: views.deliveries(read, alert_id)))


def state(desk: Scene, alert_id: str) -> str:
    return desk.ledger.read(lambda read: alerts.get(read, alert_id)).state


def refused_everywhere(_: object) -> Decision:
    return Decision(Evidence.REJECTED, Reason.REFUSED)


EVERYBODY = {"bot-drill": 4, "feed-drill": 1, "sms-drill": 4, "toots-drill": 2}


def test_an_update_goes_to_its_audience_and_supersedes_what_it_follows(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    update = following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    assert (update.kind, update.predecessor, update.state) == (Kind.UPDATE, first.id, "draft")
    assert update.draft.facts["magnitude"] == 6.1
    assert update.draft.facts["place"] == first.draft.facts["place"]
    assert update.draft.cap.msg_type is MsgType.UPDATE
    assert [r.identifier for r in update.draft.cap.references] == [first.draft.cap.identifier]
    sent(desk, update)
    assert state(desk, first.id) == "superseded"
    assert counts(desk, update.id) == EVERYBODY
    assert desk.ledger.read(lambda read: threads.messages(read, update.id)) == [first.id, update.id]


def test_an_update_also_reaches_those_who_have_left_the_audience(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.change("DELETE FROM person_group")
    update = sent(desk, following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert)
    assert counts(desk, update.id) == EVERYBODY


def test_an_update_does_not_wait_for_its_predecessor(desk: Scene) -> None:
    first = desk.approved()
    releases.dispatch(desk.desk, first.code, login("siti"))
    update = following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    sent(desk, update)
    while desk.ledger.write(lambda write: outcomes.cancel_stopped(write, first.id)):
        pass
    words = [s.words for s in desk.ledger.read(lambda read: views.summaries(read, first.id))]
    assert all(set(each) == {"cancelled"} for each in words)
    assert counts(desk, update.id) == EVERYBODY


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.ALL_CLEAR])
def test_cancel_and_all_clear_reach_whom_the_thread_reached_and_nobody_else(desk: Scene, kind: Kind) -> None:
    def without_sms(item: Any) -> Decision:
        reached = item.language != "en"
        return Decision(Evidence.ACCEPTED, Reason.ACCEPTED) if reached else refused_everywhere(item)

    first = sent(desk, desk.approved(), decide=without_sms)
    desk.clock.pass_by(3 * HOUR)
    drafted = _ending(desk, kind, first.code)
    sent(desk, drafted)
    assert counts(desk, drafted.id) == {"bot-drill": 3, "feed-drill": 1, "sms-drill": 3, "toots-drill": 1}
    submitted = desk.ledger.read(lambda read: submissions.latest(read, drafted.id))
    assert submitted is not None
    assert submitted.subject["people"] == {"bot-drill": 3, "sms-drill": 3}


def _ending(desk: Scene, kind: Kind, code: str) -> StoredAlert:
    if kind is Kind.CANCEL:
        return following.cancel(desk.desk, code, by="siti").alert
    return following.all_clear(desk.desk, code, by="siti", evidence="Seismograf tenang sejak 16.00 WIB").alert


def test_a_follow_up_reaches_who_had_any_message_of_the_thread(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    update = sent(
        desk, following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert, decide=refused_everywhere
    )
    cancel = sent(desk, following.cancel(desk.desk, update.code, by="siti").alert)
    assert counts(desk, cancel.id) == EVERYBODY


def test_a_correction_withdraws_the_whole_thread_whichever_message_is_named(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    update = sent(desk, following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert)
    # Named by the first, by one officer, after it was superseded.
    correction = withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON)
    assert correction.alert.predecessor == update.id
    assert (state(desk, first.id), state(desk, update.id)) == ("superseded", "withdrawn")
    assert vouched(desk, correction.alert.id) is None
    send_all(desk, correction.alert.id)
    assert counts(desk, correction.alert.id) == EVERYBODY
    with pytest.raises(Refused, match="withdrawn"):
        following.update(desk.desk, first.code, {"magnitude": "4"}, by="siti")
    with pytest.raises(Refused, match="withdrawn already"):
        withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON)


def test_a_correction_reaches_a_channel_that_an_update_left_out(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    update = following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    submitting.submit(desk.desk, update.code, login("siti"), without=["sms-drill"])
    approvals.approve(desk.desk, update.code, login("budi"))
    releases.dispatch(desk.desk, update.code, login("siti"))
    send_all(desk, update.id)
    correction = withdrawing.release_correction(desk.desk, update.code, login("made"), reason=REASON)
    assert vouched(desk, correction.alert.id) is None
    send_all(desk, correction.alert.id)
    assert counts(desk, correction.alert.id) == EVERYBODY


def test_of_two_successors_the_second_to_be_sent_is_refused(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    one = following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    other = following.cancel(desk.desk, first.code, by="siti").alert
    for each in (one, other):
        submitting.submit(desk.desk, each.code, login("siti"))
        approvals.approve(desk.desk, each.code, login("budi"))
    releases.dispatch(desk.desk, one.code, login("siti"))
    with pytest.raises(Refused, match=one.code) as caught:
        releases.dispatch(desk.desk, other.code, login("siti"))
    assert rule(caught) == "thread"
    assert state(desk, other.id) == "approved"
    withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON)
    with pytest.raises(Refused, match="withdrawn") as caught:
        releases.dispatch(desk.desk, other.code, login("siti"))
    assert rule(caught) == "thread"


def test_what_was_late_is_followed_by_the_newest_message(desk: Scene) -> None:
    def lost(_: object) -> None:
        """Its sender never came back to say what became of it."""

    first = sent(desk, desk.approved(), decide=lost)
    cancel = sent(desk, following.cancel(desk.desk, first.code, by="siti").alert)
    assert counts(desk, cancel.id) == {}
    late = desk.ledger.read(lambda read: views.deliveries(read, first.id, instance="sms-drill"))[0]
    desk.ledger.write(
        lambda write: outcomes.record_evidence(
            write, delivery=late.id, attempt=1, evidence=Evidence.DELIVERED, reason="a receipt"
        )
    )
    assert counts(desk, cancel.id) == {"sms-drill": 1}


def test_nothing_can_follow_what_was_never_sent(desk: Scene) -> None:
    stored = desk.approved()
    for act in (
        lambda: following.update(desk.desk, stored.code, {"magnitude": "6"}, by="siti"),
        lambda: following.cancel(desk.desk, stored.code, by="siti"),
        lambda: following.all_clear(desk.desk, stored.code, by="siti", evidence="tenang"),
    ):
        with pytest.raises(Refused) as caught:
            act()
        assert rule(caught) == "thread"


# --- Who releases it ---


def test_break_glass_is_for_alerts_and_updates_alone(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.pass_by(3 * HOUR)
    for kind in (Kind.CANCEL, Kind.ALL_CLEAR):
        drafted = _ending(desk, kind, first.code)
        with pytest.raises(Refused) as caught:
            releases.dispatch(desk.desk, drafted.code, login("siti"), break_glass="Sendirian malam ini")
        assert rule(caught) == "break-glass-kind"
    update = following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    assert releases.dispatch(
        desk.desk, update.code, login("siti"), break_glass="Sendirian malam ini"
    ).approved.break_glass


# --- What it waits for ---


def test_an_all_clear_waits_for_the_hazards_time_at_submission_and_at_every_later_step(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    minimum = desk.desk.library.get("earthquake").all_clear_after
    assert minimum > timedelta(0)
    drafted = _ending(desk, Kind.ALL_CLEAR, first.code)
    with pytest.raises(Refused, match=r"waits \d+ (h|min) .* until \d{4}-\d\d-\d\d \d\d:\d\d WIB, ") as caught:
        submitting.submit(desk.desk, drafted.code, login("siti"))
    assert rule(caught) == "all-clear-time"
    desk.clock.pass_by(int(minimum.total_seconds() * 1000))
    sent(desk, drafted)
    shown = desk.ledger.read(lambda read: alerts.get(read, drafted.id)).draft
    assert shown.cap.infos[0].response_types == (ResponseType.ALL_CLEAR,)
    assert (shown.cap.infos[0].urgency, shown.cap.infos[0].severity) == (Urgency.PAST, Severity.MINOR)


def test_an_all_clear_wants_its_evidence(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    with pytest.raises(BadInput, match="--evidence"):
        following.all_clear(desk.desk, first.code, by="siti", evidence="  ")


def test_the_evidence_is_not_published(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.pass_by(3 * HOUR)
    drafted = sent(desk, _ending(desk, Kind.ALL_CLEAR, first.code))
    for message in desk.ledger.read(lambda read: renderings.of(read, drafted.id)):
        for text in (message.text, message.html, *(d.text for d in message.documents)):
            assert "Seismograf" not in text


# --- A relayed thread ---


def other_senders(status: Status, **changes: Any) -> list[Document]:
    """The other sender's next message."""
    first = read_cap(document(status, Scope.PUBLIC), zone=NOW.tzinfo, now=NOW).alert  # type: ignore[arg-type]
    return [Document("next.xml", write_cap(first.model_copy(update={"identifier": "urn:other:2", **changes})))]


def relayed(desk: Scene) -> StoredAlert:
    content = [Document("first.xml", document(Status.EXERCISE, Scope.PUBLIC))]
    return sent(desk, drafts.from_cap(desk.desk, content, by="siti").alert)


def test_the_issuers_own_end_message_needs_no_waiting(desk: Scene) -> None:
    first = relayed(desk)
    reference = cap.Reference(sender="bmkg@bmkg.example", identifier="urn:other:1", sent=NOW)
    end = other_senders(Status.EXERCISE, msg_type=MsgType.CANCEL, references=(reference,))
    drafted = following.all_clear(desk.desk, first.code, by="siti", evidence="", documents=end).alert
    assert drafted.draft.issuers_end
    assert "urn:other:2" in drafted.draft.evidence
    sent(desk, drafted)
    assert state(desk, first.id) == "superseded"


def test_what_ends_nothing_is_no_all_clear(desk: Scene) -> None:
    first = relayed(desk)
    with pytest.raises(BadInput, match="ends nothing"):
        following.all_clear(desk.desk, first.code, by="siti", evidence="", documents=other_senders(Status.EXERCISE))


def test_another_senders_message_cannot_follow_a_relay(desk: Scene) -> None:
    first = relayed(desk)
    with pytest.raises(BadInput, match="another@bmkg"):
        following.update(
            desk.desk,
            first.code,
            {},
            by="siti",
            documents=other_senders(Status.EXERCISE, sender="another@bmkg.example"),
        )


def test_a_drill_is_followed_by_a_drill_and_no_exercise_by_what_is_actual(desk: Scene) -> None:
    first = relayed(desk)
    update = following.update(desk.desk, first.code, {}, by="siti", documents=other_senders(Status.ACTUAL)).alert
    assert update.draft.cap.status is Status.EXERCISE
    assert update.mode is first.mode
    live = sent(
        desk,
        drafts.from_cap(desk.desk, [Document("first.xml", document(Status.ACTUAL, Scope.PUBLIC))], by="siti").alert,
    )
    with pytest.raises(Refused) as caught:
        following.update(desk.desk, live.code, {}, by="siti", documents=other_senders(Status.EXERCISE))
    assert rule(caught) == "mode"


def test_a_document_that_follows_what_was_relayed_says_so(desk: Scene) -> None:
    first = relayed(desk)
    reference = first.draft.origin
    assert reference is not None
    follows = other_senders(
        Status.EXERCISE,
        msg_type=MsgType.UPDATE,
        references=(cap.Reference(sender=reference.sender, identifier=reference.identifier, sent=reference.sent),),
    )
    drafted = drafts.from_cap(desk.desk, follows, by="siti")
    assert any(f"kentongan update {first.code}" in warning for warning in drafted.warnings)


def test_every_kind_exports_as_valid_cap_that_references_what_it_follows(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.pass_by(3 * HOUR)
    update = sent(desk, following.update(desk.desk, first.code, {"magnitude": "6.1"}, by="siti").alert)
    clear = _ending(desk, Kind.ALL_CLEAR, update.code)
    for drafted, follows in ((update, first), (clear, update)):
        alert = read_cap(exporting.export(desk.desk, drafted.code).document, zone=NOW.tzinfo, now=NOW).alert  # type: ignore[arg-type]
        assert [r.identifier for r in alert.references] == [follows.draft.cap.identifier]
    assert alert.infos[0].certainty is Certainty.OBSERVED
