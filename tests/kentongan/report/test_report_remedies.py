"""Whatever a delivery ended by, somebody is told what to do about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.ledger.changes import attempt_reason
from kentongan.overview import Cause
from kentongan.policy import Reason
from kentongan.report.in_csv import safe
from kentongan.report.remedies import Remedy, remedy
from kentongan.seam import Why

SENDING = [
    Reason.CREDENTIAL,
    Reason.NEVER_LEFT,
    Reason.NEVER_LEFT_TOO_LATE,
    Reason.NEVER_LEFT_IN_DOUBT,
    Reason.NOT_FOUND,
    Reason.NOT_FOUND_TOO_LATE,
    Reason.SENDER_GONE,
    Reason.NOT_SENT,
]


@pytest.mark.parametrize("reason", SENDING)
@given(detail=st.text(max_size=30))
def test_what_came_too_late_has_a_remedy_by_its_last_attempt(reason: Reason, detail: str) -> None:
    assert remedy(Cause("sms", "expired", attempt_reason(reason, detail), 1)) is not Remedy.UNKNOWN


@pytest.mark.parametrize(
    ("word", "reason", "expected"),
    [
        ("expired", "", Remedy.TOO_SLOW),
        ("expired", f"{Reason.CREDENTIAL}: status 401", Remedy.ACCOUNT),
        ("expired", f"{Reason.NEVER_LEFT_TOO_LATE}: no connection", Remedy.CONNECTION),
        ("cancelled", "", Remedy.STOPPED),
        ("in_doubt", f"{Reason.OFFICER}: the connection broke", Remedy.OFFICER),
        ("unreachable", "receipt: absent subscriber", Remedy.UNREACHABLE),
        ("rejected", f"{Reason.REFUSED}: {Why.ADDRESS}: status 403", Remedy.ADDRESS),
        ("rejected", f"{Reason.REFUSED}: {Why.PAYLOAD}: too long", Remedy.MESSAGE),
        ("rejected", "receipt: unknown number", Remedy.ADDRESS),
        ("rejected", "in words of an older version", Remedy.UNKNOWN),
        ("something new", "", Remedy.UNKNOWN),
    ],
)
def test_the_remedy_fits_the_cause(word: str, reason: str, expected: Remedy) -> None:
    assert remedy(Cause("sms", word, reason, 1)) is expected


@given(st.text())
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell = safe(text)
    begins = cell.lstrip()[:1]
    assert begins not in ("=", "+", "@", "\t", "|", "%") or not begins
    assert not (begins == "-" and not cell.lstrip("-").replace(".", "", 1).isdigit())
    assert "\n" not in cell
    assert "\r" not in cell


@pytest.mark.parametrize("number", [0, 7, -3, 1.5, "-12.25"])
def test_numbers_stay_numbers(number: object) -> None:
    assert safe(number) == str(number)


@pytest.mark.parametrize(
    "formula", ["=1+1", "+62812", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1", " =1", "\r=1", "\uff1d1", "|x"]
)
def test_formulas_are_shown_and_not_run(formula: str) -> None:
    assert safe(formula).startswith("'")
