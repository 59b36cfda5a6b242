"""`kentongan people opt-out` and `opt-in`: who does not want to be written to.

People are named in a file or on standard input, never on the command line: that stays in the shell's history.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console import output
from console.command import command
from kentongan import telling
from kentongan.addresses import FAMILIES
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from kentongan.keys import StateKeys
    from kentongan.ledger import Read
    from kentongan.ledger.opt_outs import Named

_MOST_FAULTS = 20

_channel = click.option(
    "--channel", "family", type=click.Choice(FAMILIES), help="Only from messages of this kind; without: from all."
)
region_option = click.option(
    "--region", metavar="ID", default="ID", show_default=True, help="Country of numbers written without one (ISO 3166)."
)


@command("opt-out")
@click.argument("file", metavar="FILE")
@_channel
@region_option
def opt_out(file: str, family: str | None, region: str) -> None:
    """Note that people do not want our messages: a reference or an address a line, in FILE; - reads standard input.

    phone:, telegram: and email: may stand before an address. An address on no list is remembered for the next one.
    Nothing is noted where a line cannot be read. Whether it holds where life is at stake: opt_out_exception in
    policy.yaml.
    """
    _change(file, family, region.upper(), out=True)


@command("opt-in")
@click.argument("file", metavar="FILE")
@_channel
@region_option
def opt_in(file: str, family: str | None, region: str) -> None:
    """Take opt-outs back, named as for opt-out."""
    _change(file, family, region.upper(), out=False)


def _change(file: str, family: str | None, region: str, *, out: bool) -> None:
    from console.office import Need, at_keyboard, opened
    from kentongan.ledger import opt_outs

    lines = lines_of(file)
    with opened(Need.NOTHING, warn=False) as office:
        office.house.refuse_other_keys()
        named = office.house.ledger.read(lambda read: named_in(read, lines, office.house.keys, region))
        by, _ = at_keyboard(office.house.state)
        change = opt_outs.opt_out if out else opt_outs.opt_in
        done = office.house.ledger.write(lambda write: change(write, named, family=family, by=by))
        if output.wants_json():
            output.document(
                {"named": len(named), "people": done.people, "unknown": done.unknown, "changed": done.changed}
            )
            return
        from_ = f"messages by {family}" if family else "all messages"
        told = "opted out of" if out else "opted in again to"
        output.say(f"{telling.people(done.people)} {told} {from_}.")
        if done.unknown:
            remembered = " and remembered for the next one" if out else ""
            output.say(f"{done.unknown:,} of {len(named):,} named are on no list{remembered}.")


def lines_of(file: str) -> list[tuple[int, str]]:
    """The lines of a file that name somebody, with their numbers; - is standard input. Raises BadInput."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except FileNotFoundError:
        # What is no file may be an address typed where it does not belong: it is not repeated.
        raise BadInput(
            "there is no such file; write references or addresses into one, or give - and type them"
        ) from None
    except UnicodeDecodeError:
        raise BadInput("the file is not UTF-8; save it as such") from None
    except OSError as error:
        raise BadInput(f"the file cannot be read: {error.strerror}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    named = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not named:
        raise BadInput("nobody is named; write one reference or address a line")
    return named


def named_in(read: Read, lines: list[tuple[int, str]], keys: StateKeys, region: str) -> list[Named]:
    """Who is named, each once; raises BadInput with every line that cannot be read."""
    faults = []
    found = []
    for number, line in lines:
        try:
            found.append(_one(read, line, keys, region))
        except ValueError as error:
            faults.append(f"line {number} {error}")
    if faults:
        more = [f"and {len(faults) - _MOST_FAULTS:,} more lines"] if len(faults) > _MOST_FAULTS else []
        raise BadInput("\n".join([*faults[:_MOST_FAULTS], *more, "nothing was done; mend these lines"]))
    return list(dict.fromkeys(found))


def _one(read: Read, line: str, keys: StateKeys, region: str) -> Named:
    """Who a line means; raises ValueError, without the line."""
    from kentongan.addresses import normalise
    from kentongan.ledger.opt_outs import REFERENCE, Named

    scheme, colon, rest = line.partition(":")
    if colon and scheme.strip().lower() in FAMILIES:
        family = scheme.strip().lower()
        return Named(family, keys.address_hash(family, normalise(family, rest.strip(), default_region=region).value))
    reference = keys.address_hash(REFERENCE, line)
    if read.sql("SELECT 1 FROM person WHERE reference = :hash", {"hash": reference}).first() is not None:
        return Named(REFERENCE, reference)
    family = "email" if "@" in line else "phone"
    try:
        address = normalise(family, line, default_region=region)
    except ValueError:
        raise ValueError(
            "is no reference that we know and no address; write phone:, whatsapp:, telegram: or email: before it"
        ) from None
    return Named(family, keys.address_hash(family, address.value))
