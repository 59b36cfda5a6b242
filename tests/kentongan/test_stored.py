from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.approval import Act, Approval
from kentongan.errors import BadInput
from kentongan.officers import Officer, Signed
from kentongan.stored import from_json, to_json

times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
officers = st.builds(
    Officer,
    name=st.text(),
    public_key=st.binary(),
    sealed_key=st.text(),
    active_from=times,
    revoked_at=st.none() | times,
)
signeds = st.builds(Signed, statement=st.binary(), officer=st.text(), signature=st.binary())
approvals = st.builds(
    Approval,
    officer=st.text(),
    act=st.sampled_from(Act),
    digest=st.text(),
    people=st.integers(0, 10**9),
    at=times,
    reason=st.text(),
    signature=st.binary(),
)


@given(officers | signeds | approvals)
def test_what_is_written_down_reads_back_the_same(value: Officer | Signed | Approval) -> None:
    assert from_json(type(value), json.loads(json.dumps(to_json(value)))) == value


GOOD = Approval("siti", Act.APPROVE, "d", 7, datetime(2026, 11, 21, tzinfo=UTC) + timedelta(hours=2), "", b"\x00\xff")


@pytest.mark.parametrize(
    "change",
    [
        {"act": "nod"},
        {"at": "2026-11-21T02:00:00"},
        {"people": "many"},
        {"signature": "!"},
        {"officer": None},
        {"more": 1},
    ],
)
def test_damaged_fields_are_one_sentence_that_names_the_field(change: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=f"approval in the ledger is damaged at {next(iter(change))}"):
        from_json(Approval, to_json(GOOD) | change)


def test_what_are_no_fields_is_damaged() -> None:
    for content in ("null", "[]", '"text"', "{}"):
        with pytest.raises(BadInput, match="damaged"):
            from_json(Officer, json.loads(content))
