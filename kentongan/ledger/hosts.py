"""The machines that send: on which of them workers run, and what each has sent of an alert."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from kentongan.clock import Clock, Milliseconds, Process
from kentongan.delivery import word
from kentongan.ledger import senders
from kentongan.ledger.transaction import Read

STILL: Milliseconds = 30_000
"""How long a sender has been silent before what it had Prefect show is no more: it may say so itself until then."""

WORKER = "worker"
"""The role of a process that takes part in whatever is sent."""


def working(read: Read, *, clock: Clock, process: Process) -> list[str]:
    """The hosts on which a worker runs now."""
    there = senders.present(read, clock=clock, process=process)
    return sorted({row.host for row in there if row.role == WORKER})


def named(read: Read, senders: Collection[str]) -> dict[str, str]:
    """What processes that send are to officers, by id: "service on pusdalops"; who is not on record is left out."""
    rows = read.sql(
        "SELECT id, role, host FROM sender WHERE id IN (SELECT value FROM json_each(:ids))",
        {"ids": json.dumps(sorted(senders))},
    )
    return {row.id: f"{row.role} on {row.host}" for row in rows}


def shares(read: Read, alert_id: str) -> dict[str, dict[str, int]]:
    """What each host has sent of an alert: deliveries by the word that officers see, where it made the last attempt.

    One pass over the alert's deliveries: for the end of an alert, not for every look.
    """
    rows = read.sql(
        "SELECT s.host, d.stage, d.result, d.closed, count(*) AS n FROM delivery d"
        " JOIN attempt t ON t.delivery_id = d.id AND t.number = d.attempt JOIN sender s ON s.id = t.sender"
        " WHERE d.alert_id = :alert GROUP BY s.host, d.stage, d.result, d.closed",
        {"alert": alert_id},
    ).all()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        words = found.setdefault(row.host, {})
        name = word(row.stage, row.result, row.closed)
        words[name] = words.get(name, 0) + row.n
    return found


def left(read: Read, alert_id: str, flow_run: str, *, clock: Clock, process: Process) -> str | None:
    """The host whose sender left a flow run of an alert in the middle; None where it is there, or nobody had it.

    A run is the sender's that recorded its beginning; before that, it is of the host that it was asked of.
    """
    rows = read.sql(
        "SELECT chain, type, data FROM event INDEXED BY event_alert WHERE alert_id = :alert"
        " AND type IN ('orchestration.asked', 'orchestration.began') ORDER BY type DESC",
        {"alert": alert_id},
    ).all()
    for row in rows:
        try:
            data = json.loads(row.data)
        except ValueError:
            continue
        if not isinstance(data, dict) or data.get("flow_run") != flow_run:
            continue
        if row.type == "orchestration.began":
            owners = read.sql("SELECT * FROM sender WHERE id = :id", {"id": row.chain}).all()
            if not owners:
                return None
            host = str(owners[0].host)
        else:
            host = str(data.get("host"))
            recent = senders.moment(read, clock) - STILL
            owners = read.sql(
                "SELECT * FROM sender WHERE host = :host AND (ended = 0 OR beat > :recent)",
                {"host": host, "recent": recent},
            ).all()
        return host if _have_left(read, owners, clock=clock, process=process) else None
    return None


def has_left(read: Read, sender: str, *, clock: Clock, process: Process) -> bool:
    """Whether a sender has been gone for so long that whatever it had Prefect show is no more; False: not on record."""
    owners = read.sql("SELECT * FROM sender WHERE id = :id", {"id": sender}).all()
    return bool(owners) and _have_left(read, owners, clock=clock, process=process)


def _have_left(read: Read, owners: Sequence[Any], *, clock: Clock, process: Process) -> bool:
    lost = set(senders.gone(read, clock=clock, process=process, suspects=[owner.id for owner in owners]))
    now = senders.moment(read, clock)
    for owner in owners:
        # A file's senders beat by the time since this machine was started, which tells nothing of an earlier start.
        earlier = not read.on_postgres and owner.boot_id != process.boot_id
        if owner.id not in lost or not (earlier or now - owner.beat > STILL):
            return False
    return True


def signs(read: Read, sender: str, *, clock: Clock, process: Process) -> bool:
    """Whether it falls to this worker to sign the record: no service is there, and of the workers it is the first."""
    there = senders.present(read, clock=clock, process=process)
    signing = [(row.role == WORKER, row.id) for row in there if row.role in ("service", WORKER)]
    return bool(signing) and min(signing) == (True, sender)
