"""`kentongan remote`, and the commands with --service: an officer's own machine, with neither ledger nor config."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import click

from console import exits, output, shortened, words
from console.command import Lazy, LazyGroup, command
from console.commands.officers import read_secret
from console.invocation import current
from kentongan import telling
from kentongan.errors import BadInput, Refused

if TYPE_CHECKING:
    from console.remote import Remote
    from kentongan.shown import Shown
    from kentongan.subject import Subject

remote = LazyGroup(
    name="remote",
    help="On an officer's own machine: which service to ask.",
    lazy={
        "add": Lazy("console.commands.remote:add", "Write a service into remote.yaml."),
        "list": Lazy("console.commands.remote:listing", "Show the services of remote.yaml."),
    },
)


@command("add")
@click.argument("url")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", required=True, help="The exported sealed key.")
@click.option("--fingerprint", metavar="SHA256", help="Of the service's certificate, as `kentongan serve` names it.")
@click.option("--authorities", type=click.Path(path_type=Path), metavar="FILE", help="Instead: who signed it, PEM.")
def add(url: str, key: Path, fingerprint: str | None, authorities: Path | None) -> None:
    """Write a service into remote.yaml of this user; nothing is asked of it yet."""
    from pydantic import ValidationError

    from console import remote as machine

    address, officer = machine.read_url(url), machine.read_key(key)
    try:
        service = machine.Service(
            officer=officer.name,
            key=key.absolute(),
            fingerprint=fingerprint,
            authorities=authorities.absolute() if authorities is not None else None,
        )
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"]
        raise BadInput(told.removeprefix("Value error, ")) from None
    machine.add_service(machine.place(), address, service)
    if output.wants_json():
        output.document({"service": address, "officer": officer.name, "file": str(machine.place())})
        return
    output.say(f"{machine.place()} names {address} for {officer.name}.")
    output.say(f"Next: kentongan waiting --service {address}")


@command("list")
def listing() -> None:
    """Show the services of remote.yaml."""
    from console import remote as machine

    services = machine.read_services(machine.place())
    if output.wants_json():
        shown = {url: each.model_dump(mode="json", exclude_none=True) for url, each in services.items()}
        output.document({"services": shown})
        return
    if not services:
        output.say("No service is named here. Next: kentongan remote add --help")
    for url, each in services.items():
        output.say(f"{url}: {each.officer}, with {each.key}")


# --- The commands with --service -------------------------------------------------------------------------


def approve(code: str, secret_file: str | None, pictures: Path | None) -> None:
    """Shows all that an approval covers, as digested here, and signs it with the officer's own key."""
    from datetime import UTC, datetime

    from kentongan.approval import Act, sign
    from kentongan.shown import subject_of
    from kentongan.stored import to_json
    from kentongan.subject import subject_digest

    service = _open(secret_file)
    found = _shown(service, code)
    subject = subject_of(found)
    written = _pictures(found, pictures)
    if not output.wants_json():
        _show(found, subject)
        for path in written:
            output.say(f"--- picture: {path}")
    if found.submitted_by == service.key.officer:
        told = f"{found.submitted_by} submitted alert {code} and cannot approve it too; another officer must"
        raise Refused(told, rule="approval-second-person")
    _confirm(code)
    # Over what was shown, and nothing that the service says it is.
    signed = sign(
        service.key, act=Act.APPROVE, digest=subject_digest(subject), people=found.people, now=datetime.now(UTC)
    )
    answer = service.ask("POST", f"/v1/approvals/{quote(code)}", {"approval": to_json(signed)})
    if output.wants_json():
        output.document(answer)
        return
    for warning in answer.get("warnings", ()):
        output.warn(f"warning: {warning}")
    output.say(f"Approved by {' and '.join(map(str, answer['by']))}. Whoever is at the service's machine sends it.")


def return_alert(code: str, reason: str, secret_file: str | None) -> None:
    """Returns an alert over the network."""
    answer = _open(secret_file).ask("POST", f"/v1/approvals/{quote(code)}/return", {"reason": reason})
    _state(answer, "is returned and a draft again")


def stop(code: str, secret_file: str | None) -> None:
    """Stops an alert over the network."""
    answer = _open(secret_file).ask("POST", f"/v1/alerts/{quote(code)}/stop", {})
    _state(answer, "is stopped; it takes nothing back, `kentongan follow-up` does")


def waiting(secret_file: str | None) -> None:
    """Lists what waits for this officer's approval."""
    answer = _open(secret_file).ask("GET", "/v1/approvals")
    if output.wants_json():
        output.document(answer)
        return
    if not answer["waiting"]:
        output.say("Nothing waits for your approval.")
    zone = _zone(answer.get("timezone"))
    for each in answer["waiting"]:
        mode = "LIVE" if each["mode"] == "live" else each["mode"]
        at = telling.minute(datetime.fromisoformat(each["submitted_at"]), zone)
        output.say(
            f"{each['code']}, {mode} {each['kind']} ({each['says']}; {'; '.join(each['places'])}), submitted by"
            f" {each['submitted_by']} {at}: kentongan approve {each['code']} --service"
            f" {current().service}"
        )


def status(code: str | None, watch: bool, secret_file: str | None) -> int:
    """Lists the alerts, or shows where one stands."""
    if watch:
        raise BadInput("--watch follows on the ledger's own machine; leave it out with --service")
    service = _open(secret_file)
    if code is not None:
        answer = service.ask("GET", f"/v1/alerts/{quote(code)}")
        if output.wants_json():
            output.document(answer["standing"])
        else:
            _show_standing(answer["standing"], _zone(answer.get("timezone")))
        return exits.WELL
    answer = service.ask("GET", "/v1/alerts")
    if output.wants_json():
        output.document(answer)
        return exits.WELL
    for each in answer["alerts"]:
        due = ", review due" if each["review_due"] else ""
        glass = ", BREAK-GLASS" if each["break_glass"] else ""
        doubt = f", {each['in_doubt']} in doubt" if each["in_doubt"] else ""
        output.say(f"{each['code']} ({each['mode']} {each['kind']}) {each['state']}{doubt}{glass}{due}: {each['says']}")
    if not answer["alerts"]:
        output.say("There is no alert yet.")
    return exits.WELL


def _open(secret_file: str | None) -> Remote:
    from console import remote as machine

    url = current().service
    assert url is not None
    address, service = machine.configured(url)
    secret = read_secret(f"Secret of {service.officer}", secret_file, "KENTONGAN_SECRET")
    return machine.Remote.open(address, secret)


def _shown(service: Remote, code: str) -> Shown:
    from pydantic import ValidationError

    from kentongan.shown import Shown

    try:
        return Shown.model_validate(service.ask("GET", f"/v1/approvals/{quote(code)}"))
    except ValidationError:
        raise BadInput("what the service shows cannot be read; update Kentongan on both machines") from None


def _show(found: Shown, subject: Subject) -> None:
    """Everything that will be signed, to be read first: each message word for word, and its correction."""
    from console.commands.preview import filled
    from kentongan import shown
    from kentongan.subject import subject_digest

    draft, mode = shown.draft_of(found.alert), shown.mode_of(found.alert)
    output.say(words.banner(mode))
    if all(instance.sandbox for instance in subject.instances):
        output.say(output.SANDBOX)
    info = draft.cap.infos[0] if draft.cap.infos else None
    headline = (info.headline or info.event) if info is not None else draft.hazard
    output.say(f"{shown.kind_of(found.alert).capitalize()} {found.alert.row['code']}: {headline}")
    output.say(f"Place:    {'; '.join(subject.area) or 'none named'}")
    if subject.within is not None:
        output.say(f"Regions:  {', '.join(subject.within.codes) or 'none'}")
    output.say(
        f"To:       {telling.people(found.people)} on {telling.several(len(subject.instances), 'channel')}, {mode}"
    )
    for instance in subject.instances:
        count = found.people_by_instance.get(instance.name)
        reached = telling.people(count) if instance.audience is not None and count is not None else "everybody"
        stand_in = ", sandbox" if instance.sandbox else ""
        output.say(f"          {instance.name} ({instance.kind}, {instance.mode}{stand_in}): {reached}")
    ends = draft.expires
    output.say(f"Ends:     {words.moment(ends, _zone(found.timezone)) if ends else 'when it is withdrawn'}")
    output.say(f"By:       {found.submitted_by}")
    for message in shown.messages_of(found.alert):
        output.say(f"--- {message.instance}, {message.language}")
        output.say(filled(message, None).text)
        for media in message.media:
            output.say(f"[picture {media.name}: {media.description}]")
        shortened.show(message)
    if found.correction is not None:
        for message in shown.messages_of(found.correction):
            output.say(f"--- its correction: {message.instance}, {message.language}")
            output.say(filled(message, None).text)
            shortened.show(message)
    output.say(f"--- digest {subject_digest(subject)}")


def _pictures(found: Shown, folder: Path | None) -> list[Path]:
    """Writes the alert's pictures where they can be looked at; raises BadInput where they are to be signed unseen."""
    from kentongan import shown

    media = {each.digest: each for message in shown.messages_of(found.alert) for each in message.media}
    contents = {digest: shown.picture(found, digest) for digest in media}
    if not contents:
        return []
    if folder is None:
        raise BadInput("this alert has pictures; name a folder to look at them in, with --pictures DIR")
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for digest, content in contents.items():
            # The name is the service's to choose: only its ending is taken.
            ending = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
            path = folder / f"{digest[:16]}{ending.get(media[digest].media_type, '')}"
            path.write_bytes(content)
            written.append(path)
    except OSError as error:
        raise BadInput(f"pictures cannot be written to {folder}: {error.strerror}; name another folder") from None
    return written


def _confirm(code: str) -> None:
    """Wants the alert's code typed once it was shown, where somebody can be asked."""
    if not output.is_terminal():
        return
    while str(click.prompt("Type the code to approve it, or Ctrl-C", err=True)).strip().upper() != code.upper():
        click.echo("That is another code. Nothing was signed.", err=True)


def _state(answer: dict[str, Any], said: str) -> None:
    if output.wants_json():
        output.document(answer)
    else:
        output.say(f"{answer['code']} {said}.")


def _zone(name: object) -> ZoneInfo:
    """The agency's zone, in which officers read times wherever they sit; UTC where this machine does not know it."""
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _show_standing(seen: dict[str, Any], zone: ZoneInfo) -> None:
    word = f", with the word of {' and '.join(seen['approved_by'])}" if seen.get("approved_by") else ""
    output.say(f"{str(seen['kind']).capitalize()} {seen['code']}, {seen['mode']}, {seen['state']}{word}")
    if seen.get("break_glass"):
        output.say(f"BREAK-GLASS: sent by one officer alone: {seen['break_glass']}")
    for channel in seen["channels"]:
        held = f"; HELD: {telling.local(channel['held'], zone)}" if channel["held"] else ""
        output.say(f"  {channel['channel']}: {words.states(channel['words'])}{held}")
