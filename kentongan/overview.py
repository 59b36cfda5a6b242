"""Where one alert stands, as the live table, `status` and the report show it; read in one snapshot of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kentongan.alert import Kind
from kentongan.clock import Clock, Milliseconds, Process
from kentongan.errors import DamagedRecord
from kentongan.ledger import (
    Read,
    alerts,
    checkpoints,
    dispatches,
    reviews,
    senders,
    steps,
    submissions,
    threads,
    throttled,
    views,
)
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.dispatches import Dispatch
from kentongan.ledger.reviews import Review
from kentongan.ledger.throttled import Throttled
from kentongan.plan import PUBLIC
from kentongan.quick_dataclass import dataclass

BEGINS_WITHIN: Milliseconds = senders.LEASE
"""By then whoever takes an alert over has begun; before, nobody is said to be missing."""

_MISSED = ("rejected", "unreachable", "expired", "cancelled")
_UNFINISHED = ("planned", "claimed", "sending")


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel's part of an alert.

    `words`: deliveries by the word officers see. `first_accepted` and `last_accepted` are wall times. `held` is the
    reason of a hold, None where there is none; `held_with_all`: the whole ledger is held.
    """

    name: str
    kind: str
    public: bool
    languages: tuple[str, ...]
    total: int
    words: Mapping[str, int]
    first_accepted: Milliseconds | None
    last_accepted: Milliseconds | None
    retries: int
    duplicates: int
    held: str | None
    held_with_all: bool = False

    @property
    def unfinished(self) -> int:
        """How many deliveries are still to be sent or being sent."""
        return sum(self.words.get(word, 0) for word in _UNFINISHED)

    @property
    def in_doubt(self) -> int:
        """How many deliveries nobody knows the end of."""
        return self.words.get("in_doubt", 0)


@dataclass(frozen=True, slots=True)
class Cause:
    """How many deliveries of a channel ended alike for the same reason."""

    channel: str
    word: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """One alert with all its channels. `open`: something of it is still to be done. `break_glass`: the typed reason.

    `approved_by`: the officers who have given their word so far, while it was not sent. `by`: the officers whose word
    it went out on; `by_code`: those of them who said a one-time code and signed nothing. `waits_until`: when the next
    channel or group is due for people not reached, None where nobody waits (wall time). `review`: that of a broken
    glass. `reason`: why a correction withdraws, by its name. `withdrawn_by`: the code of the correction by which its
    thread was withdrawn, "" where it was not and for that correction itself. `refused`: why no sender may send it,
    "" where one may. `throttled`: channels whose provider lets it wait for longer than it is of use there.
    `unattended`: its sender is gone and nobody is there to take over (see `with_sender`).
    `pruned_at`: when what is said here of its deliveries was counted because they were to be pruned (wall time).
    """

    alert: StoredAlert
    predecessor: str | None
    dispatch: Dispatch | None
    approved_by: tuple[str, ...]
    by: tuple[str, ...]
    by_code: tuple[str, ...]
    break_glass: str
    review: Review | None
    reason: str
    sandbox: bool
    channels: tuple[ChannelView, ...]
    causes: tuple[Cause, ...]
    open: bool
    waits_until: Milliseconds | None = None
    withdrawn_by: str = ""
    refused: str = ""
    throttled: tuple[Throttled, ...] = ()
    pruned_at: Milliseconds | None = None
    unattended: bool = False

    @property
    def said(self) -> str:
        """The alert's state as officers read it, with what is left of it."""
        if self.alert.state == "dispatched":
            if self.open and (self.refused or self.unattended):
                return "NOT BEING SENT"
            return "being sent" if self.open else "sent"
        said = self.alert.state
        if self.withdrawn_by:
            # One that was stopped or superseded before is out no less: whether it was taken back is what counts.
            said = f"{'' if said == 'withdrawn' else f'{said}, '}withdrawn by {self.withdrawn_by}"
        return said + (", some requests are still open" if self.open else "")

    @property
    def unfinished(self) -> int:
        """How many deliveries are still to be sent or being sent."""
        return sum(channel.unfinished for channel in self.channels)

    @property
    def in_doubt(self) -> int:
        """How many deliveries nobody knows the end of."""
        return sum(channel.in_doubt for channel in self.channels)


def overview(read: Read, alert_id: str) -> Overview:
    """Where an alert stands now; raises KeyError for an id that is none, DamagedRecord for what cannot be read."""
    stored = alerts.get(read, alert_id)
    dispatch = dispatches.get(read, alert_id)
    proof = _proof(read, alert_id)
    checkpoint = checkpoints.of(read, alert_id)
    before = alerts.codes(read, [stored.predecessor]) if stored.predecessor is not None else {}
    return Overview(
        alert=stored,
        predecessor=before.get(stored.predecessor or ""),
        dispatch=dispatch,
        approved_by=_approved_by(read, stored) if dispatch is None else (),
        by=tuple(proof.get("by") or ()),
        by_code=tuple(proof.get("by_code") or ()),
        review=reviews.of_alert(read, alert_id),
        break_glass=str(proof.get("break_glass") or ""),
        reason=str(proof.get("reason") or ""),
        sandbox=sandboxed(read, stored, dispatch),
        channels=_channels(read, alert_id, dispatch),
        causes=causes(read, alert_id),
        open=views.is_open(read, alert_id),
        waits_until=steps.waiting(read, alert_id) if dispatch is not None else None,
        withdrawn_by=_withdrawn_by(read, stored) if dispatch is not None else "",
        refused=views.refusal(read, alert_id) if dispatch is not None else "",
        throttled=tuple(throttled.standing(read, alert_id)) if dispatch is not None else (),
        pruned_at=checkpoint.at if checkpoint is not None else None,
    )


def with_sender(read: Read, seen: Overview, *, clock: Clock, process: Process) -> Overview:
    """The same, and whether nobody is there any more to send it; one that was just sent off is given time to begin."""
    sent = seen.dispatch
    if sent is None or not seen.open or seen.alert.state != "dispatched" or clock.wall() - sent.at < BEGINS_WITHIN:
        return seen
    return replace(seen, unattended=not senders.is_attended(read, sent.owner, clock=clock, process=process))


def _withdrawn_by(read: Read, stored: StoredAlert) -> str:
    found = None if stored.kind is Kind.CORRECTION else threads.withdrawal(read, stored.id)
    return alerts.codes(read, [found])[found] if found is not None else ""


def overviews(read: Read) -> tuple[list[Overview], dict[str, DamagedRecord]]:
    """All alerts, the newest first, without corrections that lie ready; and by id those that cannot be read."""
    seen, damaged = [], alerts.damaged(read)
    for stored in alerts.listing(read):
        if stored.kind is Kind.CORRECTION and stored.state == "prepared":
            continue
        try:
            seen.append(overview(read, stored.id))
        except DamagedRecord as damage:
            damaged[stored.id] = damage
    return seen, damaged


def sandboxed(read: Read, stored: StoredAlert, dispatch: Dispatch | None) -> bool:
    """Whether every channel that an alert goes to is a sandbox, as it was when it was submitted."""
    submitted = submissions.latest(read, stored.id)
    if submitted is None and stored.predecessor is not None:
        # A correction was submitted with its alert.
        submitted = submissions.latest(read, stored.predecessor)
    if submitted is None:
        return False
    try:
        instances = {each["name"]: bool(each["sandbox"]) for each in submitted.subject["subject"]["instances"]}
    except (KeyError, TypeError):
        return False
    names = [instance.name for instance in dispatch.plan.instances] if dispatch is not None else list(instances)
    return bool(names) and all(instances.get(name, False) for name in names)


def _approved_by(read: Read, stored: StoredAlert) -> tuple[str, ...]:
    if stored.state not in ("submitted", "approved"):
        return ()
    return tuple(dict.fromkeys(str(each["officer"]) for each in submissions.approvals(read, stored.id)))


def _proof(read: Read, alert_id: str) -> Mapping[str, Any]:
    for event in views.events(read, alert_id=alert_id, types=("alert.dispatched",)):
        proof: Mapping[str, Any] = event.data.get("proof") or {}
        return proof
    return {}


def _channels(read: Read, alert_id: str, dispatch: Dispatch | None) -> tuple[ChannelView, ...]:
    if dispatch is None:
        return ()
    summaries = {summary.instance: summary for summary in views.summaries(read, alert_id)}
    held = senders.holds(read)
    result = []
    for planned in dispatch.plan.instances:
        found = summaries.get(planned.name)
        result.append(
            ChannelView(
                name=planned.name,
                kind=planned.kind,
                public=planned.family == PUBLIC,
                languages=planned.languages,
                total=found.total if found else 0,
                words=found.words if found else {},
                first_accepted=found.first_accepted if found else None,
                last_accepted=found.last_accepted if found else None,
                retries=found.retries if found else 0,
                duplicates=found.duplicates if found else 0,
                held=held.get(senders.LEDGER) or held.get(planned.name),
                held_with_all=senders.LEDGER in held,
            )
        )
    return tuple(result)


def causes(read: Read, alert_id: str) -> tuple[Cause, ...]:
    """What became of the deliveries of an alert that reached nobody, or perhaps nobody, the most frequent first."""
    kept = checkpoints.counted(read, alert_id, "causes")
    if kept is not None:
        return tuple(Cause(*each) for each in kept)
    rows = read.sql(
        "SELECT d.instance, CASE WHEN d.result <> 'none' THEN d.result ELSE d.closed END AS word,"
        " coalesce(t.reason, '') AS why, count(*) AS n FROM delivery d INDEXED BY delivery_missed"
        " LEFT JOIN attempt t ON t.delivery_id = d.id AND t.number = d.attempt"
        " WHERE d.alert_id = :id AND d.stage = 'done' AND d.result NOT IN ('accepted', 'delivered', 'read')"
        " AND (d.result <> 'none' OR d.closed IS NOT NULL)"
        " GROUP BY d.instance, word, why ORDER BY n DESC, d.instance, word",
        {"id": alert_id},
    ).all()
    return tuple(Cause(row.instance, row.word, row.why, row.n) for row in rows)


def missed(channel: ChannelView) -> int:
    """How many deliveries of a channel have ended without reaching anybody."""
    return sum(channel.words.get(word, 0) for word in _MISSED)
