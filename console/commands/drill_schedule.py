"""`kentongan drill schedule`, `drill approve` and `drill unschedule`: drills that run by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console import output, shortened
from console.command import command
from kentongan import telling

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.scenarios import Rehearsal
    from kentongan.drill_schedules import Standing
    from kentongan.ledger.drills import StoredSchedule
    from kentongan.officers import Refusal


@command("schedule")
@click.argument("name", metavar="NAME")
@click.option(
    "--every", metavar="WHEN", required=True, help='"monthly-26th 10:00", "weekly-monday 09:00", "daily 06:00" or cron.'
)
def schedule(name: str, every: str) -> None:
    """Put a drill on a schedule, with your word on it; it counts when a second officer approves it.

    What you sign is what the drill renders to now. When its scenario, words or channels change, or after 90 days, it is
    to be signed anew. Times are local to the agency.
    """
    from console.office import Need, opened
    from kentongan.desk import drill_schedules, scenarios
    from kentongan.drill_schedules import read_recurrence

    read_recurrence(every)
    with opened(Need.CONFIG) as office:
        _show(scenarios.rehearsal(office.desk, name))
        stored = drill_schedules.schedule(office.desk, name, every, office.login())
        held = office.desk.ledger.read(lambda read: drill_schedules.standing(read, stored, office.desk.now))
        _told(office, stored, held)


@command("approve")
@click.argument("name", metavar="NAME")
def approve(name: str) -> None:
    """Approve the schedule of a drill, as second officer; shows first what it renders to."""
    from console.office import Need, opened
    from kentongan.desk import drill_schedules, scenarios

    with opened(Need.CONFIG) as office:
        _show(scenarios.rehearsal(office.desk, name))
        stored, held = drill_schedules.approve(office.desk, name, office.login())
        _told(office, stored, held)


@command("unschedule")
@click.argument("name", metavar="NAME")
def unschedule(name: str) -> None:
    """Take the schedule of a drill back, on one officer's word; a run that is under way goes on."""
    from console.office import Need, opened
    from kentongan.desk import drill_schedules

    with opened(Need.CONFIG) as office:
        stored = drill_schedules.unschedule(office.desk, name, office.login())
        if output.wants_json():
            output.document({"name": name, "id": stored.schedule.id, "ended_at": telling.iso(stored.ended_at)})
            return
        output.say(f"Drill {name} is on no schedule any more.")


def _show(made: Rehearsal) -> None:
    """The shortest message of each language, as it would be: what the officer puts their name to."""
    from console.commands.preview import filled

    if output.wants_json():
        return
    for what, composed in (("exercise", made.exercise), ("announcement", made.notice)):
        if composed is None:
            continue
        messages = composed.alert.messages
        for language in dict.fromkeys(message.language for message in messages):
            shortest = min((m for m in messages if m.language == language), key=lambda message: len(message.text))
            output.say(f"--- {what}, {shortest.instance}, {language}, as if begun on 1 January 2026")
            output.say(filled(shortest, None).text)
            shortened.show(shortest)


def _told(office: Office, stored: StoredSchedule, held: Standing | Refusal) -> None:
    from kentongan.officers import Refusal

    name = stored.schedule.scenario
    if output.wants_json():
        output.document(
            {
                "name": name,
                "id": stored.schedule.id,
                "every": stored.schedule.every,
                "zone": stored.schedule.zone,
                "digest": stored.schedule.digest,
                "by": [each.officer for each in stored.signed],
                "stands": not isinstance(held, Refusal),
                "until": held.until.isoformat() if not isinstance(held, Refusal) else None,
            }
        )
        return
    if isinstance(held, Refusal):
        output.say(f"Drill {name} is scheduled, {stored.schedule.every} ({stored.schedule.zone}), on one word so far.")
        output.say(f"Next, by another officer: kentongan drill approve {name}")
        return
    until = telling.minute(held.until, office.zone)
    output.say(f"Drill {name} runs {stored.schedule.every} ({stored.schedule.zone}), by {' and '.join(held.by)}.")
    output.say(f"That lapses {until}. A service must run then, or cron: kentongan drill run --due")
