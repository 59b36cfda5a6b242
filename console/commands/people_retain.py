"""`kentongan people retain`: what policy.yaml wants erased by now."""

from __future__ import annotations

import click

from console import output
from console.command import command
from kentongan import telling
from kentongan.errors import BadInput


@command("retain")
@click.option("--show", is_flag=True, help="Only show what is overdue.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retain(show: bool, yes: bool) -> None:
    """Erase who left the list, and what was answered, longer ago than policy.yaml lets it be kept.

    people_kept_days and answers_kept_days in policy.yaml say how long; what is absent there is kept. The service does
    this once a day. An alert that still runs keeps the people and answers it has.
    """
    from console.office import Need, at_keyboard, opened
    from kentongan import retention
    from kentongan.ledger import erasing

    with opened(Need.CONFIG, warn=False) as office:
        ledger, policy = office.house.ledger, office.settings.policy
        overdue = ledger.read(lambda read: retention.overdue(read, policy))
        rule = {"people_kept_days": policy.people_kept_days, "answers_kept_days": policy.answers_kept_days}
        if not output.wants_json():
            for what, days in (
                ("people who left the list", rule["people_kept_days"]),
                ("answers", rule["answers_kept_days"]),
            ):
                kept = "for ever" if days is None else telling.several(days, "day")
                output.say(f"Kept by policy.yaml: {what}, {kept}.")
            output.say(f"Overdue: {telling.people(overdue.people)}, {telling.several(overdue.answers, 'answer')}.")
        if show or overdue == retention.Kept(0, 0):
            if output.wants_json():
                output.document({**rule, "overdue": {"people": overdue.people, "answers": overdue.answers}})
            return
        if not (yes or output.wants_json()):
            if not output.is_terminal():
                raise BadInput("nobody can be asked here; give --yes to erase them")
            if not click.confirm("Erase them for good?", default=False, err=True):
                raise click.Abort
        by, _ = at_keyboard(office.house.state)
        done = retention.retain(ledger, policy, by=by)
        erasing.clear_journal(ledger)
        if output.wants_json():
            output.document({**rule, "erased": {"people": done.people, "answers": done.answers}})
            return
        output.say(f"Erased: {telling.people(done.people)}, {telling.several(done.answers, 'answer')}.")
