from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations

import pytest
from pydantic import SecretStr

from kentongan.errors import Refused
from kentongan.membership import (
    RECOVERY_WAITS,
    STATEMENT_LASTS,
    Admitted,
    Revoked,
    addition,
    check_addition,
    check_revocation,
    revocation,
)
from kentongan.officers import Officer, Refusal, Signed, SigningKey, new_officer, sign, statement

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30)


@cache
def person(name: str) -> tuple[Officer, SigningKey]:
    return new_officer(name, SecretStr("kucing lima ekor"), now=BEFORE, cost=2**14)


def ledger(active: str = "", revoked: str = "") -> dict[str, Officer]:
    """Officers by one-letter names, such as ledger("ab", revoked="c")."""
    officers = {f"o{letter}": person(f"o{letter}")[0] for letter in active}
    for letter in revoked:
        officers[f"o{letter}"] = dataclasses.replace(person(f"o{letter}")[0], revoked_at=NOW - timedelta(days=1))
    return officers


def request(signers: str, newcomer: str = "on", at: datetime = NOW) -> list[Signed]:
    content = addition(person(newcomer)[0], at)
    return [sign(content, person(f"o{letter}")[1]) for letter in signers]


def add(signers: str, officers: Mapping[str, Officer], at: datetime = NOW) -> Admitted | Refusal:
    return check_addition(person("on")[0], request(signers, at=at), officers=officers, now=NOW)


def rule(verdict: object) -> str:
    assert isinstance(verdict, Refusal), verdict
    error = verdict.error()
    assert isinstance(error, Refused)
    assert str(error) == verdict.sentence
    return error.rule


@pytest.mark.parametrize("signers", ["", "a", "b", "c", "x", "ab", "ac", "abc", "ax", "xy"])
@pytest.mark.parametrize(
    ("active", "revoked"), [("", ""), ("a", ""), ("ab", ""), ("abc", ""), ("a", "b"), ("ab", "c"), ("a", "bc")]
)
def test_admission_truth_table(active: str, revoked: str, signers: str) -> None:
    counting = set(signers) & set(active)
    needed = 0 if not active else 1 if len(active) == 1 else 2
    verdict = add("n" + signers, ledger(active, revoked))
    if len(counting) < needed:
        assert rule(verdict) == "officer-vouching"
    else:
        waits = RECOVERY_WAITS if len(active) == 1 and revoked else timedelta(0)
        assert verdict == Admitted(NOW + waits, tuple(sorted(f"o{letter}" for letter in counting)))


@pytest.mark.parametrize("active", ["", "a", "ab"])
def test_nobody_is_made_officer_without_signing(active: str) -> None:
    assert rule(add("ab", ledger(active))) == "officer-key"
    assert rule(check_addition(person("on")[0], [], officers=ledger(active), now=NOW)) == "officer-key"


def test_a_name_is_never_used_again() -> None:
    for officers in (ledger("abn"), ledger("ab", revoked="n")):
        assert rule(add("nab", officers)) == "officer-name"


def test_one_key_never_makes_two_officers() -> None:
    twin = dataclasses.replace(person("oa")[0], name="on")
    content = addition(twin, NOW)
    signatures = [
        Signed(content, "on", person("oa")[1].sign(content)),
        sign(content, person("oa")[1]),
        sign(content, person("ob")[1]),
    ]
    assert rule(check_addition(twin, signatures, officers=ledger("ab"), now=NOW)) == "officer-key"


def test_a_statement_on_another_newcomer_admits_nobody() -> None:
    signatures = request("nab", newcomer="om")
    assert rule(check_addition(person("on")[0], signatures, officers=ledger("ab"), now=NOW)) == "officer-statement"


def test_a_resealed_key_is_not_the_one_that_was_vouched_for() -> None:
    changed = dataclasses.replace(person("on")[0], sealed_key="{}")
    assert rule(check_addition(changed, request("nab"), officers=ledger("ab"), now=NOW)) == "officer-statement"


def test_signatures_over_different_statements_do_not_add_up() -> None:
    apart = [*request("na"), *request("b", at=NOW - timedelta(hours=1))]
    assert rule(check_addition(person("on")[0], apart, officers=ledger("ab"), now=NOW)) == "officer-vouching"


def test_one_officer_signing_twice_is_one_officer() -> None:
    assert rule(add("naa", ledger("ab"))) == "officer-vouching"


@pytest.mark.parametrize(
    ("age", "good"),
    [
        (timedelta(0), True),
        (STATEMENT_LASTS, True),
        (STATEMENT_LASTS + timedelta(seconds=1), False),
        (-timedelta(seconds=60), True),
        (-timedelta(seconds=61), False),
    ],
)
def test_a_statement_lapses_after_a_day(age: timedelta, good: bool) -> None:
    for verdict in (
        add("nab", ledger("ab"), at=NOW - age),
        check_revocation(sign(revocation("oa", NOW - age), person("ob")[1]), officers=ledger("ab"), now=NOW),
    ):
        assert isinstance(verdict, Refusal) != good


def test_putting_the_statement_back_does_not_shorten_the_wait() -> None:
    verdict = add("na", ledger("a", revoked="b"), at=NOW - timedelta(hours=23))
    assert verdict == Admitted(NOW + RECOVERY_WAITS, ("oa",))


def test_a_newcomer_who_waits_vouches_for_nobody() -> None:
    waiting = dataclasses.replace(person("ow")[0], active_from=NOW + timedelta(hours=1))
    officers = ledger("a", revoked="b") | {"ow": waiting}
    assert add("naw", officers) == Admitted(NOW + RECOVERY_WAITS, ("oa",))


def test_no_revocation_leaves_the_ledger_without_officers_and_anybody_else_can_be_revoked() -> None:
    for active in ("a", "ab", "abc"):
        for signer, revoked in ((s, r) for s in active for r in active):
            signed = sign(revocation(f"o{revoked}", NOW), person(f"o{signer}")[1])
            verdict = check_revocation(signed, officers=ledger(active, revoked="x"), now=NOW)
            if len(active) == 1:
                assert rule(verdict) == "officer-last"
            else:
                assert verdict == Revoked(NOW, f"o{signer}")


def test_only_officers_revoke() -> None:
    for signer in ("x", "n"):
        signed = sign(revocation("oa", NOW), person(f"o{signer}")[1])
        assert rule(check_revocation(signed, officers=ledger("ab", "x"), now=NOW)) == "officer-vouching"
    forged = dataclasses.replace(sign(revocation("oa", NOW), person("on")[1]), officer="ob")
    assert rule(check_revocation(forged, officers=ledger("ab"), now=NOW)) == "officer-vouching"


def test_a_revocation_names_one_who_is_there() -> None:
    for content in (
        revocation("nobody", NOW),
        statement("officer.add", {"name": "oa"}, NOW),
        addition(person("oa")[0], NOW),
    ):
        signed = sign(content, person("ob")[1])
        assert rule(check_revocation(signed, officers=ledger("ab"), now=NOW)) == "officer-statement"
    again = sign(revocation("ox", NOW), person("ob")[1])
    assert rule(check_revocation(again, officers=ledger("ab", "x"), now=NOW)) == "officer-revoked"


def test_one_officer_alone_never_gains_a_second_voice_within_a_day() -> None:
    """Whatever one officer of three does by themselves, nobody they bring in counts before the wait is over."""
    for others in (*combinations("bc", 1), *combinations("bc", 2)):
        officers = ledger("abc")
        for other in others:
            verdict = check_revocation(sign(revocation(f"o{other}", NOW), person("oa")[1]), officers=officers, now=NOW)
            assert isinstance(verdict, Revoked)
            officers[f"o{other}"] = dataclasses.replace(officers[f"o{other}"], revoked_at=verdict.at)
        added = add("na", officers)
        assert isinstance(added, Refusal) or added.active_from >= NOW + RECOVERY_WAITS
