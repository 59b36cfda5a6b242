"""What there is for officers to act on now, read from the ledger; it ends by itself when somebody has acted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kentongan.approval import Approval
from kentongan.cap.model import Status
from kentongan.clock import Milliseconds
from kentongan.forecast import throttled as told
from kentongan.ledger import (
    Read,
    alerts,
    ballast,
    code_sheets,
    dispatches,
    probes,
    reviews,
    senders,
    submissions,
    throttled,
    views,
    work,
)
from kentongan.ledger import officers as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.overview import sandboxed
from kentongan.paging import Cause, Concern, Paging
from kentongan.seam import Mode
from kentongan.stored import from_json
from kentongan.subject import Subject, subject_digest

_STALE: Milliseconds = 10_800_000
"""After so long without a look nobody is paged for what the last one saw."""


def concerns(read: Read, *, paging: Paging, modes: Mapping[str, Mode]) -> list[Concern]:
    """Everything that officers should act on; `modes` are those of the configured instances, by name."""
    return [
        *_refusals(read),
        *_disk(read),
        *_approvals(read),
        *_reviews(read, paging),
        *_throttles(read),
        *_holds(read, modes),
        *_unready(read, paging, modes),
        *_doubts(read, paging),
        *_locked(read),
    ]


def _refusals(read: Read) -> Iterator[Concern]:
    for each in work.open_dispatches(read):
        why = views.refusal(read, each.alert_id) if each.state == "dispatched" else ""
        if why:
            stored = alerts.get(read, each.alert_id)
            values = {**_named(read, stored), "reason": why}
            yield Concern(f"refused:{stored.id}", Cause.REFUSED, stored.id, stored.draft.cap.status, values)


def _disk(read: Read) -> Iterator[Concern]:
    used = ballast.used_at(read)
    if used is not None:
        yield Concern(f"disk:{used}", Cause.DISK, None, Status.ACTUAL)


def _approvals(read: Read) -> Iterator[Concern]:
    for stored in alerts.listing(read, states=("submitted",)):
        submission = submissions.latest(read, stored.id)
        if submission is None or (stored.expires_at is not None and stored.expires_at <= read.now):
            continue
        subject = from_json(Subject, submission.subject["subject"])
        signed = from_json(Approval, submission.subject["signed"])
        yield Concern(
            about=f"approval:{submission.id}",
            cause=Cause.APPROVAL,
            alert_id=stored.id,
            status=stored.draft.cap.status,
            values={
                **_named(read, stored),
                "people": signed.people,
                "channels": len(subject.instances),
                "by": submission.officer,
            },
            spared=frozenset({submission.officer}),
            digest=subject_digest(subject),
        )


def _reviews(read: Read, paging: Paging) -> Iterator[Concern]:
    for review in reviews.open_reviews(read):
        stored = alerts.get(read, review.alert_id)
        values = {
            **_named(read, stored),
            "by": review.officer,
            "hours": max(0, round((review.due_at - read.now) / 3_600_000)),
        }
        spared = frozenset({review.officer})
        status = stored.draft.cap.status
        yield Concern(f"break-glass:{stored.id}", Cause.BREAK_GLASS, stored.id, status, values, spared)
        if review.due_at - read.now <= paging.review_before * 1000:
            yield Concern(f"review:{stored.id}", Cause.REVIEW, stored.id, status, values, spared)


def _holds(read: Read, modes: Mapping[str, Mode]) -> Iterator[Concern]:
    since = senders.held_since(read)
    for instance, reason in senders.holds(read).items():
        if instance == senders.LEDGER:
            about = f"restored:{since[instance]}"
            yield Concern(about, Cause.RESTORED, None, Status.ACTUAL, {"reason": reason})
            continue
        drill = modes.get(instance) in (Mode.DRILL, Mode.EXERCISE)
        yield Concern(
            about=f"held:{instance}:{since[instance]}",
            cause=Cause.HELD,
            alert_id=None,
            status=Status.EXERCISE if drill else Status.ACTUAL,
            values={"channel": instance, "reason": reason},
        )


def _throttles(read: Read) -> Iterator[Concern]:
    for each in throttled.standing(read):
        stored = alerts.get(read, each.alert_id)
        values = {**_named(read, stored), "channel": each.instance, "reason": told(each)}
        yield Concern(
            f"throttled:{stored.id}:{each.instance}", Cause.THROTTLED, stored.id, stored.draft.cap.status, values
        )


def _unready(read: Read, paging: Paging, modes: Mapping[str, Mode]) -> Iterator[Concern]:
    held = senders.holds(read)
    for instance, standing in probes.standings(read).items():
        if instance not in modes or instance in held or standing.failing < paging.unready_after:
            continue
        if not 0 <= read.now - standing.last.at <= _STALE:
            # Nobody looks any more; the next look says how it stands now.
            continue
        yield Concern(
            about=f"unready:{instance}:{standing.since}",
            cause=Cause.UNREADY,
            alert_id=None,
            status=Status.ACTUAL if modes[instance] is Mode.LIVE else Status.EXERCISE,
            values={"channel": instance, "reason": standing.last.seen.detail.rstrip(".")},
        )


def _doubts(read: Read, paging: Paging) -> Iterator[Concern]:
    rows = read.sql(
        "SELECT alert_id, count(*) AS n, min(first_intent_at) AS since FROM delivery"
        " WHERE stage = 'done' AND result = 'in_doubt' GROUP BY alert_id"
    ).all()
    for row in rows:
        since: Milliseconds = row.since or 0
        if read.now - since < paging.doubt_after * 1000:
            continue
        stored = alerts.get(read, row.alert_id)
        values = {**_named(read, stored), "count": row.n}
        yield Concern(f"doubt:{stored.id}", Cause.DOUBT, stored.id, stored.draft.cap.status, values)


def _locked(read: Read) -> Iterator[Concern]:
    for officer in register.officers(read).values():
        sheet = code_sheets.current(read, officer.name)
        if sheet is not None and sheet.locked:
            # Somebody may be guessing at this moment, whatever alert it was about.
            yield Concern(f"codes:{sheet.id}", Cause.CODES, None, Status.ACTUAL, {"officer": officer.name})


def _named(read: Read, stored: StoredAlert) -> dict[str, str | int | bool]:
    """What a page calls an alert."""
    info = stored.draft.cap.infos[0] if stored.draft.cap.infos else None
    places = dict.fromkeys(area.area_desc for each in stored.draft.cap.infos for area in each.areas)
    headline = (info.headline or info.event) if info is not None else stored.draft.hazard
    return {
        "code": stored.code,
        "kind": stored.kind.value,
        "headline": headline,
        "place": "; ".join(places),
        "severity": info.severity.value if info is not None else "",
        "sandbox": sandboxed(read, stored, dispatches.get(read, stored.id)),
    }
