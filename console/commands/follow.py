"""`kentongan update`, `cancel` and `all-clear`: drafts of what follows an alert that was sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from console import output
from console.command import HANDLE, command
from console.commands import draft as drafting

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.drafts import Drafted

_CAP = click.option(
    "--cap",
    "cap_files",
    metavar="FILE",
    multiple=True,
    help="The issuer's own message; several are its languages. - reads it from standard input.",
)


@command("update")
@click.argument("code", type=HANDLE)
@click.option("--hazard", metavar="NAME", help="Puts what was relayed into the words of this hazard.")
@click.option(
    "--set", "fields", metavar="FIELD=VALUE", multiple=True, help="A field that has changed; the others stay."
)
@_CAP
def update(code: str, hazard: str | None, fields: tuple[str, ...], cap_files: tuple[str, ...]) -> None:
    """Draft an update of an alert: it goes to all that the thread reached, and to its own area; contacts nobody.

    CODE may be any message of the thread.
    """
    typed = dict(drafting.field(text) for text in fields)
    documents = drafting.read_files(cap_files)

    def make(office: Office, by: str) -> Drafted:
        from kentongan.desk import following

        return following.update(office.desk, code, typed, by=by, hazard=hazard, documents=documents)

    _draft(make)


@command("cancel")
@click.argument("code", type=HANDLE)
@_CAP
def cancel(code: str, cap_files: tuple[str, ...]) -> None:
    """Draft a cancel: our warning no longer applies. It goes to all that the thread reached; contacts nobody.

    What should never have gone is withdrawn at once with `kentongan follow-up CODE --kind correction`.
    """
    documents = drafting.read_files(cap_files)

    def make(office: Office, by: str) -> Drafted:
        from kentongan.desk import following

        return following.cancel(office.desk, code, by=by, documents=documents)

    _draft(make)


@command("all-clear")
@click.argument("code", type=HANDLE)
@click.option("--evidence", metavar="TEXT", default="", help="What it rests on; for the approver and the record.")
@_CAP
def all_clear(code: str, evidence: str, cap_files: tuple[str, ...]) -> None:
    """Draft an all-clear: the hazard is over. It takes two officers, evidence and time; contacts nobody."""
    documents = drafting.read_files(cap_files)

    def make(office: Office, by: str) -> Drafted:
        from kentongan.desk import following

        return following.all_clear(office.desk, code, by=by, evidence=evidence, documents=documents)

    _draft(make)


def _draft(make: Callable[[Office, str], Drafted]) -> None:
    from console.office import Need, at_keyboard, opened

    with opened(Need.STAND_IN) as office:
        by, _ = at_keyboard(office.house.state)
        drafted = make(office, by)
        (drafting.show_json if output.wants_json() else drafting.show)(office, drafted)
