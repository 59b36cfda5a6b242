"""The machines that send: on which of them workers run, and what each has sent of an alert."""

from __future__ import annotations

from kentongan.clock import Clock, Process
from kentongan.delivery import word
from kentongan.ledger import senders
from kentongan.ledger.transaction import Read

WORKER = "worker"
"""The role of a process that takes part in whatever is sent."""


def working(read: Read, *, clock: Clock, process: Process) -> list[str]:
    """The hosts on which a worker runs now."""
    rows = read.sql("SELECT id, host FROM sender WHERE role = :role AND ended = 0", {"role": WORKER}).all()
    lost = senders.gone(read, clock=clock, process=process, suspects=[row.id for row in rows])
    return sorted({row.host for row in rows if row.id not in lost})


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
