"""`kentongan login`, `logout` and `officer`: who may put their name to an alert."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import output, words
from console.command import Lazy, LazyGroup, command
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from pydantic import SecretStr

SECRET_FILE = click.option(
    "--secret-file", metavar="FILE", help="Read the secret's first line from here; - is standard input."
)


@command("login")
@click.argument("name")
@SECRET_FILE
def login(name: str, secret_file: str | None) -> None:
    """Log an officer in for twelve hours, on this machine and for this user.

    The secret is asked for, or read from --secret-file or the variable KENTONGAN_SECRET.
    """
    from console.office import Need, opened
    from kentongan.desk import membership

    with opened(Need.NOTHING, warn=False) as office:
        officer = name.strip().lower()
        secret = read_secret(f"Secret of {officer}", secret_file, "KENTONGAN_SECRET")
        made = membership.log_in(office.desk, officer, secret, office.login_file)
        if output.wants_json():
            output.document({"officer": made.officer, "until": made.until.isoformat()})
        else:
            output.say(f"{made.officer} is logged in until {words.moment(made.until, office.zone)}.")


@command("logout")
def logout() -> None:
    """Log the officer out."""
    from console.invocation import current
    from kentongan.login import LoginFile
    from kentongan.state import State

    was = LoginFile.find(State.find(current().state).root).remove()
    if output.wants_json():
        output.document({"logged_out": was})
    else:
        output.say("Logged out." if was else "Nobody was logged in.")


officer = LazyGroup(
    name="officer",
    help="Add, revoke and list officers; where they are paged, their codes and keys.",
    lazy={
        "add": Lazy("console.commands.officers:add", "Make a new officer, who types their own secret."),
        "revoke": Lazy("console.commands.officers:revoke", "Take an officer's word away, at once."),
        "list": Lazy("console.commands.officers:listing", "Show who is and was an officer."),
        "page": Lazy("console.commands.paging:address", "Say where an officer is paged."),
        "codes": Lazy("console.commands.sheets:codes", "Print an officer's sheet of one-time codes."),
        "export": Lazy("console.commands.sheets:export", "Write an officer's sealed key for another machine."),
    },
)


@command("add")
@click.argument("name")
@click.option("--second", metavar="NAME", help="Another officer who vouches too and types their secret here.")
@SECRET_FILE
@click.option("--second-secret-file", metavar="FILE", help="The same for the second officer's secret.")
def add(name: str, second: str | None, secret_file: str | None, second_secret_file: str | None) -> None:
    """Make a new officer, who types their own secret.

    The first officer of a ledger needs nobody, and is logged in at once. A later one needs the officer logged in and
    one more (--second), whose secrets are asked for, or read from files or the variables KENTONGAN_SECRET and
    KENTONGAN_SECOND_SECRET.
    """
    from console.office import Need, opened
    from kentongan.desk import membership
    from kentongan.officers import read_name

    with opened(Need.NOTHING, warn=False) as office:
        desk, newcomer = office.desk, read_name(name)
        vouching = []
        if desk.officers():
            vouching.append(desk.acting(office.login()).key)
        if second is not None:
            their = read_secret(f"Secret of {second}", second_secret_file, "KENTONGAN_SECOND_SECRET")
            vouching.append(membership.unsealed(desk, second.strip().lower(), their))
        secret = read_secret(f"New secret of {newcomer}", secret_file, "KENTONGAN_SECRET", twice=True)
        first = not desk.officers()
        made = membership.add(desk, newcomer, secret, vouching)
        # Who is alone has just typed their secret twice; a third time would prove nothing.
        here = membership.log_in(desk, made.name, secret, office.login_file) if first else None
        if output.wants_json():
            until = here.until.isoformat() if here is not None else None
            output.document(
                {"officer": made.name, "active_from": made.active_from.isoformat(), "logged_in_until": until}
            )
            return
        output.say(f"{made.name} is an officer from {words.moment(made.active_from, office.zone)}.")
        if here is not None:
            output.say(f"{made.name} is logged in until {words.moment(here.until, office.zone)}.")
            output.say("Next: kentongan officer add NAME, for a second officer")
        else:
            output.say(f"Next: kentongan login {made.name}")


@command("revoke")
@click.argument("name")
def revoke(name: str) -> None:
    """Take an officer's word away, at once; one officer logged in is enough."""
    from console.office import Need, opened
    from kentongan.desk import membership

    with opened(Need.NOTHING, warn=False) as office:
        leaving = name.strip().lower()
        membership.revoke(office.desk, leaving, office.login())
        if output.wants_json():
            output.document({"officer": leaving, "revoked": True})
        else:
            output.say(f"{leaving} is revoked.")


@command("list")
def listing() -> None:
    """Show who is and was an officer."""
    from console.office import Need, opened

    with opened(Need.NOTHING) as office:
        now = office.desk.now
        officers = sorted(office.desk.officers().values(), key=lambda each: each.active_from)
        here = office.login()
        if output.wants_json():
            output.document(
                {
                    "officers": [
                        {
                            "officer": each.name,
                            "active": each.active(now),
                            "active_from": each.active_from.isoformat(),
                            "revoked_at": each.revoked_at.isoformat() if each.revoked_at else None,
                            "logged_in": here is not None and here.officer == each.name,
                        }
                        for each in officers
                    ]
                }
            )
            return
        if not officers:
            output.say("There is no officer yet. Next: kentongan officer add NAME")
            return
        rows = []
        for each in officers:
            if each.revoked_at is not None:
                state = f"revoked {words.moment(each.revoked_at, office.zone)}"
            else:
                state = "active" if each.active(now) else f"from {words.moment(each.active_from, office.zone)}"
            rows.append((each.name, state, "logged in here" if here is not None and here.officer == each.name else ""))
        output.print_table(("Officer", "State", ""), rows)


def read_secret(prompt: str, file: str | None, variable: str, *, twice: bool = False) -> SecretStr:
    """Reads a secret from a file, a variable, or the keyboard, unseen; raises BadInput where it is nowhere."""
    from pydantic import SecretStr

    if file is not None:
        return SecretStr(first_line(file))
    if os.environ.get(variable):
        return SecretStr(os.environ[variable])
    if not output.is_terminal():
        raise BadInput(f"{prompt.lower()} cannot be asked for without a terminal; give --secret-file or {variable}")
    return SecretStr(click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))


def first_line(file: str, what: str = "secret") -> str:
    """The first line of a file, or of standard input for "-"; raises BadInput, without it."""
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{what} file {file} cannot be read: {told}; name another") from None
    secret = text.rstrip("\r\n")
    if not secret:
        raise BadInput(f"the {what} is empty; write it on the first line")
    return secret
