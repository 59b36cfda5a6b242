from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kentongan.errors import BadInput, Refused
from kentongan.keys import canonical_json
from kentongan.officers import (
    Officer,
    Signed,
    SigningKey,
    new_officer,
    read_name,
    read_statement,
    sign,
    statement,
    unseal,
    verify,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
SECRET = SecretStr("kucing lima ekor")


@pytest.fixture(scope="module")
def pair() -> tuple[Officer, SigningKey]:
    return new_officer("siti.rahma", SECRET, now=NOW, cost=2**14)


def test_a_secret_unseals_the_key_that_signs_for_the_officer(pair: tuple[Officer, SigningKey]) -> None:
    officer, key = pair
    unsealed = unseal(officer, SECRET)
    assert unsealed == key
    assert verify(sign(b"said", unsealed), {officer.name: officer}, NOW)


def test_a_wrong_secret_is_refused(pair: tuple[Officer, SigningKey]) -> None:
    with pytest.raises(Refused, match=r"wrong secret for officer siti\.rahma") as caught:
        unseal(pair[0], SecretStr("kucing lima ekors"))
    assert caught.value.rule == "secret"
    assert "kucing" not in str(caught.value)


def test_a_secret_typed_on_another_keyboard_is_the_same_secret() -> None:
    officer, key = new_officer("a1", SecretStr("caf\u00e9 di ujung jalan"), now=NOW, cost=2**14)
    assert unseal(officer, SecretStr("cafe\u0301 di ujung jalan")) == key


def test_a_sealed_key_serves_no_other_officer(pair: tuple[Officer, SigningKey]) -> None:
    officer, _ = pair
    for stolen in (
        dataclasses.replace(officer, name="budi"),
        dataclasses.replace(officer, public_key=new_officer("b2", SECRET, now=NOW, cost=2**14)[0].public_key),
    ):
        with pytest.raises(Refused):
            unseal(stolen, SECRET)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2**30},
        {"n": 2},
        {"n": 2**14 + 1},
        {"n": "much"},
        {"r": 1},
        {"p": 2},
        {"kdf": "md5"},
        {"salt": "!"},
        {"nonce": ""},
        {"key": None},
    ],
)
def test_a_damaged_sealed_key_is_one_sentence(pair: tuple[Officer, SigningKey], change: dict[str, object]) -> None:
    officer, _ = pair
    damaged = dataclasses.replace(officer, sealed_key=json.dumps(json.loads(officer.sealed_key) | change))
    with pytest.raises(BadInput, match=r"sealed key of officer siti\.rahma is damaged"):
        unseal(damaged, SECRET)


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "12"])
def test_a_sealed_key_that_is_none_is_damaged(pair: tuple[Officer, SigningKey], content: str) -> None:
    with pytest.raises(BadInput, match="damaged"):
        unseal(dataclasses.replace(pair[0], sealed_key=content), SECRET)


def test_weaker_sealing_than_can_be_unsealed_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="scrypt"):
        new_officer("a1", SECRET, now=NOW, cost=2**10)


@pytest.mark.parametrize("secret", ["", "elevenchars", "            ", "aaaaaaaaaaaaaaaaaa", "siti.rahmasiti.rahma"])
def test_a_weak_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(BadInput, match="secret of officer") as caught:
        new_officer("siti.rahma", SecretStr(secret), now=NOW, cost=2**14)
    assert not secret.strip() or secret not in str(caught.value)


@pytest.mark.parametrize("text", ["", "a", "Siti Rahma", "../etc", "sitï", "-siti", "a" * 33, "siti\n1"])
def test_a_name_that_cannot_be_used_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match=r"such as siti\.rahma"):
        read_name(text)


def test_a_name_is_the_same_in_capitals() -> None:
    assert read_name(" Siti.Rahma ") == "siti.rahma"


def test_nothing_secret_shows_in_repr(pair: tuple[Officer, SigningKey]) -> None:
    officer, key = pair
    shown = repr(officer) + repr(key)
    assert "scrypt" not in shown
    assert repr(key) == "SigningKey(officer='siti.rahma')"


def test_an_officer_counts_from_admission_until_revocation(pair: tuple[Officer, SigningKey]) -> None:
    officer = dataclasses.replace(pair[0], revoked_at=NOW + timedelta(hours=1))
    signed = sign(b"said", pair[1])
    moments = (NOW - timedelta(seconds=1), NOW, NOW + timedelta(minutes=59), NOW + timedelta(hours=1))
    assert [officer.active(moment) for moment in moments] == [False, True, True, False]
    assert [verify(signed, {officer.name: officer}, moment) for moment in moments] == [False, True, True, False]


def test_a_signature_counts_for_its_own_officer_and_bytes(pair: tuple[Officer, SigningKey]) -> None:
    officer, key = pair
    other, other_key = new_officer("budi", SECRET, now=NOW, cost=2**14)
    officers = {officer.name: officer, other.name: other}
    signed = sign(b"said", key)
    assert verify(signed, officers, NOW)
    assert not verify(dataclasses.replace(signed, statement=b"sadi"), officers, NOW)
    assert not verify(dataclasses.replace(signed, officer="budi"), officers, NOW)
    assert not verify(dataclasses.replace(signed, officer="nobody"), officers, NOW)
    assert not verify(Signed(b"said", officer.name, other_key.sign(b"said")), officers, NOW)


@given(
    kind=st.text(max_size=20),
    fields=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9) | st.none(), max_size=4),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)),
    offset=st.integers(-12 * 60, 14 * 60),
)
def test_a_statement_reads_back_the_same_from_any_zone(
    kind: str, fields: dict[str, int | str | None], at: datetime, offset: int
) -> None:
    local = at.replace(tzinfo=timezone(timedelta(minutes=offset)))
    content = statement(kind, fields, local)
    read = read_statement(content)
    assert (read.kind, read.fields, read.at) == (kind, fields, local.replace(microsecond=0))
    assert statement(read.kind, read.fields, read.at) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b' {"at":1}',
        canonical_json({"kentongan": 1, "kind": "a", "fields": {}, "at": "2026-11-21T02:00:00"}),
        canonical_json({"kentongan": 1, "kind": "a", "fields": {}, "at": "today"}),
        canonical_json({"kentongan": 2, "kind": "a", "fields": {}, "at": "2026-11-21T02:00:00+00:00"}),
        canonical_json({"kentongan": 1, "kind": "a", "fields": {}, "at": "2026-11-21T02:00:00+00:00", "more": 1}),
    ],
)
def test_bytes_that_are_no_statement_are_one_sentence(content: bytes) -> None:
    with pytest.raises(BadInput, match="damaged"):
        read_statement(content)
