"""Parses the bytes of a CAP document without trusting them: no DTD, no entity, no network, bounded size and depth."""

from __future__ import annotations

import re
from typing import TypeAlias

from lxml import etree

from kentongan.cap.model import NAMESPACES
from kentongan.errors import BadInput

Element: TypeAlias = "etree._Element"

LARGEST = 5 * 1024 * 1024
"""Bytes of a document that are read at most; the largest real alert recorded is under 100 KiB."""

_DOCTYPE = re.compile(rb"(?>\s+|\xef\xbb\xbf|\xff\xfe|\xfe\xff|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_VERSIONS = {namespace: version for version, namespace in NAMESPACES.items()}
_REFUSED = "the document has a DOCTYPE, which can hide entity bombs and foreign files; ask for it without one"
_REMEDY = "ask its sender for a whole, well-formed CAP file"


def parse(data: bytes, *, largest: int = LARGEST) -> tuple[Element, str]:
    """Returns the <alert> and its CAP version ("1.0", "1.1", "1.2").

    Raises BadInput for what is empty, larger than `largest` bytes, not well-formed, nested too deeply (256 levels),
    has a DOCTYPE, or is anything but one CAP alert.
    """
    if not data.strip():
        raise BadInput(f"the document is empty; {_REMEDY}")
    if len(data) > largest:
        raise BadInput(f"the document has {len(data):,} bytes, more than the {largest:,} that are read; {_REMEDY}")
    # Before any parsing; dropping the zero bytes lets one pattern see the ASCII of every UTF.
    if _DOCTYPE.match(data.replace(b"\0", b"")):
        raise BadInput(_REFUSED)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        told = " ".join(str(error.msg or "not XML").split())[:160]
        raise BadInput(f"line {error.lineno or 1}: the document is not well-formed ({told}); {_REMEDY}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadInput(_REFUSED)
    return root, _version(root)


def _version(root: Element) -> str:
    name = etree.QName(root)
    if name.localname != "alert":
        raise BadInput(
            f"line {root.sourceline}: the document is <{name.localname[:40]}>, not a CAP <alert>;"
            " give the alert document itself, not a feed or wrapper around it"
        )
    version = _VERSIONS.get(name.namespace or "")
    if version is None:
        given = f"namespace {name.namespace[:80]!r}" if name.namespace else "no namespace"
        known = ", ".join(NAMESPACES.values())
        raise BadInput(f"line {root.sourceline}: <alert> has {given}, which is no version of CAP; known are {known}")
    return version
