"""What an alert follows, as the desk sees it: the newest message of its thread, and where the thread has gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kentongan import gates
from kentongan.alert import Kind, Origin
from kentongan.clock import to_datetime
from kentongan.desk.desk import Desk
from kentongan.errors import Refused
from kentongan.ledger import Read, alerts, dispatches, threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from kentongan.words.rendering import Earlier


@dataclass(frozen=True, slots=True)
class Thread:
    """What a follow-up follows: `newest` is its predecessor, `instances` are all that any message of it went to.

    `origins` are the messages of other senders that it relays.
    """

    newest: StoredAlert
    sent: datetime
    instances: tuple[str, ...]
    origins: tuple[Origin, ...]

    @property
    def earlier(self) -> Earlier:
        """The predecessor, as the words of what follows it name it."""
        from kentongan.words.rendering import Earlier

        return Earlier(self.newest.code, self.sent)


def to_follow(desk: Desk, handle: str) -> Thread:
    """The thread that `handle` names by any of its messages; raises Refused where nothing of it can be followed."""
    return desk.ledger.read(lambda read: _to_follow(read, alerts.by_handle(read, handle)))


def _to_follow(read: Read, named: StoredAlert) -> Thread:
    threads.refuse_pruned(read, named.id)
    found = _thread(read, named.id)
    if found is None:
        raise Refused(
            f"alert {named.code} was never sent, so nothing can follow it; draft another in its place", rule="thread"
        )
    if found.newest.kind is Kind.CORRECTION:
        told = "is a correction" if named.id == found.newest.id else f"was withdrawn by {found.newest.code}"
        raise Refused(f"{named.kind} {named.code} {told}; nothing can follow it; draft a new alert", rule="thread")
    return found


def followed(read: Read, stored: StoredAlert) -> Thread | None:
    """What an alert on record follows; None for one that begins a thread."""
    if stored.predecessor is None:
        return None
    found = _thread(read, stored.predecessor, until=stored.predecessor)
    assert found is not None, "a follow-up is only ever drafted after a message that was sent"
    return found


def _thread(read: Read, alert_id: str, *, until: str | None = None) -> Thread | None:
    ids = threads.messages(read, alert_id)
    if until is not None:
        ids = ids[: ids.index(until) + 1] if until in ids else []
    if not ids:
        return None
    found = [dispatches.get(read, id) for id in ids]
    sent = [each for each in found if each is not None]
    messages = [alerts.get(read, id) for id in ids]
    names = dict.fromkeys(instance.name for each in sent for instance in each.plan.instances)
    return Thread(
        newest=messages[-1],
        sent=to_datetime(sent[-1].at),
        instances=tuple(names),
        origins=tuple(each.draft.origin for each in messages if each.draft.origin is not None),
    )


def all_clear_findings(desk: Desk, stored: StoredAlert) -> list[gates.Finding]:
    """What the gate says of an all-clear now; empty for every other kind."""
    if stored.kind is not Kind.ALL_CLEAR:
        return []
    began, minimum = desk.ledger.read(lambda read: _longest_wait(desk, read, stored))
    # A clock that is off must not bring it nearer.
    off = timedelta(seconds=abs(desk.clock_offset or 0.0))
    return gates.all_clear(
        stored.draft.evidence,
        issuers_end=stored.draft.issuers_end,
        began=began.astimezone(ZoneInfo(desk.settings.agency.timezone)),
        minimum=minimum,
        now=desk.now - off,
    )


def _longest_wait(desk: Desk, read: Read, stored: StoredAlert) -> tuple[datetime, timedelta]:
    """Of the hazards that the thread has named, the one to be waited for longest: since when, and for how long."""
    assert stored.predecessor is not None
    first: dict[str, datetime] = {}
    for id in threads.messages(read, stored.predecessor):
        sent = dispatches.get(read, id)
        assert sent is not None
        first.setdefault(alerts.get(read, id).draft.hazard, to_datetime(sent.at))
    waits = ((began, desk.library.get(name).all_clear_after) for name, began in first.items())
    return max(waits, key=lambda wait: wait[0] + wait[1])
