"""Exporting: an alert as one CAP 1.2 document, as it was published or as it would be."""

from __future__ import annotations

from xml.sax.saxutils import escape

from kentongan.alert import Kind
from kentongan.cap.writing import write as write_cap
from kentongan.clock import to_datetime
from kentongan.desk import composing, threads
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput
from kentongan.ledger import Read, alerts, dispatches, renderings
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.dispatches import Dispatch
from kentongan.quick_dataclass import dataclass
from kentongan.seam import fill, slots
from kentongan.words.rendering import Earlier, cap_document, public_link

_LATER = "…"
"""Stands for what nobody can know before an alert is sent."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The document; `as_sent` where it is word for word what was published."""

    alert: StoredAlert
    document: bytes
    as_sent: bool


def export(desk: Desk, handle: str) -> Exported:
    """Writes an alert as CAP 1.2 XML; raises BadInput for no such alert, or one that CAP 1.2 cannot hold."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    dispatch = desk.ledger.read(lambda read: dispatches.get(read, stored.id))
    published = desk.ledger.read(lambda read: _published(read, stored, dispatch))
    if published is not None:
        return Exported(stored, published.encode("utf-8"), as_sent=True)
    sent = to_datetime(dispatch.at) if dispatch is not None else stored.draft.cap.sent
    try:
        if stored.kind is Kind.CORRECTION:
            written = _correction(desk, stored, dispatch)
        else:
            thread = desk.ledger.read(lambda read: threads.followed(read, stored))
            earlier = thread.earlier if thread is not None else None
            written = composing.document(
                desk, stored.draft, kind=stored.kind, earlier=earlier, code=stored.code, sent=sent
            )
    except ValueError as error:
        raise BadInput(
            f"alert {stored.code} cannot be exported: {error}; draft it anew from a whole document"
        ) from None
    return Exported(stored, written, as_sent=False)


def _published(read: Read, stored: StoredAlert, dispatch: Dispatch | None) -> str | None:
    """The CAP document that was sent, with its late facts; None where none was."""
    if dispatch is None:
        return None
    for message in renderings.of(read, stored.id):
        for document in message.documents:
            if document.media_type == "application/cap+xml":
                return fill(document.text, dispatch.plan.values.get(message.language, {}))
    return None


def _correction(desk: Desk, stored: StoredAlert, dispatch: Dispatch | None) -> bytes:
    """A correction as it would be, with what nobody can know before its release left open."""
    assert stored.predecessor is not None
    agency, predecessor = desk.settings.agency, stored.predecessor
    before = desk.ledger.read(lambda read: alerts.get(read, predecessor))
    said = cap_document(
        stored.draft,
        kind=stored.kind,
        agency=agency,
        library=desk.library,
        code=stored.code,
        link=public_link(agency, stored.code),
        earlier=Earlier(before.code),
    )
    text = write_cap(said).decode("utf-8")
    known: dict[str, str] = {}
    for values in dispatch.plan.values.values() if dispatch is not None else ():
        known |= values
    return fill(text, {name: escape(known.get(name, _LATER)) for name in slots(text)}).encode("utf-8")
