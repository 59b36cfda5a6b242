"""Channels whose provider lets an alert wait for longer than it is of use: what officers are told of at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from kentongan.clock import Milliseconds
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Throttled:
    """One channel's wait, as it was at `at`.

    `until`: when the provider may be asked again; `deliver_by`: the last moment at which a message is of use there.
    `waiting`: deliveries that were not done; `also`: how many of their people other channels of the alert had, by name.
    """

    alert_id: str
    instance: str
    at: Milliseconds
    until: Milliseconds
    deliver_by: Milliseconds
    waiting: int
    also: Mapping[str, int]


def waiting(read: Read, alert_id: str, instance: str) -> tuple[int, dict[str, int]]:
    """How many of an instance's deliveries are not done, and how many of their people each other channel writes to.

    It looks at every one of them, and so is nothing for a writer to wait for.
    """
    count = read.sql(
        "SELECT count(*) FROM delivery INDEXED BY delivery_open WHERE alert_id = :alert AND instance = :instance"
        " AND stage <> 'done'",
        {"alert": alert_id, "instance": instance},
    ).scalar_one()
    rows = read.sql(
        "SELECT o.instance, count(DISTINCT d.person_id) AS n FROM delivery d INDEXED BY delivery_open"
        " JOIN delivery o INDEXED BY delivery_person"
        " ON o.person_id = d.person_id AND o.alert_id = d.alert_id AND o.instance <> d.instance"
        " WHERE d.alert_id = :alert AND d.instance = :instance AND d.stage <> 'done' AND d.person_id IS NOT NULL"
        " GROUP BY o.instance ORDER BY o.instance",
        {"alert": alert_id, "instance": instance},
    ).all()
    return int(count), {row.instance: row.n for row in rows}


def record(
    write: Write,
    alert_id: str,
    instance: str,
    *,
    until: Milliseconds,
    deliver_by: Milliseconds,
    waiting: int,
    also: Mapping[str, int],
) -> None:
    """Puts on record that an instance waits for too long."""
    write.sql(
        "INSERT INTO throttle (alert_id, instance, at, until, deliver_by, waiting, also)"
        " VALUES (:alert, :instance, :now, :until, :deliver_by, :waiting, :also)"
        " ON CONFLICT (alert_id, instance) DO UPDATE SET at = excluded.at, until = excluded.until,"
        " deliver_by = excluded.deliver_by, waiting = excluded.waiting, also = excluded.also",
        {
            "alert": alert_id,
            "instance": instance,
            "now": write.now,
            "until": until,
            "deliver_by": deliver_by,
            "waiting": waiting,
            "also": json.dumps(dict(also)),
        },
    )
    write.event(
        "instance.throttled",
        alert=alert_id,
        instance=instance,
        until=until,
        deliver_by=deliver_by,
        waiting=waiting,
        also=dict(also),
    )


def standing(read: Read, alert_id: str | None = None) -> list[Throttled]:
    """The channels of one alert, or of all, that still wait for too long: nothing was accepted there since."""
    rows = read.sql(
        "SELECT t.* FROM throttle t JOIN alert a ON a.id = t.alert_id WHERE (:alert IS NULL OR t.alert_id = :alert)"
        " AND a.state = 'dispatched' AND t.until > :now AND t.deliver_by > :now AND NOT EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.alert_id = t.alert_id AND d.instance = t.instance AND d.accepted_at > t.at)"
        " ORDER BY t.at, t.alert_id, t.instance",
        {"alert": alert_id, "now": read.now},
    ).all()
    return [
        Throttled(row.alert_id, row.instance, row.at, row.until, row.deliver_by, row.waiting, json.loads(row.also))
        for row in rows
    ]


def forget(write: Write, alert_id: str, instances: Collection[str]) -> None:
    """Forgets the waits of an alert's instances, because an officer lets them go on."""
    for instance in instances:
        write.sql(
            "DELETE FROM throttle WHERE alert_id = :alert AND instance = :instance",
            {"alert": alert_id, "instance": instance},
        )
