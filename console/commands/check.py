"""`kentongan check`: every fault of the installation at once, before a crisis finds the first of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from console import exits, output, readiness, words
from console.checks import checks
from console.command import command
from console.invocation import current
from kentongan.errors import BadInput, KentonganError

if TYPE_CHECKING:
    from flows.house import House


@command("check")
@click.option(
    "--channels", "asking", is_flag=True, help="Ask every provider, harmlessly, whether a message would pass."
)
@click.option(
    "--watch",
    type=click.FloatRange(min=10),
    metavar="SECONDS",
    help="With --channels: ask again and again, till Ctrl-C.",
)
def check(asking: bool, watch: float | None) -> int:
    """Find every fault of the installation before a crisis does; without --channels it contacts nobody.

    Ends with 2 where there is a fault, with 1 where a channel would fail if an alert was sent now.
    """
    if watch is not None:
        if not asking:
            raise BadInput("--watch asks the channels again; add --channels")
        return _watch(watch)
    found = list(checks(current()))
    seen, zone = None, ZoneInfo("UTC")
    if asking:
        with _house() as house:
            if house is not None:
                seen, zone = readiness.look(house), house.zone
    faults = sum(each.state == "fault" for each in found)
    if output.wants_json():
        told = [{"what": each.what, "state": each.state, "sentence": each.sentence} for each in found]
        output.document({"checks": told, "faults": faults, **(readiness.to_json(seen) if seen is not None else {})})
    else:
        for each in found:
            output.say(f"{each.state.upper():<6}{each.what}: {each.sentence}")
        output.say("Nothing is in the way." if not faults else f"{faults} to mend.")
        if seen is not None:
            output.say()
            readiness.show(seen, zone, told=[each.sentence for each in found])
    if faults:
        return exits.BAD_INPUT
    return exits.FAILED if seen is not None and readiness.failed(seen) else exits.WELL


@contextlib.contextmanager
def _house() -> Iterator[House | None]:
    """The installation; None where its config or ledger cannot be used: the checks have said so."""
    from flows.house import House

    try:
        house = House.open(current().config, current().state)
    except KentonganError:
        yield None
        return
    with house:
        yield house if house.settings is not None else None


def _watch(seconds: float) -> int:
    """Asks until somebody leaves; the last look says how it ends."""
    import json
    import time

    from kentongan.errors import BadConfig

    seen = None
    with _house() as house:
        if house is None:
            raise BadConfig("no config can be used, so there is no channel to ask; `kentongan check` says what to mend")
        try:
            while True:
                began = time.monotonic()
                seen = readiness.look(house)
                if output.wants_json():
                    click.echo(json.dumps(readiness.to_json(seen), ensure_ascii=False))
                else:
                    output.say(words.moment(seen.at, house.zone))
                    readiness.show(seen, house.zone)
                    output.say()
                time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        except KeyboardInterrupt:
            return exits.FAILED if seen is not None and readiness.failed(seen) else exits.WELL
