"""A public exercise: on real accounts, marked, announced beforehand, by the approval of two officers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kentongan.cap.model import Status
from kentongan.desk import approvals, drill_schedules, drills, releases, withdrawing
from kentongan.desk.submitting import Submitted
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, renderings
from kentongan.ledger.drills import Part, State
from kentongan.officers import Refusal
from kentongan.seam import Mode
from tests.kentongan.desk.rehearsals import live, move_to, rehearsing, run_of, scheduled, sent, start_due, state
from tests.kentongan.desk.scenes import Scene, login, vouched
from tests.kentongan.ledger.scenes import NOW

START = NOW.replace(day=26, hour=3, minute=0)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with rehearsing(tmp_path / "desk") as made:
        yield made


def approved(desk: Scene, made: Submitted) -> Submitted:
    for name in ("siti", "budi"):
        approvals.approve(desk.desk, made.alert.code, login(name))
    return made


def announced(desk: Scene, start: datetime = START, *, before: timedelta = timedelta(days=1)) -> str:
    """Sends the announcement, so long before; returns its id."""
    move_to(desk, start - before)
    made = approved(desk, drills.announce(desk.desk, "open", start, login("siti")))
    return drills.begin(desk.desk, made.alert.code, login("siti")).alert.id


def test_it_takes_two_approvals_and_one_may_be_the_submitters(desk: Scene) -> None:
    announced(desk)
    move_to(desk, START)
    made = drills.prepare(desk.desk, "open", login("siti"))
    assert made.alert.mode is Mode.EXERCISE
    _, verdict = approvals.approve(desk.desk, made.alert.code, login("siti"))
    assert isinstance(verdict, Refusal)
    assert verdict.rule == "approval-two"
    assert state(desk, made.alert.id) == "submitted"
    with pytest.raises(Refused) as refused:
        drills.begin(desk.desk, made.alert.code, login("siti"))
    assert refused.value.rule == "approval-two"
    _, verdict = approvals.approve(desk.desk, made.alert.code, login("siti"))
    assert isinstance(verdict, Refusal)
    stored, verdict = approvals.approve(desk.desk, made.alert.code, login("budi"))
    assert not isinstance(verdict, Refusal)
    assert (stored.state, set(verdict.by)) == ("approved", {"siti", "budi"})
    released = drills.begin(desk.desk, made.alert.code, login("made"))
    assert {i.name for i in released.plan.instances} == {"toots-exercise", "sms-exercise"}
    assert not released.plan.life_at_stake
    assert vouched(desk, released.alert.id) is None


def test_nobody_sends_it_alone(desk: Scene) -> None:
    announced(desk)
    move_to(desk, START)
    made = drills.prepare(desk.desk, "open", login("siti"))
    with pytest.raises(Refused) as refused:
        releases.dispatch(desk.desk, made.alert.code, login("siti"), break_glass="nobody answers")
    assert refused.value.rule == "break-glass-kind"
    approvals.approve(desk.desk, made.alert.code, login("budi"))
    # The submission of one and the approval of another, which is enough for every other alert.
    with pytest.raises(Refused):
        drills.begin(desk.desk, made.alert.code, login("siti"))


def test_every_message_of_it_is_marked_and_on_an_exercise_channel(desk: Scene) -> None:
    notice = announced(desk)
    move_to(desk, START)
    made = approved(desk, drills.prepare(desk.desk, "open", login("siti")))
    drills.begin(desk.desk, made.alert.code, login("siti"))
    for id in (notice, made.alert.id, made.correction.id):
        messages = desk.ledger.read(lambda read, id=id: renderings.of(read, id))  # type: ignore[misc]
        assert {message.instance for message in messages} == {"toots-exercise", "sms-exercise"}
        for message in messages:
            assert message.mode is Mode.EXERCISE
            assert message.mark
            assert message.text.startswith(message.mark)
            assert message.text.rstrip().endswith(message.mark)


def test_the_announcement_says_when_and_that_it_is_an_exercise(desk: Scene) -> None:
    notice = announced(desk)
    stored = desk.ledger.read(lambda read: alerts.get(read, notice))
    assert stored.draft.cap.status is Status.EXERCISE
    assert stored.expires_at == int(START.timestamp() * 1000)
    (said,) = [
        message.text
        for message in desk.ledger.read(lambda read: renderings.of(read, notice))
        if (message.instance, message.language) == ("toots-exercise", "id")
    ]
    assert "26 Nov 2026 10.00 WIB akan diadakan latihan gempa bumi di Kota Bengkulu" in said
    assert "ini hanya latihan" in said
    assert (run_of(desk, notice).part, run_of(desk, notice).state) == (Part.NOTICE, State.DONE)


@pytest.mark.parametrize(
    ("announce_before", "begin_after", "goes"),
    [
        (timedelta(days=1), timedelta(0), True),
        (timedelta(hours=1), timedelta(0), True),
        (timedelta(minutes=59), timedelta(0), False),
        (timedelta(days=1), 15 * MINUTE, True),
        (timedelta(days=1), -15 * MINUTE, True),
        (timedelta(days=1), 16 * MINUTE, False),
        (timedelta(days=1), -16 * MINUTE, False),
    ],
)
def test_it_begins_only_when_it_was_announced_for(
    desk: Scene, announce_before: timedelta, begin_after: timedelta, goes: bool
) -> None:
    announced(desk, before=announce_before)
    move_to(desk, START + begin_after)
    made = approved(desk, drills.prepare(desk.desk, "open", login("siti")))
    if goes:
        drills.begin(desk.desk, made.alert.code, login("siti"))
        return
    with pytest.raises(Refused) as refused:
        drills.begin(desk.desk, made.alert.code, login("siti"))
    assert refused.value.rule == "announcement"


def test_an_announcement_that_was_withdrawn_announces_nothing(desk: Scene) -> None:
    notice = announced(desk)
    sent(desk, notice)
    withdrawing.release_correction(desk.desk, notice, login("made"), reason="sent_by_mistake")
    move_to(desk, START)
    made = approved(desk, drills.prepare(desk.desk, "open", login("siti")))
    with pytest.raises(Refused, match="was not announced"):
        drills.begin(desk.desk, made.alert.code, login("siti"))


def test_a_drill_that_is_not_public_is_announced_to_nobody(desk: Scene) -> None:
    with pytest.raises(BadInput, match="is no public exercise"):
        drills.announce(desk.desk, "quake", START, login("siti"))
    with pytest.raises(BadInput, match="has passed"):
        drills.announce(desk.desk, "open", NOW - MINUTE, login("siti"))


def test_a_live_alert_stops_it_and_says_so_on_the_real_accounts(desk: Scene) -> None:
    notice = announced(desk)
    sent(desk, notice)
    move_to(desk, START)
    made = approved(desk, drills.prepare(desk.desk, "open", login("siti")))
    exercise = drills.begin(desk.desk, made.alert.code, login("siti"))
    reached = sent(desk, exercise.alert.id)
    warning = live(desk)
    (end,) = warning.ends
    assert vouched(desk, end) is None
    told = sent(desk, end)
    assert {(each.instance, each.person_id) for each in told} == {(each.instance, each.person_id) for each in reached}
    assert all(each.instance.endswith("-exercise") for each in told)
    # The announcement has said that a real danger stops the exercise; it needs no withdrawal.
    assert state(desk, notice) == "dispatched"


def test_a_scheduled_public_exercise_announces_itself_and_then_begins(desk: Scene) -> None:
    scheduled(desk, "open")
    move_to(desk, START - timedelta(days=1, seconds=1))
    assert start_due(desk) == []
    move_to(desk, START - timedelta(days=1))
    (notice,) = start_due(desk)
    assert notice.released is not None
    assert notice.drill.part is Part.NOTICE
    assert vouched(desk, notice.released.alert.id) is None
    assert start_due(desk) == []
    sent(desk, notice.released.alert.id)
    move_to(desk, START)
    (exercise,) = start_due(desk)
    assert exercise.released is not None
    assert exercise.released.alert.mode is Mode.EXERCISE
    assert vouched(desk, exercise.released.alert.id) is None


def test_a_scheduled_public_exercise_that_could_not_be_announced_is_dropped(desk: Scene) -> None:
    scheduled(desk, "open")
    move_to(desk, START - timedelta(minutes=30))
    assert start_due(desk) == []
    move_to(desk, START)
    (dropped,) = start_due(desk)
    assert dropped.drill.state is State.DROPPED
    assert "was not announced" in dropped.drill.why


def test_an_announcement_waits_for_a_live_alert_to_pass(desk: Scene) -> None:
    scheduled(desk, "open")
    move_to(desk, START - timedelta(days=1, minutes=1))
    warning = live(desk)
    sent(desk, warning.alert.id)
    move_to(desk, START - timedelta(days=1))
    assert start_due(desk) == []
    move_to(desk, START - timedelta(hours=17))
    (notice,) = start_due(desk)
    assert notice.released is not None


def test_a_schedule_of_a_public_exercise_takes_two_officers_as_every_schedule(desk: Scene) -> None:
    drill_schedules.schedule(desk.desk, "open", "monthly-26th 10:00", login("siti"))
    move_to(desk, START - timedelta(days=1))
    assert start_due(desk) == []
