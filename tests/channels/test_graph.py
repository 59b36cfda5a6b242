from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from channels import _graph
from channels._reading import Answer, read
from kentongan.seam import Credential, Forged, InDoubt, Outcome, Received, Rejected, Retryable, Why
from tests.channels.test_delay import JSON

NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)
SECRET = SecretStr("app-secret")


def answered(code: Any, status: int = 400, subcode: Any = None, headers: dict[str, str] | None = None) -> Answer:
    error = {"message": "+6281234567890", "code": code, **({"error_subcode": subcode} if subcode is not None else {})}
    return Answer(status, headers or {}, json.dumps({"error": error}).encode())


def outcome(answer: Answer, *, public: bool = False) -> Answer | Outcome:
    return read(answer, public=public, now=NOW, documented=_graph.documented)


def call(body: bytes, signature: str | None = None, **changes: Any) -> Received:
    signed = "sha256=" + hmac.new(SECRET.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": signed if signature is None else signature}
    return Received("POST", "/receipts/wa", changes.get("query", {}), changes.get("headers", headers), body)


@pytest.mark.parametrize("code", [4, 17, 32, 613, 80001, 80007, 130429, 131016, 131057, 133016])
@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_throttle_is_retryable_whatever_the_status(code: int, status: int) -> None:
    assert outcome(answered(code, status)) == Retryable(f"status {status}, code {code}", throttled=True)


@pytest.mark.parametrize("code", [10, 102, 190, 200, 299, 368, 131031, 131042, 131048, 132001, 132015, 132016])
@pytest.mark.parametrize("public", [True, False])
def test_a_fault_of_our_account_is_ours_to_mend_even_where_a_403_would_blame_the_person(
    code: int, public: bool
) -> None:
    assert isinstance(outcome(answered(code, 403), public=public), Credential)


@pytest.mark.parametrize("code", [130472, 130497, 131021, 131026, 131030, 131047, 131049, 131050])
def test_a_person_who_cannot_be_reached_is_no_fault_of_the_message(code: int) -> None:
    assert outcome(answered(code)) == Rejected(f"status 400, code {code}", Why.ADDRESS)


@pytest.mark.parametrize("code", [100, 131008, 131009, 132000, 132005, 132007, 132012, 132018])
def test_a_refused_message_is_refused_for_all(code: int) -> None:
    assert outcome(answered(code)) == Rejected(f"status 400, code {code}", Why.PAYLOAD)


@pytest.mark.parametrize("code", [1, 2, 131000, 506])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_may_have_been_taken_is_in_doubt(code: int, status: int) -> None:
    assert isinstance(outcome(answered(code, status)), InDoubt)


def test_an_unknown_object_is_a_wrong_id_in_the_config() -> None:
    assert isinstance(outcome(answered(100, subcode=33)), Credential)


@pytest.mark.parametrize("code", [None, True, "190", 1.5, [4], 999_999])
def test_a_code_that_nobody_knows_leaves_the_status_to_decide(code: Any) -> None:
    assert outcome(answered(code, 400)) == Rejected("status 400", Why.PAYLOAD)
    assert isinstance(outcome(answered(code, 500)), InDoubt)


def test_an_error_inside_a_success_is_no_success() -> None:
    assert isinstance(outcome(answered(999_999, 200)), InDoubt)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 5}]}'}, 300.0),
        (
            {
                "x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 2}],'
                ' "2": [{"estimated_time_to_regain_access": 9}]}'
            },
            540.0,
        ),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 0}]}'}, None),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 0}]}', "retry-after": "7"}, 7.0),
        ({"x-business-use-case-usage": "not json"}, None),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 1e400}]}'}, None),
    ],
)
def test_a_throttle_waits_as_long_as_the_header_says_in_minutes(headers: dict[str, str], seconds: float | None) -> None:
    assert outcome(answered(80001, headers=headers)) == Retryable("status 400, code 80001", seconds, throttled=True)


def test_the_same_person_is_left_alone_for_six_seconds() -> None:
    assert outcome(answered(131056)) == Retryable("status 400, code 131056", _graph.PAIR_PAUSE)


@pytest.mark.parametrize(
    ("headers", "used"),
    [
        ({}, 0),
        ({"x-app-usage": '{"call_count": 28, "total_time": 97, "total_cputime": 1}'}, 97),
        ({"x-business-use-case-usage": '{"1": [{"call_count": 100, "total_time": 1}]}'}, 100),
        ({"x-app-usage": '{"call_count": "x", "total_time": true, "total_cputime": -4}'}, 0),
    ],
)
def test_how_much_of_the_budget_is_used(headers: dict[str, str], used: int) -> None:
    assert _graph.used(Answer(200, headers, b"{}")) == used


@given(st.integers() | JSON, st.integers(100, 599), st.integers() | JSON)
def test_no_error_object_brings_the_reading_down_or_shows_its_words(code: Any, status: int, subcode: Any) -> None:
    found = outcome(answered(code, status, subcode))
    assert "6281234567890" not in repr(found)


def test_the_check_of_the_endpoint_gets_its_challenge_back() -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "word", "hub.challenge": "1158201444"}
    request = Received("GET", "/receipts/wa", query, {}, b"")
    assert _graph.handshake(request, SecretStr("word")) == "1158201444"


@pytest.mark.parametrize("ours", [None, SecretStr("other"), SecretStr("")])
@pytest.mark.parametrize("theirs", ["word", "", "wörd", "\ud800"])
def test_a_check_that_does_not_know_our_word_is_refused(ours: SecretStr | None, theirs: str) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": theirs, "hub.challenge": "1"}
    with pytest.raises(Forged):
        _graph.handshake(Received("GET", "/", query, {}, b""), ours)


def test_a_check_of_another_mode_is_refused() -> None:
    query = {"hub.mode": "unsubscribe", "hub.verify_token": "word", "hub.challenge": "1"}
    with pytest.raises(Forged):
        _graph.handshake(Received("GET", "/", query, {}, b""), SecretStr("word"))


def test_an_ordinary_call_is_no_check() -> None:
    assert _graph.handshake(call(b"{}"), SecretStr("word")) is None
    assert _graph.handshake(Received("GET", "/", {}, {}, b""), SecretStr("word")) is None


def test_a_signed_call_is_read() -> None:
    assert _graph.signed(call(b'{"object": "page"}'), SECRET) == {"object": "page"}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_signed_call_that_is_no_object_says_nothing(body: bytes) -> None:
    assert _graph.signed(call(body), SECRET) == {}


@given(st.binary(max_size=60), st.text(max_size=80) | st.binary(max_size=40).map(lambda data: f"sha256={data.hex()}"))
def test_any_other_signature_is_forged(body: bytes, signature: str) -> None:
    right = call(body).headers["x-hub-signature-256"]
    if signature != right:
        with pytest.raises(Forged):
            _graph.signed(call(body, signature), SECRET)


@pytest.mark.parametrize("change", [lambda b: b + b" ", lambda b: b[:-1], lambda b: b.replace(b"1", b"2")])
def test_a_changed_body_is_forged(change: Any) -> None:
    body = b'{"a": 1}'
    with pytest.raises(Forged):
        _graph.signed(call(change(body), call(body).headers["x-hub-signature-256"]), SECRET)


def test_without_a_secret_every_call_is_forged() -> None:
    with pytest.raises(Forged):
        _graph.signed(call(b"{}"), None)
    with pytest.raises(Forged):
        _graph.signed(call(b"{}", headers={}), SECRET)
