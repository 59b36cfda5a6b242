"""`kentongan submit` and `kentongan approve`: two persons say that an alert may leave."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import output, shortened, words
from console.command import HANDLE, WITHOUT, command
from console.commands.officers import SECRET_FILE
from console.invocation import current
from console.showing import reach, show, warn_of_nobody
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.by_code import Said
    from kentongan.desk.releases import Prospect


@command("submit")
@click.argument("code", type=HANDLE)
@WITHOUT
@click.option("--clock-override", metavar="REASON", help="Go on although the clock of this machine cannot be trusted.")
def submit(code: str, without: tuple[str, ...], clock_override: str | None) -> None:
    """Render an alert and its correction, and put both up for approval."""
    from console.office import Need, opened
    from kentongan.desk import submitting

    with opened(Need.CONFIG) as office:
        made = submitting.submit(office.desk, code, office.login(), without=without, clock_override=clock_override)
        channels = list(made.composed.instances)
        for finding in made.composed.findings:
            output.warn(f"warning ({finding.rule}): {finding.sentence}")
        for problem in made.composed.alert.problems:
            output.warn(f"warning: {problem.instance}:{problem.language} goes out in the general short form")
        short = shortened.places(made.composed.alert.messages)
        if short:
            look = f"kentongan preview {made.alert.code}"
            output.warn(f"warning: shortened to fit: {', '.join(short)}; `{look}` says what is left out")
        warn_of_nobody(made.composed.people)
        if output.wants_json():
            output.document(
                {
                    "code": made.alert.code,
                    "id": made.alert.id,
                    "mode": made.alert.mode.value,
                    "state": made.alert.state,
                    "correction": made.correction.code,
                    "digest": made.digest,
                    "people": made.people,
                    "channels": channels,
                    "messages": len(made.composed.alert.messages),
                    "shortened": short,
                }
            )
            return
        output.say(words.banner(made.alert.mode))
        what = f"{made.alert.kind.capitalize()} {made.alert.code}"
        output.say(f"{what} is submitted, to {reach(made.people, len(channels), made.alert)}.")
        output.say(f"Its correction {made.correction.code} is approved with it.")
        output.say(f"Next, by another officer: kentongan approve {made.alert.code}")


@command("approve")
@click.argument("code", type=HANDLE)
@click.option("--by-code", metavar="NAME", help="This officer is on the telephone and says a one-time code.")
@click.option("--check", metavar="DIGITS", help="With --by-code: the check that they read out of their page.")
@click.option("--code-file", metavar="FILE", help="With --by-code: read the code from here; - is standard input.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --service: write its pictures here.",
)
@SECRET_FILE
def approve(
    code: str,
    by_code: str | None,
    check: str | None,
    code_file: str | None,
    pictures: Path | None,
    secret_file: str | None,
) -> None:
    """Approve another officer's alert; shows first what is approved.

    With --by-code the officer logged in takes down what another says on the telephone: the check of the page they got,
    and the next code of their sheet. It counts as the second person and is no signature. With --service it is signed
    here, over what the service shows, with the key that remote.yaml names; the secret is asked for, or read from
    --secret-file or KENTONGAN_SECRET.
    """
    from console.office import Need, opened
    from kentongan.desk import approvals, releases
    from kentongan.desk import by_code as telephone
    from kentongan.ledger import drills
    from kentongan.officers import Refusal

    if current().service is not None:
        from console.commands import remote

        if by_code is not None:
            raise BadInput("an approval by code is taken down on the ledger's own machine; leave --service out")
        return remote.approve(code, secret_file, pictures)
    with opened(Need.CONFIG) as office:
        ahead = releases.prospect(office.desk, code)
        if not output.wants_json():
            show(office, ahead)
            _show_words(office, ahead)
        if by_code is not None:
            said = _heard(office, by_code.strip().lower(), check, code_file)
            stored, verdict = telephone.approve(office.desk, office.house.keys, code, office.login(), said)
        else:
            stored, verdict = approvals.approve(office.desk, code, office.login())
        if isinstance(verdict, Refusal):
            raise verdict.error()
        for warning in verdict.warnings:
            output.warn(f"warning: {warning}")
        if output.wants_json():
            output.document(
                {
                    "code": stored.code,
                    "id": stored.id,
                    "mode": stored.mode.value,
                    "state": stored.state,
                    "by": list(verdict.by),
                    "by_code": list(verdict.by_code),
                    "people": ahead.people.total,
                    "channels": list(ahead.instances),
                }
            )
            return
        lasts = telling.span(round(office.settings.policy.approval_lasts * 1000))
        until = words.moment(office.desk.now + timedelta(seconds=office.settings.policy.approval_lasts), office.zone)
        output.say(f"Approved by {' and '.join(verdict.by)}; it lapses after {lasts}, at {until}.")
        run = office.desk.ledger.read(lambda read: drills.of_alert(read, stored.id))
        output.say(f"Next: kentongan {'drill run' if run is not None else 'send'} {stored.code}")


def _heard(office: Office, name: str, check: str | None, code_file: str | None) -> Said:
    """What the officer on the telephone says; asked for where it was not given."""
    from console.commands.officers import first_line
    from kentongan.desk import by_code

    office.desk.acting(office.login())
    sheet = by_code.usable_sheet(office.desk, name)
    if (check is None or code_file is None) and not output.is_terminal():
        raise BadInput("--by-code asks on a terminal; elsewhere give --check and --code-file")
    if check is None:
        check = str(click.prompt(f"Check that {name} reads out of the page (6 digits)", err=True))
    if code_file is None:
        typed = str(click.prompt(f"Code {sheet.spent + 1} of the sheet of {name}", err=True))
    else:
        typed = first_line(code_file, "code")
    return by_code.Said(name, check, typed)


@command("return")
@click.argument("code", type=HANDLE)
@click.option("--reason", metavar="TEXT", required=True, help="What is wrong with it; stands in the log.")
@SECRET_FILE
def return_(code: str, reason: str, secret_file: str | None) -> None:
    """Return an alert that waits for approval to who drafted it, with a reason; it is a draft again."""
    from console.office import Need, opened
    from kentongan.desk import returning

    if current().service is not None:
        from console.commands import remote

        return remote.return_alert(code, reason, secret_file)
    with opened(Need.NOTHING) as office:
        stored = returning.return_alert(office.desk, code, office.login(), reason=reason)
        if output.wants_json():
            output.document({"code": stored.code, "id": stored.id, "state": stored.state})
            return
        output.say(f"{stored.code} is returned to {stored.created_by} and a draft again.")


@command("discard")
@click.argument("code", type=HANDLE)
@click.option("--reason", metavar="TEXT", required=True, help="Why it is not wanted; stands in the log.")
def discard(code: str, reason: str) -> None:
    """Give up an alert that was never sent, for good; it stays on record."""
    from console.office import Need, opened
    from kentongan.desk import returning

    with opened(Need.NOTHING) as office:
        stored = returning.discard(office.desk, code, office.login(), reason=reason)
        if output.wants_json():
            output.document({"code": stored.code, "id": stored.id, "state": stored.state})
            return
        output.say(f"{stored.code} is discarded.")


def _show_words(office: Office, ahead: Prospect) -> None:
    """The shortest message of each language, word for word; `kentongan preview` shows them all."""
    from console.commands.preview import filled
    from kentongan.ledger import renderings

    messages = office.desk.ledger.read(lambda read: renderings.of(read, ahead.alert.id))
    for language in dict.fromkeys(message.language for message in messages):
        shortest = min((m for m in messages if m.language == language), key=lambda message: len(message.text))
        output.say(f"--- {shortest.instance}, {language}")
        output.say(filled(shortest, None).text)
        shortened.show(shortest)
    short = len(shortened.places(messages))
    told = f", {short} of them shortened" if short else ""
    output.say(f"--- all {telling.several(len(messages), 'message')}{told}: kentongan preview {ahead.alert.code}")
