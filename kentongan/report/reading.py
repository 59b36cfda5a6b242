"""Reading a report out of one snapshot of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from kentongan import cap
from kentongan.area.sketch import sketch
from kentongan.desk.targeting import areas_of, surroundings
from kentongan.errors import DamagedRecord
from kentongan.ledger import Read, alerts, dispatches, regions, submissions, threads, verification, views
from kentongan.overview import Overview, overview
from kentongan.report import drill, results, timeline
from kentongan.report.decisions import read_decisions
from kentongan.report.messages import read_messages, read_posts
from kentongan.report.shapes import Damaged, Link, Message, Part, Report, Unsent


def read(read: Read, alert_id: str) -> Report:
    """Reads all that the ledger holds of an alert and its thread; raises KeyError for an id that is none.

    What cannot be read of the thread is named in the report. Raises DamagedRecord where that is all of it.
    """
    codes = alerts.codes(read, threads.whole(read, alert_id))
    if alert_id not in codes:
        raise KeyError(alert_id)
    parts: list[Part] = []
    unsent: list[Unsent] = []
    damaged: dict[str, DamagedRecord] = {}
    for id in threads.whole(read, alert_id):
        try:
            stored = alerts.get(read, id)
            if id != alert_id and dispatches.get(read, id) is None:
                unsent.append(Unsent(stored.code, stored.kind.value, stored.state, stored.created_at))
            else:
                parts.append(_part(read, id))
        except DamagedRecord as damage:
            damaged[id] = damage
    if damaged and not parts:
        raise next(iter(damaged.values()))
    persons, by_channel = threads.reached(read, alert_id)
    return Report(
        now=read.now,
        asked=codes[alert_id],
        parts=tuple(parts),
        unsent=tuple(unsent),
        damaged=tuple(Damaged(codes[id], str(damage)) for id, damage in damaged.items()),
        persons=persons,
        by_channel=by_channel,
        chains=_chains(read),
    )


def _part(read: Read, alert_id: str) -> Part:
    standing = overview(read, alert_id)
    events = views.events(read, alert_id=alert_id, without=_MANY, apart=False)
    areas = areas_of(standing.alert.draft)
    messages = read_messages(read, standing)
    return Part(
        standing=standing,
        title=_title(standing, messages),
        places=tuple(dict.fromkeys(area.area_desc for area in areas)),
        sketch=_sketch(read, standing, areas),
        decisions=tuple(read_decisions(read, standing, events)),
        messages=messages,
        posts=read_posts(read, alert_id),
        spans=timeline.read_spans(read, standing),
        timeline=timeline.read_timeline(read, standing, events),
        people=views.people(read, alert_id),
        retries=results.read_retries(read, alert_id),
        failures=results.failures(standing),
        doubts=results.read_doubts(read, alert_id),
        resolved=tuple(results.resolved(events).values()),
        receipts=results.read_receipts(read, alert_id),
        answers=results.read_answers(read, alert_id),
        orchestration=timeline.orchestration(events),
        drill=drill.read_score(read, alert_id),
    )


_MANY = (
    "delivery.intended",
    "delivery.settled",
    "delivery.next",
    "delivery.receipt",
    "delivery.looked_up",
    "delivery.edited",
    "delivery.recovered",
    "delivery.hastened",
    "delivery.not_sent",
    "receipt.received",
    "answer.received",
)
"""Events of which an alert has several for every person; what they come to is counted in the tables they moved."""


def _title(standing: Overview, messages: Sequence[Message]) -> str:
    """What it says in one line: the headline of the sender whom it relays, else its own as the public reads it."""
    infos = standing.alert.draft.cap.infos
    own = {message.language: message.title for message in messages if message.title}
    first = next((own[language] for language in standing.alert.draft.languages if language in own), "")
    return next(filter(None, (*(info.headline for info in infos[:1]), first, *(info.event for info in infos[:1]))), "")


def _sketch(read: Read, standing: Overview, areas: Sequence[cap.Area]) -> str:
    codes = _codes(read, standing)
    drawn = surroundings(regions.load(read), codes) if codes else []
    if not drawn and not any(area.polygons or area.circles for area in areas):
        return ""
    return sketch(areas, drawn, title=f"Area of alert {standing.alert.code}")


def _codes(read: Read, standing: Overview) -> tuple[str, ...]:
    """The regions that it was sent to, else those that officers were shown."""
    if standing.dispatch is not None:
        within = [each.within for each in standing.dispatch.plan.instances if each.within is not None]
        return tuple(dict.fromkeys(code for each in within for code in each.codes))
    submitted = submissions.latest(read, standing.alert.id)
    subject = submitted.subject.get("subject") if submitted is not None else None
    shown = subject.get("within") if isinstance(subject, dict) else None
    return tuple(map(str, shown.get("codes") or ())) if isinstance(shown, dict) else ()


def _chains(read: Read) -> tuple[Link, ...]:
    return tuple(Link(*each) for each in verification.ends(read))
