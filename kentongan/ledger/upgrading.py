"""Whether the tables of a ledger may be brought to a newer version now: not while an alert is on its way.

Those who send it know the older tables only, and would have to leave it half sent. What is read here, every version has
had.
"""

from __future__ import annotations

import enum

from kentongan.clock import Process, SystemClock
from kentongan.database import Place
from kentongan.errors import Refused
from kentongan.ledger import senders
from kentongan.ledger.transaction import Read


class Upgrade(enum.Enum):
    """When a ledger of an older version is upgraded: while no alert is on its way, once nobody sends, always, or never.

    Never is for a stop alone, which every version records alike.
    """

    IDLE = "idle"
    UNUSED = "unused"
    ALWAYS = "always"
    NEVER = "never"


# On its way: what can still be claimed, or is just being asked for, or has still to be planned. What waits for an
# officer, a receipt or a step of hours is not: nobody sends it meanwhile.
_RUNNING = """
SELECT a.code FROM alert a JOIN dispatch s ON s.alert_id = a.id
WHERE (a.state = 'dispatched' AND s.expanded = 0 AND (a.expires_at IS NULL OR a.expires_at > :now))
  OR EXISTS (SELECT 1 FROM delivery d WHERE d.alert_id = a.id AND (d.stage = 'sending'
    OR (a.state = 'dispatched' AND d.stage IN ('planned', 'claimed') AND d.deliver_by > :now)))
ORDER BY s.at, a.id LIMIT 1
"""


def refuse_running(read: Read, place: Place, *, version: str, head: str, when: Upgrade) -> None:
    """Raises Refused where the ledger of an older `version` must not be brought to `head` now; names the alert."""
    if when is Upgrade.ALWAYS:
        return
    row = read.sql(_RUNNING, {"now": read.now}).first()
    if row is None:
        return
    asked = f"ledger {place} is of version {version}, this Kentongan wants {head}, and alert {row.code} is on its way"
    if when is Upgrade.IDLE:
        raise Refused(
            f"{asked}: let the Kentongan that was here before finish or stop it; or end all that sends, then run"
            " `kentongan upgrade --now`, after which this one finishes it",
            rule="upgrade",
        )
    there = {row.role for row in senders.present(read, clock=SystemClock(), process=Process.current())}
    if there:
        raise Refused(
            f"{asked}, sent by the Kentongan of before ({', '.join(sorted(there))}); end it on every host, wait"
            f" {senders.LEASE // 1000} seconds, then run `kentongan upgrade --now` again",
            rule="upgrade",
        )
