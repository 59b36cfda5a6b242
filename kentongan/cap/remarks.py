"""What is odd about an alert that is valid by the letter: the rules of CAP that its schemas cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from kentongan.cap.model import Alert, Info, MsgType, Scope

_FORBIDDEN = " ,<&"


def remarks(alert: Alert, *, now: datetime | None = None, zone: tzinfo | None = None) -> tuple[str, ...]:
    """Returns a sentence for each rule of CAP 1.2, section 3.2, that `alert` breaks; with `now`, also if it expired.

    `zone` is the one in which officers read times; else that of the alert.
    """
    return tuple(
        dict.fromkeys((*_of_alert(alert, now, zone), *(told for info in alert.infos for told in _of_info(info))))
    )


def _of_alert(alert: Alert, now: datetime | None, zone: tzinfo | None) -> Iterator[str]:
    for name, value in (("identifier", alert.identifier), ("sender", alert.sender)):
        if not value:
            yield f"{name} is empty"
        if any(character in _FORBIDDEN for character in value):
            yield f"{name} has a character that CAP forbids there (space, comma, < or &)"
    if not alert.references and alert.msg_type in (MsgType.UPDATE, MsgType.CANCEL, MsgType.ACK, MsgType.ERROR):
        yield f"msgType {alert.msg_type} has no references: it does not say which message it speaks of"
    if alert.scope is Scope.RESTRICTED and not alert.restriction:
        yield "scope Restricted has no restriction: it does not say who may see it"
    if alert.scope is Scope.PRIVATE and not alert.addresses:
        yield "scope Private has no addresses: it does not say who may see it"
    if not alert.infos:
        yield "there is no info: nothing in it can be told to the public"
    expires = alert.expires
    if now is not None and expires is not None and expires <= now:
        yield f"it expired at {expires.astimezone(zone or expires.tzinfo):%Y-%m-%d %H:%M %Z}"


def _of_info(info: Info) -> Iterator[str]:
    if not info.event:
        yield f"event is empty in the info of language {info.language}"
    if not info.areas:
        yield f"there is no area in the info of language {info.language}"
    if any(not area.area_desc for area in info.areas):
        yield f"areaDesc is empty in the info of language {info.language}"
    begins = info.onset or info.effective
    if info.expires is not None and begins is not None and info.expires < begins:
        yield f"the info of language {info.language} expires before it begins"
