"""Drills yield to live alerts: none begins beside one, and one that runs is stopped by it and said to be over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kentongan.alert import Kind
from kentongan.cap.model import Status
from kentongan.delivery import Phase
from kentongan.desk import drills, plans, releases, subjects, withdrawing
from kentongan.errors import Refused
from kentongan.ledger import Write, alerts, claims, dispatches, renderings, submissions
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.drills import State
from kentongan.seam import Mode
from tests.kentongan.desk.rehearsals import (
    approved_live,
    begun,
    events,
    history,
    live,
    move_to,
    rehearsing,
    run_of,
    scheduled,
    sent,
    start_due,
    state,
)
from tests.kentongan.desk.scenes import Scene, login, send_all, vouched
from tests.kentongan.ledger.scenes import HOUR, NOW, expand_all, register_sender

SLOT = NOW.replace(day=26, hour=3, minute=0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with rehearsing(tmp_path / "desk") as made:
        yield made


def over(desk: Scene, alert_id: str) -> str | None:
    """The message by which a drill was said to be over."""
    return desk.ledger.read(lambda read: ledger_threads.withdrawal(read, alert_id))


def test_a_live_alert_stops_a_running_drill_and_those_it_reached_hear_that_it_is_over(desk: Scene) -> None:
    drill = begun(desk)
    reached = sent(desk, drill.alert.id)
    desk.clock.pass_by(60_000)
    warning = live(desk)

    assert state(desk, drill.alert.id) == "stopped"
    assert (run_of(desk, drill.alert.id).state, run_of(desk, drill.alert.id).score) == (State.STOPPED, None)
    end = over(desk, drill.alert.id)
    assert end is not None
    assert vouched(desk, end) is None
    told = sent(desk, end)
    assert {(d.instance, d.person_id) for d in told} == {(d.instance, d.person_id) for d in reached}
    words = desk.ledger.read(lambda read: renderings.of(read, end))
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, end))
    assert dispatched is not None
    for message in words:
        filled = message.filled(dispatched.plan.values[message.language])
        assert filled.mode is Mode.DRILL
        assert filled.text.startswith(message.mark)
        assert filled.text.rstrip().endswith(message.mark)
        if message.language == "id" and message.kind != "cap_feed":
            assert "latihan itu dihentikan" in filled.text
    assert vouched(desk, warning.alert.id) is None
    assert state(desk, warning.alert.id) == "dispatched"


def test_the_stop_and_the_live_alert_are_one_commit(desk: Scene) -> None:
    """No moment lies between: from the commit that sends the live alert, no request of the drill can be begun."""
    drill = begun(desk)
    expand_all(desk.ledger, drill.alert.id)
    sender = register_sender(desk.ledger, "s1")
    claimed = desk.ledger.write(
        lambda write: claims.claim(write, sender=sender, alert_id=drill.alert.id, instance="sms-drill", most=10)
    )
    assert claimed
    live(desk)
    ids = [each.id for each in claimed]
    assert desk.ledger.write(lambda w: claims.intend(w, sender=sender, deliveries=ids, phase=Phase.IRREVERSIBLE)) == []
    links = {(event.chain, event.seq) for event in events(desk, "alert.stopped", "drill.stopped")}
    dispatched = [event for event in events(desk, "alert.dispatched") if not event.data["proof"].get("withdraws")]
    assert links == {(dispatched[-1].chain, dispatched[-1].seq)}


def test_a_drill_sent_without_a_scenario_is_stopped_as_well(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    sent(desk, stored.id)
    live(desk)
    assert state(desk, stored.id) == "stopped"
    assert over(desk, stored.id) is not None


def test_what_is_in_doubt_of_a_drill_hears_of_its_end_too(desk: Scene) -> None:
    drill = begun(desk)
    send_all(desk, drill.alert.id, lambda item: None)
    live(desk)
    assert state(desk, drill.alert.id) == "stopped"
    assert run_of(desk, drill.alert.id).state is State.STOPPED


def test_a_live_alert_goes_even_where_the_end_of_a_drill_cannot_be_announced(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)

    def broken(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(plans, "of_correction", broken)
    warning = live(desk)
    assert state(desk, warning.alert.id) == "dispatched"
    assert vouched(desk, warning.alert.id) is None
    assert state(desk, drill.alert.id) == "stopped"
    (event,) = events(desk, "drill.not_announced")
    assert (event.alert_id, event.data["why"]) == (drill.alert.id, "ZeroDivisionError")
    # What was half done of it is taken back: its correction still lies ready, and nobody's word is on it.
    prepared = desk.ledger.read(lambda read: subjects.prepared_correction(read, drill.alert.id))
    assert prepared is not None
    assert desk.ledger.read(lambda read: submissions.approvals(read, prepared.id)) == []
    monkeypatch.undo()
    withdrawing.release_correction(desk.desk, drill.alert.code, login("made"), reason="drill_stopped")


def test_a_correction_that_ends_a_drill_is_not_stopped_by_a_live_alert(desk: Scene) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)
    end = withdrawing.release_correction(desk.desk, drill.alert.code, login("made"), reason="was_a_test")
    live(desk)
    assert state(desk, end.alert.id) == "dispatched"


def test_a_live_correction_stops_drills_too(desk: Scene) -> None:
    warning = live(desk)
    sent(desk, warning.alert.id)
    desk.clock.pass_by(7 * HOUR)
    drill = begun(desk)
    sent(desk, drill.alert.id)
    withdrawing.release_correction(desk.desk, warning.alert.code, login("made"), reason="wrong_area")
    assert state(desk, drill.alert.id) == "stopped"
    assert over(desk, drill.alert.id) is not None


def test_no_live_alert_is_withdrawn_because_a_drill_was_stopped(desk: Scene) -> None:
    warning = live(desk)
    with pytest.raises(Refused, match="no drill"):
        withdrawing.release_correction(desk.desk, warning.alert.code, login("made"), reason="drill_stopped")


# --- None begins ---


@pytest.mark.parametrize("status", [Status.EXERCISE, Status.TEST])
def test_no_drill_begins_within_six_hours_of_a_live_alert(desk: Scene, status: Status) -> None:
    warning = live(desk)
    sent(desk, warning.alert.id)
    desk.clock.pass_by(6 * HOUR - 1)
    observed = (desk.desk.now - timedelta(minutes=2)).isoformat()
    stored = desk.approved({"origin_time": observed}, status=status)
    with pytest.raises(Refused, match=f"live alert {warning.alert.code} was sent less than six hours ago") as refused:
        releases.dispatch(desk.desk, stored.code, login("siti"))
    assert refused.value.rule == "yield"
    with pytest.raises(Refused):
        drills.prepare(desk.desk, "quake", login("siti"))
    desk.clock.pass_by(1)
    releases.dispatch(desk.desk, stored.code, login("siti"))


def test_no_drill_begins_while_a_live_alert_is_approved_until_the_approval_lapses(desk: Scene) -> None:
    stored = approved_live(desk)
    with pytest.raises(Refused, match=f"live alert {stored.code} is approved"):
        drills.prepare(desk.desk, "quake", login("siti"))
    desk.clock.pass_by(HOUR // 2)
    drills.prepare(desk.desk, "quake", login("siti"))


def test_no_drill_begins_while_a_live_alert_is_still_being_sent(desk: Scene) -> None:
    warning = live(desk)
    desk.clock.pass_by(7 * HOUR)
    with pytest.raises(Refused, match=f"live alert {warning.alert.code} is still being sent"):
        drills.prepare(desk.desk, "quake", login("siti"))


def test_a_drill_can_be_ended_beside_a_live_alert(desk: Scene) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)

    def stopped_by_hand(write: Write) -> None:
        dispatches.stop(write, drill.alert.id, by="siti", signed=True)

    desk.ledger.write(stopped_by_hand)
    live(desk)
    end = withdrawing.release_correction(desk.desk, drill.alert.code, login("made"), reason="was_a_test")
    assert end.alert.kind is Kind.CORRECTION


def test_a_scheduled_run_is_dropped_beside_a_live_alert(desk: Scene) -> None:
    scheduled(desk)
    move_to(desk, SLOT - timedelta(hours=1))
    warning = live(desk)
    sent(desk, warning.alert.id)
    move_to(desk, SLOT)
    (dropped,) = start_due(desk)
    assert dropped.released is None
    assert dropped.drill.state is State.DROPPED
    assert dropped.drill.why == f"live alert {warning.alert.code} was sent less than six hours ago"
    assert start_due(desk) == []
    assert [each.id for each in history(desk)] == [dropped.drill.id]
    listed = desk.ledger.read(alerts.listing)
    assert [each.id for each in listed if each.mode is not Mode.LIVE] == []


def test_a_live_alert_that_comes_while_a_run_is_being_rendered_wins(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendering takes a while; the look that counts is in the transaction that would send the drill."""
    scheduled(desk)
    move_to(desk, SLOT)
    compose = drills.drafting.from_facts
    sent_meanwhile: list[str] = []

    def slow(*arguments: object, **more: object) -> object:
        made = compose(*arguments, **more)  # type: ignore[arg-type]
        if not sent_meanwhile and made.cap.identifier not in ("kentongan-drill",):
            sent_meanwhile.append("")
            sent_meanwhile[0] = live(desk).alert.code
        return made

    monkeypatch.setattr(drills.drafting, "from_facts", slow)
    (dropped,) = start_due(desk)
    assert dropped.drill.state is State.DROPPED
    assert sent_meanwhile[0] in dropped.drill.why
