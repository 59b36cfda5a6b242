"""`kentongan prune`: takes the deliveries of what ended long ago off the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console import output
from console.command import command
from kentongan import telling
from kentongan.errors import BadInput, Refused

if TYPE_CHECKING:
    from kentongan.pruning import Goes, Stays


@command("prune")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="Days without anything new; else deliveries_kept_days of policy.yaml, and never fewer than it says.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would go and what stays.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(days: int | None, dry_run: bool, yes: bool) -> None:
    """Take the deliveries of threads that ended long ago off the record; what was counted of them stays, signed.

    Whom they reached, and when each message was accepted, is gone then, and nothing can follow them any more. Alerts,
    words, approvals and decisions stay for good. The report of each thread is written once more before, into the
    ledger (`kentongan report CODE --kept`). The service prunes once a day, where policy.yaml has deliveries_kept_days.
    """
    from console.office import Need, at_keyboard, opened
    from kentongan import pruning

    with opened(Need.CONFIG, warn=False) as office:
        house, policy = office.house, office.settings.policy
        kept = _days(days, policy.deliveries_kept_days)
        before = house.clock.wall() - kept * pruning.DAY
        seen = house.ledger.read(lambda read: pruning.outlook(read, before))
        if not output.wants_json():
            output.say(f"Kept: the deliveries of threads of the last {telling.several(kept, 'day')}.")
            for goes in seen.goes:
                output.say(f"{'Goes on' if goes.begun else 'Goes'}: {_named(goes)}")
            for stays in seen.stays:
                output.say(f"Stays: {', '.join(stays.codes)}: {stays.why}.")
        if dry_run or not seen.goes:
            if output.wants_json():
                output.document({"days": kept, "goes": [_goes(each) for each in seen.goes], **_stay(seen.stays)})
            elif not seen.goes:
                output.say("There is nothing to prune.")
            return
        if not (yes or output.wants_json()):
            if not output.is_terminal():
                raise BadInput("nobody can be asked here; give --yes to prune them")
            if not click.confirm("Take these deliveries off the record for good?", default=False, err=True):
                raise click.Abort
        by, _ = at_keyboard(house.state)
        done = pruning.prune(house.ledger, house.keys, office.settings.agency, before=before, by=by)
        codes = house.ledger.read(lambda read: pruning.codes(read, done.alerts))
        if output.wants_json():
            output.document(
                {
                    "days": kept,
                    "pruned": list(codes),
                    "deliveries": done.deliveries,
                    "events": done.events,
                    "waits": done.waits,
                    **_stay(done.stays),
                }
            )
            return
        for stays in done.stays:
            if stays not in seen.stays:
                output.say(f"Stays: {', '.join(stays.codes)}: {stays.why}.")
        output.say(
            f"Pruned: {telling.several(len(codes), 'alert')} with"
            f" {telling.several(done.deliveries, 'delivery', 'deliveries')}; `kentongan report CODE --kept` writes the"
            " report as it was before"
        )
        if done.waits:
            output.warn("an alert is on its way and goes first; run `kentongan prune` again for the rest")


def _days(asked: int | None, policy: int | None) -> int:
    if asked is None:
        if policy is None:
            raise BadInput(
                "policy.yaml names no deliveries_kept_days, so deliveries are kept for ever; name the days there, or"
                " give --older-than"
            )
        return policy
    if policy is not None and asked < policy:
        raise Refused(
            f"policy.yaml keeps deliveries for {telling.several(policy, 'day')}, for as long as a correction may come;"
            " give --older-than no fewer, or change deliveries_kept_days",
            rule="kept",
        )
    return asked


def _named(goes: Goes) -> str:
    return f"{', '.join(goes.codes)}: {telling.several(goes.deliveries, 'delivery', 'deliveries')}"


def _goes(goes: Goes) -> dict[str, object]:
    return {"thread": list(goes.codes), "deliveries": goes.deliveries, "begun": goes.begun}


def _stay(stays: list[Stays] | tuple[Stays, ...]) -> dict[str, object]:
    return {"stays": [{"thread": list(each.codes), "why": each.why} for each in stays]}
