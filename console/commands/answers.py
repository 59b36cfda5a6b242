"""`kentongan answers`: what people have answered, and who needs help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from console import output, words
from console.command import HANDLE, command
from kentongan import telling
from kentongan.errors import Refused

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.ledger import Write
    from kentongan.ledger.answers import Answer, Summary, Words

STRANGERS = "(no alert)"
"""How answers are shown that belong to no alert that was sent."""


@command("answers")
@click.argument("code", type=HANDLE, required=False)
@click.option("--reveal", is_flag=True, help="Show addresses and words; needs a login and is put on record.")
def answers(code: str | None, reveal: bool) -> None:
    """Show what people have answered to an alert, those who need help first; or, without CODE, to all.

    1 means that they have read it, 2 that they are safe, 3 that they need help; what nobody but a person can understand
    is listed as unread.
    """
    from console.office import Need, opened

    with opened(Need.NOTHING) as office:
        found = _found(office, code)
        if reveal:
            _put_on_record(office, found)
        known = _known(office, found)
        if output.wants_json():
            output.document({"alerts": [_to_json(office, name, each, known, reveal) for name, _, each in found]})
            return
        if not found:
            output.say("Nobody has answered yet.")
        for name, _, each in found:
            _show(office, name, each, known, reveal)
        if found and not reveal and any(each.help or each.unread for _, _, each in found):
            output.say(f"To see who they are: kentongan answers {code or ''}".rstrip() + " --reveal")


def _found(office: Office, code: str | None) -> list[tuple[str, str | None, Summary]]:
    """By alert: its code, its id, and its answers; the newest answer first."""
    from kentongan.ledger import Read, alerts
    from kentongan.ledger import answers as register

    def read_(read: Read) -> list[tuple[str, str | None, Summary]]:
        if code is not None:
            wanted: Sequence[str | None] = [alerts.by_handle(read, code).id]
        else:
            wanted = register.answered_alerts(read)
        return [
            (alerts.get(read, id).code if id is not None else STRANGERS, id, register.summary(read, id))
            for id in wanted
        ]

    return office.house.ledger.read(read_)


def _put_on_record(office: Office, found: Sequence[tuple[str, str | None, Summary]]) -> None:
    """Notes who reads addresses and words, before anything is shown. Raises Refused without a login."""
    from kentongan.ledger import answers as register

    login = office.login()
    if login is None:
        raise Refused(
            "nobody is logged in, and addresses are shown to officers alone; run `kentongan login NAME`", rule="login"
        )
    officer = office.desk.acting(login).officer

    def note(write: Write) -> None:
        for _, id, told in found:
            if told.help or told.unread:
                register.note_revealed(write, id, by=officer, count=len(told.help) + len(told.unread))

    office.house.ledger.write(note)


def _known(office: Office, found: Sequence[tuple[str, str | None, Summary]]) -> dict[str, Words]:
    """What was written and from where, by answer; of erased people nothing is left."""
    from kentongan.ledger import answers as register

    wanted = [each.id for _, _, told in found for each in (*told.help, *told.unread)]
    return office.house.ledger.read(lambda read: register.words(read, wanted, office.house.keys))


def _show(office: Office, name: str, told: Summary, known: Mapping[str, Words], reveal: bool) -> None:
    from kentongan.answers import Meaning

    asked = f" of {telling.people(told.asked)}" if told.asked else ""
    output.say(f"{name}: {told.answered:,}{asked} answered")
    labels = {
        Meaning.HELP: "need help",
        Meaning.SAFE: "are safe",
        Meaning.READ: "have read it",
        Meaning.UNREAD: "answers to be read by a person",
        Meaning.STOP: "opted out",
        Meaning.START: "opted in again",
    }
    said = [f"{told.counts[meaning]:,} {label}" for meaning, label in labels.items() if told.counts[meaning]]
    if said:
        output.say(f"  {'; '.join(said)}")
    for title, some in (("NEEDS HELP", told.help), ("unread", told.unread)):
        for each in some:
            output.say(f"  {title}  {_line(office, each, known, reveal)}")


def _line(office: Office, each: Answer, known: Mapping[str, Words], reveal: bool) -> str:
    from kentongan.addresses import mask

    place = f", in {', '.join(each.regions)}" if each.regions else ""
    when = words.moment(each.at, office.zone)
    said = known.get(each.id)
    if said is None:
        return f"{when} by {each.instance}{place}: erased"
    if not reveal:
        return f"{when} by {each.instance}{place}: {mask(said.address)}"
    return f"{when} by {each.instance}{place}: {said.address.value} wrote {' '.join(said.text.split())!r}"


def _to_json(office: Office, name: str, told: Summary, known: Mapping[str, Words], reveal: bool) -> dict[str, Any]:
    from kentongan.addresses import mask

    def one(each: Answer) -> dict[str, Any]:
        said = known.get(each.id)
        return {
            "id": each.id,
            "at": telling.iso(each.at),
            "channel": each.instance,
            "regions": list(each.regions),
            "address": None if said is None else said.address.value if reveal else mask(said.address),
            **({"text": said.text} if said is not None and reveal else {}),
        }

    return {
        "code": None if name == STRANGERS else name,
        "asked": told.asked,
        "answered": told.answered,
        "counts": {meaning.value: count for meaning, count in told.counts.items()},
        "help": [one(each) for each in told.help],
        "unread": [one(each) for each in told.unread],
        "revealed": reveal,
    }
