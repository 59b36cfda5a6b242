from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._reading import Answer, read, readiness, reversible
from kentongan.seam import Accepted, Credential, InDoubt, Pending, Rejected, Retryable, Uploaded, Why

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REFUSALS = st.sampled_from([Retryable("a"), Rejected("b", Why.PAYLOAD), Credential("c"), Accepted("d"), InDoubt("e")])


@given(st.integers(), st.binary(max_size=60), st.booleans(), st.booleans())
def test_only_what_is_on_the_list_may_be_sent_again(status: int, body: bytes, public: bool, repeatable: bool) -> None:
    seen = read(Answer(status, {}, body), public=public, now=NOW, repeatable=repeatable)
    assert isinstance(seen, Retryable) == (status == 429 or (status == 503 and repeatable))
    assert isinstance(seen, Answer) == (200 <= status <= 299)
    assert not isinstance(seen, (Accepted, Pending))


@given(st.integers(100, 599))
def test_a_person_who_refuses_closes_nothing_and_a_public_refusal_does(status: int) -> None:
    direct, public = (read(Answer(status, {}, b""), public=public, now=NOW) for public in (False, True))
    if status == 403:
        assert isinstance(direct, Rejected)
        assert direct.why is Why.ADDRESS
        assert isinstance(public, Credential)
    else:
        assert direct == public


@given(st.integers(100, 599), REFUSALS)
def test_a_documented_code_beats_the_status(status: int, documented: Accepted) -> None:
    answer = Answer(status, {}, b"")
    assert read(answer, public=True, now=NOW, documented=lambda _: documented) == documented
    assert read(answer, public=True, now=NOW, documented=lambda _: None) == read(answer, public=True, now=NOW)


@given(REFUSALS)
def test_a_step_that_publishes_nothing_is_never_in_doubt(outcome: Accepted) -> None:
    read_again = reversible(outcome)
    assert not isinstance(read_again, InDoubt)
    assert isinstance(outcome, InDoubt) == (read_again != outcome)
    assert reversible(Uploaded({})) == Uploaded({})


@given(st.binary(max_size=200))
def test_any_body_is_read_without_a_fault(body: bytes) -> None:
    answer = Answer(200, {}, body)
    assert isinstance(answer.fields, dict)
    assert readiness(answer).ready


@given(REFUSALS)
def test_a_refusal_is_never_ready(outcome: Accepted) -> None:
    assert not readiness(outcome).ready


@pytest.mark.parametrize(("status", "told"), [(401, "renew them"), (403, "look at its rights")])
def test_a_refusal_of_ours_says_what_an_officer_can_do(status: int, told: str) -> None:
    outcome = read(Answer(status, {}, b""), public=True, now=NOW)
    assert isinstance(outcome, Credential)
    assert outcome.reason.startswith(f"status {status}: ")
    assert outcome.reason.endswith(told)
