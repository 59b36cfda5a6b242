"""What becomes of an alert that is not to be sent as it is: returned to be mended, or discarded."""

from __future__ import annotations

from kentongan.desk.desk import Desk
from kentongan.errors import BadInput
from kentongan.ledger import Write, alerts, submissions
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login

_MOST_SIGNS = 500


def return_alert(desk: Desk, handle: str, login: Login | None, *, reason: str) -> StoredAlert:
    """Returns an alert that was put up for approval to who drafted it, with a reason; approvals of it end.

    Raises Refused where it is not up for approval, BadInput without a reason.
    """
    return return_in_name_of(desk, handle, desk.acting(login).officer, reason=reason)


def return_in_name_of(desk: Desk, handle: str, officer: str, *, reason: str) -> StoredAlert:
    """The same for an officer who has shown elsewhere that it is they."""
    told = read_reason(reason)

    def put(write: Write) -> StoredAlert:
        stored = alerts.by_handle(write, handle)
        submissions.send_back(write, stored.id, by=officer, reason=told)
        return alerts.get(write, stored.id)

    return desk.ledger.write(put)


def discard(desk: Desk, handle: str, login: Login | None, *, reason: str) -> StoredAlert:
    """Gives up an alert that was never sent, for good. Raises Refused, BadInput."""
    acting = desk.acting(login)
    told = read_reason(reason)

    def put(write: Write) -> StoredAlert:
        stored = alerts.by_handle(write, handle)
        submissions.discard(write, stored.id, by=acting.officer, reason=told)
        return alerts.get(write, stored.id)

    return desk.ledger.write(put)


def read_reason(text: str) -> str:
    """Returns a typed reason on one line; raises BadInput where there is none."""
    reason = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if not reason:
        raise BadInput("a reason is missing; type what is wrong with the alert")
    if len(reason) > _MOST_SIGNS:
        raise BadInput(f"a reason has {_MOST_SIGNS} signs at most; say it shorter")
    return reason
