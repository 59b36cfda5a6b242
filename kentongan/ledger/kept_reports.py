"""The reports on pruned threads, in the ledger itself: each page as what tells it from one that is there in full.

Reports differ in little but names, numbers and times. A page is packed with the text of an earlier one at hand (raw
deflate with a preset dictionary, RFC 1951) and takes a tenth of what it does alone; as a file it took whole blocks of
the disk besides. The signed checkpoints of the thread have the SHA-256 of the page.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.errors import DamagedRecord
from kentongan.ledger import checkpoints
from kentongan.ledger.replay import Difference
from kentongan.ledger.transaction import Read, Write

_TRIED = 4
"""How many of the newest pages in full are tried; an agency has reports of some few shapes."""
_BASE_FOR: Milliseconds = 30 * 86_400_000
"""How long others are packed with a page: a fault of the disk in it costs the reports of one month at most."""
_GAIN = 2
"""By how much smaller a page must become; else it is kept in full, and the next ones are tried with it."""
_WINDOW = 32_768
"""How far back deflate looks, in bytes."""
_READ_ON = 16
"""Pages in full that are held while many are read."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A page as it is kept. `base`: the alert with whose page it was packed; None where it is in full."""

    page: bytes
    base: str | None
    sha256: str


def pack(read: Read, page: str) -> Packed:
    """Packs a page with the one of the newest in full that suits it best."""
    content = page.encode("utf-8", "surrogatepass")
    best = Packed(_deflate(content, b""), None, hashlib.sha256(content).hexdigest())
    most = len(best.page) // _GAIN
    for id in read.sql(
        "SELECT alert_id FROM kept_report WHERE base IS NULL AND at > :since ORDER BY at DESC, alert_id LIMIT :most",
        {"since": read.now - _BASE_FOR, "most": _TRIED},
    ).scalars():
        try:
            tried = _deflate(content, _content(read, str(id)))
        except DamagedRecord:
            # Nothing more is packed with it; verification names it.
            continue
        if len(tried) <= most:
            best, most = Packed(tried, str(id), best.sha256), len(tried) - 1
    return best


def put(write: Write, alert_id: str, packed: Packed) -> None:
    """Keeps the report on the thread that is asked for by this alert."""
    write.sql(
        "INSERT INTO kept_report (alert_id, at, base, page) VALUES (:id, :now, :base, :page)",
        {"id": alert_id, "now": write.now, "base": packed.base, "page": packed.page},
    )


def page(read: Read, alert_id: str) -> str | None:
    """The page that was written before the thread of an alert was pruned; None where the ledger holds none.

    Raises DamagedRecord where it is not the one that was written.
    """
    said = checkpoints.report(read, alert_id)
    if said is None or "of" not in said:
        return None
    content = _content(read, said["of"])
    if hashlib.sha256(content).hexdigest() != said["sha256"]:
        raise _damaged(said["of"])
    return content.decode("utf-8", "surrogatepass")


def count(read: Read) -> int:
    """How many reports the ledger holds."""
    return int(read.sql("SELECT count(*) FROM kept_report").scalar_one())


def differences(read: Read) -> list[Difference]:
    """The reports that are not as the checkpoints say; a page in full that is damaged takes with it what it packed."""
    of, sha256 = read.in_json("content", "report", "of"), read.in_json("content", "report", "sha256")
    wanted: dict[str, set[str]] = {}
    for row in read.sql(f"SELECT DISTINCT {of} AS id, {sha256} AS sha256 FROM checkpoint"):
        if row.id:
            wanted.setdefault(str(row.id), set()).add(str(row.sha256))
    found: list[Difference] = []
    bases: dict[str, bytes] = {}
    there: set[str] = set()
    # By the page that each was packed with, so that few of those are held at a time.
    for row in read.sql("SELECT alert_id, base, page FROM kept_report ORDER BY base, alert_id"):
        id = str(row.alert_id)
        there.add(id)
        place = _place(id)
        if id not in wanted:
            found.append(Difference(place, "is none that a checkpoint names"))
            continue
        try:
            if row.base is not None and str(row.base) not in bases:
                if len(bases) >= _READ_ON:
                    bases.clear()
                bases[str(row.base)] = _content(read, str(row.base))
            content = _inflate(id, row.page, b"" if row.base is None else bases[str(row.base)])
        except DamagedRecord:
            content = b""
        if {hashlib.sha256(content).hexdigest()} != wanted[id]:
            found.append(Difference(place, "is not the one that was written before pruning"))
    found.extend(Difference(_place(id), "is missing") for id in sorted(wanted.keys() - there))
    return found


def _place(alert_id: str) -> str:
    return f"report on {alert_id}"


def _content(read: Read, alert_id: str) -> bytes:
    """The bytes of a page; raises DamagedRecord."""
    row = _row(read, alert_id)
    if row.base is None:
        return _inflate(alert_id, row.page, b"")
    base = _row(read, str(row.base))
    if base.base is not None:
        # Never written so: what stands in full alone packs others.
        raise _damaged(alert_id)
    return _inflate(alert_id, row.page, _inflate(str(row.base), base.page, b""))


def _row(read: Read, alert_id: str) -> Any:
    row = read.sql("SELECT base, page FROM kept_report WHERE alert_id = :id", {"id": alert_id}).first()
    if row is None:
        raise _damaged(alert_id)
    return row


def _deflate(content: bytes, base: bytes) -> bytes:
    packing = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _dictionary(base))
    return packing.compress(content) + packing.flush()


def _inflate(alert_id: str, packed: bytes, base: bytes) -> bytes:
    unpacking = zlib.decompressobj(-15, _dictionary(base))
    try:
        content = unpacking.decompress(packed) + unpacking.flush()
    except (TypeError, zlib.error):
        raise _damaged(alert_id) from None
    if not unpacking.eof or unpacking.unused_data:
        raise _damaged(alert_id)
    return content


def _dictionary(base: bytes) -> bytes:
    """What of a page is at hand: of a long one its beginning, where all look alike, and its end."""
    return base if len(base) <= _WINDOW else base[: _WINDOW // 2] + base[-_WINDOW // 2 :]


def _damaged(alert_id: str) -> DamagedRecord:
    return DamagedRecord(
        f"the report on alert {alert_id} that was kept when its deliveries were pruned is damaged; run"
        " `kentongan log verify` and restore the ledger from its backup"
    )
