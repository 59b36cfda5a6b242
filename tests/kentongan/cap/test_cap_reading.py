"""Reading CAP: every recorded alert reads, nothing hostile does, and each fill is a warning."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kentongan.cap.model import NAMESPACES, Category, Certainty, Scope, Status
from kentongan.cap.reading import Reading, read
from kentongan.errors import BadInput

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
recorded = pytest.mark.skipif(not (DATA / "xsd").is_dir(), reason="../shared/data is not there")


def files(folder: str) -> list[Path]:
    return sorted((DATA / folder).iterdir()) if DATA.is_dir() else []


HEAD = "<identifier>K1</identifier><sender>posko@example.id</sender><sent>2030-01-31T09:00:00+07:00</sent>"
MIDDLE = "<status>Actual</status><msgType>Alert</msgType><scope>Public</scope>"
INFO = (
    "<info><language>id-ID</language><category>Geo</category><event>Gempa bumi</event><urgency>Immediate</urgency>"
    "<severity>Severe</severity><certainty>Observed</certainty><expires>2030-01-31T12:00:00+07:00</expires>"
    "<instruction>Jauhi pantai</instruction>%s</info>"
)
LATER = "<onset>2030-02-01T09:00:00+07:00</onset>"
AREA = "<area><areaDesc>Pesisir</areaDesc>%s</area>"


def document(*parts: str, version: str = "1.2", head: str = HEAD, middle: str = MIDDLE) -> bytes:
    return f'<alert xmlns="{NAMESPACES[version]}">{head}{middle}{"".join(parts)}</alert>'.encode()


def whole(area: str = "", **changes: str) -> bytes:
    return document(INFO % (AREA % area), **changes)


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(BadInput) as caught:
        read(data, **options)  # type: ignore[arg-type]
    told = str(caught.value)
    assert "\n" not in told
    return told


@recorded
@pytest.mark.parametrize("path", files("cap_valid"), ids=lambda path: path.name)
def test_every_recorded_valid_alert_reads(path: Path) -> None:
    data = path.read_bytes()
    reading = read(data, zone=ZoneInfo("Asia/Jakarta"))
    assert reading.digest == hashlib.sha256(data).hexdigest()
    assert reading.alert.sent.utcoffset() is not None
    assert reading.alert.identifier


@recorded
@pytest.mark.parametrize("path", files("cap_invalid") + files("cap_feeds"), ids=lambda path: path.name)
def test_every_recorded_invalid_document_is_refused_in_one_line(path: Path) -> None:
    told = refusal(path.read_bytes())
    assert told.startswith("line ")


def test_a_plain_alert_reads_without_a_warning() -> None:
    reading = read(whole("<polygon>-8,110 -8,111 -9,111 -8,110</polygon><circle>-8.5,110.5 12</circle>"))
    assert reading.warnings == ()
    assert reading.version == "1.2"
    alert = reading.alert
    assert alert.sent == datetime(2030, 1, 31, 2, tzinfo=UTC)
    assert alert.sent.utcoffset() == timedelta(hours=7)
    (area,) = alert.infos[0].areas
    assert area.polygons == (((-8.0, 110.0), (-8.0, 111.0), (-9.0, 111.0), (-8.0, 110.0)),)
    assert area.circles == ((-8.5, 110.5, 12.0),)


@pytest.mark.parametrize(
    ("area", "warning", "polygons"),
    [
        ("<polygon>-8,110 -8,111 -9,111</polygon>", "open polygon", 1),
        ("<polygon>-8,110 -8,111</polygon>", "fewer than four", 0),
        ("<polygon>-8,110 north</polygon>", "polygon is left out", 0),
        ("<polygon>110,-8 111,-8 111,-9 110,-8</polygon>", "polygon is left out", 0),
        ("<polygon/>", "empty polygon", 0),
        ("<circle>here</circle>", "circle is left out", 0),
        ("<circle>-8,110 -5</circle>", "circle is left out", 0),
    ],
)
def test_a_shape_that_holds_no_area_is_mended_or_left_out_with_a_warning(
    area: str, warning: str, polygons: int
) -> None:
    reading = read(whole(area))
    assert len(reading.warnings) == 1
    assert warning in reading.warnings[0]
    (read_area,) = reading.alert.infos[0].areas
    assert len(read_area.polygons) == polygons
    assert all(ring[0] == ring[-1] for ring in read_area.polygons)
    assert read_area.circles == ()


def test_the_same_oddity_many_times_is_one_warning_with_its_number() -> None:
    (warning,) = read(whole("<polygon>-8,110 -8,111 -9,111</polygon>" * 150)).warnings
    assert "and 149 more" in warning


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (document(), "no info"),
        (document(INFO % ""), "no area"),
        (whole(middle=MIDDLE.replace(">Alert<", ">Update<")), "no references"),
        (whole(middle=MIDDLE.replace(">Alert<", ">Cancel<")), "no references"),
        (whole(middle=MIDDLE.replace("Public", "Restricted")), "no restriction"),
        (whole(middle=MIDDLE.replace("Public", "Private")), "no addresses"),
        (whole(head=HEAD.replace("K1", "K 1")), "CAP forbids"),
        (whole(head=HEAD.replace("posko", "a,b")), "CAP forbids"),
        (document("<references>nothing</references>", INFO % (AREA % "")), "sender,identifier,sent"),
        (
            document(
                INFO % (AREA % ""), '<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"><s:x/></s:Signature>'
            ),
            "signature was not checked",
        ),
        (document((INFO % (AREA % "")).replace("<language>id-ID</language>", "")), "en-US"),
        (document((INFO % (AREA % "")).replace("<expires>", LATER + "<expires>")), "before it begins"),
    ],
)  # fmt: skip
def test_what_the_schema_cannot_tell_is_warned_of_and_never_refused(data: bytes, warning: str) -> None:
    (told,) = read(data).warnings
    assert warning in told


def test_an_expired_alert_reads_and_is_warned_of_when_the_time_is_given() -> None:
    assert read(whole()).warnings == ()
    (told,) = read(whole(), now=datetime(2031, 1, 1, tzinfo=UTC)).warnings
    assert "expired" in told


def test_a_time_without_a_zone_is_read_in_the_given_zone() -> None:
    data = whole(version="1.1", head=HEAD.replace("09:00:00+07:00", "09:00:00.919"))
    in_jakarta = read(data, zone=ZoneInfo("Asia/Jakarta"))
    assert in_jakarta.alert.sent == datetime(2030, 1, 31, 2, tzinfo=UTC)
    assert any("no time zone; read as Asia/Jakarta" in told for told in in_jakarta.warnings)
    assert any("fraction" in told for told in in_jakarta.warnings)
    assert read(data).alert.sent == datetime(2030, 1, 31, 9, tzinfo=UTC)


def test_the_end_of_a_day_is_the_start_of_the_next() -> None:
    data = whole(version="1.1", head=HEAD.replace("09:00:00+07:00", "24:00:00Z"))
    assert read(data).alert.sent == datetime(2030, 2, 1, tzinfo=UTC)


def test_a_valid_time_that_no_calendar_holds_is_told_of() -> None:
    assert "years 1 to 9999" in refusal(whole(version="1.1", head=HEAD.replace("2030", "12030")))
    data = document((INFO % (AREA % "")).replace("2030", "12030"), version="1.1")
    reading = read(data)
    assert reading.alert.infos[0].expires is None
    assert any("expires is left out" in told for told in reading.warnings)


OLD_INFO = (
    "<info><event>Gempa bumi</event><urgency>Immediate</urgency><severity>Severe</severity>"
    "<certainty>Very Likely</certainty><eventCode>SAME=EQW</eventCode><parameter>loose</parameter>"
    "<resource><resourceDesc>Peta</resourceDesc></resource>"
    "<area><areaDesc>Pesisir</areaDesc><geocode>fips6=006091</geocode><altitude>high</altitude></area></info>"
)


def test_a_cap_1_0_alert_is_filled_to_what_1_2_wants_with_a_warning_each() -> None:
    middle = "<status>Actual</status><msgType>Alert</msgType><password>secret</password>"
    reading = read(document(OLD_INFO, version="1.0", middle=middle))
    info = reading.alert.infos[0]
    assert reading.alert.scope is Scope.PUBLIC
    assert info.categories == (Category.OTHER,)
    assert info.certainty is Certainty.LIKELY
    assert info.resources[0].mime_type == "application/octet-stream"
    assert [(pair.value_name, pair.value) for pair in info.event_codes] == [("SAME", "EQW")]
    assert [(pair.value_name, pair.value) for pair in info.parameters] == [("parameter", "loose")]
    assert info.areas[0].geocodes[0].value == "006091"
    assert info.areas[0].altitude is None
    told = "\n".join(reading.warnings)
    for word in ("password", "scope", "category", "Very Likely", "mimeType", "name=value", "altitude", "language"):
        assert word in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("named", "scope"),
    [
        ("<restriction>staff</restriction>", Scope.RESTRICTED),
        ("<addresses>a@example.id</addresses>", Scope.PRIVATE),
        ("", Scope.PUBLIC),
    ],
)
def test_a_missing_scope_never_makes_public_what_names_its_readers(named: str, scope: Scope) -> None:
    middle = f"<status>Actual</status><msgType>Alert</msgType>{named}"
    assert read(document(version="1.0", middle=middle)).alert.scope is scope


def test_addresses_and_incidents_keep_their_quoted_spaces() -> None:
    middle = MIDDLE.replace("Public", "Private") + '<addresses>a@example.id "Posko Dua"</addresses>'
    assert read(whole(middle=middle)).alert.addresses == ("a@example.id", "Posko Dua")


def test_marks_of_our_own_slots_are_taken_out_of_foreign_text() -> None:
    reading = read(document((INFO % (AREA % "")).replace("Jauhi pantai", "Jauhi \ue000sent\ue001 pantai")))
    assert reading.alert.infos[0].instruction == "Jauhi sent pantai"
    assert any("U+E000" in told for told in reading.warnings)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_unicode_encoding_reads_the_same(encoding: str) -> None:
    text = whole().decode().replace("Pesisir", "Pesisir Timur – é")
    declared = "utf-16" if encoding == "utf-16" else "utf-8"
    reading = read(f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(encoding))
    assert reading.alert.infos[0].areas[0].area_desc == "Pesisir Timur – é"


def test_a_declared_old_encoding_is_read() -> None:
    data = '<?xml version="1.0" encoding="ISO-8859-1"?>' + whole().decode().replace("Pesisir", "Café")
    assert read(data.encode("latin-1")).alert.infos[0].areas[0].area_desc == "Café"


BOMB = "<!DOCTYPE alert [" + '<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
) + "]>"  # fmt: skip
FOREIGN = '<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, FOREIGN, "<!DOCTYPE alert>", '<!DOCTYPE alert SYSTEM "http://127.0.0.1/x">'])
@pytest.mark.parametrize("before", ["", "<!-- <a> --><?seen by?>\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused_whatever_stands_before_it(doctype: str, before: str, encoding: str) -> None:
    assert "DOCTYPE" in refusal((before + doctype + whole().decode()).encode(encoding))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{}", "not well-formed"),
        (b"\x00\xff\x00", "not well-formed"),
        (whole()[:-9], "not well-formed"),
        (b"<alert>", "not well-formed"),
        (b"<alert/>", "no namespace"),
        (b"<html><body/></html>", "<html>"),
        (whole().replace(b"cap:1.2", b"cap:1.3"), "no version of CAP"),
        (whole().replace(b"Actual", b"Actually"), "/alert/status"),
        (whole().replace(b"09:00:00+07:00", b"09:00:00Z"), "/alert/sent"),
        (whole().replace(b"Pesisir", b"&nbsp;"), "not well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?>' + whole(), "not well-formed"),
        (b"<a>" * 5000 + b"</a>" * 5000, "not well-formed"),
    ],
)
def test_what_is_no_alert_is_refused_with_its_place_and_a_remedy(data: bytes, told: str) -> None:
    assert told in refusal(data)


def test_an_oversized_document_is_refused_before_it_is_parsed() -> None:
    assert "bytes" in refusal(whole() + b" " * 100, largest=200)
    assert read(whole(), largest=len(whole())).alert.status is Status.ACTUAL


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_refuse(data: bytes) -> None:
    refusal(data)


@settings(deadline=None)
@given(st.integers(0, len(whole())), st.integers(0, 30), st.binary(max_size=12))
def test_a_damaged_alert_is_read_or_refused_and_nothing_else(at: int, drop: int, put: bytes) -> None:
    data = whole()[:at] + put + whole()[at + drop :]
    with contextlib.suppress(BadInput):
        assert isinstance(read(data), Reading)


def test_a_zone_may_be_as_far_as_a_schema_allows() -> None:
    reading = read(whole(head=HEAD.replace("+07:00", "-14:00")))
    assert reading.alert.sent.tzinfo == timezone(timedelta(hours=-14))


@pytest.mark.parametrize(
    "hostile",
    [
        document("<info/>" * 200_000),
        whole("<polygon>" + "1" * 2_000_000 + "</polygon>"),
        whole("<circle>1,2" + " " * 2_000_000 + "x</circle>"),
        document("<incidents>" + '"' * 2_000_000 + "</incidents>"),
    ],
    ids=["empty infos", "one long number", "one long gap", "open quotes"],
)
@pytest.mark.timeout(20)
def test_a_hostile_document_costs_little_time(hostile: bytes) -> None:
    with contextlib.suppress(BadInput):
        assert read(hostile).warnings
