"""Writing CAP 1.2: what is read can be written, what is written is valid, and reading it gives the alert back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

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
from kentongan.cap.reading import read
from kentongan.cap.validity import faults
from kentongan.cap.writing import write

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
recorded = pytest.mark.skipif(not (DATA / "xsd").is_dir(), reason="../shared/data is not there")


@cache
def official() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(DATA / "xsd" / "CAP-v1.2.xsd"))


# What the model can hold and CAP can say: text without the marks of our slots, trimmed as the reader trims it.
text = (
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ue000\ue001\ufffe\uffff"), max_size=30)
    .map(str.strip)
    .filter(bool)
)
lines = st.lists(text, min_size=1, max_size=3).map("\n".join)
name = st.from_regex(r"[A-Za-z0-9._@:-]{1,20}", fullmatch=True)
word = text.map(lambda value: re.sub(r'["\s]+', " ", value).strip()).filter(bool)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).flatmap(
    lambda time: st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: time.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    )
)
latitude, longitude = st.floats(-90, 90), st.floats(-180, 180)
point = st.tuples(latitude, longitude)
ring = st.lists(point, min_size=3, max_size=6).map(lambda points: (*points, points[0]))
named = st.builds(NamedValue, value_name=text, value=text)
uri = st.sampled_from(["https://example.org/a?b=c#d", "cid:1@example.org", "peta.jpg", "https://example.org/peta baru"])


def few(strategy: st.SearchStrategy[object], least: int = 0) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


areas = st.builds(
    Area,
    area_desc=text,
    polygons=few(ring),
    circles=few(st.tuples(latitude, longitude, st.floats(0, 1e5))),
    geocodes=few(named),
    altitude=maybe(st.floats(-1e6, 1e6)),
    ceiling=maybe(st.floats(-1e6, 1e6)),
)
resources = st.builds(
    Resource,
    resource_desc=text,
    mime_type=text,
    size=maybe(st.integers(0, 10**18)),
    uri=maybe(uri),
    deref_uri=st.none(),
    digest=maybe(text),
)
infos = st.builds(
    Info,
    language=st.from_regex(r"[a-z]{2,3}(-[A-Z]{2})?", fullmatch=True),
    categories=few(st.sampled_from(Category), least=1),
    event=text,
    response_types=few(st.sampled_from(ResponseType)),
    urgency=st.sampled_from(Urgency),
    severity=st.sampled_from(Severity),
    certainty=st.sampled_from(Certainty),
    audience=maybe(text),
    event_codes=few(named),
    effective=maybe(times),
    onset=maybe(times),
    expires=maybe(times),
    sender_name=maybe(text),
    headline=maybe(text),
    description=maybe(lines),
    instruction=maybe(lines),
    web=maybe(uri),
    contact=maybe(text),
    parameters=few(named),
    resources=few(resources),
    areas=few(areas),
)
alerts = st.builds(
    Alert,
    identifier=name,
    sender=name,
    sent=times,
    status=st.sampled_from(Status),
    msg_type=st.sampled_from(MsgType),
    source=maybe(text),
    scope=st.sampled_from(Scope),
    restriction=maybe(text),
    addresses=few(word),
    codes=few(text),
    note=maybe(lines),
    references=few(st.builds(Reference, sender=name, identifier=name, sent=times)),
    incidents=few(word),
    infos=st.lists(infos, max_size=2).map(tuple),
)
PLAIN = Alert(
    identifier="K1",
    sender="posko@example.id",
    sent=datetime(2030, 1, 31, 9, tzinfo=UTC),
    status=Status.ACTUAL,
    msg_type=MsgType.ALERT,
    scope=Scope.PUBLIC,
)


@settings(deadline=None)
@given(alerts)
def test_reading_what_was_written_gives_the_alert_back(alert: Alert) -> None:
    data = write(alert)
    assert faults(etree.fromstring(data), "1.2") == []
    assert read(data).alert == alert


@recorded
@settings(deadline=None)
@given(alerts)
def test_what_is_written_passes_the_official_schema(alert: Alert) -> None:
    official().assertValid(etree.fromstring(write(alert)))


@recorded
@pytest.mark.parametrize(
    "path", sorted((DATA / "cap_valid").iterdir()) if DATA.is_dir() else [], ids=lambda path: path.name
)
def test_every_recorded_alert_goes_out_again_as_valid_cap_1_2(path: Path) -> None:
    alert = read(path.read_bytes()).alert
    data = write(alert)
    official().assertValid(etree.fromstring(data))
    assert read(data).alert == alert


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (datetime(2030, 1, 31, 9, tzinfo=UTC), "2030-01-31T09:00:00-00:00"),
        (datetime(2030, 1, 31, 9, 0, 0, 999_999, tzinfo=UTC), "2030-01-31T09:00:00-00:00"),
        (datetime(2030, 1, 31, 9, tzinfo=timezone(timedelta(hours=7))), "2030-01-31T09:00:00+07:00"),
        (datetime(2030, 1, 31, 9, tzinfo=timezone(-timedelta(hours=3, minutes=30))), "2030-01-31T09:00:00-03:30"),
        (datetime(2030, 1, 31, 9, tzinfo=timezone(timedelta(hours=7, seconds=7))), "2030-01-31T01:59:53-00:00"),
        (datetime(2030, 1, 31, 9, tzinfo=timezone(timedelta(hours=20))), "2030-01-30T13:00:00-00:00"),
        (datetime(30, 1, 31, 9, tzinfo=UTC), "0030-01-31T09:00:00-00:00"),
    ],
)
def test_times_are_written_in_whole_seconds_and_never_with_z(sent: datetime, written: str) -> None:
    assert f"<sent>{written}</sent>".encode() in write(PLAIN.model_copy(update={"sent": sent}))


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    data = write(PLAIN.model_copy(update={"note": "a\x00b\x0bc\ufffed\ud800e\tf"}))
    assert read(data).alert.note == "abcde\tf"


def test_markup_in_a_text_stays_text() -> None:
    note = "</note><info/>&amp;]]>"
    assert read(write(PLAIN.model_copy(update={"note": note}))).alert.note == note


def test_small_numbers_are_written_without_an_exponent() -> None:
    info = Info(
        categories=(Category.GEO,),
        event="Gempa bumi",
        urgency=Urgency.PAST,
        severity=Severity.MINOR,
        certainty=Certainty.OBSERVED,
        areas=(Area(area_desc="Pesisir", circles=((1e-7, -0.0, 5.0),), altitude=1e-9),),
    )
    data = write(PLAIN.model_copy(update={"infos": (info,)}))
    assert b"<circle>0.0000001,-0 5</circle>" in data
    assert b"<altitude>0.000000001</altitude>" in data


def test_an_alert_that_cannot_be_valid_is_never_written() -> None:
    info = Info(
        categories=(), event="x", urgency=Urgency.PAST, severity=Severity.MINOR, certainty=Certainty.OBSERVED
    )  # fmt: skip
    with pytest.raises(ValueError, match="category"):
        write(PLAIN.model_copy(update={"infos": (info,)}))
