"""A proof is good for one request, once, for a minute, for one server, by an officer who counts."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from console.service.proof import LASTS, SCHEME, Asked, Attempts, Challenges, body_digest, prove, verify
from kentongan.officers import Officer, new_officer

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
BUDI, KEY = new_officer("budi", SecretStr("kucing lima ekor"), now=NOW - timedelta(days=1), cost=2**14)
SITI, OTHER = new_officer("siti", SecretStr("empat ekor kucing"), now=NOW - timedelta(days=1), cost=2**14)
OFFICERS = {"budi": BUDI, "siti": SITI}
ASKED = Asked("ab" * 32, "POST", "/v1/approvals/K7Q4", body_digest(b"{}"))


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def checked(
    header: str,
    asked: Asked = ASKED,
    *,
    challenges: Challenges,
    now: datetime = NOW,
    officers: dict[str, Officer] = OFFICERS,
) -> str | None:
    found = verify(header, asked, challenges=challenges, officers=officers, now=now)
    return found.name if found is not None else None


def test_who_signs_a_challenge_is_known_once() -> None:
    challenges = Challenges(Clock())
    header = prove(KEY, ASKED, nonce=challenges.give(), now=NOW)
    assert checked(header, challenges=challenges) == "budi"
    assert checked(header, challenges=challenges) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, audience="cd" * 32),
        replace(ASKED, method="GET"),
        replace(ASKED, path="/v1/approvals/K7Q5"),
        replace(ASKED, path="/v1/approvals/K7Q4/return"),
        replace(ASKED, body=body_digest(b"{ }")),
    ],
)
def test_a_proof_is_no_good_for_another_request_or_server(other: Asked) -> None:
    challenges = Challenges(Clock())
    header = prove(KEY, ASKED, nonce=challenges.give(), now=NOW)
    assert checked(header, other, challenges=challenges) is None


def test_a_challenge_that_nobody_gave_or_that_is_old_is_no_good() -> None:
    clock = Clock()
    challenges = Challenges(clock)
    assert checked(prove(KEY, ASKED, nonce="made up", now=NOW), challenges=challenges) is None
    nonce = challenges.give()
    clock.at = LASTS
    assert checked(prove(KEY, ASKED, nonce=nonce, now=NOW), challenges=challenges) is None


@pytest.mark.parametrize("minutes", [-3, 3])
def test_a_proof_by_a_clock_far_off_is_no_good(minutes: int) -> None:
    challenges = Challenges(Clock())
    header = prove(KEY, ASKED, nonce=challenges.give(), now=NOW + timedelta(minutes=minutes))
    assert checked(header, challenges=challenges) is None


def test_nobody_is_known_under_anothers_name_nor_after_they_are_revoked() -> None:
    challenges = Challenges(Clock())
    posing = prove(replace(OTHER, officer="budi"), ASKED, nonce=challenges.give(), now=NOW)
    assert checked(posing, challenges=challenges) is None
    unknown = prove(replace(OTHER, officer="nobody"), ASKED, nonce=challenges.give(), now=NOW)
    assert checked(unknown, challenges=challenges) is None
    gone = {"budi": replace(BUDI, revoked_at=NOW - timedelta(minutes=1))}
    header = prove(KEY, ASKED, nonce=challenges.give(), now=NOW)
    assert checked(header, challenges=challenges, officers=gone) is None


@given(st.text(max_size=200))
def test_whatever_stands_in_the_header_is_refused_and_never_raises(text: str) -> None:
    challenges = Challenges(Clock())
    assert checked(text, challenges=challenges) is None
    assert checked(f"{SCHEME} {text}", challenges=challenges) is None


@given(
    st.dictionaries(
        st.sampled_from(["officer", "nonce", "at", "signature", "more"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)),
    )
)
def test_fields_of_any_kind_are_refused_and_never_raise(fields: dict[str, object]) -> None:
    challenges = Challenges(Clock())
    header = f"{SCHEME} {base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()}"
    assert checked(header, challenges=challenges) is None


def test_a_flood_of_challenges_pushes_nobodys_out() -> None:
    challenges = Challenges(Clock())
    first = challenges.give()
    for _ in range(5000):
        last = challenges.give()
    assert challenges.take(first)
    assert challenges.take(last)


def test_only_its_own_challenges_are_taken_by_a_server_and_each_in_one_form() -> None:
    challenges = Challenges(Clock())
    nonce = challenges.give()
    assert not Challenges(Clock()).take(nonce)
    assert not challenges.take(nonce.replace(nonce[20], "A" if nonce[20] != "A" else "B"))
    for spoilt in ("", nonce[:-4], f"{nonce} ", f"{nonce}AAAA", f"\u00e9{nonce}", nonce.rstrip("=") + "!"):
        assert not challenges.take(spoilt)
    assert challenges.take(nonce)
    assert not challenges.take(nonce)


def test_what_was_taken_is_forgotten_when_it_is_too_old_anyway() -> None:
    clock = Clock()
    challenges = Challenges(clock)
    early = challenges.give()
    assert challenges.take(early)
    clock.at = LASTS
    assert not challenges.take(early)
    assert challenges.take(challenges.give())


def test_a_stranger_uses_up_no_challenge() -> None:
    challenges = Challenges(Clock())
    nonce = challenges.give()
    assert checked(prove(replace(OTHER, officer="budi"), ASKED, nonce=nonce, now=NOW), challenges=challenges) is None
    assert checked(prove(KEY, ASKED, nonce=nonce, now=NOW), challenges=challenges) == "budi"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_beyond_all_time_is_refused(at: str) -> None:
    fields = {"officer": "budi", "nonce": "x", "at": at, "signature": ""}
    header = f"{SCHEME} {base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()}"
    assert checked(header, challenges=Challenges(Clock())) is None


def test_a_peer_that_asks_too_often_waits_and_another_does_not() -> None:
    clock = Clock()
    attempts = Attempts(clock, most=3, window=60.0)
    for _ in range(3):
        assert not attempts.exceeded("10.0.0.7")
        attempts.count("10.0.0.7")
    assert attempts.exceeded("10.0.0.7")
    assert not attempts.exceeded("10.0.0.8")
    clock.at = 60.0
    assert not attempts.exceeded("10.0.0.7")
