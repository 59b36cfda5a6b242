"""What an officer sees of an alert and confirms before it leaves, whether this command sends it or the service does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from console import output
from kentongan.errors import BadInput, Refused
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.desk.releases import Prospect

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Ahead:
    """An alert that is up for sending, fit for JSON.

    `live`: its place has to be typed, one of `areas`. `reach` says whom it reaches, in words; `forecast` is what
    `console.forecasts.to_json` makes.
    """

    id: str
    code: str
    live: bool
    areas: tuple[str, ...]
    reach: str
    instances: tuple[str, ...]
    forecast: Sequence[Mapping[str, Any]]


def look(
    office: Office, code: str, *, reason: str | None, without: Collection[str], place_given: bool, shown: bool
) -> Ahead:
    """Asks what sending an alert would do and, with `shown`, writes it; `reason` is that of a broken glass.

    Raises Refused where it may not be sent, BadInput.
    """
    # Late: a command that the service sends for imports none of it before the press.
    from console import forecasts, showing
    from kentongan.desk import releases
    from kentongan.seam import Mode

    prospect = releases.prospect(office.desk, code)
    _refuse_unapproved(prospect, reason)
    if shown:
        showing.show(office, prospect)
    stored = prospect.alert
    live = stored.mode is Mode.LIVE
    # Whoever gives the place is not asked, so nothing is counted that could keep the alert waiting.
    foreseen = forecasts.before_sending(office, prospect, without, overlaps=live and not place_given)
    if shown:
        forecasts.show(office, foreseen)
    forecasts.warn(foreseen)
    return Ahead(
        id=stored.id,
        code=stored.code,
        live=live,
        areas=prospect.places or (stored.code,),
        reach=showing.reach(prospect.people.total, len(prospect.instances), stored),
        instances=prospect.instances,
        forecast=forecasts.to_json(foreseen),
    )


def _refuse_unapproved(prospect: Prospect, reason: str | None) -> None:
    from kentongan.officers import Refusal

    stored = prospect.alert
    if stored.state not in ("submitted", "approved"):
        told = "was sent off already" if stored.state == "dispatched" else f"is {stored.state}"
        raise Refused(
            f"alert {stored.code} {told} and cannot be sent again; see `kentongan status {stored.code}`", rule="state"
        )
    if isinstance(prospect.approved, Refusal):
        if reason is None:
            raise prospect.approved.error()
        return
    for warning in prospect.approved.warnings:
        output.warn(f"warning: {warning}")


def confirm(ahead: Ahead, place: str | None) -> list[str]:
    """Wants the place of a live alert typed; retries are free. Returns what was typed, if anything was."""
    from console import places

    if not ahead.live:
        return []
    wanted = places.names(ahead.areas) or (ahead.code,)
    if place is not None:
        if not places.is_typed(place, ahead.areas):
            named = "; ".join(wanted[:_MOST_NAMED])
            raise BadInput(f"--place {place!r} is no place of this alert; it is for {named}")
        return []
    if not output.is_terminal():
        raise BadInput("a live send wants its place typed; give --place where nobody can be asked")
    one_of = "the place" if len(wanted) == 1 else "one of its places"
    click.echo(
        f"This warns the public: {ahead.reach}. Type {one_of} to send: {'; '.join(wanted[:_MOST_NAMED])}", err=True
    )
    while not places.is_typed(typed := str(click.prompt("Place", err=True)), ahead.areas):
        click.echo("That is no place of this alert. Nothing was sent; type it again, or Ctrl-C.", err=True)
    return [typed]
