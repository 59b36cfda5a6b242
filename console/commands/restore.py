"""`kentongan restore`, and what officers say of a ledger that was restored."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from console import output
from console.command import command
from console.invocation import current
from kentongan import telling
from kentongan.errors import BadInput, KentonganError

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.ledger.restored import Unknown
    from kentongan.safekeeping.restoring import Restored
    from kentongan.state import State

_FOLDER = click.Path(path_type=Path)


@command("restore")
@click.argument("source", metavar="BACKUP", type=_FOLDER, required=False)
@click.option("--keys", "keys_from", type=_FOLDER, metavar="FOLDER", help="The copy of the keys, kept apart.")
@click.option("--over", is_flag=True, help="A ledger that is there already is kept beside, dated.")
@click.option(
    "--taken", metavar="TIME", help="Without BACKUP: it was put back by other means, as it was at TIME; hold it."
)
def restore(source: Path | None, keys_from: Path | None, over: bool, taken: str | None) -> None:
    """Put the ledger of one BACKUP into the state directory, held: nothing goes out until an officer says so.

    It is checked first, and that the keys open it. What was still to be sent when it was made is in doubt, since it may
    have been sent after. With --taken the same is done to a ledger that a snapshot of the machine, or a database's own
    tools, have put back; do it before anything sends. Next: `kentongan status`, `kentongan resolve`, then `kentongan
    resume --restored`.
    """
    if (source is None) == (taken is None):
        raise BadInput("name the backup to restore, or with --taken the time of what was put back by other means")
    if source is None:
        assert taken is not None
        if keys_from is not None or over:
            raise BadInput("--keys and --over restore a BACKUP; --taken holds the ledger that is there")
        _hold(taken)
        return
    from console.office import at_keyboard
    from kentongan.clock import SystemClock
    from kentongan.safekeeping import restoring
    from kentongan.state import State

    state = State.find(current().state)
    by, _ = at_keyboard(state)
    found = restoring.restore(state, source, keys_from=keys_from, over=over, clock=SystemClock(), by=by)
    if output.wants_json():
        output.document(
            {
                "ledger": str(state.ledger),
                "taken": found.manifest.taken,
                **_document(found.unknown),
                "missing": list(found.missing),
                "former": str(found.former) if found.former is not None else None,
                "config": str(found.config) if found.config is not None else None,
                "reports": {"there": found.reports.count, "missing": list(found.reports.missing)},
            }
        )
        return
    _say(state, found)


def _hold(taken: str) -> None:
    from console import words
    from console.office import Need, at_keyboard, opened
    from kentongan.clock import to_datetime, to_milliseconds
    from kentongan.safekeeping import restoring

    with opened(Need.NOTHING, warn=False) as office:
        house = office.house
        now = to_datetime(house.clock.wall())
        moment = words.since(taken, now=now, zone=office.zone, option="--taken")
        by, _ = at_keyboard(house.state)
        unknown = restoring.hold_in_place(house.ledger, taken_at=to_milliseconds(moment), clock=house.clock, by=by)
        if output.wants_json():
            output.document({"taken": moment.isoformat(timespec="seconds"), **_document(unknown)})
            return
        output.say(f"The ledger is held, as one of {words.moment(to_milliseconds(moment), office.zone)}.")
        _say_unknown(unknown)


def _document(unknown: Unknown) -> dict[str, Any]:
    return {
        "doubts": unknown.doubts,
        "may_have_been_sent": unknown.unsent,
        "steps_given_up": unknown.steps,
        "sheets_ended": unknown.sheets,
    }


def _zone() -> ZoneInfo:
    """The zone of this machine's config; UTC without one: a ledger is restored all the same."""
    import channels
    from kentongan import config_folder, config_place

    with contextlib.suppress(KentonganError):
        if (folder := config_place.find_config(current().config)) is not None:
            return ZoneInfo(config_folder.load(folder, channels.settings_models()).agency.timezone)
    return ZoneInfo("UTC")


def _say(state: State, found: Restored) -> None:
    taken = telling.minute(datetime.fromisoformat(found.manifest.taken), _zone())
    output.say(f"Restored {state.ledger}, as it was at {taken}. It is held: nothing goes out.")
    if found.former is not None:
        output.say(f"The ledger before it lies in {found.former}.")
    if found.config is not None:
        output.say(f"The config of that time lies in {found.config}; this machine's own was not touched.")
    for sentence in found.missing:
        output.say(f"MISSING {sentence}.")
    if found.reports.missing:
        output.say_list("Reports on pruned alerts that are not in the backup: ", found.reports.missing)
    _say_unknown(found.unknown)


def _say_unknown(unknown: Unknown) -> None:
    for code, count in unknown.doubts.items():
        output.say(f"{code}: {telling.several(count, 'message')} in doubt; they may have been sent since")
    if unknown.unsent:
        output.say_list("Not sent then, and perhaps since: ", unknown.unsent)
    if unknown.steps:
        output.say(f"{telling.several(unknown.steps, 'next channel or group', 'next channels or groups')} given up.")
    if unknown.sheets:
        output.say_list("New sheets of one-time codes are needed by: ", unknown.sheets)
    output.say("Forgotten is what came since: stops, officers revoked, opt-outs, people erased. Do them again.")
    output.say("Next: kentongan status, kentongan resolve, then kentongan resume --restored")


def resume(office: Office) -> None:
    """Lets a restored ledger go on; what is in doubt stays so, and goes out only where an officer resolves it so."""
    from console.service import client
    from kentongan.desk import settling

    found = settling.resume_restored(office.desk, office.login())
    client.wake(office.house.state)
    if output.wants_json():
        output.document({"released": True, "doubts": found.doubts, "may_have_been_sent": found.unsent})
        return
    output.say("The ledger goes on: what is sent from now on goes out.")
    for code, count in found.doubts.items():
        output.say(
            f"{code}: {telling.several(count, 'message')} still in doubt and not sent again: kentongan resolve"
            f" --alert {code} --restored --sent, or --not-sent --again"
        )
    if found.unsent:
        output.say_list("Submitted or approved before, and perhaps sent since; look before you send: ", found.unsent)
