"""The report as JSON, with stable keys; times are ISO 8601 in UTC, spans are seconds."""

from __future__ import annotations

from typing import Any

from kentongan.clock import Milliseconds, to_datetime
from kentongan.ledger.reviews import Review
from kentongan.overview import Overview
from kentongan.report.content import Report


def document(report: Report) -> dict[str, Any]:
    """The whole report."""
    standing = report.standing
    stored, dispatch, withdrawal = standing.alert, standing.dispatch, report.withdrawal
    return {
        "report": 1,
        "at": _time(report.now),
        "nobody_was_warned": standing.sandbox,
        "alert": {
            "code": stored.code,
            "id": stored.id,
            "kind": stored.kind.value,
            "mode": stored.mode.value,
            "state": stored.state,
            "hazard": stored.draft.hazard,
            "status": stored.draft.cap.status.value,
            "places": list(report.places),
            "withdraws": standing.predecessor,
            "relays": stored.draft.origin.model_dump(mode="json") if stored.draft.origin is not None else None,
            "drafted_at": _time(stored.created_at),
            "dispatched_at": _time(dispatch.at if dispatch is not None else None),
            "expires_at": _time(stored.expires_at),
        },
        "break_glass": standing.break_glass or None,
        "review": _review(standing.review),
        "decisions": [
            {
                "at": _time(each.at),
                "who": each.who,
                "act": each.act,
                "reason": each.reason or None,
                "people": each.people,
                "signed": each.signed,
            }
            for each in report.decisions
        ],
        "messages": [
            {
                "channel": each.channel,
                "language": each.language,
                "title": each.title,
                "text": each.text,
                "as_sent": each.as_sent,
            }
            for each in report.messages
        ],
        "channels": _channels(standing),
        "timeline": [
            {"at": _time(each.at), "seconds_after_press": _span(each.after), "what": each.what}
            for each in report.timeline
        ],
        "retries": [{"channel": each.channel, "reason": each.reason, "count": each.count} for each in report.retries],
        "causes": [
            {"channel": each.channel, "word": each.word, "reason": each.reason, "count": each.count}
            for each in standing.causes
        ],
        "doubts": [{"channel": each.channel, "word": each.word, "count": each.count} for each in report.doubts],
        "resolved": [
            {"at": _time(each.at), "delivery": each.delivery, "who": each.who, "evidence": each.evidence}
            for each in report.resolved
        ],
        "receipts": [
            {"channel": each.channel, "confirmed": each.confirmed, "count": each.count} for each in report.receipts
        ],
        "correction": None
        if withdrawal is None
        else {
            "code": withdrawal.code,
            "state": withdrawal.standing.alert.state,
            "dispatched_at": _time(withdrawal.dispatched_at),
            "seconds_after_press": _span(withdrawal.after),
            "by": withdrawal.by or None,
            "reason": withdrawal.reason or None,
            "channels": _channels(withdrawal.standing),
        },
        "orchestration": {
            "began_in_prefect": report.orchestration.began,
            "lost": list(report.orchestration.lost),
            "channels": dict(report.orchestration.through),
        },
        "record": [{"chain": each.chain, "links": each.seq, "digest": each.digest} for each in report.chains],
    }


def _channels(standing: Overview) -> list[dict[str, Any]]:
    pressed = standing.dispatch.at if standing.dispatch is not None else None

    def after(at: Milliseconds | None) -> float | None:
        return _span(at - pressed if at is not None and pressed is not None else None)

    return [
        {
            "channel": each.name,
            "kind": each.kind,
            "public": each.public,
            "languages": list(each.languages),
            "total": each.total,
            "words": dict(each.words),
            "seconds_to_first_acceptance": after(each.first_accepted),
            "seconds_to_last_acceptance": after(each.last_accepted),
            "retries": each.retries,
            "possible_duplicates": each.duplicates,
        }
        for each in standing.channels
    ]


def _time(at: Milliseconds | None) -> str | None:
    return None if at is None else to_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _span(milliseconds: Milliseconds | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _review(review: Review | None) -> dict[str, Any] | None:
    if review is None:
        return None
    return {
        "broke_glass": review.officer,
        "due_at": _time(review.due_at),
        "done_at": _time(review.done_at),
        "done_by": review.done_by,
        "finding": review.finding or None,
    }
