"""What an alert would do, in words, for an officer who approves or sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import output, targets, words
from console.standing import title
from kentongan import telling

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.extent import People
    from kentongan.desk.releases import Prospect
    from kentongan.ledger.alerts import StoredAlert


def reach(people: int, channels: int, stored: StoredAlert) -> str:
    """Whom an alert would reach: "41,200 people on 4 channels, live"."""
    return f"{telling.people(people)} on {telling.several(channels, 'channel')}, {stored.mode}"


def show(office: Office, ahead: Prospect) -> None:
    """Writes what an alert would do, for an officer to read before they put their name to it."""
    stored = ahead.alert
    output.say(words.banner(stored.mode))
    if ahead.sandbox:
        output.say(output.SANDBOX)
    output.say(f"{stored.kind.capitalize()} {stored.code}: {title(stored.draft)}")
    output.say_list("Place:    ", ahead.places or ["none named"], "; ")
    targets.show(
        office, stored, ahead.within, {n: s for n, s in office.settings.channels.items() if n in ahead.instances}
    )
    output.say(f"To:       {reach(ahead.people.total, len(ahead.instances), stored)}")
    output.say_list("Channels: ", [_named(ahead, name) for name in ahead.instances])
    ends = stored.draft.expires
    output.say(f"Ends:     {words.moment(ends, office.zone) if ends else 'when it is withdrawn'}")
    warn_of_nobody(ahead.people)


def warn_of_nobody(people: People) -> None:
    """Warns of channels that have nobody to write to."""
    for name, count in people.by_instance.items():
        if not count:
            output.warn(f"warning: {name} has nobody to write to; look at its audience, or import people")


def _named(ahead: Prospect, name: str) -> str:
    count = ahead.people.by_instance.get(name)
    return f"{name} ({telling.people(count) if count is not None else 'everybody'})"
