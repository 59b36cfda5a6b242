"""`kentongan drill list` and `drill results`: what can be rehearsed, and how well it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console import output
from console.command import command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.ledger.drills import StoredDrill

_MOST = 30


@command("list")
def list_() -> None:
    """List the drills of drills.yaml with their schedules, when each comes next, and the last score."""
    from console.office import Need, opened

    with opened(Need.STAND_IN) as office:
        found = [_scenario(office, name) for name in office.settings.drills.scenarios]
        if output.wants_json():
            output.document({"drills": found})
            return
        if not found:
            output.say("No drill is configured; docs/drills.md shows how drills.yaml is written.")
            return
        output.print_table(
            ("Drill", "Hazard", "Kind", "Schedule", "Next", "Last score"),
            [
                (
                    each["name"],
                    each["hazard"],
                    "public exercise" if each["public"] else each["status"].lower(),
                    _schedule_words(each["schedule"], office),
                    _local(each["schedule"]["next"], office) if each["schedule"] else "-",
                    "-" if each["last_score"] is None else str(each["last_score"]),
                )
                for each in found
            ],
            right=(5,),
            whole=(0,),
        )


def _scenario(office: Office, name: str) -> dict[str, Any]:
    from kentongan.ledger import drills as register

    plan = office.settings.drills.scenarios[name]
    ledger = office.house.ledger
    scored = [each.score for each in ledger.read(lambda read: register.history(read, name)) if each.score is not None]
    return {
        "name": name,
        "hazard": plan.hazard,
        "status": plan.status,
        "public": plan.public,
        "corrects_after": plan.correct_after,
        "schedule": _schedule(office, name),
        "last_score": scored[-1] if scored else None,
    }


def _schedule(office: Office, name: str) -> dict[str, Any] | None:
    """The newest schedule of a drill, whatever has become of it; None where it never had one or it was taken back."""
    from zoneinfo import ZoneInfo

    from kentongan.desk.drill_schedules import standing
    from kentongan.drill_schedules import read_recurrence
    from kentongan.ledger import drills as register
    from kentongan.officers import Refusal

    ledger = office.house.ledger
    stored = [
        each
        for each in ledger.read(lambda read: register.schedules(read, ended=True))
        if each.schedule.scenario == name
    ]
    if not stored:
        return None
    newest = stored[-1]
    now = office.desk.now
    if newest.ended_at is not None:
        if newest.ended_by:
            return None
        state, until = "lapsed", None
    else:
        held = ledger.read(lambda read: standing(read, newest, now))
        if isinstance(held, Refusal):
            state, until = ("lapsed" if held.rule == "schedule-lapsed" else "waits for approval"), None
        else:
            state, until = "stands", held.until
    coming = None
    if until is not None:
        coming = next(read_recurrence(newest.schedule.every).after(now, ZoneInfo(newest.schedule.zone)), None)
        coming = coming if coming is not None and coming < until else None
    return {
        "id": newest.schedule.id,
        "every": newest.schedule.every,
        "zone": newest.schedule.zone,
        "state": state,
        "by": [each.officer for each in newest.signed],
        "until": until.isoformat() if until is not None else None,
        "next": coming.isoformat() if coming is not None else None,
    }


def _schedule_words(schedule: dict[str, Any] | None, office: Office) -> str:
    if schedule is None:
        return "-"
    if schedule["state"] == "stands":
        return f"{schedule['every']}, until {_local(schedule['until'], office)}"
    return f"{schedule['every']}: {schedule['state'].upper() if schedule['state'] == 'lapsed' else schedule['state']}"


def _local(moment: str | None, office: Office) -> str:
    from datetime import datetime

    return telling.minute(datetime.fromisoformat(moment), office.zone) if moment is not None else "-"


@command("results")
@click.argument("name", metavar="NAME", required=False)
def results(name: str | None) -> None:
    """Show how well the runs of a drill went, or those of all; with a line of bars, one for each score."""
    from console import drilling
    from console.office import Need, opened
    from kentongan.drills import spark
    from kentongan.ledger import drills as register

    with opened(Need.STAND_IN) as office:
        runs = office.house.ledger.read(lambda read: register.history(read, name))
        if name is not None and not runs and name not in office.settings.drills.scenarios:
            raise BadInput(f"no drill {name!r} was run or is configured; `kentongan drill list` shows them")
        if output.wants_json():
            output.document({"drills": [drilling.to_json(each) for each in runs]})
            return
        if not runs:
            output.say("No drill was run yet.")
            return
        output.print_table(
            ("Drill", "When", "State", "First", "Last", "Delivered", "Correction", "Score"),
            [_row(office, each) for each in runs[-_MOST:]],
            right=(3, 4, 5, 6, 7),
            whole=(0,),
        )
        for each in dict.fromkeys(run.scenario for run in runs):
            scores = [run.score for run in runs if run.scenario == each and run.ended_at is not None][-_MOST:]
            if scores:
                output.say(f"{each or 'drafted by hand'}: {spark(scores)}")


def _row(office: Office, run: StoredDrill) -> tuple[str, ...]:
    from console import drilling

    at = run.began_at or run.slot or run.ended_at
    measured = run.result
    share = measured.delivered_share if measured is not None else None
    return (
        run.scenario or "-",
        telling.minute(at, office.zone) if at is not None else "-",
        drilling.state_of(run),
        telling.span(measured.first) if measured is not None else "-",
        telling.span(measured.last) if measured is not None else "-",
        f"{share:.0%}" if share is not None else "-",
        telling.span(measured.corrected_after) if measured is not None else "-",
        str(run.score) if run.score is not None else "-",
    )
