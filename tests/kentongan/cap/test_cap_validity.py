"""Our validity check against the official schemas: the same verdict on every recorded file and on mutations of them."""

from __future__ import annotations

import copy
import os
import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from kentongan.cap.grammar import GRAMMAR, Group
from kentongan.cap.model import NAMESPACES
from kentongan.cap.validity import MOST_FAULTS, faults

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not (DATA / "xsd").is_dir(), reason="../shared/data is not there")

SCHEMAS = {
    "1.0": DATA / "xsd" / "CAP-v1.0_google-cap-library.xsd",
    "1.1": DATA / "xsd" / "CAP-v1.1.xsd",
    "1.2": DATA / "xsd" / "CAP-v1.2.xsd",
}
VERSIONS = {namespace: version for version, namespace in NAMESPACES.items()}
MUTATIONS = int(os.environ.get("KENTONGAN_MUTATIONS", "1500"))
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

TIMES = [
    "2030-01-31T09:00:00+07:00", "2030-01-31T09:00:00-00:00", "2030-01-31T09:00:00Z", "2030-01-31T09:00:00.5+07:00",
    "2030-01-31T09:00:00", "2030-01-31T24:00:00+07:00", "2030-02-29T09:00:00+07:00", "2028-02-29T09:00:00+07:00",
    "2030-01-31T09:00:00,07:00", "2030-01-31T09:00:00+14:01", "12030-01-31T09:00:00+07:00", "2030-01-31",
    "0000-01-31T09:00:00+07:00", "2030-01-31T09:00:60+07:00", "30-01-31T09:00:00+07:00",
    "-2030-01-31T09:00:00+07:00", "2030-01-31T9:00:00+07:00",
]  # fmt: skip
TEXTS = [
    "", " ", "x", "Actual", " Actual ", "actual", "Alert", "Public", "Unknown", "Likely", "Very Likely", "AllClear",
    "Draft", "CBRNE", "en", "en_US", "12", "1.5", "-.5", ".", "1e3", "http://a:b/", "http://é.example/ a", "%", "Ⅻ",
]  # fmt: skip


def names(group: Group) -> set[str]:
    inner = {name for child in group.children if isinstance(child.type, Group) for name in names(child.type)}
    return inner | {child.name for child in group.children}


NAMES = sorted({"alert", "Signature", "unheard"}.union(*(names(group) for group in GRAMMAR.values())))


def parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


@cache
def schema(version: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS[version]))


@cache
def alerts() -> list[etree._Element]:
    """Every alert in the recorded files, cut out of feeds and wrappers as well."""
    found = []
    for folder in ("cap_valid", "cap_invalid", "cap_feeds", "bmkg"):
        for path in sorted((DATA / folder).iterdir()):
            try:
                root = etree.fromstring(path.read_bytes(), parser())
            except etree.XMLSyntaxError:
                continue
            for element in root.iter("{*}alert"):
                if etree.QName(element).namespace in VERSIONS:
                    found.append(etree.fromstring(etree.tostring(element, with_tail=False), parser()))
    return found


def verdicts(root: etree._Element) -> tuple[bool, bool]:
    version = VERSIONS[etree.QName(root).namespace or ""]
    return faults(root, version) == [], schema(version).validate(root)


def test_every_recorded_alert_gets_the_verdict_of_the_official_schema() -> None:
    seen = [verdicts(root) for root in alerts()]
    assert [ours for ours, _ in seen] == [official for _, official in seen]
    assert sum(official for _, official in seen) >= 158, "the recorded valid alerts were not all read"


def test_every_version_accepts_an_alert_that_another_refuses() -> None:
    by_version = dict.fromkeys(NAMESPACES, 0)
    for root in alerts():
        for version, namespace in NAMESPACES.items():
            moved = retagged(root, namespace)
            ours, official = verdicts(moved)
            assert ours == official, etree.tostring(moved)[:2000]
            by_version[version] += ours
    assert min(by_version.values()) > 0
    assert len(set(by_version.values())) == 3


def retagged(root: etree._Element, namespace: str) -> etree._Element:
    old = etree.QName(root).namespace or ""
    text = etree.tostring(root).replace(old.encode(), namespace.encode())
    return etree.fromstring(text, parser())


@settings(max_examples=MUTATIONS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=MUTATIONS < 5000)
@given(st.integers(0, 2**48))
def test_a_mutated_alert_gets_the_verdict_of_the_official_schema(seed: int) -> None:
    choose = random.Random(seed)
    root = copy.deepcopy(choose.choice(varied()))
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        choose.choice(ACTS)(root, choose)
    # What lxml prints and reads again is what a sender could have sent.
    root = etree.fromstring(etree.tostring(root, with_tail=False), parser())
    ours, official = verdicts(root)
    told = [(fault.path, fault.sentence) for fault in faults(root, VERSIONS[etree.QName(root).namespace or ""])]
    assert ours == official, (told, schema_says(root), etree.tostring(root).decode())


def schema_says(root: etree._Element) -> list[str]:
    return [entry.message for entry in schema(VERSIONS[etree.QName(root).namespace or ""]).error_log]


@cache
def varied() -> list[etree._Element]:
    """The recorded alerts without near-twins, so that the mutations reach every kind of element often."""
    kinds: dict[tuple[object, ...], etree._Element] = {}
    for root in alerts():
        shape = (root.tag, *sorted({str(element.tag) for element in root.iter("*")}))
        kept = kinds.setdefault(shape, root)
        if len(etree.tostring(root)) < len(etree.tostring(kept)):
            kinds[shape] = root
    return [root for root in kinds.values() if len(etree.tostring(root)) < 60_000]


def any_element(root: etree._Element, choose: random.Random, *, below: bool = False) -> etree._Element:
    elements = [element for element in root.iter("*") if not below or element is not root]
    return choose.choice(elements or [root])


def drop(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose, below=True)
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def duplicate(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose, below=True)
    if element.getparent() is not None:
        element.addnext(copy.deepcopy(element))


def swap(root: etree._Element, choose: random.Random) -> None:
    parent = choose.choice([element for element in root.iter("*") if len(element) > 1] or [root])
    children = list(parent)
    if len(children) > 1:
        at = choose.randrange(len(children) - 1)
        parent.insert(at, children[at + 1])


def move(root: etree._Element, choose: random.Random) -> None:
    element, target = any_element(root, choose, below=True), any_element(root, choose)
    if element is not root and element not in target.iterancestors() and element is not target:
        target.insert(choose.randrange(len(target) + 1), element)


def rename(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose, below=True)
    if element is not root:
        element.tag = f"{{{etree.QName(root).namespace}}}{choose.choice(NAMES)}"


def change_namespace(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose, below=True)
    if element is not root:
        namespace = choose.choice([*NAMESPACES.values(), SIGNATURE, "urn:other", ""])
        element.tag = (
            f"{{{namespace}}}{etree.QName(element).localname}" if namespace else etree.QName(element).localname
        )


def change_text(root: etree._Element, choose: random.Random) -> None:
    leaves = [element for element in root.iter("*") if len(element) == 0]
    choose.choice(leaves).text = choose.choice([*TEXTS, *TIMES])


def garble_text(root: etree._Element, choose: random.Random) -> None:
    element = choose.choice([element for element in root.iter("*") if len(element) == 0 and element.text] or [root])
    text = element.text or ""
    at = choose.randrange(len(text) + 1)
    element.text = text[:at] + choose.choice("0 9-:.+T%/#?[]@ \n\té<") + text[at + choose.randrange(2) :]


def change_time(root: etree._Element, choose: random.Random) -> None:
    times = [element for element in root.iter("{*}sent", "{*}effective", "{*}onset", "{*}expires") if len(element) == 0]
    if times:
        choose.choice(times).text = (
            choose.choice(("", "", "", " ", "\n")) + choose.choice(TIMES) + choose.choice(" \n") * choose.randrange(2)
        )


def add_attribute(root: etree._Element, choose: random.Random) -> None:
    name = choose.choice(
        [
            "a",
            "{urn:other}a",
            "{http://www.w3.org/XML/1998/namespace}lang",
            f"{{{INSTANCE}}}schemaLocation",
            f"{{{INSTANCE}}}noNamespaceSchemaLocation",
            f"{{{INSTANCE}}}nil",
            f"{{{INSTANCE}}}type",
            f"{{{INSTANCE}}}other",
        ]
    )
    any_element(root, choose).set(name, choose.choice(["true", "en", "a b", "", "string"]))


def declare_type(root: etree._Element, choose: random.Random) -> None:
    """Wraps one element anew with an xsi:type of XML Schema's own."""
    element = any_element(root, choose, below=True)
    parent = element.getparent()
    if parent is None:
        return
    twin = etree.Element(element.tag, nsmap={"xs": "http://www.w3.org/2001/XMLSchema", "xsi": INSTANCE})
    twin.text = element.text
    twin.extend(list(element))
    twin.set(
        f"{{{INSTANCE}}}type",
        "xs:" + choose.choice(["string", "token", "language", "integer", "decimal", "anyURI", "dateTime", "anyType"]),
    )
    parent.replace(element, twin)


def add_element(root: etree._Element, choose: random.Random) -> None:
    namespace = choose.choice([str(etree.QName(root).namespace), SIGNATURE, "urn:other"])
    fresh = etree.Element(f"{{{namespace}}}{choose.choice(NAMES)}")
    fresh.text = choose.choice([None, *TEXTS])
    if choose.random() < 0.4:
        inner = etree.SubElement(
            fresh, f"{{{choose.choice([namespace, str(etree.QName(root).namespace)])}}}{choose.choice(NAMES)}"
        )
        inner.text = choose.choice([None, *TEXTS])
    target = root if choose.random() < 0.5 else any_element(root, choose)
    target.insert(choose.choice([len(target), choose.randrange(len(target) + 1)]), fresh)


def add_comment(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose)
    node = choose.choice([etree.Comment("seen"), etree.ProcessingInstruction("seen", "by")])
    text = element.text or ""
    at = choose.randrange(len(text) + 1)
    element.text, node.tail = text[:at], text[at:]
    element.insert(0, node)


def add_loose_text(root: etree._Element, choose: random.Random) -> None:
    any_element(root, choose, below=True).tail = choose.choice([" ", "\n\t", "loose", "\u00a0", "\u2003"])


def empty(root: etree._Element, choose: random.Random) -> None:
    element = any_element(root, choose, below=True)
    element.text = None
    del element[:]


def change_version(root: etree._Element, choose: random.Random) -> None:
    old, new = str(etree.QName(root).namespace), choose.choice(list(NAMESPACES.values()))
    for element in root.iter("*"):
        if etree.QName(element).namespace == old:
            element.tag = f"{{{new}}}{etree.QName(element).localname}"


ACTS = [drop, duplicate, swap, move, rename, change_namespace, change_text, garble_text, change_time, add_attribute,
        declare_type, add_element, add_comment, add_loose_text, empty, change_version]  # fmt: skip


def test_a_fault_names_its_place_its_line_and_a_remedy() -> None:
    root = next(root for root in alerts() if root.tag == f"{{{NAMESPACES['1.2']}}}alert" and verdicts(root)[1])
    broken = copy.deepcopy(root)
    status = broken.find("{*}status")
    assert status is not None
    status.text = "Actually"
    (fault,) = faults(broken, "1.2")
    assert fault.path == "/alert/status"
    assert fault.line == status.sourceline
    assert "'Actually'" in fault.sentence
    assert "Exercise" in fault.sentence


def test_a_document_of_faults_alone_is_told_of_briefly() -> None:
    root = etree.Element(f"{{{NAMESPACES['1.2']}}}alert")
    for _ in range(1000):
        etree.SubElement(root, f"{{{NAMESPACES['1.2']}}}info")
    assert len(faults(root, "1.2")) == MOST_FAULTS


@pytest.mark.parametrize("version", sorted(NAMESPACES))
def test_another_root_is_no_alert(version: str) -> None:
    root = etree.Element(f"{{{NAMESPACES[version]}}}valueName")
    assert faults(root, version) != []
