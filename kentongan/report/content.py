"""What a report says, read in one snapshot of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kentongan.alert import Kind
from kentongan.approval import Act, Approval
from kentongan.clock import Milliseconds
from kentongan.ledger import Read, alerts, views
from kentongan.ledger.alerts import Dispatch, StoredAlert
from kentongan.ledger.views import Event
from kentongan.overview import Overview, overview
from kentongan.seam import Rendered, slots
from kentongan.stored import from_json

_LATER = "…"
"""Stands for what was not known when the report was written, because the message was not sent."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, `at` the time when it was recorded.

    `signed`: by an officer's key. `reason`: what they gave for it, "" where none is asked.
    """

    at: Milliseconds
    who: str
    act: str
    reason: str
    people: int | None
    signed: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One message word for word; `as_sent` where every late fact stands in it as it went out."""

    channel: str
    language: str
    title: str
    text: str
    as_sent: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; `after` is the time since the dispatch, None before it."""

    at: Milliseconds
    after: Milliseconds | None
    what: str


@dataclass(frozen=True, slots=True)
class Retries:
    """How many attempts of a channel were followed by another, for the same reason."""

    channel: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """How many deliveries of a channel were ever in doubt and are `word` now."""

    channel: str
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """A doubt that an officer settled."""

    at: Milliseconds
    delivery: int
    who: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """How many receipts of a channel said the same."""

    channel: str
    confirmed: str
    count: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The correction of the alert; `dispatched_at` is None while it lies ready. `after`: from the alert's dispatch."""

    code: str
    dispatched_at: Milliseconds | None
    after: Milliseconds | None
    by: str
    reason: str
    standing: Overview


@dataclass(frozen=True, slots=True)
class Orchestration:
    """How the sending was shown in Prefect: `through` says for every channel by what way it was begun."""

    began: bool
    lost: tuple[str, ...]
    through: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """The end of one chain of the record when the report was written."""

    chain: str
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on one alert. `now`: when it was read."""

    now: Milliseconds
    standing: Overview
    places: tuple[str, ...]
    decisions: tuple[Decision, ...]
    messages: tuple[Message, ...]
    timeline: tuple[Moment, ...]
    retries: tuple[Retries, ...]
    doubts: tuple[Doubt, ...]
    resolved: tuple[Resolved, ...]
    receipts: tuple[Receipts, ...]
    withdrawal: Withdrawal | None
    orchestration: Orchestration
    chains: tuple[Link, ...]


def read(read: Read, alert_id: str) -> Report:
    """Reads all that the ledger holds of an alert; raises KeyError for an id that is none."""
    standing = overview(read, alert_id)
    events = views.events(read, alert_id=alert_id)
    return Report(
        now=read.now,
        standing=standing,
        places=tuple(dict.fromkeys(area.area_desc for info in standing.alert.draft.cap.infos for area in info.areas)),
        decisions=tuple(_decisions(read, standing, events)),
        messages=_messages(read, standing),
        timeline=_timeline(standing, events),
        retries=_retries(read, alert_id),
        doubts=_doubts(read, alert_id),
        resolved=_resolved(events),
        receipts=_receipts(read, alert_id),
        withdrawal=_withdrawal(read, standing),
        orchestration=_orchestration(events),
        chains=_chains(read),
    )


# --- Decisions ---

_ACTS = {
    Act.SUBMIT: "submitted it for approval",
    Act.APPROVE: "approved it",
    Act.APPROVE_BY_CODE: "approved it by one-time code, which is no signature",
    Act.BREAK_GLASS: "broke the glass: sent it alone",
    Act.RELEASE: "released the correction",
}


def _decisions(read: Read, standing: Overview, events: Sequence[Event]) -> Iterator[Decision]:
    """In the order of record: a signature holds whole seconds only, by a clock that may have been set since."""
    signed = _signed(read, standing.alert.id)
    for event in events:
        data = event.data
        by = str(data.get("by") or "")
        match event.type:
            case "alert.drafted":
                yield Decision(event.at, by, "drafted it", "", None, signed=False)
            case "alert.submitted" | "alert.approved":
                word = signed[str(data.get("submission") or data.get("approval"))]
                act = _ACTS[word.act]
                if word.by_code is not None:
                    act += f" (taken down by {word.by_code.taken_by})"
                yield Decision(
                    event.at, word.officer, act, word.reason, word.people, signed=word.act is not Act.APPROVE_BY_CODE
                )
            case "alert.returned" | "alert.discarded":
                act = "returned it to be mended" if event.type == "alert.returned" else "discarded it"
                yield Decision(event.at, by, act, str(data.get("reason") or ""), None, signed=True)
            case "review.done":
                finding = standing.review.finding if standing.review is not None else ""
                yield Decision(event.at, by, "reviewed the broken glass", finding, None, signed=True)
            case "alert.dispatched":
                yield Decision(event.at, by, "sent it", standing.reason, None, signed=True)
            case "alert.stopped":
                yield Decision(
                    event.at, by, "stopped it", str(data.get("why") or ""), None, signed=bool(data["signed"])
                )
            case "delivery.resolved":
                act = f"settled delivery {event.delivery_id} as {data.get('evidence')}"
                yield Decision(event.at, by, act, "", None, signed=True)


def _signed(read: Read, alert_id: str) -> Mapping[str, Approval]:
    """Every officer's word on an alert, by the id of its row."""
    rows = read.sql(
        "SELECT id, content FROM approval WHERE alert_id = :id"
        " UNION ALL SELECT id, json_extract(subject, '$.signed') FROM submission WHERE alert_id = :id",
        {"id": alert_id},
    ).all()
    return {row.id: from_json(Approval, json.loads(row.content)) for row in rows}


# --- Messages ---


def _messages(read: Read, standing: Overview) -> tuple[Message, ...]:
    dispatch = standing.dispatch
    wanted = {each.name for each in dispatch.plan.instances} if dispatch is not None else None
    messages = alerts.renderings(read, standing.alert.id)
    return tuple(_message(each, dispatch) for each in messages if wanted is None or each.instance in wanted)


def _message(message: Rendered, dispatch: Dispatch | None) -> Message:
    values = dispatch.plan.values.get(message.language, {}) if dispatch is not None else {}
    texts = (message.title, message.text, message.html, message.link, *(d.text for d in message.documents))
    names = {name for text in texts for name in slots(text)}
    shown = message.filled({name: values.get(name, _LATER) for name in names})
    sent = dispatch is not None and names <= set(values)
    return Message(message.instance, message.language, shown.title, shown.text, as_sent=sent)


# --- What happened when ---


def _timeline(standing: Overview, events: Sequence[Event]) -> tuple[Moment, ...]:
    began = standing.dispatch.at if standing.dispatch is not None else None
    told = [*_acceptances(standing), *((event.at, said) for event in events if (said := _said(event)) is not None)]
    return tuple(
        Moment(at, at - began if began is not None and at >= began else None, what) for at, what in sorted(told)
    )


def _acceptances(standing: Overview) -> Iterator[tuple[Milliseconds, str]]:
    for channel in standing.channels:
        if channel.first_accepted is not None:
            yield channel.first_accepted, f"{channel.name}: first acceptance"
        if channel.last_accepted is not None and channel.last_accepted != channel.first_accepted:
            yield channel.last_accepted, f"{channel.name}: last acceptance"


def _said(event: Event) -> str | None:
    data = event.data
    match event.type:
        case "alert.drafted":
            return "drafted"
        case "alert.submitted":
            return "submitted"
        case "alert.dispatched":
            return "press: on record, to be sent"
        case "alert.stopped":
            return "stopped"
        case "alert.ended":
            return "ended"
        case "dispatch.owned":
            return "taken over by another process" if data.get("before") else "taken up"
        case "dispatch.expanded":
            return "everybody is planned"
        case "dispatch.refused":
            return f"not sent: {data.get('why')}"
        case "instance.started":
            return f"{data.get('instance')}: begun ({data.get('through')})"
        case "orchestration.began":
            return "the flow began in Prefect"
        case "orchestration.ended":
            return "the flow ended in Prefect"
        case "orchestration.lost":
            return f"Prefect lost it: {_lost(event)}; sending went on"
    return None


# --- What became of it ---


def _retries(read: Read, alert_id: str) -> tuple[Retries, ...]:
    rows = read.sql(
        "SELECT d.instance, t.reason, count(*) AS n FROM attempt t JOIN delivery d ON d.id = t.delivery_id"
        " WHERE d.alert_id = :id AND t.number < d.attempt GROUP BY d.instance, t.reason ORDER BY n DESC, d.instance",
        {"id": alert_id},
    ).all()
    return tuple(Retries(row.instance, row.reason or "", row.n) for row in rows)


def _doubts(read: Read, alert_id: str) -> tuple[Doubt, ...]:
    rows = read.sql(
        "SELECT instance, CASE WHEN result <> 'none' THEN result ELSE coalesce(closed, stage) END AS word,"
        " count(*) AS n FROM delivery WHERE alert_id = :id AND doubted = 1 GROUP BY instance, word ORDER BY instance",
        {"id": alert_id},
    ).all()
    return tuple(Doubt(row.instance, row.word, row.n) for row in rows)


def _resolved(events: Sequence[Event]) -> tuple[Resolved, ...]:
    return tuple(
        Resolved(event.at, event.delivery_id or 0, str(event.data.get("by", "")), str(event.data.get("evidence", "")))
        for event in events
        if event.type == "delivery.resolved"
    )


def _receipts(read: Read, alert_id: str) -> tuple[Receipts, ...]:
    rows = read.sql(
        "SELECT r.instance, r.confirmed, count(*) AS n FROM receipt r JOIN delivery d ON d.id = r.delivery_id"
        " WHERE d.alert_id = :id GROUP BY r.instance, r.confirmed ORDER BY r.instance, r.confirmed",
        {"id": alert_id},
    ).all()
    return tuple(Receipts(row.instance, row.confirmed, row.n) for row in rows)


def _withdrawal(read: Read, standing: Overview) -> Withdrawal | None:
    for successor in alerts.successors(read, standing.alert.id):
        if successor.kind is Kind.CORRECTION:
            return _withdrawn(overview(read, successor.id), successor, standing)
    return None


def _withdrawn(correction: Overview, successor: StoredAlert, standing: Overview) -> Withdrawal:
    released, sent = correction.dispatch, standing.dispatch
    return Withdrawal(
        code=successor.code,
        dispatched_at=released.at if released is not None else None,
        after=released.at - sent.at if released is not None and sent is not None else None,
        by=released.by if released is not None else "",
        reason=correction.reason,
        standing=correction,
    )


def _orchestration(events: Sequence[Event]) -> Orchestration:
    return Orchestration(
        began=any(event.type == "orchestration.began" for event in events),
        lost=tuple(_lost(event) for event in events if event.type == "orchestration.lost"),
        through=tuple(
            (str(event.data["instance"]), str(event.data["through"]))
            for event in events
            if event.type == "instance.started"
        ),
    )


def _lost(event: Event) -> str:
    told = [str(event.data[name]) for name in ("why", "error") if event.data.get(name)]
    return ", ".join(told) or "no reason is known"


def _chains(read: Read) -> tuple[Link, ...]:
    rows = read.sql(
        "SELECT chain, seq, digest FROM link l WHERE seq = (SELECT max(seq) FROM link m WHERE m.chain = l.chain)"
        " ORDER BY chain"
    ).all()
    return tuple(Link(row.chain, row.seq, row.digest) for row in rows)
