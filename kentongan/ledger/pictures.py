"""The pictures of alerts: each stored once, named by what it holds, so that none can be changed unseen."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import insert, select

from kentongan.ledger import schema
from kentongan.ledger.transaction import Read, Write
from kentongan.pictures import digest_of

_log = logging.getLogger(__name__)


def put(write: Write, contents: Iterable[bytes]) -> None:
    """Keeps the pictures that are not kept yet."""
    table = schema.picture
    for digest, content in {digest_of(content): content for content in contents}.items():
        if write.execute(select(table.c.digest).where(table.c.digest == digest)).first() is None:
            write.execute(insert(table).values(digest=digest, content=content, stored_at=write.now))
            write.event("picture.stored", picture=digest, size=len(content), set={"stored_at": write.now})


def contents(read: Read, digests: Collection[str]) -> Mapping[str, bytes]:
    """The pictures of these digests, as far as they are there unchanged; words never wait for a picture."""
    if not digests:
        return {}
    table = schema.picture
    rows = read.execute(select(table.c.digest, table.c.content).where(table.c.digest.in_(sorted(set(digests)))))
    genuine = (row for row in rows if isinstance(row.content, bytes) and digest_of(row.content) == row.digest)
    found = {row.digest: row.content for row in genuine}
    for digest in set(digests) - found.keys():
        _log.error("picture is not in the ledger as it was approved", extra={"picture": digest})
    return found
