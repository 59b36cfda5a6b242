"""Officers in the ledger, with the statements by which they came and went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from kentongan.clock import to_datetime, to_milliseconds
from kentongan.ledger import schema
from kentongan.ledger.chaining import canonical, digest
from kentongan.ledger.transaction import Read, Write
from kentongan.membership import Admitted, Revoked
from kentongan.officers import Officer, Signed
from kentongan.stored import from_json, to_json


def add(write: Write, *, officer: Officer, signatures: Sequence[Signed], admitted: Admitted) -> None:
    """Writes a newcomer down whom `membership.check_addition` has admitted, with the signatures it went by."""
    content = canonical({"officer": to_json(officer), "signatures": [to_json(each) for each in signatures]})
    row = {"name": officer.name, "content": content, "added_at": to_milliseconds(admitted.active_from)}
    write.execute(insert(schema.officer).values(**row))
    write.event(
        "officer.added",
        officer=officer.name,
        by=list(admitted.by),
        key=officer.public_key.hex(),
        digest=officer_digest(row),
        set={"revoked_at": None},
    )


def revoke(write: Write, *, name: str, signed: Signed, revoked: Revoked) -> None:
    """Writes a revocation down that `membership.check_revocation` has found to hold."""
    table = schema.officer
    changes = {"revoked_at": to_milliseconds(revoked.at)}
    write.execute(update(table).where(table.c.name == name).values(**changes))
    write.event("officer.revoked", officer=name, by=revoked.by, statement=to_json(signed), set=changes)


def officer_digest(row: Mapping[str, Any]) -> str:
    """Digest of the columns of an officer row that never change."""
    return digest(canonical([row["name"], row["content"], row["added_at"]]))


def officers(read: Read) -> dict[str, Officer]:
    """All who are or were officers, by name."""
    result = {}
    for row in read.execute(select(schema.officer)):
        stored = from_json(Officer, json.loads(row.content)["officer"])
        result[row.name] = Officer(
            name=stored.name,
            public_key=stored.public_key,
            sealed_key=stored.sealed_key,
            active_from=to_datetime(row.added_at),
            revoked_at=to_datetime(row.revoked_at) if row.revoked_at is not None else None,
        )
    return result
