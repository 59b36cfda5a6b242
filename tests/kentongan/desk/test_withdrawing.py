"""Stopping an alert, withdrawing it, and settling what is in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kentongan.delivery import Evidence
from kentongan.desk import approvals, releases, settling, subjects, submitting, withdrawing
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, dispatches, outcomes, views
from kentongan.ledger.outcomes import Settled
from kentongan.officers import Refusal
from kentongan.policy import Decision, Reason
from tests.kentongan.desk.scenes import CHANNELS, Scene, login, rule, send_all, vouched, write_config
from tests.kentongan.ledger.scenes import expand_all

REASON = "wrong_area"


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
            withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
        assert rule(caught) == "state"


def test_an_alert_is_withdrawn_once_and_for_a_known_reason(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    with pytest.raises(BadInput, match="'because' is no reason; known are"):
        withdrawing.release_correction(desk.desk, stored.code, login("made"), reason="because")
    withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
    with pytest.raises(Refused, match="is withdrawn already"):
        withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)


@pytest.mark.parametrize("how", ["stopped", "ended", "running"])
def test_one_officer_withdraws_whatever_has_become_of_the_alert_and_the_config(desk: Scene, how: str) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id)
    if how == "stopped":
        releases.stop(desk.desk, stored.code, by="siti", signed=True)
    elif how == "ended":
        desk.clock.pass_by(round(timedelta(hours=7).total_seconds() * 1000))
        assert desk.ledger.write(dispatches.end_expired) == 1
    # Stricter rules, other channels, another audience: nothing of it may bar the withdrawal.
    desk.reconfigure(
        instances={"toots-drill": CHANNELS["toots-drill"]},
        audiences={},
        policy={"approval_lasts": 1, "break_glass": []},
    )
    correction = withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
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
    correction = withdrawing.release_correction(desk.desk, stored.code, login("siti"), reason=REASON)
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
    correction = withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)

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
    correction = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    assert correction is not None
    desk.change(statement, {"id": correction.id})
    with pytest.raises(Refused) as caught:
        withdrawing.release_correction(desk.desk, stored.code, login("made"), reason=REASON)
    assert rule(caught) in ("approval-changed", "correction-changed")
    assert desk.ledger.read(lambda read: alerts.get(read, stored.id)).state == "dispatched"


def test_nobody_writes_a_correction_as_an_alert(desk: Scene) -> None:
    stored = desk.submitted()
    correction = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    assert correction is not None
    with pytest.raises(Refused, match="approved with its alert; release it"):
        submitting.submit(desk.desk, correction.code, login("siti"))
    with pytest.raises(Refused):
        releases.dispatch(desk.desk, correction.code, login("siti"), break_glass="now")


# --- Doubt ---


def test_an_officer_settles_a_doubt(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    send_all(desk, stored.id, lambda _: Decision(Evidence.IN_DOUBT, Reason.OFFICER))
    first, second, third, *_ = desk.ledger.read(lambda read: views.deliveries(read, stored.id))
    assert settling.resolve(desk.desk, first.id, login("made"), sent=True, again=False) == "accepted"
    assert settling.resolve(desk.desk, second.id, login("made"), sent=False, again=True) == "planned"
    assert settling.resolve(desk.desk, third.id, login("made"), sent=False, again=False) == "cancelled"
    with pytest.raises(Refused) as caught:
        settling.resolve(desk.desk, first.id, login("made"), sent=True, again=False)
    assert rule(caught) == "state"
    with pytest.raises(BadInput, match="no delivery 999 in this ledger"):
        settling.resolve(desk.desk, 999, login("made"), sent=True, again=False)


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
