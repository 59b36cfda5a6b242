"""A drill by hand: prepared, approved by another officer, begun, corrected and measured; nothing of it can go live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kentongan.alert import Kind
from kentongan.area.rows import RegionRow
from kentongan.cap.model import Status
from kentongan.desk import approvals, drills, following, releases, subjects, withdrawing
from kentongan.errors import BadInput, LedgerUnavailable, Refused
from kentongan.ledger import alerts, receipts, regions
from kentongan.ledger.drills import State
from kentongan.seam import Confirmed, Mode, Receipt
from tests.kentongan.desk.rehearsals import SCENARIOS, begun, history, rehearsing, run_of, sent, state
from tests.kentongan.desk.scenes import CHANNELS, Scene, instance, login, send_all, vouched

RECEIPTS = {
    **CHANNELS,
    "sms-drill": instance(
        "kannel",
        "drill",
        public=False,
        receipt_url="http://127.0.0.1:8790/receipts/sms-drill",
        receipt_secret={"env": "A_TOKEN"},
    ),
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with rehearsing(tmp_path / "desk", instances=RECEIPTS) as made:
        yield made


def test_a_drill_goes_the_way_of_every_alert_and_is_scored(desk: Scene) -> None:
    made = drills.prepare(desk.desk, "quake", login("siti"))
    assert (made.alert.mode, made.alert.draft.cap.status) == (Mode.DRILL, Status.EXERCISE)
    assert run_of(desk, made.alert.id).state is State.PREPARED
    with pytest.raises(Refused, match="is not approved"):
        drills.begin(desk.desk, made.alert.code, login("siti"))
    with pytest.raises(Refused, match="cannot approve it too"):
        approvals.approve(desk.desk, made.alert.code, login("siti"))
    approvals.approve(desk.desk, made.alert.code, login("budi"))
    released = drills.begin(desk.desk, made.alert.code, login("siti"))
    assert vouched(desk, released.alert.id) is None
    assert all(name.endswith("-drill") for name in (i.name for i in released.plan.instances))
    desk.clock.pass_by(2_000)
    delivered = sent(desk, released.alert.id)
    texts = [each for each in delivered if each.instance == "sms-drill"]
    for each in texts[:1]:
        receipt = Receipt(Confirmed.DELIVERED, key=each.key)
        desk.ledger.write(lambda write, r=receipt: receipts.record(write, instance="sms-drill", receipts=[r]))  # type: ignore[misc]
    desk.clock.pass_by(298_000)
    (corrected,) = drills.advance(desk.desk)
    assert corrected.released is not None
    assert vouched(desk, corrected.released.alert.id) is None
    desk.clock.pass_by(240_000)
    sent(desk, corrected.released.alert.id)
    desk.clock.pass_by(61_000)
    (ended,) = drills.advance(desk.desk)
    result = ended.drill.result
    assert result is not None
    assert (result.deliveries, result.accepted, result.first, result.last) == (
        len(delivered),
        len(delivered),
        2_000,
        2_000,
    )
    assert (result.receipted, result.delivered) == (len(texts), 1)
    assert (result.to_correct, result.corrected, result.corrected_after) == (len(delivered), len(delivered), 240_000)
    # First and last in time, a third or so of the receipts, the correction at twice its target: half of its worth.
    assert ended.drill.score == round(100 * (1 + 1 + 1 / len(texts) / 0.95 + 0.5) / 4)
    assert [each.score for each in history(desk)] == [ended.drill.score]


def test_a_run_waits_for_receipts_only_as_long_as_it_says(desk: Scene) -> None:
    drill = begun(desk, "short")
    sent(desk, drill.alert.id)
    desk.clock.pass_by(29_999)
    assert drills.advance(desk.desk) == []
    desk.clock.pass_by(1)
    (ended,) = drills.advance(desk.desk)
    assert ended.drill.state is State.DONE


def test_a_run_without_a_scenario_is_measured_too(desk: Scene) -> None:
    stored = desk.approved()
    drills.begin(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id)
    desk.clock.pass_by(61_000)
    (ended,) = drills.advance(desk.desk)
    assert (ended.drill.scenario, ended.drill.state) == ("", State.DONE)


def test_a_drill_that_an_officer_stops_has_no_score(desk: Scene) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)
    releases.stop(desk.desk, drill.alert.code, by="made", signed=True)
    desk.clock.pass_by(301_000)
    (ended,) = drills.advance(desk.desk)
    assert (ended.drill.state, ended.drill.score) == (State.STOPPED, None)


def test_a_correction_whose_word_has_lapsed_does_not_go(tmp_path: Path) -> None:
    with rehearsing(tmp_path / "desk", policy={"approval_lasts": 120}) as desk:
        drill = begun(desk)
        sent(desk, drill.alert.id)
        desk.clock.pass_by(300_000)
        (ended,) = drills.advance(desk.desk)
        assert ended.drill.state is State.DONE
        assert "lapsed" in ended.drill.why
        assert ended.drill.result is not None
        assert ended.drill.result.corrected == 0
        prepared = desk.ledger.read(lambda read: subjects.prepared_correction(read, drill.alert.id))
        assert prepared is not None


def test_a_run_whose_correction_fails_ends_so_and_holds_up_no_other(
    desk: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = begun(desk), begun(desk)
    for each in (broken, sound):
        sent(desk, each.alert.id)
    withdraw = withdrawing.withdraw

    def fail(desk: Any, write: Any, alert_id: str, *more: Any) -> Any:
        if alert_id == broken.alert.id:
            raise ZeroDivisionError
        return withdraw(desk, write, alert_id, *more)

    monkeypatch.setattr(withdrawing, "withdraw", fail)
    desk.clock.pass_by(300_000)
    first, second = sorted(drills.advance(desk.desk), key=lambda moved: moved.drill.alert_id != broken.alert.id)
    assert (first.drill.state, first.drill.why) == (State.DONE, "it could not go on (ZeroDivisionError)")
    assert second.released is not None
    assert state(desk, sound.alert.id) == "withdrawn"


def test_a_ledger_that_does_not_answer_ends_no_run(desk: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)
    desk.clock.pass_by(300_000)

    def silent(*arguments: Any) -> Any:
        raise LedgerUnavailable("the ledger does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(withdrawing, "withdraw", silent)
        with pytest.raises(LedgerUnavailable):
            drills.advance(desk.desk)
    assert run_of(desk, drill.alert.id).state is State.RUNNING
    (moved,) = drills.advance(desk.desk)
    assert moved.released is not None


def test_each_step_is_taken_once_by_whoever_comes_first(desk: Scene) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)
    desk.clock.pass_by(300_000)
    running = run_of(desk, drill.alert.id)
    assert drills._advance(desk.desk, running) is not None
    # Another process that has seen the run as it was.
    assert drills._advance(desk.desk, running) is None
    assert len(drills.advance(desk.desk)) == 0
    corrections = [each for each in desk.ledger.read(alerts.listing) if each.kind is Kind.CORRECTION]
    assert [each.state for each in corrections] == ["dispatched"]


def test_a_live_alert_is_no_drill(desk: Scene) -> None:
    stored = desk.approved(status=Status.ACTUAL)
    with pytest.raises(Refused, match="is live and no drill"):
        drills.begin(desk.desk, stored.code, login("siti"))
    assert state(desk, stored.id) == "approved"


def test_what_follows_is_not_begun_as_a_drill(desk: Scene) -> None:
    drill = begun(desk)
    sent(desk, drill.alert.id)
    update = following.update(desk.desk, drill.alert.code, {"magnitude": "6.1"}, by="siti").alert
    with pytest.raises(Refused, match="follows another message"):
        drills.begin(desk.desk, update.code, login("siti"))


def test_an_unknown_drill_is_named_with_those_that_are_known(desk: Scene) -> None:
    with pytest.raises(BadInput, match="known are open, quake, short"):
        drills.prepare(desk.desk, "quaek", login("siti"))


def test_the_check_names_what_is_wrong_with_a_scenario(desk: Scene) -> None:
    assert drills.faults(desk.desk, "quake") == []
    wrong = {"hazard": "earthquake", "facts": {**SCENARIOS["quake"]["facts"], "magnitud": "6"}}
    desk.reconfigure(instances=RECEIPTS, drills={"scenarios": {"quake": wrong, "open": SCENARIOS["open"]}})
    assert "did you mean magnitude?" in drills.faults(desk.desk, "quake")[0]
    assert drills.faults(desk.desk, "open") == [
        "scenarios.open: no channel of channels.yaml has mode exercise; add one"
    ]


def test_the_check_names_a_scenario_that_would_be_refused_for_where_it_is(desk: Scene) -> None:
    nowhere = {**SCENARIOS["quake"], "facts": {k: v for k, v in SCENARIOS["quake"]["facts"].items() if k != "area"}}
    desk.reconfigure(instances=RECEIPTS, drills={"scenarios": {"quake": SCENARIOS["quake"], "nowhere": nowhere}})
    assert drills.faults(desk.desk, "quake") == []
    assert "--set area=NAME" in drills.faults(desk.desk, "nowhere")[0]
    # The agency loads its regions, and the drill is in none of them.
    ready = regions.prepared([RegionRow(1, "99", "Provinsi Contoh"), RegionRow(2, "99.01", "Kabupaten Contoh")])
    desk.ledger.write(lambda write: regions.import_regions(write, ready, source="x", replace=False))
    (sentence,) = drills.faults(desk.desk, "quake")
    assert sentence.startswith("scenarios.quake: no loaded region lies in the area")
    with pytest.raises(Refused, match="no loaded region"):
        drills.prepare(desk.desk, "quake", login("siti"))
