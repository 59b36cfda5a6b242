"""Submission: an alert and its correction are rendered, pass the gates, and are put up for approval."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from kentongan import gates
from kentongan.alert import Kind
from kentongan.approval import Act, sign
from kentongan.desk import composing, subjects, targeting
from kentongan.desk.composing import Composed
from kentongan.desk.desk import Desk, new_id
from kentongan.errors import Refused
from kentongan.ledger import Write, alerts, renderings, submissions
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.quick_dataclass import dataclass
from kentongan.settings import InstanceSettings
from kentongan.stored import to_json
from kentongan.subject import Instance, subject_digest


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was put up for approval: what it is, and what the officer should know of it."""

    alert: StoredAlert
    correction: StoredAlert
    composed: Composed
    digest: str
    people: int


def submit(
    desk: Desk,
    handle: str,
    login: Login | None,
    *,
    without: Collection[str] = (),
    clock_override: str | None = None,
    also: Callable[[Write, Submitted], None] | None = None,
) -> Submitted:
    """Renders the alert and its correction, asks the gates, and signs them up for approval.

    `also` is written in the same transaction. Raises Refused where a gate or a rendering forbids it, BadInput for an
    unknown alert or channel.
    """
    acting = desk.acting(login)
    stored = desk.ledger.read(lambda read: alerts.by_handle(read, handle))
    _may_submit(stored)
    prepared = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    code = prepared.code if prepared else desk.ledger.write(desk.free_code)
    composed = composing.compose(
        desk,
        stored,
        correction_code=code,
        correction_draft=prepared.draft if prepared else None,
        without=without,
        clock_override=clock_override,
    )
    gates.refuse(composed.findings)
    composing.refuse_unrendered(composed)
    if not composed.alert.messages:
        raise Refused(f"nothing of alert {stored.code} is left to send; leave fewer channels out", rule="rendering")
    people = composed.people.total

    def word(fixed: str) -> Mapping[str, Any]:
        signed = sign(acting.key, act=Act.SUBMIT, digest=fixed, people=people, now=desk.now)
        return {"signed": to_json(signed), "clock_override": clock_override}

    def put(write: Write) -> Submitted:
        made = put_up(write, desk, stored.id, composed, correction_code=code, by=acting.officer, word=word)
        if also is not None:
            also(write, made)
        return made

    return desk.ledger.write(put)


def put_up(
    write: Write,
    desk: Desk,
    alert_id: str,
    composed: Composed,
    *,
    correction_code: str,
    by: str,
    word: Callable[[str], Mapping[str, Any]],
) -> Submitted:
    """Puts a composed alert up with its correction; `word` gives, for the subject's digest, by what word it is."""
    stored = alerts.get(write, alert_id)
    _may_submit(stored)
    correction = subjects.prepared_correction(write, stored.id) or alerts.insert_alert(
        write,
        id=new_id(),
        code=correction_code,
        kind=Kind.CORRECTION,
        mode=stored.mode,
        draft=composed.correction_draft,
        by=by,
        predecessor=stored.id,
    )
    renderings.put(write, stored.id, composed.alert.messages)
    renderings.put(write, correction.id, composed.correction.messages)
    shown = {message.instance for message in composed.alert.messages}
    subject = subjects.of(
        write,
        stored.id,
        {n: _instance(desk, n, s) for n, s in composed.instances.items() if n in shown},
        targeting.approved(composed.targeted.within if composed.targeted is not None else None),
        composed.following.among(shown),
    )
    fixed = subject_digest(subject)
    people = dict(composed.people.by_instance)
    said: dict[str, Any] = {"subject": to_json(subject), "people": people, "rules": dict(composed.choice.rules)}
    # An order takes nobody in and leaves nobody out, so officers need not sign it.
    said["waves"] = composed.targeted.waves if composed.targeted is not None else ()
    said |= {"clock_override": None, **word(fixed)}
    submissions.submit(write, stored.id, officer=by, subject=said, id=new_id())
    return Submitted(alerts.get(write, stored.id), correction, composed, fixed, composed.people.total)


def _instance(desk: Desk, name: str, settings: InstanceSettings) -> Instance:
    audience = desk.settings.audiences[settings.audience] if settings.audience is not None else None
    return Instance(name, settings.kind, settings.mode, settings.sandbox, audience)


def _may_submit(stored: StoredAlert) -> None:
    if stored.kind is Kind.CORRECTION:
        raise Refused(
            f"{stored.code} is a correction, approved with its alert; release it with `kentongan follow-up`",
            rule="state",
        )
    if stored.state not in ("draft", "submitted", "approved"):
        raise Refused(f"alert {stored.code} is {stored.state} and never changes; draft a new one", rule="state")
