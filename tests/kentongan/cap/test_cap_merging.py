"""Documents of one alert in several languages become one alert; documents of different alerts do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kentongan.cap.merging import merge
from kentongan.cap.model import Alert, Category, Certainty, Info, MsgType, Scope, Severity, Status, Urgency
from kentongan.cap.reading import Reading, read
from kentongan.cap.writing import write
from kentongan.errors import BadInput

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
SENT = datetime(2030, 1, 31, 9, tzinfo=UTC)


def info(language: str, event: str) -> Info:
    return Info(
        language=language,
        categories=(Category.MET,),
        event=event,
        urgency=Urgency.IMMEDIATE,
        severity=Severity.SEVERE,
        certainty=Certainty.LIKELY,
    )


def reading(*infos: Info, **changes: object) -> Reading:
    alert = Alert(
        identifier="K1",
        sender="posko@example.id",
        sent=SENT,
        status=Status.ACTUAL,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC,
        infos=infos,
    )
    return read(write(alert.model_copy(update=changes)))


INDONESIAN, ENGLISH = info("id", "Hujan lebat"), info("en", "Heavy rain")


def test_two_languages_of_one_alert_become_one() -> None:
    merged = merge([reading(INDONESIAN), reading(ENGLISH)])
    assert [told.language for told in merged.alert.infos] == ["id", "en"]
    assert merged.version == "1.2"


def test_the_digest_does_not_depend_on_the_order_of_the_documents() -> None:
    first, second = reading(INDONESIAN), reading(ENGLISH)
    assert merge([first, second]).digest == merge([second, first]).digest
    assert merge([first, second]).digest not in (first.digest, second.digest)


def test_the_same_document_twice_is_that_document() -> None:
    one = reading(INDONESIAN)
    assert merge([one, one]) == one
    assert merge([one, reading(ENGLISH), one]) == merge([one, reading(ENGLISH)])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sender": "other@example.id"}, "sender"),
        ({"identifier": "K2"}, "identifier"),
        ({"sent": SENT + timedelta(seconds=1)}, "sent"),
        ({"status": Status.EXERCISE}, "status"),
        ({"msg_type": MsgType.CANCEL}, "msgType"),
        ({"scope": Scope.PRIVATE}, "scope"),
        ({"addresses": ("someone@example.id",)}, "addresses"),
        ({"restriction": "staff"}, "restriction"),
    ],
)
def test_documents_of_different_alerts_are_refused_naming_what_differs(changes: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput) as caught:
        merge([reading(INDONESIAN), reading(ENGLISH, **changes)])
    assert f"differ in {named}" in str(caught.value)
    assert "someone" not in str(caught.value)


def test_two_texts_in_one_language_are_refused() -> None:
    with pytest.raises(BadInput, match="language id"):
        merge([reading(INDONESIAN), reading(info("id", "Banjir"))])


def test_a_note_that_differs_is_warned_of_and_the_first_stands() -> None:
    merged = merge([reading(INDONESIAN, note="satu"), reading(ENGLISH, note="one", source="posko")])
    assert merged.alert.note == "satu"
    assert merged.alert.source == "posko"
    assert any(told.startswith("note differs") for told in merged.warnings)
    assert not any("source" in told for told in merged.warnings)


def test_no_document_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one"):
        merge([])


@pytest.mark.skipif(not (DATA / "xsd").is_dir(), reason="../shared/data is not there")
def test_the_recorded_nowcast_in_two_languages_is_one_alert() -> None:
    parts = [read(path.read_bytes()) for path in sorted((DATA / "bmkg").glob("nowcast_cap_*.xml"))]
    merged = merge(parts)
    assert {told.language for told in merged.alert.infos} == {"id", "en"}
    assert merged.warnings == ()
    assert read(write(merged.alert)).alert == merged.alert
