from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.cap.reading import read
from kentongan.cap.validity import faults
from kentongan.cap.writing import write
from kentongan.seam import Rendered, fill, slots
from kentongan.settings import Agency
from kentongan.words.drafting import lowered, relay
from kentongan.words.following import correction
from kentongan.words.late import late_values
from kentongan.words.library import HazardLibrary
from kentongan.words.rendering import Earlier, Renderings, cap_document
from kentongan.words.specimens import of_kind

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent: other senders' alerts not tried")

Render = Callable[..., Renderings]


def feed(result: Renderings) -> Rendered:
    (message,) = [message for message in result.messages if message.kind == "cap_feed"]
    return message


def filled(text: str, library: HazardLibrary, now: datetime) -> str:
    values = late_values(
        slots(text),
        language="mul",
        languages=library.languages,
        zone=ZoneInfo("Asia/Jakarta"),
        sent=now,
        earlier_sent=now,
        reason="wrong_area",
    )
    return fill(text, values)


@pytest.mark.parametrize("status", [Status.ACTUAL, Status.EXERCISE])
@pytest.mark.parametrize("kind", list(Kind))
def test_the_cap_file_is_valid_and_says_what_the_public_reads(
    quake: Draft, rendered: Render, library: HazardLibrary, now: datetime, status: Status, kind: Kind
) -> None:
    draft = of_kind(lowered(quake, status), kind, now=now)
    message = feed(rendered(draft, kind=kind, earlier=Earlier("M2X8")))
    xml = next(document.text for document in message.documents if document.media_type == "application/cap+xml")
    data = filled(xml, library, now).encode()
    assert faults(etree.ElementTree(etree.fromstring(data)), "1.2") == []
    alert = read(data).alert
    assert alert.status is status
    assert [info.language for info in alert.infos] == ["id", "en"]
    for info, token in zip(alert.infos, ("[LATIHAN]", "[EXERCISE]"), strict=True):
        texts = (info.headline, info.description, info.instruction)
        assert all(texts)
        for text in texts:
            assert text is not None
            marked = text.startswith(token) and text.endswith(token)
            assert marked == (status is Status.EXERCISE)
        assert f"K7Q4-{info.language.upper()}" in (info.description or "")
        assert info.web == "https://siaga.bengkuluselatan.example/K7Q4"
    asked = {
        Kind.ALERT: "Jauhi bangunan",
        Kind.UPDATE: "Jauhi bangunan",
        Kind.CANCEL: "tidak perlu lagi mengikuti",
        Kind.ALL_CLEAR: "Jangan masuk ke bangunan",
        Kind.CORRECTION: "Abaikan dan jangan teruskan",
    }
    assert {of for of, words in asked.items() if words in (alert.infos[0].instruction or "")} == {
        of for of, words in asked.items() if words == asked[kind]
    }


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.ALL_CLEAR])
def test_what_follows_a_relay_on_our_own_word_says_so_in_the_cap_file(
    rendered: Render, agency: Agency, library: HazardLibrary, quake: Draft, now: datetime, kind: Kind
) -> None:
    ours = relay(quake.cap, agency=agency, identifier="R-1", now=now)
    message = feed(rendered(of_kind(ours, kind, now=now), kind=kind, earlier=Earlier("M2X8")))
    xml = next(document.text for document in message.documents if document.media_type == "application/cap+xml")
    for info in read(filled(xml, library, now).encode()).alert.infos:
        assert info.headline
        assert info.description
        assert info.instruction


def test_a_draft_can_be_exported_before_it_has_a_code(
    quake: Draft, library: HazardLibrary, agency: Agency, now: datetime
) -> None:
    alert = cap_document(quake, kind=Kind.ALERT, agency=agency, library=library)
    data = filled(write(alert).decode(), library, now).encode()
    assert faults(etree.ElementTree(etree.fromstring(data)), "1.2") == []
    assert alert.infos[0].web == agency.link
    assert "Gempa M5,6" in (alert.infos[0].headline or "")


class Page(HTMLParser):
    """Elements with their attributes, in order, and the languages that text stands in."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_page_reads_well_without_styles_and_scripts(quake: Draft, rendered: Render) -> None:
    message = feed(rendered(lowered(quake, Status.EXERCISE)))
    markup = next(document.text for document in message.documents if document.media_type == "text/html")
    assert markup.startswith("<!doctype html>")
    page = Page(markup)
    names = [name for name, _ in page.elements]
    assert page.elements[0] == ("html", {"lang": "id"})
    assert names.count("title") == names.count("main") == 1
    assert not {"script", "img", "iframe", "link", "form"} & set(names)
    sections = [attributes for name, attributes in page.elements if name == "section"]
    assert [section["lang"] for section in sections] == ["id", "en"]
    headings = [attributes["id"] for name, attributes in page.elements if name == "h1"]
    assert headings == [section["aria-labelledby"] for section in sections]
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = [attributes["href"] for name, attributes in page.elements if name == "a"]
    assert links == ["#id", "#en", "alert.xml"]
    assert "color-scheme: light dark" in markup
    assert re.search(r"<title>\[LATIHAN\]", markup)
    assert "Tidak ada kejadian nyata" in markup
    assert "Nothing has happened" in markup


def alerts() -> list[Path]:
    return (
        sorted([*(SHARED / "cap_valid").glob("*"), *(SHARED / "bmkg").glob("nowcast_cap*")]) if SHARED.is_dir() else []
    )


@needs_data
def test_other_senders_alerts_render_and_export_as_valid_cap(
    agency: Agency, rendered: Render, library: HazardLibrary, now: datetime
) -> None:
    schema = etree.XMLSchema(etree.parse(SHARED / "xsd" / "CAP-v1.2.xsd"))
    tried = 0
    for path in alerts():
        reading = read(path.read_bytes())
        everywhere = agency.model_copy(update={"languages": ("id", "en")})
        draft = relay(reading.alert, agency=everywhere, identifier="R-1", now=now)
        assert schema.validate(
            etree.fromstring(write(cap_document(draft, kind=Kind.ALERT, agency=agency, library=library)))
        ), path.name
        if draft.cap.status in (Status.SYSTEM, Status.DRAFT):
            draft = lowered(draft, Status.TEST)
        result = rendered(draft)
        spoken = {"id", "en"} & set(draft.languages)
        assert len(result.messages) == (3 * len(spoken) + 1 if spoken else 0), path.name
        assert not spoken or result.problems == (), path.name
        for message in result.messages:
            for document in message.documents:
                if document.media_type == "application/cap+xml":
                    assert schema.validate(etree.fromstring(filled(document.text, library, now).encode())), path.name
        tried += 1
    assert tried >= 150


@needs_data
def test_a_nowcast_says_its_area_and_end_in_every_form(agency: Agency, rendered: Render, now: datetime) -> None:
    draft = relay(
        read((SHARED / "bmkg/nowcast_cap_id_CGT20260924002.xml").read_bytes()).alert,
        agency=agency,
        identifier="R",
        now=now,
    )
    for message in rendered(draft).messages:
        assert "Gorontalo" in message.text
        assert "24 Sep 2026 16.27 WIB" in message.text or "24 September 2026 pukul 16.27 WIB" in message.text
        assert "DENGILO" not in message.text


@pytest.mark.parametrize("kind", list(Kind))
def test_no_text_loses_the_slot_of_a_late_fact(
    quake: Draft, rendered: Render, library: HazardLibrary, now: datetime, kind: Kind
) -> None:
    draft = correction(quake, identifier="K-2", now=now) if kind is Kind.CORRECTION else quake
    message = feed(rendered(draft, kind=kind, earlier=Earlier("M2X8")))
    for document in message.documents:
        told = filled(document.text, library, now)
        assert not re.search(r"\b(earlier_sent|withdrawn_at|sent_(id|en)|reason_(id|en))\b", told)
