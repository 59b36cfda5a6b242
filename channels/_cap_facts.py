"""The few facts of a CAP file that a feed needs to list it, and the check that its status fits the instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kentongan.seam import Mode

_STATUS = {"Actual": Mode.LIVE, "Exercise": Mode.DRILL, "Test": Mode.DRILL}


class BadDocument(Exception):
    """A file of the message may not be published; the text says why."""


@dataclass(frozen=True, slots=True)
class CapFacts:
    """When the alert was sent, and when all of it has expired (None where it never does)."""

    sent: datetime | None
    expires: datetime | None


def cap_facts(document: bytes, mode: Mode) -> CapFacts:
    """Reads `document`; raises BadDocument where it is no CAP alert or its status is not one of `mode`."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        raise BadDocument("the CAP file is no XML") from None
    if root.tag != "{urn:oasis:names:tc:emergency:cap:1.2}alert":
        raise BadDocument("the CAP file is no CAP 1.2 alert")
    if _STATUS.get(root.findtext("{*}status", "").strip()) is not mode:
        raise BadDocument("the status of the CAP file does not fit the mode")
    ends = [_time(info.findtext("{*}expires")) for info in root.iterfind("{*}info")]
    known = [end for end in ends if end is not None]
    return CapFacts(_time(root.findtext("{*}sent")), max(known) if known and len(known) == len(ends) else None)


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
