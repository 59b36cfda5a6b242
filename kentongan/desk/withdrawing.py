"""Withdrawing: the ready-made correction of a thread, released by one officer, or because a live alert ends a drill."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy.exc import OperationalError

from kentongan.alert import Kind
from kentongan.approval import Act, Approval, sign
from kentongan.desk import approvals, plans, subjects, verdicts
from kentongan.desk.desk import Desk
from kentongan.desk.plans import Released
from kentongan.errors import BadInput, KentonganError, LedgerUnavailable, Refused
from kentongan.ledger import Read, Write, alerts, dispatches, yielding
from kentongan.ledger import threads as ledger_threads
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.officers import Refusal
from kentongan.seam import Mode
from kentongan.subject import Subject, subject_digest

_log = logging.getLogger(__name__)

DRILL_STOPPED = "drill_stopped"
"""The reason by which those who got a drill hear that it was stopped."""


def release_correction(desk: Desk, handle: str, login: Login | None, *, reason: str) -> Released:
    """Withdraws an alert by its ready-made correction, on one officer's word; stops the alert first if it runs.

    `handle` is the alert's, or the correction's own. `reason` is one of the library's closed list. Raises Refused.
    """
    acting = desk.acting(login)
    if reason not in desk.library.reasons:
        raise BadInput(f"{reason!r} is no reason; known are {', '.join(desk.library.reasons)}")
    newest = to_withdraw(desk, handle)
    if reason == DRILL_STOPPED and newest.mode is Mode.LIVE:
        raise Refused(f"alert {newest.code} is no drill; give the reason for which it is withdrawn", rule="mode")

    def commit(write: Write) -> Released:
        ending = yielding.to_stop(write) if newest.mode is Mode.LIVE else []
        released = withdraw(
            desk,
            write,
            newest.id,
            lambda subject, people: release(desk, acting, subject, people),
            acting.officer,
            reason,
        )
        return replace(released, ends=announce_end(desk, write, ending, acting))

    return desk.ledger.write(commit)


def release(desk: Desk, acting: Login, subject: Subject, people: int) -> Approval:
    """An officer's signed word that the ready-made correction of an approved alert may leave."""
    return sign(acting.key, act=Act.RELEASE, digest=subject_digest(subject), people=people, now=desk.now)


def withdraw(
    desk: Desk,
    write: Write,
    predecessor_id: str,
    word: Callable[[Subject, int], Approval] | None,
    by: str,
    reason: str,
) -> Released:
    """Commits the ready-made correction of a thread's newest message to be sent.

    `word` gives an officer's release of it; without one it goes by the schedule of its drill. Raises Refused.
    """
    predecessor = alerts.get(write, predecessor_id)
    dispatched = dispatches.get(write, predecessor_id)
    correction = subjects.prepared_correction(write, predecessor_id)
    assert dispatched is not None
    if correction is None or ledger_threads.withdrawal(write, predecessor_id) is not None:
        raise Refused(f"alert {predecessor.code} is withdrawn already; see `kentongan status`", rule="state")
    if ledger_threads.messages(write, predecessor_id)[-1] != predecessor_id:
        raise Refused(f"another message followed {predecessor.code} just now; withdraw it again", rule="thread")
    people, _ = ledger_threads.reached(write, predecessor_id)
    signed = word(subjects.current(write, predecessor_id), people) if word is not None else None
    found = verdicts.of_release(
        write, correction, signed, policy=desk.settings.policy, now=desk.now, head_key=desk.head_key
    )
    if isinstance(found, Refusal):
        raise found.error()
    if signed is not None:
        approvals.record_approval(write, correction.id, signed)
    plan = plans.of_correction(desk, write, predecessor, correction, dispatched, reason)
    dispatches.begin(
        write,
        correction.id,
        plan=plan,
        by=by,
        allowed=("prepared",),
        proof={"by": list(found.by), "reason": reason, "withdraws": predecessor.id, "schedule": found.schedule},
    )
    return Released(alerts.get(write, correction.id), plan, found)


def announce_end(desk: Desk, write: Write, ended: Sequence[str], acting: Login) -> tuple[str, ...]:
    """Sends the ready-made corrections of drills that a live alert has just stopped, on its sender's word.

    Returns their ids. Nothing that goes wrong with one keeps the live alert: then only the record says that nobody was
    told.
    """
    told = []
    for alert_id in ended:
        try:
            with write.attempt():
                released = withdraw(
                    desk,
                    write,
                    alert_id,
                    lambda subject, people: release(desk, acting, subject, people),
                    acting.officer,
                    DRILL_STOPPED,
                )
        except (LedgerUnavailable, OperationalError):
            # Nothing of this transaction can be relied on: the live alert is tried again as a whole.
            raise
        except Exception as error:
            why = str(error) if isinstance(error, KentonganError) else type(error).__name__
            _log.warning("end of a drill not announced", extra={"alert": alert_id, "error": type(error).__name__})
            write.event("drill.not_announced", alert=alert_id, why=why)
        else:
            told.append(released.alert.id)
    return tuple(told)


def to_withdraw(desk: Desk, handle: str) -> StoredAlert:
    """The newest message of the thread that `handle` names by any of its messages: its correction withdraws them all.

    Raises Refused where nothing of it was sent, or it was withdrawn.
    """

    def find(read: Read) -> StoredAlert:
        named = alerts.by_handle(read, handle)
        sent = ledger_threads.messages(read, named.id)
        if not sent:
            raise Refused(f"alert {named.code} was never sent, so there is nothing to withdraw", rule="state")
        newest = alerts.get(read, sent[-1])
        if newest.kind is Kind.CORRECTION:
            raise Refused(f"alert {named.code} is withdrawn already; see `kentongan status`", rule="state")
        ledger_threads.refuse_pruned(read, named.id)
        return newest

    return desk.ledger.read(find)
