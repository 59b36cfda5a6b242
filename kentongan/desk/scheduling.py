"""By what right a scheduled drill goes, as the ledger holds it; every entry point asks for it anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kentongan.clock import to_milliseconds
from kentongan.drill_schedules import ScheduledRun
from kentongan.errors import BadInput
from kentongan.ledger import Read, drills
from kentongan.ledger.submissions import Submission

SCHEDULED = "scheduled"
"""The name under which a submission says that a schedule made it, and no officer."""


def named(schedule_id: str, slot: datetime, witness: bytes) -> dict[str, Any]:
    """What such a submission says: which schedule, for which hour, and this installation's own signature."""
    return {SCHEDULED: {"schedule": schedule_id, "slot": slot.isoformat(), "witness": witness.hex()}}


def right(read: Read, submission: Submission, *, now: datetime, head_key: bytes) -> ScheduledRun | None:
    """The right that a submission claims to go by a schedule; None where officers submitted it themselves.

    Raises BadInput for a claim that cannot be read.
    """
    claim = _claim(submission)
    if claim is None:
        return None
    try:
        stored = drills.schedule(read, str(claim["schedule"]))
        slot = datetime.fromisoformat(str(claim["slot"]))
        witness = bytes.fromhex(str(claim["witness"]))
    except (KeyError, ValueError):
        stored = None
    if stored is None:
        raise BadInput("the schedule of a drill is damaged in the ledger; run `kentongan log verify`")
    return ScheduledRun(
        schedule=stored.schedule,
        signed=stored.signed,
        slot=slot,
        ended=stored.ended_at is not None and stored.ended_at <= to_milliseconds(now),
        witness=witness,
        head_key=head_key,
    )


def corrects(read: Read, submission: Submission | None) -> bool:
    """Whether the officers have approved with the schedule that the drill's correction is sent too."""
    claim = _claim(submission) if submission is not None else None
    stored = drills.schedule(read, str(claim.get("schedule"))) if claim is not None else None
    return stored is not None and stored.schedule.correct


def _claim(submission: Submission) -> Mapping[str, Any] | None:
    claim = submission.subject.get(SCHEDULED)
    return claim if isinstance(claim, Mapping) else None
