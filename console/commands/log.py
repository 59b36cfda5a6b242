"""`kentongan log`: the record, its signed heads, and whether it is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import exits, output, words
from console.command import HANDLE, Lazy, LazyGroup, command
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from kentongan.ledger.views import Event

log = LazyGroup(
    name="log",
    help="Show, sign and verify the record. With a code, or nothing, it shows what happened.",
    default="show",
    lazy={
        "show": Lazy("console.commands.log:show", "What happened, in words; this is what `log` alone does."),
        "verify": Lazy("console.commands.log:verify", "Find any changed byte behind a signed head."),
        "head": Lazy("console.commands.log:head", "Sign the record as it stands now, and write the head down."),
    },
)


@command("show")
@click.argument("code", type=HANDLE, required=False)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type, such as alert.stopped.")
@click.option("--since", metavar="TIME", help="Only what came later, such as 2h (ago) or 2026-11-21 14:00.")
def show(code: str | None, types: tuple[str, ...], since: str | None) -> None:
    """Show what happened, in words, oldest first."""
    from console.event_words import sentence
    from console.office import Need, opened
    from kentongan.clock import to_datetime, to_milliseconds
    from kentongan.ledger import alerts, views

    with opened(Need.NOTHING) as office:
        ledger = office.house.ledger
        now = to_datetime(office.house.clock.wall())
        after = to_milliseconds(words.since(since, now=now, zone=office.zone)) if since is not None else 0
        stored = ledger.read(lambda read: alerts.by_handle(read, code)) if code is not None else None
        alert_id = stored.id if stored is not None else None
        events = ledger.read(lambda read: views.events(read, alert_id=alert_id, types=types, after=after))
        codes = {each.id: each.code for each in ledger.read(alerts.listing)}
        if output.wants_json():
            output.document({"events": [_to_json(event, codes) for event in events]})
            return
        if not events:
            output.say("Nothing of that kind is on record.")
        day = ""
        for event in events:
            local = words.moment(event.at, office.zone)
            if local[:10] != day:
                day = local[:10]
                output.say(f"{day} ({local.rpartition(' ')[2]})")
            subject = codes.get(event.alert_id or "", "-")
            output.say(f"{words.clock_time(event.at, office.zone)}  {subject:<4}  {sentence(event)}")


def _to_json(event: Event, codes: dict[str, str]) -> dict[str, Any]:
    from console.event_words import sentence

    return {
        "at": words.iso(event.at),
        "type": event.type,
        "alert": codes.get(event.alert_id or ""),
        "alert_id": event.alert_id,
        "delivery": event.delivery_id,
        "chain": event.chain,
        "sequence": event.seq,
        "says": sentence(event),
        "data": dict(event.data),
    }


@command("verify")
@click.option("--head", "file", metavar="FILE", help="The head to verify against; else the newest of this ledger.")
def verify(file: str | None) -> int:
    """Find any changed byte behind a signed head; names every difference and ends with 1 where there is one.

    Without a head kept elsewhere it cannot find what somebody rewrote who holds this ledger's key.
    """
    from console.heads import newest
    from console.office import Need, opened
    from kentongan.ledger import verification

    with opened(Need.NOTHING, warn=False) as office:
        path = Path(file) if file is not None else newest(office.house.state)
        signed = _read(path) if path is not None else None
        key = office.house.keys.head_public_key
        found = office.house.ledger.read(lambda read: verification.verify(read, head=signed, public_key=key))
        if output.wants_json():
            output.document(
                {
                    "head": str(path) if path is not None else None,
                    "events": found.events,
                    "chains": found.chains,
                    "links_behind_head": found.behind_head,
                    "deliveries": found.deliveries,
                    "differences": [{"place": each.place, "sentence": each.sentence} for each in found.differences],
                }
            )
            return exits.FAILED if found.differences else exits.WELL
        for each in found.differences:
            output.say(f"DIFFERENCE {each.place}: {each.sentence}")
        output.say(
            f"{words.several(found.events, 'event')} in {words.several(found.chains, 'chain')} and "
            f"{words.several(found.deliveries, 'delivery', 'deliveries')} were read again."
        )
        if path is None:
            output.warn("no signed head is there, so only the chains were checked; write one with `kentongan log head`")
        else:
            output.say(f"{words.several(found.behind_head, 'link')} behind the head {path}")
        if found.differences:
            output.say(f"{words.several(len(found.differences), 'difference')}: the record was changed.")
            return exits.FAILED
        output.say("All is as it was recorded.")
        return exits.WELL


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"head {path} cannot be read: {error.strerror}; name another with --head") from None
    except ValueError:
        raise BadInput(f"head {path} is no signed head; name one that `kentongan log head` wrote") from None
    if not isinstance(content, dict) or not isinstance(content.get("chains"), dict):
        raise BadInput(f"head {path} is no signed head; name one that `kentongan log head` wrote")
    return content


@command("head")
def head() -> None:
    """Sign the record as it stands now; keep a copy of the head on another machine."""
    from console.heads import write
    from console.office import Need, opened

    with opened(Need.NOTHING, warn=False) as office:
        signed, path = write(office.house)
        if output.wants_json():
            output.document({"head": str(path), **signed})
        else:
            output.say(f"Signed: {path}")
            output.say("Keep a copy on another machine: `kentongan log verify --head FILE` compares with it.")
