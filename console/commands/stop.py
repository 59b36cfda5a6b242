"""`kentongan stop`: nothing to type, no key, and nothing but the ledger needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console import output, words
from console.command import HANDLE, command
from console.commands.officers import SECRET_FILE
from console.invocation import current
from kentongan import telling
from kentongan.state import State

if TYPE_CHECKING:
    from kentongan.ledger import Ledger
    from kentongan.ledger.alerts import StoredAlert


@command("stop")
@click.argument("code", type=HANDLE)
@SECRET_FILE
def stop(code: str, secret_file: str | None) -> None:
    """Stop an alert at once; nothing to type, and anybody at this keyboard may.

    From then on nothing of it is begun. It takes nothing back: `kentongan follow-up` does.
    """
    from console.office import at_keyboard
    from console.service import client
    from kentongan.ledger import Ledger, alerts, dispatches
    from kentongan.ledger.upgrading import Upgrade

    if current().service is not None:
        from console.commands import remote

        return remote.stop(code, secret_file)
    # Not the house: a wrong config, template or key must not stand between anybody and a stop.
    from console import spares

    state = State.find(current().state)
    spool = spares.stopping(code)
    by, signed = at_keyboard(state)
    # Where it was sent from the spare, the ledger knows of no sending that it could stop.
    # Nor must another version of the ledger be in the way, from which its own Kentongan is still sending.
    with Ledger.open(spool or state.place, urgent=True, upgrade=Upgrade.NEVER) as ledger:
        stored = ledger.read(lambda read: alerts.by_handle(read, code))
        ledger.write(lambda write: dispatches.stop(write, stored.id, by=by, signed=signed), urgent=True)
        client.wake(state, stored.id)
        total, unsent = ledger.read(lambda read: dispatches.planned_and_unsent(read, stored.id))
        _say(stored, by=by, signed=signed, total=total, unsent=unsent)
        _settle(ledger, stored)


def _settle(ledger: Ledger, stored: StoredAlert) -> None:
    """Marks what a dead sender has left. The alert is stopped by now: none of this may fail it."""
    from kentongan.errors import KentonganError

    if not ledger.is_current:
        # Its own Kentongan marks it.
        return
    from kentongan import stopped

    try:
        stopped.settle(ledger, stored.id)
    except KentonganError as error:
        output.warn(
            f"it is stopped, and what it left is not marked yet: {error}; `kentongan resume {stored.code}` does"
        )


def _say(stored: StoredAlert, *, by: str, signed: bool, total: int, unsent: int) -> None:
    """Says that it is stopped, before anything else is done about it."""
    if output.wants_json():
        output.document(
            {
                "code": stored.code,
                "id": stored.id,
                "mode": stored.mode.value,
                "state": "stopped",
                "by": by,
                "signed": signed,
                "left": total - unsent,
                "cancelled": unsent,
            }
        )
        return
    output.say(words.banner(stored.mode))
    output.say(f"Alert {stored.code} is stopped by {by}{'' if signed else ' (not logged in)'}.")
    output.say(f"{telling.several(total - unsent, 'message')} had left or may have left; {unsent:,} will not be sent.")
    output.say(f"Next, where it should not have gone: kentongan follow-up {stored.code} --kind correction")
