"""A scenario as it renders now, for officers to read and sign before it is scheduled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kentongan.alert import Draft, Kind
from kentongan.clock import Milliseconds, to_milliseconds
from kentongan.desk import composing, drills, targeting
from kentongan.desk.composing import Composed
from kentongan.desk.desk import Desk
from kentongan.ledger import canonical, digest
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.renderings import rendered_to_json
from kentongan.quick_dataclass import dataclass

_STANDARD = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
"""The moment for which a scenario is rendered to be signed: the same words give the same digest at any time."""


@dataclass(frozen=True, slots=True)
class _StandingClock:
    at: Milliseconds

    def wall(self) -> Milliseconds:
        return self.at

    def boot(self) -> Milliseconds:
        return self.at


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A scenario as it renders now: the `digest` that officers sign, and the messages for them to read."""

    digest: str
    exercise: Composed
    notice: Composed | None


def rehearsal(desk: Desk, name: str) -> Rehearsal:
    """Renders a scenario for a moment that is always the same; raises BadInput, Refused where it cannot be."""
    plan = drills.scenario(desk, name)
    steady = replace(desk, clock=_StandingClock(to_milliseconds(_STANDARD)), clock_offset=0.0)
    exercise = _composed(steady, drills.exercise(steady, plan, identifier="kentongan-drill", start=_STANDARD))
    notice = None
    if plan.public:
        start = _STANDARD + timedelta(seconds=plan.announce_before)
        told = drills.notice(steady, plan, identifier="kentongan-notice", start=start, now=_STANDARD)
        notice = _composed(steady, told)
    covered = [plan.content, _covered(desk, exercise), _covered(desk, notice) if notice is not None else None]
    return Rehearsal(digest(canonical(["kentongan scenario 1", covered])), exercise, notice)


def _composed(desk: Desk, draft: Draft) -> Composed:
    composed = composing.compose(desk, unstored(desk, "drill", "0000", draft), correction_code="0001")
    composing.refuse_unrendered(composed)
    return composed


def unstored(desk: Desk, id: str, code: str, draft: Draft) -> StoredAlert:
    """An alert as it would be on record."""
    expires = draft.expires
    return StoredAlert(
        id=id,
        code=code,
        kind=Kind.ALERT,
        mode=draft.mode,
        state="draft",
        epoch=0,
        predecessor=None,
        draft=draft,
        digest="",
        created_at=desk.clock.wall(),
        created_by="",
        expires_at=to_milliseconds(expires) if expires is not None else None,
    )


def _covered(desk: Desk, composed: Composed) -> dict[str, Any]:
    within = targeting.approved(composed.targeted.within if composed.targeted is not None else None)
    audiences = desk.settings.audiences
    return {
        # What is said beside a message of its shortening is no word of it.
        "messages": sorted(rendered_to_json(replace(each, shortened=None)) for each in composed.alert.messages),
        "correction": sorted(rendered_to_json(replace(each, shortened=None)) for each in composed.correction.messages),
        "instances": {
            name: [
                each.kind,
                each.mode.value,
                each.sandbox,
                audiences[each.audience].model_dump(mode="json") if each.audience is not None else None,
            ]
            for name, each in composed.instances.items()
        },
        "within": within.model_dump(mode="json") if within is not None else None,
        "following": composed.following.model_dump(mode="json"),
    }
