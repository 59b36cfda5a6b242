"""Whom and where an alert is for: how many people, which places. It needs no words, so that sending loads none."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kentongan.alert import Draft
from kentongan.area.codes import Within
from kentongan.desk import targeting
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput
from kentongan.ledger import Read
from kentongan.ledger import people as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.threads import reached
from kentongan.quick_dataclass import dataclass
from kentongan.reach import Reach, reach_of
from kentongan.settings import InstanceSettings


@dataclass(frozen=True, slots=True)
class People:
    """How many persons would be written to: `total`, each once on however many channels, and by instance."""

    total: int
    by_instance: Mapping[str, int]


def people(desk: Desk, stored: StoredAlert, instances: Mapping[str, InstanceSettings], within: Within | None) -> People:
    """How many people an alert would be sent to now: its audience in its area, or those whom its thread has reached."""
    if stored.kind.widens:
        return count_people(desk, instances, within, reach_of(stored.draft.cap, desk.settings.policy, desk.identify))
    total, by_instance = desk.ledger.read(lambda read: reached(read, stored.predecessor or stored.id))
    return People(total, {name: by_instance[name] for name in instances if name in by_instance})


def count_people(
    desk: Desk,
    instances: Mapping[str, InstanceSettings],
    within: Within | None = None,
    reach: Reach = register.EVERYBODY,
) -> People:
    """How many people the instances with an audience would write to now; one address on a channel counts once."""
    wanted = targeting.audiences(desk, instances)

    def count(read: Read) -> People:
        return People(
            register.count_distinct(read, list(wanted.values()), within=within, reach=reach),
            {
                name: register.count_people(read, family=family, audience=audience, within=within, reach=reach)
                for name, (family, audience) in wanted.items()
            },
        )

    return desk.ledger.read(count)


def area_names(draft: Draft) -> tuple[str, ...]:
    """The names of the alert's areas, each once, as officers see them."""
    return tuple(dict.fromkeys(area.area_desc for info in draft.cap.infos for area in info.areas if area.area_desc))


def check_without(desk: Desk, without: Collection[str]) -> None:
    """Raises BadInput for something to be left out that no channel of the config is."""
    for place in without:
        if place.split(":")[0] not in desk.settings.channels:
            known = ", ".join(desk.settings.channels)
            raise BadInput(f"--without {place}: no such channel; known are {known}")
