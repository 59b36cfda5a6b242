"""Who decided what, from the record and from what officers signed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from kentongan.approval import Act, Approval
from kentongan.errors import BadInput
from kentongan.ledger import Read, submissions
from kentongan.ledger.views import Event
from kentongan.overview import Overview
from kentongan.report.results import resolved
from kentongan.report.shapes import Decision
from kentongan.stored import from_json

_ACTS = {
    Act.SUBMIT: "submitted it for approval",
    Act.APPROVE: "approved it",
    Act.APPROVE_BY_CODE: "approved it by one-time code over the telephone, which is no signature of theirs",
    Act.BREAK_GLASS: "broke the glass: sent it alone, without a second officer",
    Act.RELEASE: "released the correction that was approved with its alert",
}


def read_decisions(read: Read, standing: Overview, events: Sequence[Event]) -> Iterator[Decision]:
    """In the order of record: a signature holds whole seconds only, by a clock that may have been set since."""
    signed = _signed(read, standing)
    settled = resolved(events)
    for place, event in enumerate(events):
        data = event.data
        by = str(data.get("by") or "")
        match event.type:
            case "alert.drafted":
                yield Decision(event.at, by, f"drafted it, {data.get('mode')}", "", None, signed=None)
            case "alert.submitted" | "alert.approved":
                yield _word(event, signed)
            case "alert.returned" | "alert.discarded":
                act = "returned it to be mended" if event.type == "alert.returned" else "discarded it"
                yield Decision(event.at, by, act, str(data.get("reason") or ""), None, signed=True)
            case "alert.dispatched":
                yield Decision(event.at, by, "sent it", standing.reason.replace("_", " "), None, signed=True)
            case "alert.stopped":
                state = str((data.get("set") or {}).get("state") or "stopped")
                act = "stopped it" if state == "stopped" else f"sent what follows, so it is {state}"
                yield Decision(event.at, by, act, str(data.get("why") or ""), None, signed=bool(data.get("signed")))
            case "delivery.resolved" if place in settled:
                told = settled[place]
                was = "which was in doubt" if len(told.deliveries) == 1 else "which were in doubt"
                act = f"settled {told.what}, {was}, as {told.evidence.replace('_', ' ')}"
                yield Decision(event.at, by, act, "", None, signed=True)
            case "review.done":
                finding = standing.review.finding if standing.review is not None else ""
                yield Decision(event.at, by, "reviewed the broken glass and found", finding, None, signed=True)


def _word(event: Event, signed: Mapping[str, Approval]) -> Decision:
    data = event.data
    given = signed.get(str(data.get("submission") or data.get("approval")))
    if given is None:
        told = "signed it; what they signed cannot be read: see `kentongan log verify`"
        return Decision(event.at, str(data.get("by") or ""), told, "", None, signed=False)
    act = _ACTS[given.act]
    if given.by_code is not None:
        act += f"; taken down by {given.by_code.taken_by}"
    return Decision(
        event.at,
        given.officer,
        act,
        given.reason,
        given.people,
        signed=given.act is not Act.APPROVE_BY_CODE,
        alone=given.act is Act.BREAK_GLASS,
    )


def _signed(read: Read, standing: Overview) -> Mapping[str, Approval]:
    """Every officer's word on an alert that can be read, by the id of its row."""
    found = {}
    for id, content in submissions.signed_words(read, standing.alert.id):
        try:
            found[id] = from_json(Approval, json.loads(content or ""))
        except (BadInput, ValueError, TypeError):
            continue
    return found
