"""Officers' sheets of one-time codes in the ledger: issued, spent, guessed at, locked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from kentongan.ledger import schema
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write
from kentongan.officers import Signed
from kentongan.one_time_codes import MOST_WRONG, Sheet, digests_of
from kentongan.stored import from_json, to_json


def issue(write: Write, *, id: str, signed: Signed) -> None:
    """Puts an officer's new sheet on record; the sheets they had before take no more codes."""
    table = schema.code_sheet
    earlier = write.execute(
        select(table.c.id).where(table.c.officer == signed.officer, table.c.replaced_at.is_(None))
    ).all()
    for row in earlier:
        _move(write, "sheet.replaced", row.id, {"replaced_at": write.now}, officer=signed.officer)
    row_ = {"id": id, "officer": signed.officer, "issued_at": write.now, "content": canonical(to_json(signed))}
    fixed = sheet_digest(row_)
    write.execute(insert(table).values(**row_, digest=fixed))
    moving = {"spent": 0, "wrong": 0, "locked_at": None, "replaced_at": None}
    write.event("sheet.issued", sheet=id, officer=signed.officer, digest=fixed, set=moving)


def sheet_digest(row: Mapping[str, Any]) -> str:
    """Digest of the columns of a sheet that never change."""
    return digest(canonical([row["id"], row["officer"], row["issued_at"], row["content"]]))


def sheets(read: Read) -> dict[str, Sheet]:
    """All sheets there ever were, by id."""
    return {row.id: _sheet(row) for row in read.execute(select(schema.code_sheet))}


def current(read: Read, officer: str) -> Sheet | None:
    """The officer's newest sheet, None where they have none."""
    table = schema.code_sheet
    row = read.execute(select(table).where(table.c.officer == officer, table.c.replaced_at.is_(None))).first()
    return _sheet(row) if row is not None else None


def spend(write: Write, sheet: Sheet, *, alert_id: str, by: str) -> int:
    """Uses up the sheet's next code, and forgets what was answered wrongly; returns the code's number, from 1."""
    number = sheet.spent + 1
    _move(write, "sheet.spent", sheet.id, {"spent": number, "wrong": 0}, alert=alert_id, officer=sheet.officer, by=by)
    return number


def miss(write: Write, sheet: Sheet, *, alert_id: str, by: str, said: bool) -> int:
    """Records a wrong answer, and locks the sheet after too many; returns how many more may be given.

    `said`: the code itself was right, so it has been heard and is used up.
    """
    changes: dict[str, Any] = {"wrong": sheet.wrong + 1}
    if said:
        changes["spent"] = sheet.spent + 1
    _move(write, "sheet.missed", sheet.id, changes, alert=alert_id, officer=sheet.officer, by=by)
    if changes["wrong"] >= MOST_WRONG:
        _move(write, "sheet.locked", sheet.id, {"locked_at": write.now}, alert=alert_id, officer=sheet.officer, by=by)
    return int(max(0, MOST_WRONG - changes["wrong"]))


def end_all(write: Write, *, why: str) -> list[str]:
    """Ends every sheet that is still good, where nobody knows which codes were said; returns the officers' names."""
    table = schema.code_sheet
    rows = write.execute(
        select(table.c.id, table.c.officer).where(table.c.replaced_at.is_(None)).order_by(table.c.officer)
    ).all()
    for row in rows:
        _move(write, "sheet.replaced", row.id, {"replaced_at": write.now}, officer=row.officer, why=why)
    return [row.officer for row in rows]


def _move(
    write: Write, event: str, id: str, changes: Mapping[str, Any], *, alert: str | None = None, **data: Any
) -> None:
    write.execute(update(schema.code_sheet).where(schema.code_sheet.c.id == id).values(**changes))
    write.event(event, alert=alert, sheet=id, set=dict(changes), **data)


def _sheet(row: Any) -> Sheet:
    signed = from_json(Signed, json.loads(row.content))
    return Sheet(
        id=row.id,
        officer=row.officer,
        digests=digests_of(signed),
        signed=signed,
        spent=row.spent,
        wrong=row.wrong,
        locked=row.locked_at is not None,
        replaced=row.replaced_at is not None,
    )
