"""`kentongan log`: the record, its signed heads, and whether it is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from console import exits, output
from console.command import HANDLE, Lazy, LazyGroup, command
from kentongan import telling
from kentongan.errors import BadInput

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
@click.option("--alert", "thread", type=HANDLE, metavar="CODE", help="Only this alert's thread, all messages of it.")
@click.option("--channel", metavar="NAME", default="", help="Only what is about this channel.")
@click.option(
    "--in-state",
    "standing",
    metavar="STATE",
    default="",
    help="Only deliveries that are now in this state, such as in_doubt, and alerts that are, such as stopped.",
)
@click.option("--region", metavar="CODE", default="", help="Only deliveries to people there, and alerts to it.")
@click.option("--officer", metavar="NAME", default="", help="Only what this officer did, or what was done to them.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type, such as alert.stopped.")
@click.option("--since", metavar="TIME", help="Only what came later, such as 2h (ago) or 2026-11-21 14:00.")
@click.option("--until", metavar="TIME", help="Only what came before that, given alike.")
@click.option("--deliveries", "whole", is_flag=True, help="As text too, every event on single deliveries.")
@click.option("--delivery", "number", type=int, metavar="NUMBER", help="What became of this one delivery of CODE.")
@click.option("--to", "people", metavar="FILE", help="The same for people named as for `people opt-out`; - for input.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), help="text, unless --json is given.")
@click.option("--follow", is_flag=True, help="Go on showing what happens, until Ctrl-C.")
def show(
    code: str | None,
    thread: str | None,
    form: str | None,
    follow: bool,
    standing: str,
    whole: bool,
    number: int | None,
    people: str | None,
    **asked: Any,
) -> None:
    """Show what happened, in words, oldest first.

    CODE is one alert; --alert takes its whole thread. It names no person and holds no address. Of a large alert the
    text leaves out thousands of events on single deliveries, and says so; csv and json have all.
    """
    from console.office import Need, opened

    if number is not None or people is not None:
        others = (thread, follow, standing, whole, form == "csv", any(asked.values()))
        if code is None or any(others) or (number is not None and people is not None):
            raise BadInput("--delivery and --to ask about one alert and stand alone; give its CODE and one of them")
        from console import recipient_log

        with opened(Need.NOTHING, warn=False) as office:
            as_json = form == "json" or output.wants_json()
            recipient_log.write(office, code, number=number, people=people, as_json=as_json)
        return
    from console import record

    form = form or ("json" if output.wants_json() else "text")
    if follow and form == "json":
        raise BadInput("--follow has no end and a JSON document has one; follow as text or csv")
    if follow and asked["until"]:
        raise BadInput("--follow goes on and --until ends; give one of them")
    with opened(Need.NOTHING) as office:
        wanted = record.filter_of(office, code=code, thread=thread, state=standing, **asked)
        record.write(office, wanted, form=form, follow=follow, whole=whole)


@command("verify")
@click.option("--head", "file", metavar="FILE", help="The head to verify against; else the newest of this ledger.")
def verify(file: str | None) -> int:
    """Find any changed byte behind a signed head; names every difference and ends with 1 where there is one.

    Without a head kept elsewhere it cannot find what somebody rewrote who holds this ledger's key.
    """
    from console.heads import newest
    from console.office import Need, opened
    from kentongan.ledger import verification
    from kentongan.safekeeping import reports

    with opened(Need.NOTHING, warn=False) as office:
        path = Path(file) if file is not None else newest(office.house.state)
        signed = _read(path) if path is not None else None
        key = office.house.keys.head_public_key
        found = office.house.ledger.read(lambda read: verification.verify(read, head=signed, public_key=key))
        differing, missing = office.house.ledger.read(lambda read: reports.compare(read, office.house.state.reports))
        found.differences.extend(differing)
        if output.wants_json():
            output.document(
                {
                    "head": str(path) if path is not None else None,
                    "events": found.events,
                    "chains": found.chains,
                    "links_behind_head": found.behind_head,
                    "deliveries": found.deliveries,
                    "pruned": found.pruned,
                    "being_pruned": list(found.unfinished),
                    "reports_missing": missing,
                    "differences": [{"place": each.place, "sentence": each.sentence} for each in found.differences],
                }
            )
            return exits.FAILED if found.differences else exits.WELL
        for each in found.differences:
            output.say(f"DIFFERENCE {each.place}: {telling.local(each.sentence, office.zone)}")
        output.say(
            f"{telling.several(found.events, 'event')} in {telling.several(found.chains, 'chain')} and "
            f"{telling.several(found.deliveries, 'delivery', 'deliveries')} were read again."
        )
        if found.pruned:
            output.say(
                f"{telling.several(found.pruned, 'event')} more were pruned; their digests are here, under signed"
                " checkpoints."
            )
        if missing:
            output.say(
                f"{telling.several(missing, 'report')} on what was pruned not in {office.house.state.reports} any more."
            )
        for code in found.unfinished:
            output.say(f"{code} is being pruned, or that was cut: `kentongan prune` goes on with it.")
        if path is None:
            output.warn("no signed head is there, so only the chains were checked; write one with `kentongan log head`")
        else:
            output.say(f"{telling.several(found.behind_head, 'link')} behind the head {path}")
        if found.differences:
            told = telling.several(len(found.differences), "difference")
            if found.lost == len(found.differences):
                output.say(f"{told}: what is missing was lost with a former ledger. All else is as it was recorded.")
            else:
                output.say(f"{told}: the record was changed.")
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
