"""How a drill went, where the alert was one that is measured."""

from __future__ import annotations

from kentongan import drills, telling
from kentongan.ledger import Read
from kentongan.ledger import drills as register
from kentongan.ledger.drills import StoredDrill
from kentongan.report.shapes import DrillScore, Target

_NAMES = {
    "first": "Time to the first acceptance",
    "last": "Time to the last acceptance",
    "delivered": "Share delivered, of what has receipts",
    "correction": "Time until the correction was accepted everywhere",
}


def read_score(read: Read, alert_id: str) -> DrillScore | None:
    """The score of the drill that an alert was sent for, None where it was none."""
    run = register.of_alert(read, alert_id)
    if run is None:
        return None
    earlier = register.history(read, run.scenario) if run.scenario else [run]
    began = run.began_at or 0
    return DrillScore(
        scenario=run.scenario,
        state=run.state.value,
        why=run.why,
        score=run.score,
        targets=_targets(run),
        scores=tuple(
            (each.began_at, each.score)
            for each in earlier
            if each.score is not None and each.began_at is not None and each.began_at <= began
        ),
    )


def _targets(run: StoredDrill) -> tuple[Target, ...]:
    if run.result is None:
        return ()
    return tuple(
        Target(
            _NAMES.get(part.name, part.name), _said(part.name, part.wanted), _said(part.name, part.achieved), part.met
        )
        for part in drills.parts(run.result, run.plan.targets)
    )


def _said(name: str, value: float | None) -> str:
    if value is None:
        return "never"
    return f"{value:.0%}" if name == "delivered" else telling.span(round(value * 1000))
