"""`kentongan draft`: an alert from typed fields, from CAP documents, or from BMKG's earthquake file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import output, words
from console.command import command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.office import Office
    from kentongan.cap.model import Status
    from kentongan.desk.drafts import Document, Drafted
    from kentongan.desk.illustrating import Illustrated


@command("draft")
@click.option("--hazard", metavar="NAME", help="The hazard, such as earthquake or general.")
@click.option(
    "--set", "fields", metavar="FIELD=VALUE", multiple=True, help="A field of the hazard; give it once for each."
)
@click.option(
    "--cap",
    "cap_files",
    metavar="FILE",
    multiple=True,
    help="A CAP document; several are one alert's languages. - reads it from standard input.",
)
@click.option("--bmkg", "bmkg_file", metavar="FILE", help="BMKG's earthquake JSON. - reads it from standard input.")
@click.option(
    "--index", type=click.IntRange(min=0), default=0, metavar="N", help="Which earthquake of a list; 0 is the newest."
)
@click.option(
    "--media",
    "media_files",
    metavar="FILE",
    multiple=True,
    help="A picture to go with it: JPEG, PNG or WebP; give it once for each, with its --alt.",
)
@click.option(
    "--alt",
    "descriptions",
    metavar="TEXT",
    multiple=True,
    help="What the picture shows, for those who cannot see it; one for each --media, in the same order.",
)
@click.option("--drill", is_flag=True, help="Lower it to an exercise: drill channels only.")
@click.option("--test", is_flag=True, help="Lower it to a test: drill channels only.")
def draft(
    hazard: str | None,
    fields: tuple[str, ...],
    cap_files: tuple[str, ...],
    bmkg_file: str | None,
    index: int,
    media_files: tuple[str, ...],
    descriptions: tuple[str, ...],
    drill: bool,
    test: bool,
) -> None:
    """Put an alert together from fields, CAP or BMKG; contacts nobody."""
    if (hazard is not None) + bool(cap_files) + (bmkg_file is not None) != 1:
        raise BadInput("name one source: --hazard with --set, --cap or --bmkg; see `kentongan draft --help`")
    if drill and test:
        raise BadInput("an alert is either an exercise or a test; give --drill or --test, not both")
    if cap_files and fields:
        raise BadInput("a CAP document brings its own words, so --set changes nothing; leave --set out")
    if index and bmkg_file is None:
        raise BadInput("--index chooses an earthquake of a BMKG file; leave it out, or give --bmkg")
    typed = dict(field(text) for text in fields)
    names = cap_files or ((bmkg_file,) if bmkg_file is not None else ())
    documents = read_files(names)
    illustrated = _pictures(media_files, descriptions)

    from console.office import Need, at_keyboard, opened

    with opened(Need.STAND_IN) as office:
        by, _ = at_keyboard(office.house.state)
        drafted = _draft(
            office, hazard, typed, documents, bool(cap_files), index, _status(drill, test), by, illustrated
        )
        (show_json if output.wants_json() else show)(office, drafted)


def _status(drill: bool, test: bool) -> Status | None:
    from kentongan.cap.model import Status

    return Status.EXERCISE if drill else Status.TEST if test else None


def _draft(
    office: Office,
    hazard: str | None,
    typed: dict[str, str],
    documents: Sequence[Document],
    is_cap: bool,
    index: int,
    status: Status | None,
    by: str,
    illustrated: Illustrated,
) -> Drafted:
    from kentongan.cap.model import Status
    from kentongan.desk import drafts

    if is_cap:
        return drafts.from_cap(office.desk, documents, lower_to=status, by=by, illustrated=illustrated)
    if documents:
        return drafts.from_bmkg(
            office.desk,
            documents[0],
            typed,
            index=index,
            status=status or Status.ACTUAL,
            by=by,
            illustrated=illustrated,
        )
    assert hazard is not None
    return drafts.from_fields(
        office.desk, hazard, typed, status=status or Status.ACTUAL, by=by, illustrated=illustrated
    )


def _pictures(names: Sequence[str], descriptions: Sequence[str]) -> Illustrated:
    from kentongan.desk import illustrating
    from kentongan.pictures import LARGEST

    if len(names) != len(descriptions):
        told = f"{len(names)} --media and {len(descriptions)} --alt"
        raise BadInput(f"each picture needs its own text and these are {told}; give one --alt for each --media")
    files = []
    for name, description in zip(names, descriptions, strict=True):
        try:
            with Path(name).open("rb") as file:
                files.append((Path(name).name, file.read(LARGEST + 1), description))
        except OSError as error:
            raise BadInput(f"{name} cannot be read: {error.strerror}; name a picture") from None
    return illustrating.from_files(files)


def field(text: str) -> tuple[str, str]:
    """Name and value of one --set; raises BadInput."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadInput(f"--set {text!r} is no field; write it as name=value, such as magnitude=5.6")
    return name.strip(), value


def read_files(names: Sequence[str]) -> list[Document]:
    """The documents that options name, - being standard input; raises BadInput."""
    from kentongan.desk.drafts import Document

    if sum(name == "-" for name in names) > 1:
        raise BadInput("standard input can be read once; give the other documents as files")
    documents = []
    for name in names:
        try:
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise BadInput(f"{name} cannot be read: {error.strerror}; name a file") from None
        documents.append(Document("standard input" if name == "-" else name, content))
    return documents


def show(office: Office, drafted: Drafted) -> None:
    """Writes what was understood of a draft, what comes next, and what stands in its way."""
    from kentongan import gates

    stored = drafted.alert
    alert = stored.draft.cap
    output.say(words.banner(stored.mode))
    said = "was drafted before, from the same documents" if drafted.known else "is drafted"
    output.say(
        f"{stored.kind.capitalize()} {stored.code} {said} and {'is ' + stored.state if drafted.known else 'not sent'}."
    )
    output.say()
    understood = _understood(office, drafted)
    widest = max(map(len, understood))
    for name, value in understood.items():
        output.say(f"{name + ':':<{widest + 2}}{value}")
    if alert.infos and not drafted.known:
        output.say()
        output.say(f"Next: kentongan preview {stored.code}")
    for warning in drafted.warnings:
        output.warn(f"warning: {warning}")
    if stored.state == "draft":
        for finding in gates.completeness(stored.draft, action_rendered=not stored.kind.widens):
            if finding.severity is gates.Weight.BLOCK:
                output.warn(f"as it stands it cannot be submitted: {finding.sentence}")


def _understood(office: Office, drafted: Drafted) -> dict[str, str]:
    from kentongan.desk.extent import area_names

    draft = drafted.alert.draft
    info = draft.cap.infos[0] if draft.cap.infos else None
    found = {
        "hazard": f"{draft.hazard} ({info.event})" if info else draft.hazard,
        "status": f"{draft.cap.status}, {draft.cap.scope}",
        "severity": f"{info.severity}, {info.urgency}, {info.certainty}" if info else "",
        "area": _short("; ".join(area_names(draft))),
        "headline": _short(info.headline or "") if info else "",
        "languages": ", ".join(draft.languages),
        "evidence": _short(draft.evidence),
        "pictures": "; ".join(f"{each.name}: {each.description}" for each in draft.pictures),
        "relays": f"{draft.origin.sender_name}, {draft.origin.identifier}" if draft.origin else "",
        "message": f"{draft.cap.msg_type}, as its issuer has it"
        if draft.origin and draft.cap.msg_type != "Alert"
        else "",
        "ends": words.moment(draft.expires, office.zone) if draft.expires else "no end given",
    }
    found |= {name: _short(_plain(value)) for name, value in draft.facts.items() if name not in found}
    return {name: value for name, value in found.items() if value}


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(
            f"{name}: {', '.join(each) if isinstance(each, list) else each}" for name, each in value.items()
        )
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


def show_json(office: Office, drafted: Drafted) -> None:
    """Writes the same with stable keys."""
    stored = drafted.alert
    output.document(
        {
            "code": stored.code,
            "id": stored.id,
            "kind": stored.kind.value,
            "mode": stored.mode.value,
            "state": stored.state,
            "known": drafted.known,
            "status": stored.draft.cap.status.value,
            "hazard": stored.draft.hazard,
            "languages": list(stored.draft.languages),
            "expires": telling.iso(stored.expires_at),
            "facts": dict(stored.draft.facts),
            "pictures": [each.model_dump(mode="json") for each in stored.draft.pictures],
            "understood": _understood(office, drafted),
            "warnings": list(drafted.warnings),
        }
    )
