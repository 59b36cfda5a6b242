"""The area of an alert as officers see it: its size, its regions, and how many people it reaches in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console import output
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.area.codes import Within
    from kentongan.ledger.alerts import StoredAlert
    from kentongan.settings import InstanceSettings

_MOST_NAMES = 8


def show(office: Office, stored: StoredAlert, within: Within | None, instances: Mapping[str, InstanceSettings]) -> None:
    """Writes size and regions of an alert's area; nothing where no regions are loaded."""
    if within is None:
        return
    told = described(office, stored, within, instances)
    size = f"{told['square_kilometres']:,.0f} km², " if told["square_kilometres"] else ""
    names = f": {_some(told['names'])}" if told["names"] else ""
    output.say(f"Area:     {size}{telling.several(told['smallest'], 'region')}{names}")
    people = [f"{each['name'] or 'no region on record'} {each['people']:,}" for each in told["people"]]
    if people:
        output.say(f"People:   {_some(people)}")


def described(
    office: Office, stored: StoredAlert, within: Within, instances: Mapping[str, InstanceSettings]
) -> dict[str, Any]:
    """The same for programs. `smallest` counts the smallest loaded regions; who has two regions counts in both."""
    from kentongan.desk import targeting

    summary = targeting.summary(office.desk, stored.draft, within.codes)
    counted = targeting.people_by_region(office.desk, instances, within)
    return {
        "square_kilometres": round(summary.square_kilometres, 1),
        "regions": list(within.codes),
        "names": list(summary.names),
        "smallest": summary.regions,
        "without_region": within.unplaced,
        "people": [{"code": each.code, "name": name, "people": each.people} for name, each in counted],
    }


def write_map(office: Office, stored: StoredAlert, within: Within | None, file: str) -> None:
    """Writes the sketch of an alert's area as an SVG file; raises BadInput."""
    from kentongan.area.sketch import sketch
    from kentongan.desk import targeting

    picture = sketch(
        targeting.areas_of(stored.draft),
        targeting.drawn(office.desk, stored.draft, within.codes if within is not None else ()),
        title=f"{stored.code}: {'; '.join(_names(stored)) or stored.draft.hazard}",
    )
    try:
        Path(file).write_text(picture, "utf-8")
    except OSError as error:
        raise BadInput(f"--map {file} cannot be written: {error.strerror}; name a file in a folder of yours") from None


def _names(stored: StoredAlert) -> Sequence[str]:
    from kentongan.desk.extent import area_names

    return area_names(stored.draft)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"
