"""`kentongan page`, `officer page` and `waiting`: how officers are called at night, and what they are called for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console import exits, output
from console.command import HANDLE, Lazy, LazyGroup, command
from console.commands.officers import SECRET_FILE
from console.invocation import current
from kentongan import telling
from kentongan.errors import BadConfig, BadInput, Refused

if TYPE_CHECKING:
    from console.office import Office
    from console.service.pager import Paged
    from kentongan.paging import Concern

page = LazyGroup(
    name="page",
    help="Pages to officers: list, try, take note.",
    lazy={
        "list": Lazy("console.commands.paging:listing", "Show the newest pages and what became of them."),
        "test": Lazy("console.commands.paging:trial", "Page one officer now, to see whether they are reached."),
        "acknowledge": Lazy("console.commands.paging:acknowledge", "Take note, so that nobody is paged again."),
    },
)


@command("page")
@click.argument("name")
@click.option("--phone", "family", flag_value="phone", help="A telephone number, for SMS.")
@click.option("--telegram", "family", flag_value="telegram", help="A Telegram chat id, as the bot was given it.")
@click.option("--email", "family", flag_value="email", help="An e-mail address.")
@click.option("--region", default="ID", show_default=True, help="Country of a number written without one.")
@click.option("--address-file", metavar="FILE", help="Read the address from here; - is standard input.")
@click.option("--remove", is_flag=True, help="Page them there no more; any officer may.")
def address(name: str, family: str | None, region: str, address_file: str | None, remove: bool) -> None:
    """Say where an officer is paged; the address is asked for, never typed on the line, and kept encrypted.

    Officers say it themselves, logged in: whoever gets the page gets the check for an approval by code.
    """
    from console.commands.officers import first_line
    from console.office import Need, opened
    from kentongan.addresses import mask, normalise
    from kentongan.ledger import pages

    if family is None:
        raise BadInput("name the kind of address: --phone, --telegram or --email")
    chosen: str = family
    with opened(Need.NOTHING, warn=False) as office:
        owner = name.strip().lower()
        acting = office.desk.acting(office.login())
        if owner not in office.desk.officers():
            raise BadInput(f"no officer {owner!r} in this ledger; `kentongan officer list` shows them")
        if remove:
            there = office.house.ledger.write(lambda write: pages.remove_pager(write, owner, chosen, by=acting.officer))
            _say_address(owner, chosen, "is no longer paged there" if there else "had no such address", there)
            return
        if acting.officer != owner:
            raise Refused(
                f"{acting.officer} is logged in, and officers say themselves where they are paged; run `kentongan login"
                f" {owner}`",
                rule="pager",
            )
        if address_file is not None:
            text = first_line(address_file, "address")
        elif output.is_terminal():
            text = str(click.prompt(f"{chosen} of {owner}", err=True))
        else:
            raise BadInput("the address cannot be asked for without a terminal; give --address-file")
        try:
            found = normalise(chosen, text.strip(), default_region=region)
        except ValueError as error:
            raise BadInput(f"this {chosen} {error}") from None
        office.house.refuse_other_keys()
        office.house.ledger.write(lambda write: pages.set_pager(write, owner, found, keys=office.house.keys))
        _say_address(owner, chosen, f"is paged at {mask(found)}", True)
        if not output.wants_json():
            output.say(f"Next: kentongan page test {owner}")


def _say_address(officer: str, family: str, said: str, changed: bool) -> None:
    if output.wants_json():
        output.document({"officer": officer, "family": family, "changed": changed})
    else:
        output.say(f"{officer}, {family}: {said}.")


@command("list")
def listing() -> None:
    """Show the newest pages and what became of them, and what officers are paged for now."""
    from console.office import Need, opened
    from kentongan.ledger import pages

    with opened(Need.NOTHING) as office:
        sent = office.house.ledger.read(pages.listing)
        open_ = concerns_now(office)
        known = office.house.ledger.read(pages.acknowledged)
        if output.wants_json():
            output.document(
                {
                    "concerns": [{**_concern_json(each), "noted_by": known.get(each.about)} for each in open_],
                    "pages": [
                        {
                            "about": each["about"],
                            "cause": each["cause"],
                            "officer": each["officer"],
                            "channel": each["instance"],
                            "at": telling.iso(each["at"]),
                            "outcome": each["outcome"],
                            "reason": each["reason"] or None,
                        }
                        for each in sent
                    ],
                }
            )
            return
        for each in open_:
            noted = f"; noted by {known[each.about]}" if each.about in known else ""
            output.say(f"{_told(each)}{noted}")
        if not sent:
            output.say("Nobody was paged yet.")
            return
        rows = [
            (
                telling.minute(each["at"], office.zone),
                each["officer"],
                each["instance"],
                each["cause"],
                telling.word(each["outcome"]) + (f": {each['reason']}" if each["reason"] else ""),
            )
            for each in sent
        ]
        output.print_table(("When", "Officer", "Over", "For", "Came to"), rows, clipped=(4,))


@command("test")
@click.argument("name")
def trial(name: str) -> int:
    """Page one officer now, over every channel of paging.yaml that they have an address for."""
    import asyncio

    from console.office import Need, opened
    from kentongan.ledger import pages

    with opened(Need.CONFIG) as office:
        owner = name.strip().lower()
        if owner not in office.desk.officers():
            raise BadInput(f"no officer {owner!r} in this ledger; `kentongan officer list` shows them")
        if not office.settings.paging.instances:
            raise BadConfig("paging.yaml names no channel, so nobody can be paged; see docs/night.md")
        families = {each.family for each in office.house.ledger.read(pages.pagers) if each.officer == owner}
        paged = asyncio.run(_try(office, owner, families))
        if not paged:
            raise BadInput(f"{owner} has no address for a channel of paging.yaml; run `kentongan officer page {owner}`")
        if output.wants_json():
            output.document(
                {
                    "officer": owner,
                    "pages": [
                        {"channel": each.page.instance, "outcome": each.outcome, "reason": each.reason or None}
                        for each in paged
                    ],
                }
            )
        else:
            for each in paged:
                why = f": {each.reason}" if each.reason else ""
                output.say(f"{each.page.instance}: {telling.word(each.outcome)}{why}")
        return exits.WELL if any(each.outcome == "accepted" for each in paged) else exits.FAILED


async def _try(office: Office, officer: str, families: set[str]) -> list[Paged]:
    import secrets

    from console.service import pager
    from kentongan.ledger import pages
    from kentongan.paging import Page

    opened = pager.opened_pagers(office.house)
    try:
        result = []
        for name, channel in opened.items():
            if channel.traits.family not in families:
                continue
            wanted, id = Page(pager.trial(channel), officer, name), secrets.token_hex(8)
            await office.house.ledger.write_soon(lambda write, i=id, w=wanted: pages.begin(write, i, w))  # type: ignore[misc]
            result.append(await pager.send(office.house, channel, id, wanted))
        return result
    finally:
        for channel in opened.values():
            await channel.close()


@command("acknowledge")
@click.argument("code", type=HANDLE, required=False)
def acknowledge(code: str | None) -> None:
    """Take note of what officers are paged for, of one alert or of everything, so that nobody is paged for it again."""
    from console.office import Need, opened
    from kentongan.ledger import alerts, pages

    with opened(Need.NOTHING) as office:
        acting = office.desk.acting(office.login())
        ledger = office.house.ledger
        wanted = concerns_now(office)
        if code is not None:
            stored = ledger.read(lambda read: alerts.by_handle(read, code))
            wanted = [each for each in wanted if each.alert_id == stored.id]
        fresh = ledger.write(lambda write: pages.acknowledge(write, [each.about for each in wanted], by=acting.officer))
        if output.wants_json():
            output.document({"acknowledged": fresh, "by": acting.officer})
            return
        if not fresh:
            output.say("There is nothing that officers are paged for and nobody has noted.")
        for each in wanted:
            if each.about in fresh:
                output.say(f"Noted by {acting.officer}: {telling.local(_told(each), office.zone)}")


@command("waiting")
@SECRET_FILE
def waiting(secret_file: str | None) -> None:
    """Show what waits for an officer to act: approvals, holds, doubt, reviews."""
    from console.office import Need, opened

    if current().service is not None:
        from console.commands import remote

        return remote.waiting(secret_file)
    with opened(Need.NOTHING) as office:
        found = concerns_now(office)
        if output.wants_json():
            output.document({"waiting": [_concern_json(each) for each in found]})
            return
        if not found:
            output.say("Nothing waits for an officer.")
        for each in found:
            output.say(telling.local(_told(each), office.zone))


def concerns_now(office: Office) -> list[Concern]:
    """What officers should act on now."""
    from kentongan import concerns

    modes = {name: instance.mode for name, instance in office.settings.channels.items()}
    return office.house.ledger.read(lambda read: concerns.concerns(read, paging=office.settings.paging, modes=modes))


def _told(concern: Concern) -> str:
    """One line: what it is about, why it waits, and what to type."""
    from kentongan.cap.model import Status
    from kentongan.paging import Cause

    values = concern.values
    code = values.get("code")
    mode = "LIVE" if concern.status is Status.ACTUAL else "drill"
    about = f"{code}, {mode} {values.get('kind')} ({values.get('headline')})"
    match concern.cause:
        case Cause.LEDGER:
            return f"no alert goes out, for the ledger {values['reason']}: kentongan check"
        case Cause.RESTORED:
            return f"nothing goes out: {values['reason']}: kentongan resume --restored"
        case Cause.REFUSED:
            return f"{about} is NOT being sent: {values['reason']}: kentongan status {code}"
        case Cause.APPROVAL:
            return f"{about}, submitted by {values['by']}, waits for approval: kentongan approve {code}"
        case Cause.DISK:
            return "the ledger's disk is full and its reserve is in use: make room on it, then kentongan check"
        case Cause.KEY:
            return f"the key of people's data is away: {values['reason']}: kentongan check"
        case Cause.BREAK_GLASS:
            return f"{about} was sent by {values['by']} alone: kentongan review {code} --finding TEXT"
        case Cause.REVIEW:
            return f"the review of {about} is due in {values['hours']} h: kentongan review {code} --finding TEXT"
        case Cause.HELD:
            return f"{values['channel']} is held: {values['reason']}"
        case Cause.THROTTLED:
            return f"{about} waits on {values['channel']}: {values['reason']}: kentongan status {code}"
        case Cause.UNREADY:
            return f"{values['channel']} would not pass now: {values['reason']}: kentongan check --channels"
        case Cause.DOUBT:
            return f"{about} has {values['count']} in doubt: kentongan status {code}"
        case Cause.CODES:
            officer = values["officer"]
            return f"the sheet of codes of {officer} is locked: {officer} runs kentongan officer codes {officer}"
        case Cause.TEST:
            return "a page to try, of which nothing is to be done"


def _concern_json(concern: Concern) -> dict[str, Any]:
    return {
        "about": concern.about,
        "cause": concern.cause.value,
        "status": concern.status.value,
        **{name: value for name, value in concern.values.items() if name != "sandbox"},
    }
