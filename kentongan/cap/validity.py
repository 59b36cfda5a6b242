"""Whether a document is valid for its version of CAP, told by our own code so that no schema file must be at hand.

The verdict is that of the official schema of the same version as libxml2 reads it; the sentences are for officers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from lxml import etree

from kentongan.cap import lexical
from kentongan.cap.grammar import (
    DATE_TIME,
    DECIMAL,
    GRAMMAR,
    INTEGER,
    LANGUAGE,
    SIGNATURE,
    STRING,
    URI,
    Child,
    Group,
    Text,
)
from kentongan.cap.model import NAMESPACES
from kentongan.quick_dataclass import dataclass

Element: TypeAlias = "etree._Element"

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_FREE_ATTRIBUTES = {f"{{{_INSTANCE}}}{name}" for name in ("type", "schemaLocation", "noNamespaceSchemaLocation")}
_NIL = f"{{{_INSTANCE}}}nil"
_TYPE = f"{{{_INSTANCE}}}type"

# What an element may say of itself with xsi:type: its own type, or one that XML Schema derives from it.
_BUILT_IN = {kind.name: replace(kind, default=False) for kind in (STRING, URI, INTEGER, DECIMAL, LANGUAGE, DATE_TIME)}
_BUILT_IN |= {name: Text(name, lexical.is_string, "text") for name in ("normalizedString", "token")}
_DERIVED = {"string": ("normalizedString", "token", "language"), "decimal": ("integer",)}


MOST_FAULTS = 50
"""Enough to see what a sender's generator does wrong, few enough for a hostile document to cost nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not valid: where (`path` like /alert/info[2]/urgency, `line` from 1) and what to mend."""

    path: str
    line: int
    sentence: str


def faults(tree: Element | etree._ElementTree[Element], version: str) -> list[Fault]:
    """Returns what keeps a parsed document from being valid CAP of `version` ("1.0", "1.1", "1.2"); [] when it is.

    At most `MOST_FAULTS` are told. Within one element the check of the order stops at the first thing out of place;
    all other elements are checked.
    """
    root = tree if isinstance(tree, etree._Element) else tree.getroot()
    check = _Check(version)
    if root.tag != f"{{{NAMESPACES[version]}}}alert":
        check.report(root, f"the document must be a CAP {version} alert; it is <{_local(root)}>")
    else:
        check.group(root, GRAMMAR[version])
    return check.found


def content(element: Element) -> str:
    """Returns the text of an element that holds text only, over comments and processing instructions."""
    return (element.text or "") + "".join(child.tail or "" for child in element)


class _Check:
    def __init__(self, version: str) -> None:
        self.found: list[Fault] = []
        self._version = version
        self._prefix = f"{{{NAMESPACES[version]}}}"
        self._steps: dict[Element, dict[Element, str]] = {}
        # A signature may hold anything; but an element in it that CAP declares for itself must be as CAP has it.
        self._declared: dict[str, Text | Group] = {f"{self._prefix}alert": GRAMMAR[version]}
        if version != "1.0":
            self._declared |= {f"{self._prefix}{name}": STRING for name in ("valueName", "value")}

    def report(self, element: Element, sentence: str) -> None:
        if len(self.found) < MOST_FAULTS:
            self.found.append(Fault(self._path(element), int(element.sourceline or 0), sentence))

    def element(self, element: Element, kind: Text | Group) -> None:
        if isinstance(kind, Group):
            self.group(element, kind)
        else:
            self.text(element, kind)

    def text(self, element: Element, kind: Text) -> None:
        actual = self._actual(element, kind)
        self._attributes(element)
        if any(isinstance(child.tag, str) for child in element):
            self.report(element, f"{_local(element)} must hold text only; take the elements out of it")
            return
        value = content(element)
        if not value and kind.default:
            return
        if not actual.accepts(value):
            self.report(element, f"{_quoted(value)} is not {actual.form}; put that in its place")

    def group(self, element: Element, kind: Group) -> None:
        if len(self.found) >= MOST_FAULTS:
            return
        if _TYPE in element.attrib:
            self.report(element, "xsi:type is not allowed here; take it out")
        self._attributes(element)
        if content(element).strip(" \t\r\n"):
            self.report(element, f"{_local(element)} must hold elements only; take the loose text out of it")
        self._order(element, kind)
        known = {f"{self._prefix}{child.name}": child.type for child in kind.children}
        for child in _elements(element):
            if child.tag in known:
                self.element(child, known[child.tag])
            elif kind.signed and etree.QName(child).namespace == SIGNATURE:
                self.anything(child)

    def anything(self, element: Element) -> None:
        if element.tag in self._declared:
            self.element(element, self._declared[element.tag])
            return
        name = element.get(_TYPE)
        if name is None:
            for child in _elements(element):
                self.anything(child)
            return
        local = _schema_type(element, name)
        if local is None:
            self.report(element, f"xsi:type {_quoted(name)} names no known type; take it out")
        elif local == "anyType":
            for child in _elements(element):
                self.anything(child)
        elif local in _BUILT_IN:
            self.text(element, _BUILT_IN[local])

    def _actual(self, element: Element, kind: Text) -> Text:
        name = element.get(_TYPE)
        if name is None:
            return kind
        local = _schema_type(element, name)
        if kind.name and local is not None and (local == kind.name or local in _DERIVED.get(kind.name, ())):
            return _BUILT_IN[local]
        self.report(element, f"xsi:type {_quoted(name)} is not allowed here; take it out")
        return kind

    def _attributes(self, element: Element) -> None:
        for name in element.attrib:
            if name == _NIL:
                self.report(element, "xsi:nil is not allowed here; take it out")
            elif name not in _FREE_ATTRIBUTES:
                self.report(element, f"attribute {_quoted(etree.QName(name).localname)} is not allowed; take it out")

    def _order(self, element: Element, kind: Group) -> None:
        places = kind.children
        at = seen = 0
        for child in _elements(element):
            position = next((i for i, place in enumerate(places) if child.tag == f"{self._prefix}{place.name}"), None)
            if position is None and kind.signed and etree.QName(child).namespace == SIGNATURE:
                # By the letter a signature ends the alert; libxml2 takes it among the last, repeatable elements too.
                position = len(places) - 1
            if position is None:
                self._unknown(child, element)
                return
            if position < at:
                self.report(child, f"<{_local(child)}> stands too late; it belongs before <{places[at].name}>")
                return
            if position > at:
                missing = _missing(places[at:position], seen)
                if missing is not None:
                    self.report(child, f"<{missing.name}> is missing; it belongs before <{_local(child)}>")
                    return
                at, seen = position, 0
            seen += 1
            if seen > (places[at].most or seen):
                self.report(child, f"<{_local(child)}> may stand here only once; take the second one out")
                return
        missing = _missing(places[at:], seen)
        if missing is not None:
            self.report(element, f"<{missing.name}> is missing; add it")

    def _unknown(self, child: Element, parent: Element) -> None:
        namespace = etree.QName(child).namespace or ""
        if namespace + "}" != self._prefix[1:]:
            place = _quoted(namespace) if namespace else "no namespace"
            self.report(child, f"<{_local(child)}> of {place} has no place in CAP {self._version}; take it out")
        else:
            self.report(child, f"CAP {self._version} has no <{_local(child)}> in <{_local(parent)}>; take it out")

    def _path(self, element: Element) -> str:
        parent = element.getparent()
        if parent is None:
            return f"/{_local(element)}"
        # Counted once a parent: a hostile document may have a million children in one.
        if parent not in self._steps:
            self._steps[parent] = _numbered(parent)
        return f"{self._path(parent)}/{self._steps[parent][element]}"


def _numbered(parent: Element) -> dict[Element, str]:
    """The step of a path to each child element: its name, with a number from 1 where others share it."""
    number: dict[Element, int] = {}
    last: dict[str, int] = {}
    for child in _elements(parent):
        number[child] = last[str(child.tag)] = last.get(str(child.tag), 0) + 1
    return {child: _local(child) + (f"[{n}]" if last[str(child.tag)] > 1 else "") for child, n in number.items()}


def _missing(places: tuple[Child, ...], seen: int) -> Child | None:
    """The first of `places` that lacks an element, `seen` being how often the first one was there."""
    for index, place in enumerate(places):
        if (seen if index == 0 else 0) < place.least:
            return place
    return None


def _elements(element: Element) -> Iterator[Element]:
    return (child for child in element if isinstance(child.tag, str))


def _local(element: Element) -> str:
    return etree.QName(element).localname


def _quoted(value: str) -> str:
    shown = " ".join(value.split())
    return repr(shown if len(shown) <= 40 else shown[:39] + "…")


def _schema_type(element: Element, name: str) -> str | None:
    """The local name of an xsi:type of XML Schema's own namespace, else None."""
    prefix, _, local = name.rpartition(":")
    return local if element.nsmap.get(prefix or None) == _SCHEMA else None
