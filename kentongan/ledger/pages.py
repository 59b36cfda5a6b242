"""Pages in the ledger: where officers are reached, what there is to page for, and what became of every page."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from kentongan.clock import Milliseconds
from kentongan.keys import StateKeys
from kentongan.ledger import schema, wrapped_keys
from kentongan.ledger.transaction import Read, Write
from kentongan.paging import Page, Past
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Address


@dataclass(frozen=True, slots=True)
class Sealed:
    """An officer's pager address as it is kept."""

    officer: str
    family: str
    ciphertext: bytes
    key: bytes


# --- Where officers are reached ---


def set_pager(write: Write, officer: str, address: Address, *, keys: StateKeys) -> None:
    """Keeps where an officer is paged, in the place of an earlier address of that family."""
    table = schema.pager
    write.execute(delete(table).where(table.c.officer == officer, table.c.family == address.family))
    key = keys.new_person_key(wrapped_keys.named(write))
    encrypted = keys.encrypt_address(key, address, aad=_aad(officer))
    write.execute(
        insert(table).values(officer=officer, family=address.family, ciphertext=encrypted, key=key, set_at=write.now)
    )
    write.event("officer.pager", officer=officer, family=address.family)


def remove_pager(write: Write, officer: str, family: str, *, by: str) -> bool:
    """Forgets an address; True where there was one."""
    table = schema.pager
    there = write.execute(delete(table).where(table.c.officer == officer, table.c.family == family)).rowcount > 0
    if there:
        write.event("officer.unpaged", officer=officer, family=family, by=by)
    return there


def pagers(read: Read) -> list[Sealed]:
    """The pager addresses of all officers."""
    rows = read.execute(select(schema.pager).order_by(schema.pager.c.officer, schema.pager.c.family))
    return [Sealed(row.officer, row.family, row.ciphertext, row.key) for row in rows]


def open_pager(sealed: Sealed, keys: StateKeys) -> Address:
    """The address itself; raises BadInput where it is damaged."""
    return keys.decrypt_address(sealed.key, sealed.ciphertext, aad=_aad(sealed.officer))


def _aad(officer: str) -> bytes:
    return b"officer " + officer.encode()


# --- What was paged ---


def begin(write: Write, id: str, page: Page, *, at: Milliseconds | None = None) -> None:
    """Puts a page on record before it is sent; one that was sent `at` a time when nothing could be recorded, after."""
    write.execute(
        insert(schema.page).values(
            id=id,
            about=page.concern.about,
            cause=page.concern.cause.value,
            alert_id=page.concern.alert_id,
            officer=page.officer,
            instance=page.instance,
            at=write.now if at is None else at,
            outcome="open",
        )
    )


def settle(write: Write, id: str, *, outcome: str, reason: str) -> None:
    """Records what became of a page: "accepted", "failed" or "in_doubt"."""
    table = schema.page
    changes = {"outcome": outcome, "reason": reason, "outcome_at": write.now}
    write.execute(update(table).where(table.c.id == id, table.c.outcome == "open").values(**changes))
    row = write.execute(select(table).where(table.c.id == id)).one()
    write.event(
        "page.sent",
        alert=row.alert_id,
        page=id,
        about=row.about,
        cause=row.cause,
        officer=row.officer,
        instance=row.instance,
        outcome=outcome,
        reason=reason,
    )


def settle_lost(write: Write) -> int:
    """Calls in doubt what a service that has ended left open; returns how many."""
    rows = write.execute(select(schema.page.c.id).where(schema.page.c.outcome == "open")).all()
    for row in rows:
        settle(write, row.id, outcome="in_doubt", reason="the service ended in the middle")
    return len(rows)


def past(read: Read, abouts: Collection[str], *, since: Milliseconds) -> list[Past]:
    """The pages on these concerns, and all that were begun since a moment."""
    rows = read.sql(
        "SELECT about, officer, instance, at, outcome FROM page WHERE at >= :since"
        " OR about IN (SELECT value FROM json_each(:abouts))",
        {"since": since, "abouts": json.dumps(sorted(abouts))},
    ).all()
    return [Past(row.about, row.officer, row.instance, row.at, row.outcome) for row in rows]


def listing(read: Read, *, most: int = 50) -> list[Mapping[str, Any]]:
    """The newest pages, the newest first, as their columns."""
    table = schema.page
    rows = read.execute(select(table).order_by(table.c.at.desc(), table.c.id).limit(most)).mappings()
    return [dict(row) for row in rows]


def of_alert(read: Read, alert_id: str) -> list[Mapping[str, Any]]:
    """The pages on one alert, in their order."""
    table = schema.page
    rows = read.execute(select(table).where(table.c.alert_id == alert_id).order_by(table.c.at, table.c.id)).mappings()
    return [dict(row) for row in rows]


def try_to_write(write: Write) -> None:
    """Writes a little that means nothing, to see whether the ledger takes anything."""
    write.sql(
        "INSERT INTO meta (name, value) VALUES ('pager', :now) ON CONFLICT (name) DO UPDATE SET value = :now",
        {"now": str(write.now)},
    )


# --- Who has taken note ---


def acknowledge(write: Write, abouts: Sequence[str], *, by: str) -> list[str]:
    """Lets these concerns page nobody again; returns those that were not acknowledged before."""
    known = acknowledged(write)
    fresh = [about for about in dict.fromkeys(abouts) if about not in known]
    for about in fresh:
        write.execute(insert(schema.page_acknowledgement).values(about=about, officer=by, at=write.now))
        write.event("page.acknowledged", about=about, by=by)
    return fresh


def acknowledged(read: Read) -> dict[str, str]:
    """The concerns that somebody has taken note of, with who."""
    return {row.about: row.officer for row in read.execute(select(schema.page_acknowledgement))}
