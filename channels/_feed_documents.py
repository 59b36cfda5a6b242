"""What a message brings to a feed: its files, checked against its mode, and the few facts that list it. Pure."""

from __future__ import annotations

from datetime import datetime

from channels._atom import CAP_TYPE
from channels._feed_folder import FILES, PICTURE
from channels._visible import stands_first_and_last, visible_text
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Media, Mode, Rendered

_STATUSES = {
    Mode.LIVE: ("Actual",),
    Mode.DRILL: ("Exercise", "Test"),
    Mode.EXERCISE: ("Exercise",),
}


class BadDocument(Exception):
    """A file of the message may not be published; the text says why."""


@dataclass(frozen=True, slots=True)
class CapFacts:
    """When the alert was sent, and when all of it has expired (None where it never does)."""

    sent: datetime | None
    expires: datetime | None


def files_of(message: Rendered) -> tuple[dict[str, bytes], CapFacts]:
    """Returns the files to publish by media type, and the facts of the CAP file; raises BadDocument."""
    files: dict[str, bytes] = {}
    facts = CapFacts(None, None)
    for document in message.documents:
        media_type = document.media_type.split(";")[0].strip().lower()
        if media_type not in FILES or media_type in files:
            raise BadDocument("the message holds a file that a feed does not publish")
        files[media_type] = document.text.encode()
        if media_type == CAP_TYPE:
            facts = cap_facts(files[media_type], message.mode)
        elif message.mode is not Mode.LIVE and not stands_first_and_last(message.mark, visible_text(document.text)):
            raise BadDocument("the drill mark does not stand first and last on the page")
    if not files:
        raise BadDocument("the message holds no file to publish")
    return files, facts


def pictures_of(message: Rendered) -> tuple[Media, ...]:
    """Returns the pictures to publish beside the page; raises BadDocument for a name that is no picture's."""
    if not all(PICTURE.fullmatch(media.name) and media.content for media in message.media):
        raise BadDocument("the message holds a picture that a feed does not publish")
    return message.media


def title_of(message: Rendered) -> str:
    """Returns the title to list, with the drill mark where it does not open with its short form yet."""
    # The short form has its first word in common with the long one.
    opens = not message.mark or message.title.startswith(message.mark.split()[0])
    return message.title if opens else f"{message.mark} {message.title}"


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
    if root.findtext("{*}status", "").strip() not in _STATUSES[mode]:
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
