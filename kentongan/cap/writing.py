"""Writes an alert as CAP 1.2 XML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lxml import etree

from kentongan.cap.document import Element
from kentongan.cap.model import NAMESPACES, Alert, Area, Info, NamedValue, Resource
from kentongan.cap.validity import faults
from kentongan.cap.values import printable

_NAMESPACE = NAMESPACES["1.2"]
_FURTHEST_ZONE = timedelta(hours=14)


def write(alert: Alert) -> bytes:
    """Returns `alert` as a UTF-8 document; reading it gives the same alert back, to the second.

    Characters that XML cannot hold are left out. Raises ValueError where the alert cannot be valid CAP 1.2, such as
    an info without a category or a language that is no language code.
    """
    root = etree.Element(f"{{{_NAMESPACE}}}alert", nsmap={None: _NAMESPACE})
    _add(root, "identifier", alert.identifier)
    _add(root, "sender", alert.sender)
    _add(root, "sent", _time(alert.sent))
    _add(root, "status", alert.status)
    _add(root, "msgType", alert.msg_type)
    _add(root, "source", alert.source)
    _add(root, "scope", alert.scope)
    _add(root, "restriction", alert.restriction)
    _add(root, "addresses", _items(alert.addresses))
    _add_all(root, "code", alert.codes)
    _add(root, "note", alert.note)
    references = (f"{told.sender},{told.identifier},{_time(told.sent)}" for told in alert.references)
    _add(root, "references", " ".join(references) or None)
    _add(root, "incidents", _items(alert.incidents))
    for info in alert.infos:
        _add_info(root, info)
    found = faults(root, "1.2")
    if found:
        raise ValueError(f"{found[0].path} cannot be written as CAP 1.2: {found[0].sentence}")
    etree.indent(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"


def _add_info(parent: Element, info: Info) -> None:
    element = _open(parent, "info")
    _add(element, "language", info.language)
    _add_all(element, "category", info.categories)
    _add(element, "event", info.event)
    _add_all(element, "responseType", info.response_types)
    _add(element, "urgency", info.urgency)
    _add(element, "severity", info.severity)
    _add(element, "certainty", info.certainty)
    _add(element, "audience", info.audience)
    _add_pairs(element, "eventCode", info.event_codes)
    for name, time in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        _add(element, name, _time(time) if time is not None else None)
    _add(element, "senderName", info.sender_name)
    _add(element, "headline", info.headline)
    _add(element, "description", info.description)
    _add(element, "instruction", info.instruction)
    _add(element, "web", info.web)
    _add(element, "contact", info.contact)
    _add_pairs(element, "parameter", info.parameters)
    for resource in info.resources:
        _add_resource(element, resource)
    for area in info.areas:
        _add_area(element, area)


def _add_resource(parent: Element, resource: Resource) -> None:
    element = _open(parent, "resource")
    _add(element, "resourceDesc", resource.resource_desc)
    _add(element, "mimeType", resource.mime_type)
    _add(element, "size", None if resource.size is None else str(resource.size))
    _add(element, "uri", resource.uri)
    _add(element, "derefUri", resource.deref_uri)
    _add(element, "digest", resource.digest)


def _add_area(parent: Element, area: Area) -> None:
    element = _open(parent, "area")
    _add(element, "areaDesc", area.area_desc)
    for polygon in area.polygons:
        _add(element, "polygon", " ".join(f"{_number(lat)},{_number(lon)}" for lat, lon in polygon))
    for lat, lon, radius in area.circles:
        _add(element, "circle", f"{_number(lat)},{_number(lon)} {_number(radius)}")
    _add_pairs(element, "geocode", area.geocodes)
    _add(element, "altitude", None if area.altitude is None else _number(area.altitude))
    _add(element, "ceiling", None if area.ceiling is None else _number(area.ceiling))


def _open(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")


def _add(parent: Element, name: str, text: str | None) -> None:
    if text is not None:
        _open(parent, name).text = printable(text)


def _add_all(parent: Element, name: str, texts: Iterable[str]) -> None:
    for text in texts:
        _add(parent, name, text)


def _add_pairs(parent: Element, name: str, pairs: Iterable[NamedValue]) -> None:
    for pair in pairs:
        element = _open(parent, name)
        _add(element, "valueName", pair.value_name)
        _add(element, "value", pair.value)


def _items(items: Iterable[str]) -> str | None:
    """Items set apart by spaces; CAP quotes the one that has a space and knows no way to write a quote."""
    plain = (item.replace('"', "") for item in items)
    return " ".join(f'"{item}"' if re.search(r"\s", item) else item for item in plain) or None


def _number(number: float) -> str:
    # repr is the shortest text that reads back as the same number; CAP knows no exponent.
    text = format(Decimal(repr(float(number))), "f")
    return text.removesuffix(".0")


def _time(time: datetime) -> str:
    """CAP 1.2, section 3.3.2: whole seconds, an offset in minutes, "-00:00" for UTC."""
    offset = time.utcoffset()
    assert offset is not None, "the model takes aware times only"
    if abs(offset) > _FURTHEST_ZONE or offset % timedelta(minutes=1):
        time, offset = time.astimezone(UTC), timedelta()
    text = time.replace(tzinfo=None, microsecond=0).isoformat()
    minutes = round(abs(offset).total_seconds() / 60)
    sign = "+" if offset > timedelta() else "-"
    return f"{text}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
