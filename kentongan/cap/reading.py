"""Reads CAP XML of any version into the CAP 1.2 model, for relays and drafts.

What is valid for its version is always read: what is odd about it becomes a warning, and what the model cannot hold
is left out with one. The gates (`kentongan.gates`) decide later whether it may go out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from lxml import etree

from kentongan.cap import values
from kentongan.cap.document import LARGEST, Element, parse
from kentongan.cap.grammar import SIGNATURE
from kentongan.cap.lexical import collapse, is_decimal
from kentongan.cap.model import (
    Alert,
    Area,
    Category,
    Certainty,
    Info,
    MsgType,
    NamedValue,
    Reference,
    Resource,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)
from kentongan.cap.remarks import remarks
from kentongan.cap.validity import MOST_FAULTS, content, faults
from kentongan.errors import BadInput
from kentongan.quick_dataclass import dataclass
from kentongan.seam import SLOT_CLOSE, SLOT_OPEN

_T = TypeVar("_T")
_LONGEST_NUMBER = 24


@dataclass(frozen=True, slots=True)
class Reading:
    """An alert as read: `version` of the document, `warnings` for the officer, `digest` (SHA-256, hex) of its bytes."""

    alert: Alert
    version: str
    warnings: tuple[str, ...]
    digest: str


def read(data: bytes, *, zone: tzinfo | None = None, now: datetime | None = None, largest: int = LARGEST) -> Reading:
    """Reads one CAP document.

    `zone` is taken for times without one (UTC if None); with `now` an expired alert is warned of. Raises BadInput, one
    sentence with line, element and remedy, for what is not well-formed, not safe (see `kentongan.cap.document`), or
    not valid for its version.
    """
    root, version = parse(data, largest=largest)
    found = faults(root, version)
    if found:
        more = f" (and {_count(len(found) - 1)} more)" if len(found) > 1 else ""
        first = found[0]
        raise BadInput(f"line {first.line}, {first.path}: not valid CAP {version}: {first.sentence}{more}")
    reader = _Reader(root, version, zone or UTC)
    alert = reader.alert()
    warnings = (*reader.warnings(), *remarks(alert, now=now, zone=zone))
    return Reading(alert, version, warnings, hashlib.sha256(data).hexdigest())


def _count(number: int) -> str:
    return f"at least {number}" if number + 1 >= MOST_FAULTS else str(number)


class _Reader:
    def __init__(self, root: Element, version: str, zone: tzinfo) -> None:
        self._root = root
        self._old = version == "1.0"
        self._prefix = f"{{{etree.QName(root).namespace}}}"
        self._zone = zone
        self._warnings: dict[str, list[int]] = {}

    def warnings(self) -> Iterator[str]:
        for sentence, lines in self._warnings.items():
            more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
            yield f"{sentence} (line {lines[0]}{more})"

    def warn(self, element: Element, sentence: str) -> None:
        self._warnings.setdefault(sentence, []).append(int(element.sourceline or 0))

    def alert(self) -> Alert:
        root = self._root
        if root.find(f"{{{SIGNATURE}}}Signature") is not None:
            self.warn(root, "the signature was not checked and does not go out again")
        if (password := self.one(root, "password")) is not None:
            self.warn(password, "password is left out: CAP 1.2 has none")
        sent = self.time(root, "sent")
        if sent is None:
            raise BadInput(
                f"line {root.sourceline}, /alert/sent: lies outside the years 1 to 9999; ask for a true time"
            )
        return Alert(
            identifier=self.text(root, "identifier") or "",
            sender=self.text(root, "sender") or "",
            sent=sent,
            status=Status(self.required(root, "status")),
            msg_type=MsgType(self.required(root, "msgType")),
            source=self.text(root, "source"),
            scope=self.scope(),
            restriction=self.text(root, "restriction"),
            addresses=values.read_items(self.text(root, "addresses") or ""),
            codes=self.texts(root, "code"),
            note=self.text(root, "note"),
            references=self.references(),
            incidents=values.read_items(self.text(root, "incidents") or ""),
            infos=tuple(self.info(element) for element in self.all(root, "info")),
        )

    def scope(self) -> Scope:
        given = self.text(self._root, "scope")
        if given is not None:
            return Scope(given)
        # CAP 1.0 may leave it out; what names its readers must not become public by that.
        named = [(Scope.PRIVATE, "addresses"), (Scope.RESTRICTED, "restriction")]
        scope = next((scope for scope, name in named if self.text(self._root, name)), Scope.PUBLIC)
        self.warn(self._root, f"scope is not given; read as {scope}")
        return scope

    def references(self) -> tuple[Reference, ...]:
        element = self.one(self._root, "references")
        found = []
        for item in (self.plain(element) or "").split() if element is not None else ():
            reference = values.read_reference(item, self._zone)
            if reference is None:
                self.warn(self._root, "a reference that is not sender,identifier,sent is left out")
            else:
                found.append(reference)
        return tuple(found)

    def info(self, info: Element) -> Info:
        language = collapse(self.text(info, "language") or "")
        if not language:
            self.warn(info, "language is not given; read as en-US, as CAP says")
        categories = self.texts(info, "category")
        if not categories:
            self.warn(info, "category is not given; read as Other")
        certainty = self.required(info, "certainty")
        if certainty == "Very Likely":
            self.warn(info, "certainty Very Likely is read as Likely: CAP 1.2 has no other word for it")
            certainty = "Likely"
        return Info(
            language=language or "en-US",
            categories=tuple(Category(name) for name in categories) or (Category.OTHER,),
            event=self.text(info, "event") or "",
            response_types=tuple(ResponseType(name) for name in self.texts(info, "responseType")),
            urgency=Urgency(self.required(info, "urgency")),
            severity=Severity(self.required(info, "severity")),
            certainty=Certainty(certainty),
            audience=self.text(info, "audience"),
            event_codes=self.pairs(info, "eventCode"),
            effective=self.time(info, "effective"),
            onset=self.time(info, "onset"),
            expires=self.time(info, "expires"),
            sender_name=self.text(info, "senderName"),
            headline=self.text(info, "headline"),
            description=self.text(info, "description"),
            instruction=self.text(info, "instruction"),
            web=self.text(info, "web"),
            contact=self.text(info, "contact"),
            parameters=self.pairs(info, "parameter"),
            resources=tuple(self.resource(element) for element in self.all(info, "resource")),
            areas=tuple(self.area(element) for element in self.all(info, "area")),
        )

    def resource(self, resource: Element) -> Resource:
        description = self.text(resource, "resourceDesc")
        if description is None:
            self.warn(resource, "resourceDesc is empty; read as the word resource")
        mime_type = self.text(resource, "mimeType")
        if mime_type is None:
            self.warn(resource, "mimeType is not given; read as application/octet-stream")
        if self.text(resource, "derefUri") is not None:
            self.warn(resource, "the content inside derefUri was not opened")
        return Resource(
            resource_desc=description or "resource",
            mime_type=mime_type or "application/octet-stream",
            size=self.value(resource, "size", _read_size),
            uri=self.text(resource, "uri"),
            deref_uri=self.text(resource, "derefUri"),
            digest=self.text(resource, "digest"),
        )

    def area(self, area: Element) -> Area:
        polygons = (self.polygon(element) for element in self.all(area, "polygon"))
        circles = (self.shape(element, values.read_circle) for element in self.all(area, "circle"))
        return Area(
            area_desc=self.text(area, "areaDesc") or "",
            polygons=tuple(polygon for polygon in polygons if polygon is not None),
            circles=tuple(circle for circle in circles if circle is not None),
            geocodes=self.pairs(area, "geocode"),
            altitude=self.value(area, "altitude", _read_number),
            ceiling=self.value(area, "ceiling", _read_number),
        )

    def polygon(self, element: Element) -> tuple[values.Point, ...] | None:
        points = self.shape(element, values.read_polygon)
        if points is None:
            return None
        is_open = points[0] != points[-1]
        if len(points) + is_open < 4:
            self.warn(element, "a polygon of fewer than four points is left out: it holds no area")
            return None
        if is_open:
            self.warn(element, "an open polygon was closed with its first point")
            points = (*points, points[0])
        return points

    def pairs(self, parent: Element, name: str) -> tuple[NamedValue, ...]:
        if not self._old:
            return tuple(
                NamedValue(value_name=self.text(pair, "valueName") or "", value=self.text(pair, "value") or "")
                for pair in self.all(parent, name)
            )
        pairs = []
        for text in self.texts(parent, name):
            value_name, equals, value = text.partition("=")
            if not equals:
                self.warn(parent, f"{name} without name=value is read as a value named {name}")
                value_name, value = name, text
            pairs.append(NamedValue(value_name=value_name.strip(), value=value.strip()))
        return tuple(pairs)

    def time(self, parent: Element, name: str) -> datetime | None:
        element = self.one(parent, name)
        if element is None:
            return None
        read = values.read_time(content(element), self._zone)
        if read is None:
            self.warn(element, f"{name} is left out: it lies outside the years 1 to 9999")
            return None
        time, no_zone, fraction = read
        if no_zone:
            self.warn(element, f"{name} has no time zone; read as {self._zone}")
        if fraction:
            self.warn(element, f"the fraction of a second in {name} is left out")
        return time

    def value(self, parent: Element, name: str, reader: Callable[[str], _T | None]) -> _T | None:
        element = self.one(parent, name)
        return self.convert(element, reader) if element is not None and self.plain(element) else None

    def shape(self, element: Element, reader: Callable[[str], _T | None]) -> _T | None:
        if self.plain(element) is None:
            self.warn(element, f"an empty {etree.QName(element).localname} is left out")
            return None
        return self.convert(element, reader)

    def convert(self, element: Element, reader: Callable[[str], _T | None]) -> _T | None:
        value = reader(self.plain(element) or "")
        if value is None:
            self.warn(element, f"{etree.QName(element).localname} is left out: it cannot be read")
        return value

    def one(self, parent: Element, name: str) -> Element | None:
        return parent.find(self._prefix + name)

    def all(self, parent: Element, name: str) -> list[Element]:
        return parent.findall(self._prefix + name)

    def plain(self, element: Element) -> str | None:
        text = content(element)
        # No text that comes from outside may hold what later marks a slot to be filled.
        if SLOT_OPEN in text or SLOT_CLOSE in text:
            self.warn(element, "private-use characters U+E000 and U+E001 are taken out")
            text = text.replace(SLOT_OPEN, "").replace(SLOT_CLOSE, "")
        return text.strip() or None

    def text(self, parent: Element, name: str) -> str | None:
        element = self.one(parent, name)
        return self.plain(element) if element is not None else None

    def texts(self, parent: Element, name: str) -> tuple[str, ...]:
        texts = (self.plain(element) for element in self.all(parent, name))
        return tuple(text for text in texts if text)

    def required(self, parent: Element, name: str) -> str:
        text = self.text(parent, name)
        assert text is not None, f"{name} stands in every valid alert"
        return text


def _read_size(text: str) -> int | None:
    return int(text) if len(text) <= _LONGEST_NUMBER else None


def _read_number(text: str) -> float | None:
    # Up to CAP 1.1 this is any text ("high", "1000 ft").
    number = float(text) if is_decimal(text) else math.nan
    return number if math.isfinite(number) else None
