"""`kentongan status`: the list of alerts, or where one stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import click

from console import exits, output, words
from console.command import HANDLE, command
from console.commands.officers import SECRET_FILE
from console.invocation import current
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.overview import Overview


@command("status")
@click.argument("code", type=HANDLE, required=False)
@click.option("--watch", is_flag=True, help="Follow it until nothing is left to do; Ctrl-C leaves.")
@SECRET_FILE
def status(code: str | None, watch: bool, secret_file: str | None) -> int:
    """List the alerts, or show where one stands: channels, holds, failures by cause, and what is in doubt."""
    from console.office import Need, opened

    if current().service is not None:
        from console.commands import remote

        return remote.status(code, watch, secret_file)
    if watch and code is None:
        raise BadInput("--watch follows one alert; name it: kentongan status CODE --watch")
    with opened(Need.NOTHING) as office:
        if code is None:
            return _list(office)
        if watch and _is_sent(office, code):
            return _watch(office, code)
        return _one(office, code)


def _is_sent(office: Office, code: str) -> bool:
    from kentongan.ledger import alerts, dispatches

    return office.house.ledger.read(lambda read: dispatches.get(read, alerts.by_handle(read, code).id)) is not None


def _list(office: Office) -> int:
    from console import standing
    from kentongan.ledger import alerts, ballast, senders
    from kentongan.overview import overviews

    ledger = office.house.ledger
    found, damaged = ledger.read(overviews)
    seen = [_with_sender(office, each) for each in found]
    codes = ledger.read(lambda read: alerts.codes(read, list(damaged)))
    held = ledger.read(senders.holds)
    disk_full = ledger.read(ballast.used_at)
    unready = _unready(office, held)
    if output.wants_json():
        output.document(
            {
                "alerts": [
                    {
                        "code": each.alert.code,
                        "id": each.alert.id,
                        "kind": each.alert.kind.value,
                        "mode": each.alert.mode.value,
                        "state": each.alert.state,
                        "open": each.open,
                        "unattended": each.unattended,
                        "in_doubt": each.in_doubt,
                        "break_glass": each.break_glass or None,
                        "sandbox": each.sandbox,
                        "drafted_at": telling.iso(each.alert.created_at),
                        "dispatched_at": telling.iso(each.dispatch.at) if each.dispatch is not None else None,
                    }
                    for each in seen
                ],
                "held": held,
                "disk_full_at": telling.iso(disk_full) if disk_full is not None else None,
                "would_fail": {name: why for name, (_, why) in unready.items()},
                "damaged": {codes[id]: str(damage) for id, damage in damaged.items()},
                "reviews_due": [each.alert.code for each in seen if each.review and not each.review.is_done],
            }
        )
        return exits.WELL
    if not seen and not damaged:
        _tell_disk(office, disk_full)
        _tell_held(office, held)
        _warn_of(office, unready)
        output.say("There is no alert yet. Next: kentongan draft --help")
        return exits.WELL
    lines = standing.listing(seen, office.zone)
    lines += [(code, "", "DAMAGED", "", "see below") for code in codes.values()]
    output.print_table(("Code", "What", "State", "When", "Says"), lines, clipped=(4,), widest={2: 20})
    for damage in damaged.values():
        output.say(f"{damage}.")
    _tell_disk(office, disk_full)
    _tell_held(office, held)
    _warn_of(office, unready)
    for each in seen:
        if each.unattended:
            output.say(standing.nobody_sends(each.alert.code))
    for each in seen:
        if each.review is not None and not each.review.is_done:
            output.say(f"{each.alert.code}: {standing.review_line(each.alert.code, each.review, office.zone)}")
    return exits.WELL


def _with_sender(office: Office, seen: Overview) -> Overview:
    """The same, and whether nobody is there any more to send it."""
    from kentongan.clock import Process
    from kentongan.overview import with_sender

    clock, process = office.house.clock, Process.current()
    return office.house.ledger.read(lambda read: with_sender(read, seen, clock=clock, process=process))


def _unready(office: Office, held: Collection[str]) -> dict[str, tuple[int, str]]:
    """The configured channels whose last look failed, each with when that was and what was seen."""
    from kentongan.ledger import probes

    return {
        name: (standing.last.at, standing.last.seen.detail)
        for name, standing in office.house.ledger.read(probes.standings).items()
        if standing.failing and name in office.settings.channels and name not in held
    }


def _tell_disk(office: Office, at: int | None) -> None:
    if at is not None:
        output.say(
            f"The ledger's disk was full {words.moment(at, office.zone)} and its reserve is in use: make room on it now"
        )


def _tell_held(office: Office, held: Mapping[str, str]) -> None:
    from console import standing

    for name, reason in held.items():
        output.say(standing.held(name, reason, office.zone))


def _warn_of(office: Office, unready: Mapping[str, tuple[int, str]]) -> None:
    for name, (at, why) in unready.items():
        output.say(f"{name} would fail, asked {words.moment(at, office.zone)}: {telling.local(why, office.zone)}")


def _one(office: Office, code: str) -> int:
    from console import standing
    from kentongan.ledger import alerts
    from kentongan.overview import overview

    stored = office.house.ledger.read(lambda read: alerts.by_handle(read, code))
    seen = _with_sender(office, office.house.ledger.read(lambda read: overview(read, stored.id)))
    if output.wants_json():
        output.document(standing.to_json(office, seen))
        return exits.WELL
    for line in (*standing.banners(seen), standing.heading(seen)):
        output.say(line)
    if seen.dispatch is None:
        output.say(
            f"Drafted {words.moment(stored.created_at, office.zone)} by {stored.created_by}; nothing of it left."
        )
        return exits.WELL
    output.say(f"Sent off {words.moment(seen.dispatch.at, office.zone)} by {seen.dispatch.by}")
    output.terminal().print(standing.table(seen, office.zone))
    standing.explain(office, seen)
    return exits.WELL


def _watch(office: Office, code: str) -> int:
    """Follows without ever sending: who only watches needs no config and no secret."""
    from console import following, standing
    from console.progress import progress
    from kentongan.ledger import alerts

    stored = office.house.ledger.read(lambda read: alerts.by_handle(read, code))
    shown = progress(office.zone)
    follower = following.Follower(office.house, stored.id, {}, shown, may_send=False)
    try:
        seen, ended = following.run(follower.run())
    finally:
        shown.close()
    if output.wants_json():
        output.document(standing.to_json(office, seen))
    else:
        standing.explain(office, seen)
    return standing.exit_code(seen, office.settings.policy.tolerated_share) if ended else exits.DETACHED
