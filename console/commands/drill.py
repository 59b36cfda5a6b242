"""`kentongan drill`: rehearsing it all, by hand and by a schedule, and how well it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console import exits, output, words
from console.command import HANDLE, Lazy, LazyGroup, command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.submitting import Submitted
    from kentongan.ledger.drills import StoredDrill

drill = LazyGroup(
    name="drill",
    help="Rehearse it all on drill channels: run a drill, put it on a schedule, see how well it went.",
    lazy={
        "run": Lazy("console.commands.drill:run", "Begin a drill, or what is due by its schedule."),
        "list": Lazy("console.commands.drill_lists:list_", "The drills that can be run, with their schedules."),
        "results": Lazy("console.commands.drill_lists:results", "How well the runs went, over time."),
        "schedule": Lazy(
            "console.commands.drill_schedule:schedule", "Put a drill on a schedule, with your word on it."
        ),
        "approve": Lazy(
            "console.commands.drill_schedule:approve", "Approve the schedule of a drill, as second officer."
        ),
        "unschedule": Lazy("console.commands.drill_schedule:unschedule", "Take the schedule of a drill back."),
        "announce": Lazy("console.commands.drill:announce", "Announce a public exercise beforehand."),
    },
)


@command("run")
@click.argument("target", metavar="NAME|CODE", required=False)
@click.option("--due", is_flag=True, help="Begin what is due by its schedule, and take running drills to their end.")
@click.option("--break-glass", metavar="REASON", help="Send CODE alone, as in a night without a second officer.")
@click.option("--no-wait", is_flag=True, help="Return as soon as it is on record.")
def run(target: str | None, due: bool, break_glass: str | None, no_wait: bool) -> int:
    """Begin a drill.

    NAME is a scenario of drills.yaml: its alert is drafted and submitted, and another officer approves it. CODE is an
    approved drill: it is sent, its correction too where the scenario says so, and the result is taken. --due is for
    cron, where no service runs. No drill begins within six hours of a live alert.
    """
    if due == (target is not None):
        raise BadInput("name a drill, or give --due; `kentongan drill list` shows them")
    from console.office import Need, opened

    with opened(Need.CONFIG, role="send") as office:
        if due:
            return _due(office, no_wait)
        assert target is not None
        if target in office.settings.drills.scenarios:
            from kentongan.desk import drills

            if break_glass is not None:
                raise BadInput("--break-glass sends an alert that is there; run the drill first, then its code")
            submitted(office, drills.prepare(office.desk, target, office.login()), f"Drill {target}")
            return exits.WELL
        return _begin(office, _code(office, target), break_glass, no_wait)


def _code(office: Office, target: str) -> str:
    """The code or id of an alert that is there; raises BadInput for a drill's name that was mistyped."""
    from kentongan.ledger import alerts

    code = HANDLE.convert(target, None, None)
    try:
        office.house.ledger.read(lambda read: alerts.by_handle(read, code))
    except BadInput:
        scenarios = ", ".join(office.settings.drills.scenarios) or "none"
        raise BadInput(
            f"{target!r} is neither a drill of drills.yaml (there: {scenarios}) nor an alert; `kentongan drill list`"
            " and `kentongan status` show them"
        ) from None
    return code


@command("announce")
@click.argument("name", metavar="NAME")
@click.option("--at", "start", metavar="TIME", required=True, help="When it begins, such as 2026-11-26 10:00.")
def announce(name: str, start: str) -> None:
    """Announce a public exercise beforehand: drafted and submitted; two officers approve it, then `drill run CODE`."""
    from console.office import Need, opened
    from kentongan.desk import drills

    with opened(Need.CONFIG) as office:
        at = words.since(start, now=office.desk.now, zone=office.zone, option="--at")
        submitted(office, drills.announce(office.desk, name, at, office.login()), f"The announcement of {name}")


def submitted(office: Office, made: Submitted, what: str) -> None:
    """Writes what was put up for approval, and who goes on."""
    from kentongan.seam import Mode

    public = made.alert.mode is Mode.EXERCISE
    for finding in made.composed.findings:
        output.warn(f"warning ({finding.rule}): {finding.sentence}")
    if output.wants_json():
        output.document(
            {
                "code": made.alert.code,
                "id": made.alert.id,
                "mode": made.alert.mode.value,
                "state": made.alert.state,
                "correction": made.correction.code,
                "people": made.people,
                "channels": list(made.composed.instances),
            }
        )
        return
    channels = telling.several(len(made.composed.instances), "channel")
    output.say(words.banner(made.alert.mode))
    output.say(f"{what} is submitted as {made.alert.code}, to {telling.people(made.people)} on {channels}.")
    by = "by two officers, one of whom may be you" if public else "by another officer"
    output.say(f"Next, {by}: kentongan approve {made.alert.code}")
    output.say(f"Then: kentongan drill run {made.alert.code}")


def _begin(office: Office, code: str, break_glass: str | None, no_wait: bool) -> int:
    from console import drilling
    from kentongan.desk import drills, releases
    from kentongan.ledger import alerts

    stored = office.desk.ledger.read(lambda read: alerts.by_handle(read, code))
    login = office.login()
    office.desk.acting(login)
    names = list(office.settings.channels)
    if stored.state != "draft":
        names = list(releases.prospect(office.desk, stored.id).instances)

    def begin() -> object:
        return drills.begin(office.desk, stored.id, login, break_glass=break_glass)

    return drilling.play(office, stored.id, names, begin=begin, no_wait=no_wait)


def _due(office: Office, no_wait: bool) -> int:
    from console import drilling
    from kentongan.desk import due_drills
    from kentongan.ledger import Read
    from kentongan.ledger import drills as register

    begun = due_drills.start_due(office.desk)
    running: list[StoredDrill] = office.desk.ledger.read(register.running)

    def instances(read: Read) -> set[str]:
        return drilling.instances(read, [each.alert_id for each in running if each.alert_id is not None])

    if not output.wants_json():
        for each in begun:
            output.say(f"{each.drill.scenario}: {each.drill.part.value} {drilling.state_of(each.drill)}")
        if not begun and not running:
            output.say("No drill is due.")
    notices = [e.released.alert.id for e in begun if e.released is not None and e.drill.alert_id not in _ids(running)]
    names = sorted(
        office.desk.ledger.read(instances) | {i.name for e in begun if e.released for i in e.released.plan.instances}
    )
    codes: list[int] = []
    for alert_id in [*notices, *_ids(running)]:
        codes.append(drilling.play(office, alert_id, names, begin=None, no_wait=no_wait, as_json=False))
    if output.wants_json():
        ids = {each.drill.id for each in begun} | {each.id for each in running}
        found = [office.desk.ledger.read(lambda read, id=id: register.drill(read, id)) for id in sorted(ids)]  # type: ignore[misc]
        output.document({"drills": [drilling.to_json(each) for each in found]})
    return max(codes, default=exits.WELL)


def _ids(runs: list[StoredDrill]) -> list[Any]:
    return [each.alert_id for each in runs]
