"""The report as JSON, with stable keys; times are ISO 8601 in UTC, spans are seconds."""

from __future__ import annotations

from typing import Any

from kentongan.clock import Milliseconds
from kentongan.ledger.reviews import Review
from kentongan.overview import ChannelView
from kentongan.report.shapes import DrillScore, Part, Report
from kentongan.telling import iso, seconds


def document(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "report": 2,
        "at": iso(report.now),
        "alert": report.asked,
        "nobody_was_warned": report.sandbox,
        "modes": [mode.value for mode in report.modes],
        "people_reached": {"persons": report.persons, "by_channel": dict(report.by_channel)},
        "thread": [_part(part) for part in report.parts],
        "not_sent": [
            {"code": each.code, "kind": each.kind, "state": each.state, "drafted_at": iso(each.created_at)}
            for each in report.unsent
        ],
        "damaged": [{"code": each.code, "remedy": each.sentence} for each in report.damaged],
        "record": [{"chain": each.chain, "links": each.seq, "digest": each.digest} for each in report.chains],
    }


def _part(part: Part) -> dict[str, Any]:
    standing = part.standing
    stored, dispatch = standing.alert, standing.dispatch
    return {
        "code": stored.code,
        "id": stored.id,
        "kind": stored.kind.value,
        "mode": stored.mode.value,
        "state": stored.state,
        "open": standing.open,
        "nobody_was_warned": standing.sandbox,
        "hazard": stored.draft.hazard,
        "status": stored.draft.cap.status.value,
        "says": part.title,
        "places": list(part.places),
        "follows": standing.predecessor,
        "reason": standing.reason or None,
        "evidence": stored.draft.evidence or None,
        "relays": stored.draft.origin.model_dump(mode="json") if stored.draft.origin is not None else None,
        "drafted_at": iso(stored.created_at),
        "dispatched_at": iso(dispatch.at) if dispatch is not None else None,
        "expires_at": iso(stored.expires_at),
        "pruned_at": iso(standing.pruned_at),
        "break_glass": standing.break_glass or None,
        "review": _review(standing.review),
        "people": part.people,
        "words": dict(part.totals),
        "seconds_to_first_acceptance": seconds(part.first),
        "seconds_to_last_acceptance": seconds(part.last),
        "decisions": [
            {
                "at": iso(each.at),
                "who": each.who,
                "act": each.act,
                "reason": each.reason or None,
                "people": each.people,
                "signed": each.signed,
                "alone": each.alone,
            }
            for each in part.decisions
        ],
        "messages": [
            {
                "channel": each.channel,
                "language": each.language,
                "code": each.code,
                "drill_mark": each.mark or None,
                "title": each.title,
                "text": each.text,
                "template": each.template or None,
                "pictures": [
                    {"name": image.name, "description": image.description, "sha256": image.digest}
                    for image in each.images
                ],
                "as_sent": each.as_sent,
            }
            for each in part.messages
        ],
        "posts": [{"channel": each.channel, "language": each.language, "url": each.url} for each in part.posts],
        "channels": [_channel(part, each) for each in standing.channels],
        "timeline": [
            {
                "at": iso(each.at),
                "seconds_after_press": seconds(each.after),
                "channel": each.channel or None,
                "what": each.what,
            }
            for each in part.timeline
        ],
        "retries": [{"channel": each.channel, "reason": each.reason, "count": each.count} for each in part.retries],
        "failures": [
            {
                "cause": each.remedy.cause,
                "remedy": each.remedy.action,
                "count": each.count,
                "deliveries": [
                    {"channel": cause.channel, "word": cause.word, "reason": cause.reason, "count": cause.count}
                    for cause in each.causes
                ],
            }
            for each in part.failures
        ],
        "doubts": [
            {"channel": each.channel, "resolved": each.how, "word": each.word, "count": each.count}
            for each in part.doubts
        ],
        "resolved": [
            {"at": iso(each.at), "deliveries": each.deliveries, "who": each.who, "evidence": each.evidence}
            for each in part.resolved
        ],
        "receipts": [
            {"channel": each.channel, "confirmed": each.confirmed, "count": each.count} for each in part.receipts
        ],
        "answers": {
            "asked": part.answers.asked,
            "answered": part.answers.answered,
            "counts": {meaning.value: count for meaning, count in part.answers.counts.items()},
        },
        "drill_score": _drill(part.drill),
        "orchestration": {
            "began_in_prefect": part.orchestration.began,
            "ended_in_prefect": part.orchestration.ended or None,
            "lost": list(part.orchestration.lost),
            "channels": dict(part.orchestration.through),
        },
    }


def _channel(part: Part, channel: ChannelView) -> dict[str, Any]:
    dispatch = part.standing.dispatch

    def after(at: Milliseconds | None) -> float | None:
        return seconds(at - dispatch.at) if at is not None and dispatch is not None else None

    return {
        "channel": channel.name,
        "kind": channel.kind,
        "public": channel.public,
        "languages": list(channel.languages),
        "total": channel.total,
        "words": dict(channel.words),
        "seconds_to_first_acceptance": after(channel.first_accepted),
        "seconds_to_last_acceptance": after(channel.last_accepted),
        "retries": channel.retries,
        "possible_duplicates": channel.duplicates,
    }


def _review(review: Review | None) -> dict[str, Any] | None:
    if review is None:
        return None
    return {
        "broke_glass": review.officer,
        "due_at": iso(review.due_at),
        "done_at": iso(review.done_at),
        "done_by": review.done_by,
        "finding": review.finding or None,
    }


def _drill(drill: DrillScore | None) -> dict[str, Any] | None:
    if drill is None:
        return None
    return {
        "scenario": drill.scenario or None,
        "state": drill.state,
        "why": drill.why or None,
        "score": drill.score,
        "scores": [{"at": iso(at), "score": score} for at, score in drill.scores],
        "targets": [
            {"name": each.name, "wanted": each.wanted, "was": each.was, "met": each.met} for each in drill.targets
        ],
    }
