"""Drafting what follows an alert: an update, a cancel or an all-clear of the newest message of its thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from kentongan.alert import Draft, Kind
from kentongan.desk import drafts, threads
from kentongan.desk.desk import Desk
from kentongan.desk.drafts import Document, Drafted
from kentongan.desk.threads import Thread
from kentongan.errors import BadInput
from kentongan.words import drafting, following
from kentongan.words.fields import duration

_WAITS = "it references no message that this thread relays, so the all-clear waits for the hazard's own time"
_LASTING = ("expires", "onset")


def update(
    desk: Desk,
    handle: str,
    fields: Mapping[str, JsonValue],
    *,
    by: str,
    hazard: str | None = None,
    documents: Sequence[Document] = (),
) -> Drafted:
    """Drafts an update: what the thread's newest message said, with these `fields` changed, or the issuer's update.

    `hazard` puts what was relayed into the words of a hazard of ours; then `fields` are all its facts. Raises Refused
    where nothing can follow, BadInput for fields or documents at fault.
    """
    thread = threads.to_follow(desk, handle)
    before = thread.newest
    if documents:
        return _passed_on(desk, thread, documents, Kind.UPDATE, by=by)
    if not fields:
        raise BadInput("an update changes something; give --set FIELD=VALUE, or the issuer's own with --cap")
    same = hazard is None or hazard == before.draft.hazard
    if same and before.draft.origin is not None:
        origin = before.draft.origin.sender_name
        raise BadInput(f"{before.code} relays {origin} in their words; give their update with --cap, or name --hazard")
    known = desk.library.get(hazard or before.draft.hazard)
    facts = {**(_still_true(before.draft.facts, desk.now) if same else {}), **fields}
    typed = known.read(facts, zone=ZoneInfo(desk.settings.agency.timezone))

    def make(identifier: str) -> Draft:
        draft = drafting.from_facts(
            known,
            typed,
            agency=desk.settings.agency,
            status=before.draft.cap.status,
            identifier=identifier,
            now=desk.now,
        )
        return following.update(draft, before.draft)

    return drafts.store(desk, make, by=by, kind=Kind.UPDATE, predecessor=before.id)


def cancel(desk: Desk, handle: str, *, by: str, documents: Sequence[Document] = ()) -> Drafted:
    """Drafts a cancel: our warning no longer applies. `documents` are the issuer's own, where it has taken it back."""
    thread = threads.to_follow(desk, handle)
    before = thread.newest
    if documents:
        return _passed_on(desk, thread, documents, Kind.CANCEL, by=by)
    lasts = desk.library.get(before.draft.hazard).lasts
    return drafts.store(
        desk,
        lambda identifier: following.cancel(before.draft, identifier=identifier, now=desk.now, lasts=lasts),
        by=by,
        kind=Kind.CANCEL,
        predecessor=before.id,
    )


def all_clear(desk: Desk, handle: str, *, by: str, evidence: str, documents: Sequence[Document] = ()) -> Drafted:
    """Drafts an all-clear: the hazard is over, by this `evidence`, or by the issuer's own end message in `documents`.

    The hazard's minimum time is asked for at submission, not here.
    """
    thread = threads.to_follow(desk, handle)
    before = thread.newest
    evidence = " ".join(evidence.split())
    if documents:
        return _passed_on(desk, thread, documents, Kind.ALL_CLEAR, by=by, evidence=evidence)
    if not evidence:
        raise BadInput("an all-clear says what it rests on; give --evidence, such as which gauge fell to what and when")
    lasts = desk.library.get(before.draft.hazard).lasts
    return drafts.store(
        desk,
        lambda identifier: following.all_clear(
            before.draft, identifier=identifier, now=desk.now, lasts=lasts, evidence=evidence
        ),
        by=by,
        kind=Kind.ALL_CLEAR,
        predecessor=before.id,
    )


def _passed_on(
    desk: Desk, thread: Thread, documents: Sequence[Document], kind: Kind, *, by: str, evidence: str = ""
) -> Drafted:
    reading, raw = drafts.read_documents(desk, documents)
    alert, before, name = reading.alert, thread.newest.draft, documents[0].name
    senders = dict.fromkeys(origin.sender for origin in thread.origins)
    if senders and alert.sender not in senders:
        told = f"{name} is from {alert.sender} and the thread relays {' and '.join(senders)}"
        raise BadInput(f"{told}; draft it as an alert of its own")
    if kind is not Kind.UPDATE and not following.is_end(alert):
        raise BadInput(
            f"{name} ends nothing: its msgType is {alert.msg_type} and no responseType is AllClear; "
            "give the issuer's end message, or leave --cap out"
        )
    if kind is Kind.UPDATE and following.is_end(alert):
        code = thread.newest.code
        raise BadInput(
            f"{name} is an end message and no update; pass it on with `kentongan all-clear {code} --cap` if the hazard"
            f" is over, else with `kentongan cancel {code} --cap`"
        )
    relayed = {(origin.sender, origin.identifier) for origin in thread.origins}
    issuers = any((each.sender, each.identifier) in relayed for each in alert.references)

    def make(identifier: str) -> Draft:
        draft = drafting.lowered(drafts.relayed(desk, reading, identifier), before.cap.status)
        if kind is Kind.ALL_CLEAR:
            told = evidence or f"end message {alert.identifier} of {alert.sender}, {alert.sent.isoformat()}"
            if not issuers:
                draft = draft.model_copy(update={"warnings": (*draft.warnings, _WAITS)})
            return following.passed_all_clear(draft, before, evidence=told, issuers_end=issuers)
        return following.update(draft, before) if kind is Kind.UPDATE else following.passed_cancel(draft, before)

    return drafts.store(
        desk,
        make,
        by=by,
        kind=kind,
        predecessor=thread.newest.id,
        raw=raw,
        source_digest=f"{reading.digest}:{kind}:{thread.newest.id}",
    )


def _still_true(facts: Mapping[str, JsonValue], now: datetime) -> dict[str, JsonValue]:
    """The facts without times of validity that have passed: the hazard's own duration takes their place."""
    return {name: value for name, value in facts.items() if name not in _LASTING or not _passed(value, now)}


def _passed(value: JsonValue, now: datetime) -> bool:
    if not isinstance(value, str) or duration(value):
        return False
    return datetime.fromisoformat(value) <= now
