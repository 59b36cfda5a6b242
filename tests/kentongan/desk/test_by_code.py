"""Approval by a one-time code: it counts as the second person, and nothing about it can be made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kentongan import one_time_codes
from kentongan.approval import Approval, sign_by_code
from kentongan.cap.model import Status
from kentongan.desk import by_code, releases, subjects, submitting, verdicts
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, code_sheets, submissions
from kentongan.ledger.alerts import StoredAlert
from kentongan.officers import Refusal
from kentongan.stored import from_json, to_json
from kentongan.subject import subject_digest
from kentongan.verdict import Approved
from tests.kentongan.desk.scenes import Scene, login, person, scene

COST = one_time_codes._SCRYPT_N


@pytest.fixture(autouse=True)
def _quick_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sheet is twenty digests, each slow on purpose: `COST`."""
    monkeypatch.setattr(one_time_codes, "_SCRYPT_N", 2)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "desk") as made:
        yield made


def test_a_guess_takes_sixteen_mebibytes() -> None:
    # 128 bytes for each of n times r: RFC 7914, section 2.
    assert 128 * COST * one_time_codes._SCRYPT_R == 16 * 2**20


def check_of(desk: Scene, stored: StoredAlert, officer: str = "budi") -> str:
    """What stands in the officer's page."""
    digest = subject_digest(desk.ledger.read(lambda read: subjects.current(read, stored.id)))
    return desk.keys.page_check(officer, digest)


def approve(desk: Scene, stored: StoredAlert, code: str, *, check: str | None = None, by: str = "siti") -> Any:
    said = by_code.Said("budi", check if check is not None else check_of(desk, stored), code)
    return by_code.approve(desk.desk, desk.keys, stored.code, login(by), said)


def verdict(desk: Scene, stored: StoredAlert) -> Approved | Refusal:
    now = desk.desk.now
    return desk.ledger.read(
        lambda read: verdicts.of_alert(read, alerts.get(read, stored.id), policy=desk.desk.settings.policy, now=now)
    )


def left(desk: Scene) -> tuple[int, int, bool]:
    sheet = desk.ledger.read(lambda read: code_sheets.current(read, "budi"))
    assert sheet is not None
    return sheet.left, sheet.wrong, sheet.locked


@pytest.mark.parametrize("status", [Status.ACTUAL, Status.EXERCISE])
def test_a_code_and_the_check_count_as_the_second_person_at_every_entry_point(desk: Scene, status: Status) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted(status=status)
    approved, found = approve(desk, stored, f" {first[:4].lower()}-{first[4:].lower()} ")
    assert approved.state == "approved"
    assert isinstance(found, Approved)
    assert (found.by, found.by_code) == (("siti", "budi"), ("budi",))
    assert any("no signature" in warning for warning in found.warnings)
    releases.dispatch(desk.desk, stored.code, login("siti"))
    assert desk.ledger.read(lambda read: verdicts.vouch(read, stored.id, policy=desk.desk.settings.policy)) is None


def test_a_code_is_good_once_and_in_its_order(desk: Scene) -> None:
    first, second, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    one, two = desk.submitted(), desk.submitted({"magnitude": "6.0"})
    with pytest.raises(Refused, match="not the next code"):
        approve(desk, one, second)
    approve(desk, one, first)
    with pytest.raises(Refused, match="not the next code"):
        approve(desk, two, first)
    approve(desk, two, second)
    assert left(desk) == (18, 0, False)


def test_a_code_that_was_heard_for_nothing_is_used_up(desk: Scene) -> None:
    first, second, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    one, two = desk.submitted(), desk.submitted({"magnitude": "6.0"})
    with pytest.raises(Refused, match="used up"):
        approve(desk, one, first, check=check_of(desk, two))
    with pytest.raises(Refused):
        approve(desk, one, first)
    approve(desk, one, second)


def test_a_check_is_one_officers_for_one_submission(desk: Scene) -> None:
    one, two = desk.submitted(), desk.submitted({"magnitude": "6.0"})
    assert len({check_of(desk, one), check_of(desk, two), check_of(desk, one, "made")}) == 3
    before = check_of(desk, one)
    submitting.submit(desk.desk, one.code, login("siti"), without=["toots-drill"])
    assert check_of(desk, one) != before


def test_five_wrong_answers_lock_the_sheet_for_good(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    for _ in range(5):
        with pytest.raises(Refused):
            approve(desk, stored, "00000000")
    assert left(desk) == (0, 5, True)
    with pytest.raises(Refused, match="locked"):
        approve(desk, stored, first)
    fresh, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    approve(desk, stored, fresh)


def test_a_refusal_of_another_kind_uses_no_code_up(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    draft = desk.drafted()
    with pytest.raises(Refused):
        by_code.approve(desk.desk, desk.keys, draft.code, login("siti"), by_code.Said("budi", "123456", first))
    stored = desk.submitted()
    with pytest.raises(BadInput, match="no one-time code"):
        approve(desk, stored, "K7Q4")
    assert left(desk) == (20, 0, False)
    approve(desk, stored, first)


def test_nobody_is_their_own_second_person_by_a_code(desk: Scene) -> None:
    code, *_ = by_code.issue_codes(desk.desk, login("siti"), "siti")
    stored = desk.submitted()
    said = by_code.Said("siti", check_of(desk, stored, "siti"), code)
    with pytest.raises(Refused, match="cannot approve it too"):
        by_code.approve(desk.desk, desk.keys, stored.code, login("budi"), said)
    with pytest.raises(Refused, match="logged in here"):
        by_code.approve(desk.desk, desk.keys, stored.code, login("siti"), said)


def test_only_the_officer_makes_their_own_sheet(desk: Scene) -> None:
    with pytest.raises(Refused, match="signed by who will use it"):
        by_code.issue_codes(desk.desk, login("siti"), "budi")


def test_policy_can_forbid_it_also_afterwards(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    approve(desk, stored, first)
    desk.reconfigure(policy={"approval_by_code": False})
    found = verdict(desk, stored)
    assert isinstance(found, Refusal)
    assert found.rule == "approval-by-code"


def test_whoever_is_revoked_since_has_approved_nothing(desk: Scene) -> None:
    for name in ("budi", "siti"):
        first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
        stored = desk.submitted()
        if name == "siti":
            said = by_code.Said("budi", check_of(desk, stored), first)
            by_code.approve(desk.desk, desk.keys, stored.code, login("made"), said)
            desk.change("UPDATE officer SET revoked_at = 0 WHERE name = 'made'")
            assert isinstance(verdict(desk, stored), Refusal)
            continue
        approve(desk, stored, first)
        desk.change("UPDATE officer SET revoked_at = 0 WHERE name = 'budi'")
        assert isinstance(verdict(desk, stored), Refusal)
        desk.change("UPDATE officer SET revoked_at = NULL WHERE name = 'budi'")


def test_an_approval_lapses_and_falls_with_the_words_like_any_other(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    approve(desk, stored, first)
    assert isinstance(verdict(desk, stored), Approved)
    desk.change("UPDATE rendering SET content = replace(content, 'Manna', 'Mannb')")
    found = verdict(desk, stored)
    assert isinstance(found, Refusal)


def recorded(desk: Scene, stored: StoredAlert) -> Approval:
    return from_json(Approval, desk.ledger.read(lambda read: submissions.approvals(read, stored.id))[-1])


def forged(desk: Scene, stored: StoredAlert, approval: Approval, **changes: Any) -> Approved | Refusal:
    """The verdict once the recorded approval says something else, signed anew by who took it down."""
    assert approval.by_code is not None
    taken = approval.by_code
    fields = {
        "officer": approval.officer,
        "sheet": taken.sheet,
        "number": taken.number,
        "code": taken.code,
        "digest": approval.digest,
        "people": approval.people,
        **changes,
    }
    by = fields.pop("by", "siti")
    again = sign_by_code(person(by)[1], now=approval.at, **fields)
    content = json.dumps(to_json(again))
    desk.change("UPDATE approval SET content = :c WHERE alert_id = :a", {"c": content, "a": stored.id})
    return verdict(desk, stored)


def test_who_took_a_code_down_cannot_make_up_another(desk: Scene) -> None:
    first, second, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    other, *_ = by_code.issue_codes(desk.desk, login("made"), "made")
    stored = desk.submitted()
    approve(desk, stored, first)
    genuine = recorded(desk, stored)
    assert isinstance(forged(desk, stored, genuine), Approved)
    made_sheet = desk.ledger.read(lambda read: code_sheets.current(read, "made"))
    assert made_sheet is not None
    for changes in (
        {"code": "00000000"},
        {"number": 2, "code": second},
        {"number": 0},
        {"number": 99},
        {"sheet": "none"},
        {"sheet": made_sheet.id, "code": other},
        {"officer": "made"},
        {"officer": "siti"},
        {"by": "budi"},
        {"digest": "0" * 64},
    ):
        found = forged(desk, stored, genuine, **changes)
        assert isinstance(found, Refusal), changes
    assert isinstance(forged(desk, stored, genuine), Approved)


def test_a_signature_and_an_approval_by_code_are_never_taken_for_each_other(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    approve(desk, stored, first)
    approval = recorded(desk, stored)
    for changed in (replace(approval, by_code=None), replace(approval, signature=b"\0" * 64)):
        content = json.dumps(to_json(changed))
        desk.change("UPDATE approval SET content = :c WHERE alert_id = :a", {"c": content, "a": stored.id})
        assert isinstance(verdict(desk, stored), Refusal)


def test_a_sheet_that_its_officer_has_not_signed_approves_nothing(desk: Scene) -> None:
    first, *_ = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    approve(desk, stored, first)
    sheet = desk.ledger.read(lambda read: code_sheets.current(read, "budi"))
    assert sheet is not None
    forged_sheet = json.dumps(to_json(replace(sheet.signed, signature=b"\0" * 64)))
    desk.change("UPDATE code_sheet SET content = :c WHERE officer = 'budi'", {"c": forged_sheet})
    found = verdict(desk, stored)
    assert isinstance(found, Refusal)
    assert found.rule == "code-sheet"


def test_no_code_and_no_check_stands_in_the_record_before_it_is_spent(desk: Scene) -> None:
    codes = by_code.issue_codes(desk.desk, login("budi"), "budi")
    stored = desk.submitted()
    check = check_of(desk, stored)
    approve(desk, stored, codes[0])
    whole = desk.ledger.read(
        lambda read: "\n".join(
            str(tuple(row))
            for table in ("event", "code_sheet", "approval", "submission", "page")
            for row in read.sql(f"SELECT * FROM {table}")
        )
    )
    assert not any(code in whole for code in codes[1:])
    assert f'"{check}"' not in whole
    assert codes[0] not in repr(recorded(desk, stored))
