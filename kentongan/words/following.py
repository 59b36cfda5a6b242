"""Drafts that follow a message of ours: its update, cancel, all-clear or correction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kentongan import cap
from kentongan.alert import Draft
from kentongan.cap.model import Certainty, MsgType, ResponseType, Severity, Status, Urgency
from kentongan.words.drafting import SAID

_WORDLESS: dict[str, Any] = {**dict.fromkeys(SAID), "onset": None, "resources": ()}


def correction(draft: Draft, *, identifier: str, now: datetime) -> Draft:
    """Returns the ready-made withdrawal of `draft`: a CAP Cancel that references it.

    It has no end of its own, because it may be released after the alert has ended, and no response type: it takes
    our message back and says nothing of the hazard.
    """
    follow_up = _after(draft, draft, MsgType.CANCEL, identifier, now)
    return _informed(follow_up, response_types=(), expires=None, **_WORDLESS)


def update(draft: Draft, before: Draft) -> Draft:
    """Returns `draft`, which stands alone, as the update of `before`, in the status that this was sent in."""
    return _referring(draft, before, MsgType.UPDATE, status=before.cap.status)


def cancel(before: Draft, *, identifier: str, now: datetime, lasts: timedelta) -> Draft:
    """Returns what takes `before` back because it no longer applies; a CAP Cancel that holds for `lasts`."""
    follow_up = _after(before, before, MsgType.CANCEL, identifier, now)
    return _informed(follow_up, response_types=(), expires=follow_up.cap.sent + lasts, **_WORDLESS)


def passed_cancel(end: Draft, before: Draft) -> Draft:
    """Returns the relay `end` of the issuer's own cancel as the cancel that follows `before`."""
    return _referring(end, before, MsgType.CANCEL, status=before.cap.status)


def all_clear(before: Draft, *, identifier: str, now: datetime, lasts: timedelta, evidence: str) -> Draft:
    """Returns what says that the hazard of `before` is over: a CAP Update whose response type is AllClear.

    Urgency becomes Past and severity Minor (CAP 1.2, section 3.2.2): nothing threatens any more.
    """
    follow_up = _after(before, before, MsgType.UPDATE, identifier, now)
    return _cleared(
        _informed(follow_up, expires=follow_up.cap.sent + lasts, **_WORDLESS).model_copy(
            update={"evidence": evidence, "issuers_end": False}
        )
    )


def passed_all_clear(end: Draft, before: Draft, *, evidence: str, issuers_end: bool) -> Draft:
    """Returns the relay `end` of another sender's end message as the all-clear that follows `before`.

    `issuers_end`: that sender is the one whom the thread relays, and ends what it relays.
    """
    follow_up = _referring(end, before, MsgType.UPDATE, status=before.cap.status)
    return _cleared(follow_up.model_copy(update={"evidence": evidence, "issuers_end": issuers_end}))


def is_end(alert: cap.Alert) -> bool:
    """Whether another sender's message says that its hazard is over, or takes its warning back."""
    return alert.msg_type is MsgType.CANCEL or any(
        ResponseType.ALL_CLEAR in info.response_types for info in alert.infos
    )


def _after(draft: Draft, before: Draft, msg_type: MsgType, identifier: str, now: datetime) -> Draft:
    sent = now.astimezone(draft.cap.sent.tzinfo).replace(microsecond=0)
    own = draft.model_copy(update={"cap": draft.cap.model_copy(update={"identifier": identifier, "sent": sent})})
    return _referring(own, before, msg_type, status=before.cap.status)


def _referring(draft: Draft, before: Draft, msg_type: MsgType, *, status: Status) -> Draft:
    reference = cap.Reference(sender=before.cap.sender, identifier=before.cap.identifier, sent=before.cap.sent)
    changes = {"msg_type": msg_type, "references": (reference,), "status": status}
    own = {"cap": draft.cap.model_copy(update=changes), "public_exercise": before.public_exercise}
    return draft.model_copy(update=own)


def _informed(draft: Draft, **changes: Any) -> Draft:
    infos = tuple(info.model_copy(update=changes) for info in draft.cap.infos)
    return draft.model_copy(update={"cap": draft.cap.model_copy(update={"infos": infos})})


def _cleared(draft: Draft) -> Draft:
    return _informed(
        draft,
        response_types=(ResponseType.ALL_CLEAR,),
        urgency=Urgency.PAST,
        severity=Severity.MINOR,
        certainty=Certainty.OBSERVED,
    )
