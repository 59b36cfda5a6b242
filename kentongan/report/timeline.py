"""What happened when, from the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.ledger import Read, checkpoints, views
from kentongan.ledger.views import Event
from kentongan.overview import Overview
from kentongan.report.shapes import Moment, Orchestration, Span

_Data = Mapping[str, Any]


def read_spans(read: Read, standing: Overview) -> tuple[Span, ...]:
    """When each channel began and had its first and last acceptance, after the press, in the order of the plan."""
    if standing.dispatch is None:
        return ()
    pressed = standing.dispatch.at
    first = begun(read, standing.alert.id)

    def after(at: Milliseconds | None) -> Milliseconds | None:
        # A clock that was set back in the middle must not draw to the left of the press.
        return max(0, at - pressed) if at is not None else None

    return tuple(
        Span(each.name, after(first.get(each.name)), after(each.first_accepted), after(each.last_accepted))
        for each in standing.channels
    )


def begun(read: Read, alert_id: str) -> dict[str, Milliseconds | None]:
    """When each instance of an alert made its first request (wall time)."""
    kept = checkpoints.counted(read, alert_id, "begun")
    if kept is not None:
        return dict(kept)
    rows = read.sql(
        "SELECT instance, min(first_intent_at) AS begun FROM delivery WHERE alert_id = :id GROUP BY instance",
        {"id": alert_id},
    ).all()
    return {row.instance: row.begun for row in rows}


def last_outcome(read: Read, alert_id: str) -> Milliseconds | None:
    """When the last outcome of an alert came (wall time); None where there was none."""
    kept = checkpoints.of(read, alert_id)
    if kept is not None:
        return None if (at := kept.content.get("last_outcome")) is None else int(at)
    at = read.sql(
        "SELECT max(t.outcome_at) FROM attempt t JOIN delivery d ON d.id = t.delivery_id WHERE d.alert_id = :id",
        {"id": alert_id},
    ).scalar()
    return None if at is None else int(at)


def read_timeline(read: Read, standing: Overview, events: Sequence[Event]) -> tuple[Moment, ...]:
    """Everything worth a line, in the order of time."""
    found = [*_acceptances(standing), *_told(events), *_told(_holds(read, standing))]
    began = standing.dispatch.at if standing.dispatch is not None else None
    return tuple(
        Moment(at, at - began if began is not None and at >= began else None, what, channel, marked)
        for at, what, channel, marked in sorted(found)
    )


_Line = tuple[Milliseconds, str, str, bool]


def _acceptances(standing: Overview) -> Iterator[_Line]:
    for channel in standing.channels:
        first, last = channel.first_accepted, channel.last_accepted
        if first is not None:
            yield first, "first acceptance" if last != first else "accepted", channel.name, False
        if last is not None and last != first:
            yield last, "last acceptance", channel.name, False


def _holds(read: Read, standing: Overview) -> list[Event]:
    """When a channel of this alert was held or went on, from the press to the last thing that it waited for."""
    if standing.dispatch is None:
        return []
    names = {channel.name for channel in standing.channels} | {"*"}
    until = read.now
    if not standing.open:
        until = last_outcome(read, standing.alert.id) or standing.dispatch.at
    types = ("instance.held", "instance.released")
    found = views.events_of_all(read, types, after=standing.dispatch.at - 1)
    return [event for event in found if event.data.get("instance") in names and event.at <= until]


def _told(events: Sequence[Event]) -> Iterator[_Line]:
    for event in events:
        told = _WORDS.get(event.type)
        if told is not None:
            yield event.at, told(event.data), str(event.data.get("instance") or ""), event.type in _MARKED


_MARKED = frozenset(
    {
        "alert.stopped",
        "alert.ended",
        "dispatch.refused",
        "fallback.planned",
        "escalation.planned",
        "instance.held",
        "instance.released",
        "orchestration.lost",
    }
)


def _because(data: _Data, *names: str) -> str:
    told = [str(data[name]) for name in names or ("why", "reason") if data.get(name)]
    return f": {'; '.join(told)}" if told else ""


def _stopped(data: _Data) -> str:
    return f"{(data.get('set') or {}).get('state') or 'stopped'}{_because(data)}"


def _paged(data: _Data) -> str:
    outcome = str(data.get("outcome", "")).replace("_", " ")
    return f"{data.get('officer')} was paged ({data.get('cause')}): {outcome}"


def _on_channels(data: _Data) -> str:
    planned = data.get("planned")
    told = [f"{count:,} on {name}" for name, count in planned.items() if count] if isinstance(planned, dict) else []
    return ", ".join(told) or "nobody"


_WORDS: Mapping[str, Callable[[_Data], str]] = {
    "alert.drafted": lambda data: "drafted",
    "alert.submitted": lambda data: "submitted",
    "alert.approved": lambda data: "signed",
    "alert.dispatched": lambda data: "press: on record, to be sent",
    "alert.stopped": _stopped,
    "alert.ended": lambda data: f"ended{_because(data)}",
    "dispatch.owned": lambda data: "taken over by another process" if data.get("before") else "taken up",
    "dispatch.handed_on": lambda data: "handed on to a process that can send where this one could not",
    "dispatch.expanded": lambda data: "everybody is planned",
    "dispatch.refused": lambda data: f"not sent{_because(data)}",
    "instance.without_pictures": lambda data: f"without pictures in {data.get('language')}{_because(data)}",
    "instance.started": lambda data: f"begun ({data.get('through')})",
    "instance.held": lambda data: f"held{_because(data)}",
    "instance.released": lambda data: "goes on" + (f", by {data['by']}" if data.get("by") else ""),
    "page.sent": _paged,
    "fallback.planned": lambda data: f"{data.get('unreached')} people not reached; next: {_on_channels(data)}",
    "escalation.planned": lambda data: f"group {data.get('group')} is written to: {_on_channels(data)}",
    "opt_outs.overridden": lambda data: f"{data.get('count')} who opted out are written to: life is at stake",
    "orchestration.began": lambda data: "the flow began in Prefect",
    "orchestration.ended": lambda data: "the flow ended in Prefect",
    "orchestration.lost": lambda data: f"Prefect lost it: {lost(data)}; sending went on",
    "review.opened": lambda data: "review of the broken glass opened",
    "review.done": lambda data: "broken glass reviewed",
}


def lost(data: _Data) -> str:
    """Why the orchestration lost an alert."""
    told = [str(data[name]) for name in ("why", "error") if data.get(name)]
    return ", ".join(told) or "no reason is known"


def orchestration(events: Sequence[Event]) -> Orchestration:
    """What Prefect did."""
    ended = [str(event.data.get("state") or "") for event in events if event.type == "orchestration.ended"]
    return Orchestration(
        began=any(event.type == "orchestration.began" for event in events),
        ended=ended[-1] if ended else "",
        lost=tuple(lost(event.data) for event in events if event.type == "orchestration.lost"),
        through=tuple(
            (str(event.data.get("instance")), str(event.data.get("through")))
            for event in events
            if event.type == "instance.started"
        ),
    )
