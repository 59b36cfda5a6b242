"""Approval over the telephone: a second officer who has only their page and their sheet of one-time codes."""

from __future__ import annotations

import secrets

from kentongan.approval import Approval, sign_by_code
from kentongan.desk import approvals
from kentongan.desk.desk import Desk, new_id
from kentongan.errors import BadInput, Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Write, code_sheets
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal, sign
from kentongan.one_time_codes import Sheet, fits, issue, new_codes, read_code
from kentongan.quick_dataclass import dataclass
from kentongan.subject import Subject, subject_digest
from kentongan.verdict import Approved


@dataclass(frozen=True, slots=True)
class Said:
    """What an officer said on the telephone, as it was typed: their page's check, and the next code of their sheet."""

    officer: str
    check: str
    code: str


def issue_codes(desk: Desk, login: Login | None, name: str) -> tuple[str, ...]:
    """Makes an officer's new sheet and returns its codes, to be printed once; earlier sheets end.

    Raises Refused for another officer than the one logged in: a sheet is signed by who will use it.
    """
    acting = desk.acting(login)
    if acting.officer != name:
        raise Refused(
            f"{acting.officer} is logged in, and a sheet is signed by who will use it; run `kentongan login {name}`",
            rule="code-sheet",
        )
    id, codes = new_id(), new_codes()
    signed = sign(issue(id, codes, desk.now), acting.key)
    desk.ledger.write(lambda write: code_sheets.issue(write, id=id, signed=signed))
    return codes


def usable_sheet(desk: Desk, name: str) -> Sheet:
    """The officer's sheet, where a code of it can be used; raises Refused saying why none can."""
    officer = desk.officers().get(name)
    if officer is None:
        raise BadInput(f"no officer {name!r} in this ledger; `kentongan officer list` shows them")
    sheet = desk.ledger.read(lambda read: code_sheets.current(read, name))
    if sheet is None:
        told = "has no sheet of one-time codes"
    elif sheet.locked:
        told = "has a sheet that was locked after too many wrong answers"
    elif not sheet.left:
        told = "has used up all codes"
    else:
        return sheet
    raise Refused(f"{name} {told}; have the alert signed, or let {name} print a new one", rule="code-sheet")


def approve(
    desk: Desk, keys: StateKeys, handle: str, login: Login | None, said: Said
) -> tuple[StoredAlert, Approved | Refusal]:
    """Puts on record that `said.officer` approved over the telephone; the officer logged in takes it down.

    A wrong check or code counts, and too many in a row lock the sheet. Raises Refused, BadInput.
    """
    acting = desk.acting(login)
    if not desk.settings.policy.approval_by_code:
        raise Refused("policy.yaml allows no approval by one-time code; have it signed", rule="approval-by-code")
    if acting.officer == said.officer:
        raise Refused(f"{said.officer} is logged in here; approve without a code", rule="code-taker")
    usable_sheet(desk, said.officer)
    check, typed = "".join(filter(str.isdigit, said.check)), read_code(said.code)

    def word(write: Write, stored: StoredAlert, subject: Subject, people: int) -> Approval | Refusal:
        # Anew: another may have used the sheet since.
        sheet = code_sheets.current(write, said.officer)
        if sheet is None or not sheet.left:
            return Refusal("code-sheet", f"{said.officer} has no code left; have alert {stored.code} signed")
        digest = subject_digest(subject)
        number = sheet.spent + 1
        seen = secrets.compare_digest(check.encode(), keys.page_check(said.officer, digest).encode())
        right = fits(sheet, number, typed)
        if not (seen and right):
            left = code_sheets.miss(write, sheet, alert_id=stored.id, by=acting.officer, said=right)
            return _missed(said.officer, left, seen=seen, right=right)
        code_sheets.spend(write, sheet, alert_id=stored.id, by=acting.officer)
        return sign_by_code(
            acting.key,
            officer=said.officer,
            sheet=sheet.id,
            number=number,
            code=typed,
            digest=digest,
            people=people,
            now=desk.now,
        )

    return approvals.record_word(desk, handle, said.officer, word)


def _missed(officer: str, left: int, *, seen: bool, right: bool) -> Refusal:
    if right:
        what = f"the check is not that of the page about this alert, and the code is used up; {officer} reads both anew"
    elif seen:
        what = f"this is not the next code of {officer}; let them read it again"
    else:
        what = f"neither check nor code are those of {officer}; let them read the newest page and the next code"
    end = f"{left} more wrong answers lock the sheet" if left else "the sheet is locked now"
    return Refusal("code", f"not approved: {what}; {end}")
