"""Whether people could be written to at all: the key of their data may be away, where public channels need none."""

from __future__ import annotations

from collections.abc import Mapping

from kentongan.clock import Process
from kentongan.desk.desk import Desk
from kentongan.errors import PeopleKeyAway
from kentongan.ledger import Read, senders
from kentongan.settings import InstanceSettings


def holds(desk: Desk, read: Read, instances: Mapping[str, InstanceSettings]) -> dict[str, str]:
    """The instances that are held, with why, also those that this process would hold if it sent.

    Where a service or a worker runs it is that one which sends; what it holds stands in the ledger.
    """
    held = senders.holds(read)
    people = [name for name, each in instances.items() if each.audience is not None]
    away = None
    if people and not senders.is_resident_there(read, clock=desk.clock, process=Process.current()):
        # What a sender that has ended held for want of the key ends as soon as this process begins with it.
        held = {name: why for name, why in held.items() if not why.startswith(senders.NO_ADDRESSES)}
        away = desk.people_away()
    found = {name: why for name in instances if (why := held.get(name) or held.get(senders.LEDGER)) is not None}
    if away is not None:
        found |= {name: f"{senders.NO_ADDRESSES}{away}" for name in people if name not in found}
    return found


def refuse_if_nothing_would_go(desk: Desk, read: Read, instances: Mapping[str, InstanceSettings]) -> None:
    """Raises PeopleKeyAway where all instances write to people, and none can for want of the key."""
    found = holds(desk, read, instances)
    reasons = [why for why in found.values() if why.startswith(senders.NO_ADDRESSES)]
    if instances and len(reasons) == len(instances):
        raise PeopleKeyAway(reasons[0].removeprefix(senders.NO_ADDRESSES))
