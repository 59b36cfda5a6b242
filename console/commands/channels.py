"""`kentongan channels`: the configured instances, and the kinds that there are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from console import output, words
from console.command import Lazy, LazyGroup, command
from kentongan import telling

if TYPE_CHECKING:
    from kentongan.seam import Traits

channels = LazyGroup(
    name="channels",
    help="Show the configured channels and the known kinds.",
    default="list",
    lazy={
        "list": Lazy(
            "console.commands.channels:listing", "The configured channels; this is what `channels` alone does."
        ),
        "inbound": Lazy(
            "console.commands.channels:inbound", "Where a provider is to send what people write to a channel."
        ),
        "kinds": Lazy("console.commands.channels:kinds", "The kinds of channel that there are, and what each can do."),
    },
)


@command("list")
def listing() -> None:
    """Show the configured channels: mode, kind, readers, limits, and what is held."""
    from console import standing
    from console.office import Need, opened
    from kentongan.ledger import senders

    with opened(Need.NOTHING) as office:
        holds = office.house.ledger.read(senders.holds)
        whole = holds.get(senders.LEDGER)
        held = {name: why for name in office.settings.channels if (why := whole or holds.get(name)) is not None}
        instances = office.settings.channels
        if output.wants_json():
            output.document({"channels": [_told(name, each, held.get(name)) for name, each in instances.items()]})
            return
        if not instances:
            output.say("No channel is configured. Next: kentongan channels kinds")
            return
        rows = []
        sandboxed = all(each.sandbox for each in instances.values())
        for name, each in instances.items():
            told = _told(name, each, held.get(name))
            rows.append(
                (
                    name,
                    each.kind,
                    each.mode + (", sandbox" if each.sandbox and not sandboxed else ""),
                    each.audience or "everybody",
                    f"{told['length']:,} {words.UNITS[told['counting']]}",
                    f"{told['rate']:g}/s",
                    _cost(told["cost"]),
                    "HELD" if held.get(name) else "",
                )
            )
        output.print_table(
            ("Channel", "Kind", "Mode", "Readers", "Length", "Rate", "Cost", ""), rows, right=(5,), whole=(0,)
        )
        for name, reason in holds.items():
            if name in held or name == senders.LEDGER:
                output.say(standing.held(name, reason, office.zone))
        if sandboxed:
            output.say("All of them are sandboxes: whatever is sent reaches nobody.")


def _cost(cost: dict[str, Any] | None) -> str:
    """What a message costs and, where that differs, one with a link."""
    if cost is None:
        return ""
    dearer = f", with a link {cost['with_link']:g}" if cost["with_link"] != cost["message"] else ""
    return f"{cost['currency']} {cost['message']:g}{dearer}"


def _told(name: str, settings: Any, held: str | None) -> dict[str, Any]:
    import channels as kinds_

    limits = kinds_.limits(settings)
    return {
        "channel": name,
        "kind": settings.kind,
        "mode": settings.mode.value,
        "sandbox": settings.sandbox,
        "audience": settings.audience,
        "counting": limits.counting,
        "length": limits.length,
        "rate": limits.rate,
        "concurrency": limits.concurrency,
        "deadline": limits.deadline,
        "deliver_within": limits.deliver_within,
        "cost": dataclasses.asdict(limits.cost) if limits.cost is not None else None,
        "held": held,
    }


@command("inbound")
@click.argument("name", metavar="CHANNEL")
def inbound(name: str) -> None:
    """Show the address at which a provider is to bring what people write to a channel; it holds a secret."""
    import channels as kinds_
    from console.office import Need, opened
    from kentongan.errors import BadInput

    with opened(Need.CONFIG) as office:
        if name not in office.settings.channels:
            known = ", ".join(office.settings.channels)
            raise BadInput(f"{name!r} is no channel; known are {known}")
        found = kinds_.open(office.settings, names=[name])[name]
        address = getattr(found, "inbound_address", None)
        told = address() if address is not None else None
        if told is None:
            raise BadInput(
                f"channel {name} has no such address: nobody writes to it, its provider is told where to bring answers"
                " where receipts are set up, or receipt_url and receipt_secret are missing in channels.yaml"
            )
        if output.wants_json():
            output.document({"channel": name, "address": told})
        else:
            output.say(told)


@command("kinds")
def kinds() -> None:
    """Show the kinds of channel that there are, and what each can do."""
    import channels as kinds_

    found = {kind: kinds_.traits(kind) for kind in kinds_.kinds()}
    if output.wants_json():
        output.document({"kinds": [{"kind": kind, **_abilities(traits)} for kind, traits in found.items()]})
        return
    rows = []
    for kind, traits in found.items():
        told = _abilities(traits)
        able = [word for word in ("find", "edit", "delete", "receipts") if told[word]]
        readers = " or ".join(filter(None, ("everybody" if traits.public else "", traits.family or "")))
        rows.append((kind, readers, _repeat(traits), ", ".join(able) or "-"))
    output.print_table(("Kind", "Readers", "A repeat", "Can"), rows)


def _abilities(traits: Traits) -> dict[str, Any]:
    import math

    window = traits.idempotent.window if traits.idempotent is not None else None
    return {
        "public": traits.public,
        "family": traits.family,
        "batch": traits.batch,
        "idempotent_for": None if window is None else "ever" if math.isinf(window) else window,
        "find": traits.find,
        "edit": traits.edit,
        "delete": traits.delete,
        "receipts": traits.receipts,
    }


def _repeat(traits: Traits) -> str:
    import math

    if traits.idempotent is None:
        return "is a second message"
    window = traits.idempotent.window
    return "is dropped" if math.isinf(window) else f"is dropped for {telling.span(round(window * 1000))}"
