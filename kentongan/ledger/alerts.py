"""Alerts in the ledger: their rows, how they are found, and the states they go through.

draft ↔ submitted → approved → dispatched → stopped | superseded | withdrawn | ended
draft | submitted | approved → discarded
prepared → dispatched            (a correction, approved with its alert)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError

from kentongan.alert import Draft, Kind
from kentongan.clock import Milliseconds, to_milliseconds
from kentongan.errors import BadInput, DamagedRecord, Refused
from kentongan.ledger import schema
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the ledger holds it."""

    id: str
    code: str
    kind: Kind
    mode: Mode
    state: str
    epoch: int
    predecessor: str | None
    draft: Draft
    digest: str
    created_at: Milliseconds
    created_by: str
    expires_at: Milliseconds | None


def insert_alert(
    write: Write,
    *,
    id: str,
    code: str,
    kind: Kind,
    mode: Mode,
    draft: Draft,
    by: str,
    predecessor: str | None = None,
    raw: bytes | None = None,
    source_digest: str | None = None,
) -> StoredAlert:
    """Puts a new alert on record as a draft (a correction: as prepared with its alert)."""
    row = {
        "id": id,
        "code": code,
        "kind": kind.value,
        "predecessor": predecessor,
        "mode": mode.value,
        "content": draft.model_dump_json(),
        "raw": raw,
        "source_digest": source_digest,
        "created_at": write.now,
        "created_by": by,
    }
    expires = draft.expires
    moving = {
        "state": "prepared" if kind is Kind.CORRECTION else "draft",
        "epoch": 0,
        "expires_at": to_milliseconds(expires) if expires else None,
    }
    fixed = alert_digest(row)
    write.execute(insert(schema.alert).values(**row, **moving, digest=fixed))
    write.event("alert.drafted", alert=id, kind=kind, mode=mode, digest=fixed, by=by, set=moving)
    return get(write, id)


def alert_digest(row: Mapping[str, Any]) -> str:
    """Digest of the columns of an alert row that never change."""
    raw = row["raw"]
    fixed = [
        row["id"],
        row["code"],
        row["kind"],
        row["predecessor"],
        row["mode"],
        row["content"],
        hashlib.sha256(raw).hexdigest() if raw is not None else None,
        row["source_digest"],
        row["created_at"],
        row["created_by"],
    ]
    return digest(canonical(fixed))


def get(read: Read, alert_id: str) -> StoredAlert:
    """The alert with this id; raises KeyError, and DamagedRecord where its row cannot be read."""
    with legible(read, alert_id, "its own row"):
        row = read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).mappings().first()
    if row is None:
        raise KeyError(alert_id)
    with legible(read, alert_id, "its own row"):
        return _stored(row)


@contextlib.contextmanager
def legible(read: Read, alert_id: str, what: str) -> Iterator[None]:
    """Raises DamagedRecord where a row of an alert is not what this program has written."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError):
        raise _damaged(read, alert_id, what) from None
    except OperationalError as error:
        # What is no UTF-8 any more, SQLite's driver does not hand out.
        if "UTF-8" not in str(error.orig):
            raise
        raise _damaged(read, alert_id, what) from None


def _damaged(read: Read, alert_id: str, what: str) -> DamagedRecord:
    name = codes(read, [alert_id]).get(alert_id, alert_id)
    return DamagedRecord(
        f"alert {name} is damaged in the ledger ({what}); `kentongan log verify` names what was changed,"
        " and a backup restores it"
    )


def codes(read: Read, ids: Sequence[str] | None = None) -> dict[str, str]:
    """The codes of these alerts, or of all, by id; damaged ones too."""
    # Each as it is: an index is of no use behind an OR.
    wanted = "" if ids is None else " WHERE id IN (SELECT value FROM json_each(:ids))"
    rows = read.sql(f"SELECT id, code FROM alert{wanted}", {"ids": json.dumps(list(ids or ()))}).all()
    return {row.id: row.code for row in rows}


def id_by_handle(read: Read, handle: str) -> str:
    """The id of the alert that an officer means by its code or id, though it be damaged; raises BadInput."""
    wanted = handle.strip().upper()
    found = read.sql("SELECT id FROM alert WHERE code = :code OR id = :id", {"code": wanted, "id": handle}).scalar()
    if found is None:
        raise BadInput(f"no alert {handle!r} in this ledger; `kentongan status` lists them")
    return str(found)


def by_handle(read: Read, handle: str) -> StoredAlert:
    """The alert that an officer means by its code or id; raises BadInput, DamagedRecord."""
    return get(read, id_by_handle(read, handle))


def by_source(read: Read, source_digest: str) -> StoredAlert | None:
    """The alert that the same documents made before, if one of them is still to be sent or being sent.

    One that was stopped, withdrawn or has ended bars nobody: what was withdrawn by mistake can be relayed anew.
    """
    table = schema.alert
    row = (
        read.execute(
            select(table)
            .where(
                table.c.source_digest == source_digest,
                table.c.state.not_in(("stopped", "withdrawn", "ended", "discarded")),
            )
            .order_by(table.c.created_at.desc())
        )
        .mappings()
        .first()
    )
    return _stored(row) if row else None


def by_origin(read: Read, sender: str, identifier: str) -> StoredAlert | None:
    """The newest alert that relays this message of another sender; what is prepared to withdraw it is not meant."""
    row = (
        read.sql(
            f"SELECT * FROM alert WHERE {read.in_json('content', 'origin', 'identifier')} = :identifier"
            f" AND {read.in_json('content', 'origin', 'sender')} = :sender AND kind <> 'correction'"
            " ORDER BY created_at DESC, rowid DESC LIMIT 1",
            {"identifier": identifier, "sender": sender},
        )
        .mappings()
        .first()
    )
    return _stored(row) if row else None


def listing(read: Read, *, states: Sequence[str] = ()) -> list[StoredAlert]:
    """All alerts that can be read, the newest first; only those in `states`, where given. `damaged` has the others."""
    found = (_or_damage(read, id) for id in _ids(read, states))
    return [each for each in found if isinstance(each, StoredAlert)]


def damaged(read: Read) -> dict[str, DamagedRecord]:
    """The alerts whose own row cannot be read, by id, and of each what to do."""
    found = {id: _or_damage(read, id) for id in _ids(read, ())}
    return {id: each for id, each in found.items() if isinstance(each, DamagedRecord)}


def _ids(read: Read, states: Sequence[str]) -> list[str]:
    rows = read.sql(
        "SELECT id FROM alert WHERE :all OR state IN (SELECT value FROM json_each(:states))"
        " ORDER BY created_at DESC, id DESC",
        {"all": not states, "states": json.dumps(list(states))},
    )
    return [row.id for row in rows.all()]


def _or_damage(read: Read, alert_id: str) -> StoredAlert | DamagedRecord:
    try:
        return get(read, alert_id)
    except DamagedRecord as damage:
        return damage


def successors(read: Read, alert_id: str) -> list[StoredAlert]:
    """The alerts that follow this one in its thread."""
    table = schema.alert
    rows = read.execute(select(table.c.id).where(table.c.predecessor == alert_id).order_by(table.c.created_at))
    return [get(read, row.id) for row in rows.all()]


def code_is_free(read: Read, code: str) -> bool:
    """Whether no alert has this code yet."""
    return read.execute(select(schema.alert.c.id).where(schema.alert.c.code == code)).first() is None


def _stored(row: Any) -> StoredAlert:
    return StoredAlert(
        id=row["id"],
        code=row["code"],
        kind=Kind(row["kind"]),
        mode=Mode(row["mode"]),
        state=row["state"],
        epoch=row["epoch"],
        predecessor=row["predecessor"],
        draft=Draft.model_validate_json(row["content"]),
        digest=row["digest"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
    )


def move(write: Write, alert_id: str, allowed: Sequence[str], state: str) -> None:
    """Compares and sets an alert's state; raises Refused where it is in none of `allowed`."""
    table = schema.alert
    moved = write.execute(
        update(table).where(table.c.id == alert_id, table.c.state.in_(allowed)).values(state=state)
    ).rowcount
    if not moved:
        now = get(write, alert_id)
        raise Refused(f"alert {now.code} is {now.state}; it cannot become {state} any more", rule="state")
