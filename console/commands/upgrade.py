"""`kentongan upgrade`: brings the ledger to this version, also where an alert was on its way."""

from __future__ import annotations

import click

from console import output
from console.command import command
from console.invocation import current
from kentongan.errors import BadInput
from kentongan.state import State


@command("upgrade")
@click.option("--now", is_flag=True, help="Though an alert is on its way, once nothing sends it any more.")
def upgrade(now: bool) -> None:
    """Bring the ledger to the version of this Kentongan; every command does, while no alert is on its way.

    An alert, drill or exercise that is on its way is best finished by the Kentongan that sends it. Where that cannot
    be, end it on every host and give --now: this one goes on from there, nothing is lost, and nothing is sent again
    unasked. There is no way back but a backup.
    """
    from kentongan.ledger import Ledger
    from kentongan.ledger.opening import HEAD, version_of
    from kentongan.ledger.upgrading import Upgrade

    place = State.find(current().state).place
    before = version_of(place)
    if before is None:
        raise BadInput(f"there is no ledger {place} yet; the first command that needs one makes it")
    Ledger.open(place, upgrade=Upgrade.UNUSED if now else Upgrade.IDLE).close()
    if output.wants_json():
        output.document({"ledger": str(place), "before": before, "version": HEAD})
    elif before == HEAD:
        output.say(f"The ledger is of version {HEAD} already.")
    else:
        output.say(f"The ledger is of version {HEAD} now, and was of {before}.")
