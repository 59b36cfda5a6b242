"""Threads when clocks are set, configs change, people opt out, and officers try what they should not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kentongan import cap
from kentongan.alert import Kind
from kentongan.cap.model import MsgType, ResponseType, Scope, Status
from kentongan.cap.reading import read as read_cap
from kentongan.cap.writing import write as write_cap
from kentongan.delivery import Evidence
from kentongan.desk import approvals, drafts, following, releases, submitting, withdrawing
from kentongan.desk.drafts import Document
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, opt_outs, outcomes, renderings, threads, views
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.opt_outs import Named
from kentongan.seam import Mode
from kentongan.words import following as words_following
from tests.kentongan.desk.scenes import CHANNELS, Scene, document, instance, login, send_all, vouched
from tests.kentongan.ledger.scenes import NOW, expand_all

MINUTE, HOUR = 60_000, 3_600_000
REASON = "wrong_area"


def approved(desk: Scene, stored: StoredAlert, **submission: Any) -> StoredAlert:
    submitting.submit(desk.desk, stored.code, login("siti"), **submission)
    return approvals.approve(desk.desk, stored.code, login("budi"))[0]


def sent(desk: Scene, stored: StoredAlert, *, decide: Any = None, **submission: Any) -> StoredAlert:
    """Submits, approves, dispatches and plays the sender."""
    if stored.state == "draft":
        approved(desk, stored, **submission)
    releases.dispatch(desk.desk, stored.code, login("siti"))
    assert vouched(desk, stored.id) is None
    send_all(desk, stored.id, **({"decide": decide} if decide else {}))
    return desk.ledger.read(lambda read: alerts.get(read, stored.id))


def updated(desk: Scene, before: StoredAlert, **more: Any) -> StoredAlert:
    return following.update(desk.desk, before.code, {"magnitude": "6.1"}, by="siti", **more).alert


def refusal(act: Callable[[], object]) -> str | None:
    """The rule by which something is refused; None where it is not."""
    try:
        act()
    except Refused as refused:
        return refused.rule
    return None


def lost(_: object) -> None:
    """Its sender never came back to say what became of it."""


def of_instance(desk: Scene, alert_id: str, name: str) -> list[views.Delivery]:
    return desk.ledger.read(lambda read: views.deliveries(read, alert_id, instance=name))


def late(desk: Scene, delivery: views.Delivery) -> None:
    """A receipt comes at last."""
    desk.ledger.write(
        lambda write: outcomes.record_evidence(
            write, delivery=delivery.id, attempt=1, evidence=Evidence.DELIVERED, reason="a receipt"
        )
    )


def deliver_by(desk: Scene, delivery: views.Delivery) -> int:
    statement = "SELECT deliver_by FROM delivery WHERE id = :id"
    return int(desk.ledger.read(lambda read: read.sql(statement, {"id": delivery.id}).scalar_one()))


# --- Clocks ---


def test_a_clock_that_was_put_right_does_not_turn_the_thread_round(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.wall_at -= 3 * MINUTE
    update = sent(desk, updated(desk, first))
    assert desk.ledger.read(lambda read: threads.messages(read, first.id)) == [first.id, update.id]
    cancel = following.cancel(desk.desk, first.code, by="siti").alert
    assert cancel.predecessor == update.id
    desk.clock.wall_at -= 3 * MINUTE
    correction = withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON).alert
    assert correction.predecessor == update.id
    with pytest.raises(Refused, match="withdrawn"):
        updated(desk, first)
    approved(desk, cancel)
    with pytest.raises(Refused, match="withdrawn"):
        releases.dispatch(desk.desk, cancel.code, login("siti"))


def test_a_clock_set_forward_brings_no_all_clear_nearer(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    clear = following.all_clear(desk.desk, first.code, by="siti", evidence="Tenang").alert
    desk.clock.pass_by(30 * MINUTE)
    desk.clock.wall_at += 2 * HOUR
    object.__setattr__(desk.desk, "clock_offset", 2 * 3600.0)
    with pytest.raises(Refused) as caught:
        submitting.submit(desk.desk, clear.code, login("siti"), clock_override="Jam tidak bisa dipercaya")
    assert caught.value.rule == "all-clear-time"


# --- What an all-clear waits for ---


def _of_hazard(desk: Scene, first: StoredAlert, hazard: str, fields: dict[str, Any]) -> StoredAlert:
    return following.update(desk.desk, first.code, fields, by="siti", hazard=hazard).alert


def test_an_update_to_another_hazard_does_not_shorten_the_wait_for_the_all_clear(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.pass_by(10 * MINUTE)
    update = sent(desk, _of_hazard(desk, first, "hoax", _hoax(desk)))
    desk.clock.pass_by(20 * MINUTE)
    clear = following.all_clear(desk.desk, update.code, by="siti", evidence="Tenang").alert
    with pytest.raises(Refused) as caught:
        submitting.submit(desk.desk, clear.code, login("siti"))
    assert caught.value.rule == "all-clear-time"
    desk.clock.pass_by(90 * MINUTE)
    submitting.submit(desk.desk, clear.code, login("siti"))


def _hoax(desk: Scene) -> dict[str, Any]:
    fields = desk.desk.library.get("hoax").fields
    return {name: field.example for name, field in fields.items() if field.required or name == "area"}


def test_the_wait_is_counted_from_when_the_hazard_was_first_named(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    desk.clock.pass_by(3 * HOUR)
    tsunami = {"levels": "Awas: Kab. Pacitan", "origin_time": "2026-11-21 14:05", "area": "Pacitan"}
    update = sent(desk, _of_hazard(desk, first, "tsunami", tsunami))
    desk.clock.pass_by(10 * MINUTE)
    clear = following.all_clear(desk.desk, update.code, by="siti", evidence="Tenang").alert
    with pytest.raises(Refused) as caught:
        submitting.submit(desk.desk, clear.code, login("siti"))
    assert caught.value.rule == "all-clear-time"


# --- Whose end message it is ---


def issuers(status: Status = Status.EXERCISE, **changes: Any) -> list[Document]:
    """A message of the issuer whose first one `document` is."""
    first = read_cap(document(status, Scope.PUBLIC), zone=NOW.tzinfo, now=NOW).alert  # type: ignore[arg-type]
    return [Document("next.xml", write_cap(first.model_copy(update={"identifier": "urn:other:2", **changes})))]


OF_THE_FIRST = cap.Reference(sender="bmkg@bmkg.example", identifier="urn:other:1", sent=NOW)
OF_ANOTHER = cap.Reference(sender="bmkg@bmkg.example", identifier="urn:other:77", sent=NOW)


def relayed(desk: Scene) -> StoredAlert:
    content = [Document("first.xml", document(Status.EXERCISE, Scope.PUBLIC))]
    return sent(desk, drafts.from_cap(desk.desk, content, by="siti").alert)


def _waits(desk: Scene, first: StoredAlert, end: list[Document]) -> bool:
    clear = following.all_clear(desk.desk, first.code, by="siti", evidence="", documents=end).alert
    rule = refusal(lambda: submitting.submit(desk.desk, clear.code, login("siti")))
    assert rule in (None, "all-clear-time")
    return rule is not None


def test_the_end_of_another_event_does_not_spare_the_wait(desk: Scene) -> None:
    first = relayed(desk)
    assert _waits(desk, first, issuers(msg_type=MsgType.CANCEL, references=(OF_ANOTHER,)))
    assert not _waits(desk, first, issuers(msg_type=MsgType.CANCEL, references=(OF_ANOTHER, OF_THE_FIRST)))


def test_no_message_of_somebody_else_spares_the_wait_of_a_warning_of_our_own(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    assert _waits(desk, first, issuers(msg_type=MsgType.CANCEL, references=(OF_THE_FIRST,)))


def test_an_update_in_our_own_words_lets_nobody_else_speak_for_the_issuer(desk: Scene) -> None:
    first = relayed(desk)
    own = sent(
        desk,
        _of_hazard(
            desk,
            first,
            "earthquake",
            {"magnitude": 5.6, "origin_time": "2026-11-21 14:05", "place": "Manna", "area": "Manna"},
        ),
    )
    forged = issuers(msg_type=MsgType.CANCEL, references=(OF_THE_FIRST,), sender="forger@example.org")
    for kind in (following.cancel, following.all_clear):
        more = {"evidence": ""} if kind is following.all_clear else {}
        with pytest.raises(BadInput, match=r"forger@example\.org"):
            kind(desk.desk, own.code, by="siti", documents=forged, **more)  # type: ignore[operator]
    assert not _waits(desk, own, issuers(msg_type=MsgType.CANCEL, references=(OF_THE_FIRST,)))


def test_an_end_message_is_never_passed_on_as_an_update(desk: Scene) -> None:
    first = relayed(desk)
    info = read_cap(document(Status.EXERCISE, Scope.PUBLIC), zone=NOW.tzinfo, now=NOW).alert.infos[0]  # type: ignore[arg-type]
    cleared = info.model_copy(update={"response_types": (ResponseType.ALL_CLEAR,)})
    for end in (issuers(msg_type=MsgType.CANCEL), issuers(msg_type=MsgType.UPDATE, infos=(cleared,))):
        with pytest.raises(BadInput, match="all-clear"):
            following.update(desk.desk, first.code, {}, by="siti", documents=end)


def test_nobody_says_alone_that_a_hazard_is_over_whatever_the_message_is_called(desk: Scene) -> None:
    info = read_cap(document(Status.EXERCISE, Scope.PUBLIC), zone=NOW.tzinfo, now=NOW).alert.infos[0]  # type: ignore[arg-type]
    cleared = info.model_copy(update={"response_types": (ResponseType.ALL_CLEAR,)})
    end = drafts.from_cap(desk.desk, issuers(infos=(cleared,)), by="siti").alert
    assert end.kind is Kind.ALERT
    with pytest.raises(Refused) as caught:
        releases.dispatch(desk.desk, end.code, login("siti"), break_glass="Sendirian malam ini")
    assert caught.value.rule == "break-glass-kind"


# --- Whom it reaches ---


def opts_out(desk: Scene, *people: int, family: str = "phone") -> None:
    named = [Named(opt_outs.REFERENCE, desk.keys.address_hash("reference", f"p{n}")) for n in people]
    desk.ledger.write(lambda write: opt_outs.opt_out(write, named, family=family, by="siti"))


def test_whoever_opted_out_gets_no_update_however_late_the_news_that_they_had_the_alert(desk: Scene) -> None:
    first = sent(desk, desk.approved(), decide=lost)
    opts_out(desk, 0, 1, 2, 3)
    update = sent(desk, updated(desk, first))
    assert of_instance(desk, update.id, "sms-drill") == []
    late(desk, of_instance(desk, first.id, "sms-drill")[0])
    assert of_instance(desk, update.id, "sms-drill") == []
    withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON)
    late(desk, of_instance(desk, first.id, "sms-drill")[1])
    (correction,) = desk.ledger.read(lambda read: alerts.listing(read, states=["dispatched"]))
    # What takes words back goes to whom they reached.
    assert len(of_instance(desk, correction.id, "sms-drill")) == 1


def test_whoever_is_known_to_be_reached_long_after_the_withdrawal_still_hears_of_it(desk: Scene) -> None:
    first = sent(desk, desk.approved(), decide=lost)
    correction = withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON).alert
    send_all(desk, correction.id)
    desk.clock.pass_by(2 * HOUR)
    late(desk, of_instance(desk, first.id, "sms-drill")[0])
    (planned,) = of_instance(desk, correction.id, "sms-drill")
    assert deliver_by(desk, planned) == desk.clock.wall() + 30 * MINUTE


def test_an_update_that_follows_late_goes_no_later_than_its_end(desk: Scene) -> None:
    first = sent(desk, desk.approved(), decide=lost)
    update = sent(desk, updated(desk, first))
    assert update.expires_at is not None
    desk.clock.wall_at = update.expires_at - MINUTE
    desk.change("DELETE FROM delivery WHERE alert_id = :id", {"id": update.id})
    late(desk, of_instance(desk, first.id, "sms-drill")[0])
    (planned,) = of_instance(desk, update.id, "sms-drill")
    assert deliver_by(desk, planned) == update.expires_at


def test_a_private_update_goes_to_nobody_whom_it_does_not_name(desk: Scene) -> None:
    object.__setattr__(desk.desk, "identify", desk.keys.address_hash)
    first = relayed(desk)
    assert len(of_instance(desk, first.id, "sms-drill")) == 4
    named = issuers(msg_type=MsgType.UPDATE, scope=Scope.PRIVATE, addresses=("+6281200000001",))
    update = following.update(desk.desk, first.code, {}, by="siti", documents=named).alert
    sent(desk, update)
    assert len(of_instance(desk, update.id, "sms-drill")) == 1
    assert len(of_instance(desk, update.id, "bot-drill")) == 1


def test_a_correction_takes_the_channel_that_is_still_there(desk: Scene) -> None:
    instances = {
        **CHANNELS,
        "aaa-drill": instance("kannel", "drill", public=False),
    }
    desk.reconfigure(instances=instances)
    first = sent(desk, desk.approved(), without=["sms-drill"])
    assert len(of_instance(desk, first.id, "aaa-drill")) == 4
    update = sent(desk, updated(desk, first), without=["aaa-drill"])
    assert len(of_instance(desk, update.id, "sms-drill")) == 4
    desk.reconfigure(instances={name: each for name, each in instances.items() if name != "aaa-drill"})
    correction = withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON).alert
    assert vouched(desk, correction.id) is None
    expand_all(desk.ledger, correction.id)
    assert of_instance(desk, correction.id, "aaa-drill") == []
    assert len(of_instance(desk, correction.id, "sms-drill")) == 4


def test_a_correction_is_there_in_a_language_that_an_update_left_out(desk: Scene) -> None:
    first = sent(desk, desk.approved())
    sent(desk, updated(desk, first), without=["toots-drill:en"])
    correction = withdrawing.release_correction(desk.desk, first.code, login("made"), reason=REASON).alert
    assert vouched(desk, correction.id) is None
    expand_all(desk.ledger, correction.id)
    assert sorted(d.language for d in of_instance(desk, correction.id, "toots-drill")) == ["en", "id"]
    shown = {(m.instance, m.language) for m in desk.ledger.read(lambda read: renderings.of(read, correction.id))}
    assert ("toots-drill", "en") in shown


def test_what_follows_a_public_exercise_is_one(desk: Scene) -> None:
    first = desk.drafted()
    exercise = first.draft.model_copy(update={"public_exercise": True})
    assert exercise.mode is Mode.EXERCISE
    update = words_following.update(first.draft, exercise)
    assert update.mode is Mode.EXERCISE
