"""What an exercise heeds before it leaves: it yields to live alerts, and a public one was announced."""

from __future__ import annotations

from datetime import datetime, timedelta

from kentongan.alert import Kind
from kentongan.clock import to_datetime
from kentongan.desk.desk import Desk
from kentongan.drills import NOTICE
from kentongan.errors import Refused
from kentongan.ledger import Read, alerts, drills, yielding
from kentongan.ledger.alerts import StoredAlert
from kentongan.seam import Mode


def refuse(desk: Desk, read: Read, stored: StoredAlert) -> None:
    """Raises Refused where an alert that is no live one may not begin now; what ends an exercise always may."""
    if stored.mode is Mode.LIVE or not stored.kind.widens:
        return
    why = yields(desk, read)
    if why is not None:
        raise Refused(f"{stored.code} is no live alert and {why}; send it later", rule="yield")
    if stored.mode is Mode.EXERCISE and stored.kind is Kind.ALERT and stored.draft.hazard != NOTICE:
        rules = desk.settings.drills
        if not announced(read, desk.now, within=rules.late_after, at_least=rules.announce_at_least):
            hours = f"{rules.announce_at_least / 3600:g} h"
            raise Refused(
                f"public exercise {stored.code} was not announced for this time, {hours} before; announce it with "
                "`kentongan drill announce`",
                rule="announcement",
            )


def refuse_unmeasured(desk: Desk, handle: str) -> None:
    """Raises Refused for an alert that was made to be measured: only as a run is it corrected and scored."""
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    run = desk.ledger.read(lambda read: drills.of_alert(read, stored.id))
    if run is not None and run.state is drills.State.PREPARED:
        raise Refused(
            f"{stored.code} is drill {run.scenario} and to be measured; begin it with "
            f"`kentongan drill run {stored.code}`",
            rule="drill",
        )


def yields(desk: Desk, read: Read) -> str | None:
    """Why no drill may begin now, as it stands after "and"; None where one may."""
    found = yielding.in_the_way(read, approval_lasts=round(desk.settings.policy.approval_lasts * 1000))
    return f"live alert {found[0]} {found[1]}" if found is not None else None


def announced(read: Read, start: datetime, *, within: float, at_least: float) -> bool:
    """Whether a public exercise that begins at `start` was announced for that time, give or take `within` seconds.

    It counts where it was sent `at_least` seconds before that time, and stands.
    """
    for at, facts in drills.announcements(read, NOTICE):
        starts = datetime.fromisoformat(facts["starts"])
        if abs(start - starts) <= timedelta(seconds=within) and to_datetime(at) <= starts - timedelta(seconds=at_least):
            return True
    return False
