"""A drill as the command line plays and shows it: sent, corrected, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from console import exits, output
from kentongan import telling
from kentongan.ledger import Read, dispatches, views
from kentongan.ledger import drills as register
from kentongan.ledger.drills import State, StoredDrill

if TYPE_CHECKING:
    from console.office import Office

_LOOK = 0.5


def play(
    office: Office,
    alert_id: str,
    names: Collection[str],
    *,
    begin: Callable[[], object] | None,
    no_wait: bool,
    as_json: bool = True,
) -> int:
    """Follows a drill to its end, sending on `names` where no service does; returns the exit code.

    `begin` commits its dispatch, and is None where that is done. What a service or another command does of it meanwhile
    is joined: each step is taken once.
    """
    from console import following, standing
    from console.commands import send
    from console.progress import LiveTable, progress
    from kentongan.desk import drills

    ledger = office.desk.ledger
    if no_wait:
        if begin is not None:
            begin()
        return send.hand_over(office, alert_id)

    def follow(id: str, begin: Callable[[], object] | None) -> tuple[bool, int]:
        shown = progress(office.zone)
        with office.sender() as house:
            follower = following.Follower(house, id, send.open_channels(office, names), shown)
            try:
                seen, ended = following.run(follower.run(begin))
            finally:
                shown.close()
        if ended and not output.wants_json():
            for line in (*standing.banners(seen), standing.heading(seen)):
                output.say(line)
            if not isinstance(shown, LiveTable):
                output.terminal().print(standing.table(seen, office.zone))
        return ended, standing.exit_code(seen, office.settings.policy.tolerated_share)

    ended, code = True, exits.WELL
    if begin is not None or ledger.read(lambda read: views.is_open(read, alert_id)):
        ended, code = follow(alert_id, begin)
    while ended:
        current = ledger.read(lambda read: register.of_alert(read, alert_id))
        if current is None or current.state is not State.RUNNING:
            break
        moved = drills.advance(office.desk)
        after = [each.released.alert.id for each in moved if each.released is not None and each.drill.id == current.id]
        for id in after or _corrections(office, alert_id):
            ended, _ = follow(id, None)
        if not moved:
            time.sleep(_LOOK)
    if not ended:
        output.warn("the drill goes on with the service, or with `kentongan drill run --due`")
        return exits.DETACHED
    finished = ledger.read(lambda read: register.of_alert(read, alert_id))
    if finished is not None and as_json and output.wants_json():
        output.document({**to_json(finished), "exit_code": code})
    elif finished is not None and not output.wants_json():
        show(office, finished)
    return code


def _corrections(office: Office, alert_id: str) -> list[str]:
    """The correction that somebody else has released meanwhile, while it is still to be sent."""
    from kentongan.ledger import threads

    def find(read: Read) -> list[str]:
        found = threads.withdrawal(read, alert_id)
        return [found] if found is not None and views.is_open(read, found) else []

    return office.desk.ledger.read(find)


def instances(read: Read, alert_ids: Sequence[str]) -> set[str]:
    """The names of the instances that these dispatches go to."""
    found = [dispatches.get(read, id) for id in alert_ids]
    return {instance.name for each in found if each is not None for instance in each.plan.instances}


def state_of(drill: StoredDrill) -> str:
    """Where a run stands, in words: "dropped: late: not begun within 15 min"."""
    return f"{drill.state.value}{f': {drill.why}' if drill.why else ''}"


def show(office: Office, drill: StoredDrill) -> None:
    """Writes what a run has achieved against its targets."""
    from kentongan.report.drill import read_score

    assert drill.alert_id is not None
    alert_id = drill.alert_id
    told = office.desk.ledger.read(lambda read: read_score(read, alert_id))
    name = f"Drill {drill.scenario}" if drill.scenario else "The drill"
    if drill.score is None or told is None:
        output.say(f"{name} is {state_of(drill)}; it has no score.")
        return
    output.say(f"{name}: {drill.score} of 100{f' ({drill.why})' if drill.why else ''}")
    rows = [(each.name, each.wanted, each.was, "met" if each.met else "NOT MET") for each in told.targets]
    output.print_table(("target", "wanted", "was", ""), rows, right=(1, 2))
    output.say(f"Next: kentongan drill results {drill.scenario}".rstrip())


def to_json(drill: StoredDrill) -> dict[str, Any]:
    """A run with stable keys; times of `measured` are milliseconds from the dispatch."""
    import dataclasses

    from kentongan.drills import parts

    judged = parts(drill.result, drill.plan.targets) if drill.result is not None else ()
    return {
        "id": drill.id,
        "scenario": drill.scenario or None,
        "part": drill.part.value,
        "alert": drill.alert_id,
        "schedule": drill.schedule_id,
        "slot": telling.iso(drill.slot),
        "state": drill.state.value,
        "why": drill.why or None,
        "began_at": telling.iso(drill.began_at),
        "ended_at": telling.iso(drill.ended_at),
        "score": drill.score,
        "measured": dataclasses.asdict(drill.result) if drill.result is not None else None,
        "targets": [
            {"name": part.name, "wanted": part.wanted, "achieved": part.achieved, "met": part.met} for part in judged
        ],
    }
