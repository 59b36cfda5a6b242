"""`kentongan officer codes` and `officer export`: what an officer takes along to act from elsewhere."""

from __future__ import annotations

import click

from console import output
from console.command import command
from kentongan import telling


@command("codes")
@click.argument("name")
def codes(name: str) -> None:
    """Print an officer's sheet of one-time codes, for approvals on the telephone; earlier sheets end.

    The officer must be logged in, for they sign it. It is shown once: print it and keep it on you.
    """
    from console.office import Need, opened
    from kentongan.desk import by_code
    from kentongan.one_time_codes import shown

    with opened(Need.NOTHING, warn=False) as office:
        owner = name.strip().lower()
        made = by_code.issue_codes(office.desk, office.login(), owner)
        if output.wants_json():
            output.document({"officer": owner, "codes": [shown(code) for code in made]})
            return
        output.say(f"One-time codes of {owner}, {telling.minute(office.desk.now, office.zone)}. Keep them on you.")
        output.say("When you are paged and have only a telephone: call, read out the check of the page and the next")
        output.say("code here, then strike the code out. Say a code only after you have read what the page says.")
        for number, code in enumerate(made, 1):
            output.say(f"  {number:>2}.  {shown(code)}")


@command("export")
@click.argument("name")
def export(name: str) -> None:
    """Write an officer's key, sealed by their secret, to standard output, for a machine of their own.

    There it is opened by the secret alone, so carry the file as you would a key: kentongan officer export NAME > KEY
    """
    from console.office import Need, opened
    from console.remote import SealedKey
    from kentongan.errors import BadInput
    from kentongan.ledger import Write

    with opened(Need.NOTHING, warn=False) as office:
        from console.office import at_keyboard

        officer = office.desk.officers().get(name.strip().lower())
        if officer is None or not officer.active(office.desk.now):
            raise BadInput(f"no officer {name!r} counts in this ledger; `kentongan officer list` shows them")
        by, _ = at_keyboard(office.house.state)

        def record(write: Write) -> None:
            write.event("officer.exported", officer=officer.name, by=by)

        office.house.ledger.write(record)
        sealed = SealedKey(officer=officer.name, public_key=officer.public_key.hex(), sealed_key=officer.sealed_key)
        click.echo(sealed.model_dump_json())
