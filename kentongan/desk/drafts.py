"""Drafting: an alert from a hazard's fields, from CAP documents, or from a source's own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.cap.merging import merge
from kentongan.cap.model import Reference, Status
from kentongan.cap.reading import Reading, read
from kentongan.desk.desk import Desk, new_id
from kentongan.desk.illustrating import NONE, Illustrated, from_resources
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, Write, alerts, canonical, digest, pictures, threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode
from kentongan.sources import bmkg
from kentongan.words import drafting, following


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft on record; `known` where the same documents had made it before."""

    alert: StoredAlert
    warnings: tuple[str, ...]
    known: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One document to draft from; `name` is where it came from, for messages."""

    name: str
    content: bytes


def from_fields(
    desk: Desk,
    hazard: str,
    fields: Mapping[str, JsonValue],
    *,
    status: Status = Status.ACTUAL,
    by: str,
    source_digest: str | None = None,
    illustrated: Illustrated = NONE,
) -> Drafted:
    """Drafts an alert of `hazard` from typed or read fields; raises BadInput naming every field at fault.

    `source_digest` names the document that the fields were read from: the same one gives the same draft.
    """
    known = desk.library.get(hazard)
    facts = known.read(fields, zone=ZoneInfo(desk.settings.agency.timezone))
    return store(
        desk,
        lambda identifier: drafting.from_facts(
            known, facts, agency=desk.settings.agency, status=status, identifier=identifier, now=desk.now
        ),
        by=by,
        source_digest=source_digest,
        illustrated=illustrated,
    )


def from_bmkg(
    desk: Desk,
    document: Document,
    fields: Mapping[str, JsonValue],
    *,
    index: int = 0,
    status: Status = Status.ACTUAL,
    by: str,
    illustrated: Illustrated = NONE,
) -> Drafted:
    """Drafts an earthquake from BMKG's JSON; `fields` that an officer typed win over what BMKG says.

    `index` chooses from a file that lists several, 0 being the newest. The same document with the same fields gives
    the same draft.
    """
    try:
        quake = bmkg.read(document.content, index=index)
    except BadInput as error:
        raise BadInput(f"{document.name}: {error}") from None
    latitude, longitude, radius = quake.circle
    proposed: dict[str, JsonValue] = {
        **quake.facts(),
        "severity": quake.severity.value,
        "urgency": quake.urgency.value,
        "certainty": quake.certainty.value,
        "circle": f"{latitude},{longitude} {radius}",
        "area": list(quake.felt_places) or [quake.place],
        **fields,
    }
    source = digest(canonical([digest(document.content.decode("utf-8", "replace")), index, status, dict(fields)]))
    drafted = from_fields(
        desk, "earthquake", proposed, status=status, by=by, source_digest=source, illustrated=illustrated
    )
    return Drafted(drafted.alert, (*quake.warnings, *drafted.warnings), drafted.known)


def from_cap(
    desk: Desk,
    documents: Sequence[Document],
    *,
    lower_to: Status | None = None,
    by: str,
    illustrated: Illustrated = NONE,
) -> Drafted:
    """Drafts a relay of one sender's alert from its CAP documents, one a language; the same ones give the same draft.

    Raises BadInput for what is no valid CAP, or for documents that are not one alert.
    """
    reading, raw = read_documents(desk, documents)

    def make(identifier: str) -> Draft:
        draft = relayed(desk, reading, identifier)
        return drafting.lowered(draft, lower_to) if lower_to is not None else draft

    source_digest = f"{reading.digest}:{lower_to.value if lower_to else ''}"
    shown = illustrated + from_resources(reading.alert)
    drafted = store(desk, make, by=by, raw=raw, source_digest=source_digest, illustrated=shown)
    followed = desk.ledger.read(lambda snapshot: _relayed_before(snapshot, reading.alert.references))
    if followed is None:
        return drafted
    verb = "all-clear" if following.is_end(reading.alert) else "update"
    hint = f"it follows what was relayed as {followed.code}; `kentongan {verb} {followed.code} --cap` keeps one thread"
    return Drafted(drafted.alert, (*drafted.warnings, hint), drafted.known)


def read_documents(desk: Desk, documents: Sequence[Document]) -> tuple[Reading, bytes]:
    """One sender's alert from its CAP documents, one a language, and their bytes as they came; raises BadInput."""
    zone = ZoneInfo(desk.settings.agency.timezone)
    readings = []
    for document in documents:
        try:
            readings.append(read(document.content, zone=zone, now=desk.now))
        except BadInput as error:
            raise BadInput(f"{document.name}: {error}") from None
    return merge(readings), b"\n".join(document.content for document in documents)


def relayed(desk: Desk, reading: Reading, identifier: str) -> Draft:
    """What was read, as ours to pass on."""
    draft = drafting.relay(reading.alert, agency=desk.settings.agency, identifier=identifier, now=desk.now)
    return draft.model_copy(update={"warnings": (*reading.warnings, *draft.warnings)})


def _relayed_before(snapshot: Read, references: Sequence[Reference]) -> StoredAlert | None:
    found = (alerts.by_origin(snapshot, each.sender, each.identifier) for each in references)
    return next((each for each in found if each is not None and threads.messages(snapshot, each.id)), None)


def store(
    desk: Desk,
    make: Callable[[str], Draft],
    *,
    by: str,
    kind: Kind = Kind.ALERT,
    predecessor: str | None = None,
    raw: bytes | None = None,
    source_digest: str | None = None,
    illustrated: Illustrated = NONE,
) -> Drafted:
    """Puts the draft on record that `make` gives for its CAP identifier; the one that the same source made, if any."""

    if source_digest is not None and illustrated.pictures:
        # Another picture, or another text to it, is another draft.
        told = [picture.model_dump(mode="json") for picture in illustrated.pictures]
        source_digest = f"{source_digest}:{digest(canonical(told))}"

    def write(write: Write) -> tuple[StoredAlert, bool]:
        if source_digest is not None:
            found = alerts.by_source(write, source_digest)
            if found is not None:
                return found, True
        id, code = new_id(), desk.free_code(write)
        draft = illustrated.of(make(f"kentongan-{id}"))
        pictures.put(write, illustrated.contents.values())
        drafted = alerts.insert_alert(
            write,
            id=id,
            code=code,
            kind=kind,
            mode=_mode(draft),
            draft=draft,
            by=by,
            predecessor=predecessor,
            raw=raw,
            source_digest=source_digest,
        )
        return drafted, False

    stored, known = desk.ledger.write(write)
    return Drafted(stored, stored.draft.warnings, known)


def _mode(draft: Draft) -> Mode:
    """The mode an alert would be sent in; what never leaves counts as a drill until the gates refuse it."""
    try:
        return draft.mode
    except Refused:
        return Mode.DRILL
