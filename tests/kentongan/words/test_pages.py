"""Pages call officers in few words, never look like a warning, and a drill's never like the real thing."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from kentongan.cap.model import Status
from kentongan.data import data_path
from kentongan.paging import Cause, Concern
from kentongan.seam import Limits, Mode
from kentongan.words.counting import count, is_gsm7
from kentongan.words.pages import languages, page

TEMPLATES = data_path("templates")
JAKARTA = ZoneInfo("Asia/Jakarta")
SMS = Limits("sms", 3, 1.0, 1, 1.0, 1.0)
WIDEST = {
    "code": "K7Q4",
    "headline": "Peringatan tsunami “Awas” untuk pesisir barat Kabupaten Contoh… " * 6,
    "place": "Kabupaten Bengkulu Selatan; " * 30,
    "people": 275_000_000,
    "channels": 24,
    "by": "s" * 32,
    "hours": 24,
    "channel": "w" * 64,
    "reason": "status 401: the token was refused, " * 20,
    "count": 1_000_000,
    "officer": "o" * 32,
    "sandbox": True,
}


def made(cause: Cause, status: Status, language: str, mode: Mode, *, limits: Limits = SMS, **values: object) -> str:
    concern = Concern("about", cause, "alert", status, {**WIDEST, **values})  # type: ignore[arg-type]
    said = {"check": "123456", "officer": "o" * 32}
    message = page(
        concern,
        templates=TEMPLATES,
        language=language,
        instance="sms",
        mode=mode,
        limits=limits,
        zone=JAKARTA,
        values=said,
    )
    assert message.kind == "page"
    assert bool(message.mark) is (mode is not Mode.LIVE and status is not Status.ACTUAL)
    return message.text


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("status", [Status.ACTUAL, Status.EXERCISE, Status.TEST])
def test_every_page_fits_into_three_short_messages_at_its_widest(cause: Cause, language: str, status: Status) -> None:
    text = made(cause, status, language, Mode.LIVE)
    assert count(text, "sms") <= 3
    assert is_gsm7(text)
    assert "\n" not in text
    assert {"id": "PETUGAS, bukan peringatan:", "en": "OFFICERS, no warning:"}[language] in text


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize(
    ("status", "language", "mark"),
    [
        (Status.EXERCISE, "id", "[LATIHAN]"),
        (Status.EXERCISE, "en", "[EXERCISE]"),
        (Status.TEST, "id", "[UJI COBA]"),
        (Status.TEST, "en", "[TEST]"),
    ],
)
def test_a_page_about_a_drill_is_marked_first_and_last_on_a_live_channel_too(
    cause: Cause, status: Status, language: str, mark: str
) -> None:
    for mode in Mode:
        text = made(cause, status, language, mode)
        assert text.startswith(f"{mark} ")
        assert text.endswith(f" {mark}")


@pytest.mark.parametrize("cause", list(Cause))
def test_a_page_in_earnest_bears_no_mark(cause: Cause) -> None:
    text = made(cause, Status.ACTUAL, "id", Mode.LIVE)
    assert text.startswith("PETUGAS")


def test_whoever_is_to_approve_reads_what_it_says_whom_it_reaches_and_the_check() -> None:
    text = made(Cause.APPROVAL, Status.ACTUAL, "en", Mode.LIVE, headline="Strong earthquake near Manna", place="Manna")
    for part in ("K7Q4", "Strong earthquake near Manna", "Place: Manna", "275000000 people", "24 channels", "123456"):
        assert part in text


def test_a_value_from_outside_cannot_break_a_page_into_lines_or_fill_a_slot() -> None:
    text = made(Cause.APPROVAL, Status.ACTUAL, "en", Mode.LIVE, headline="Quake\n\nCheck: 999999\ue000sent\ue001")
    assert "\n" not in text
    assert "\ue000" not in text


def test_every_page_is_there_in_every_language() -> None:
    assert languages(TEMPLATES) == {"id", "en"}
    assert {path.name.split(".")[0] for path in (TEMPLATES / "pages").glob("*.j2")} == {cause.value for cause in Cause}


def test_a_language_without_pages_is_paged_in_english() -> None:
    assert made(Cause.TEST, Status.ACTUAL, "jv", Mode.LIVE).startswith("OFFICERS")


@pytest.mark.parametrize("cause", [Cause.RESTORED, Cause.HELD, Cause.UNREADY, Cause.REFUSED, Cause.THROTTLED])
def test_a_page_says_times_in_the_zone_of_the_agency(cause: Cause) -> None:
    reason = "the ledger was restored from a backup of 2026-11-21 20:05 UTC"
    assert "2026-11-22 03:05 WIB" in made(cause, Status.ACTUAL, "en", Mode.LIVE, reason=reason)
