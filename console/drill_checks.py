"""What `kentongan check` says of drills: scenarios that could not run, and schedules that let nothing run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.invocation import Invocation

if TYPE_CHECKING:
    from kentongan.settings import Settings


def faults(invocation: Invocation, settings: Settings) -> list[str]:
    """What keeps a scenario of drills.yaml from being run, a sentence each."""
    from flows.house import House
    from kentongan.desk import drills

    place = f"{settings.source / 'drills.yaml'}: " if settings.source is not None else ""
    with House.open(invocation.config, invocation.state) as house:
        desk = house.desk(settings)
        return [f"{place}{fault}" for name in settings.drills.scenarios for fault in drills.faults(desk, name)]


def remarks(invocation: Invocation, settings: Settings) -> list[str]:
    """Which schedules let nothing run, and why: they lapsed, wait for a second officer, or are of another scenario."""
    from flows.house import House
    from kentongan.desk import drill_schedules, scenarios
    from kentongan.errors import KentonganError
    from kentongan.ledger import drills as register
    from kentongan.officers import Refusal

    found = []
    with House.open(invocation.config, invocation.state) as house:
        desk = house.desk(settings)
        for stored in house.ledger.read(register.schedules):
            name = stored.schedule.scenario
            held = house.ledger.read(lambda read, stored=stored: drill_schedules.standing(read, stored, desk.now))  # type: ignore[misc]
            if isinstance(held, Refusal):
                found.append(held.sentence)
                continue
            if name not in settings.drills.scenarios:
                found.append(
                    f"drill {name} is scheduled and drills.yaml no longer has it; `kentongan drill unschedule`"
                )
                continue
            try:
                changed = scenarios.rehearsal(desk, name).digest != stored.schedule.digest
            except KentonganError:
                changed = True
            if changed:
                found.append(
                    f"drill {name} is not what was scheduled any more, so its runs are dropped; schedule it again"
                )
    return found
